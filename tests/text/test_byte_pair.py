from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from uat_lightning.data.soundscapes import Soundscapes
from uat_lightning.text import BytePairTokenizer

CAPTIONS = [
    "a high bell rings twice, then rain falls",
    "a dog barks loudly while an engine idles in the distance",
    "wind, followed by three knocks",
    "someone's phone buzzes; a high-pitched alarm sounds.",
    "is it thunder? yes!",
]


@pytest.fixture(scope="module")
def tokenizer() -> BytePairTokenizer:
    made = BytePairTokenizer(canvas=24, vocabulary_size=200)
    made.fit(CAPTIONS)
    return made


def test_captions_come_back_as_they_were(tokenizer):
    assert tokenizer.decode(tokenizer.encode(CAPTIONS[:3]).values) == CAPTIONS[:3]


def test_punctuation_comes_back_where_it_was():
    wide = BytePairTokenizer(canvas=64, vocabulary_size=200)
    wide.fit(CAPTIONS)
    assert wide.decode(wide.encode(CAPTIONS).values) == CAPTIONS


def test_captions_of_the_built_in_data_come_back_as_they_were():
    soundscapes = Soundscapes()
    captions = [
        caption
        for index in range(40)
        for caption in soundscapes.captions(soundscapes.scene("test", index), 5, np.random.default_rng(index))
    ]
    made = BytePairTokenizer(canvas=64, vocabulary_size=512)
    made.fit(captions)
    assert made.overlong(captions) == [0] * len(captions)
    assert made.decode(made.encode(captions).values) == captions


def test_case_and_accents_fold(tokenizer):
    assert tokenizer.words(["A Bell"]) == tokenizer.words(["a bell"])
    assert tokenizer.words(["a béll"]) == tokenizer.words(["a bell"])
    assert tokenizer.words(["  a   bell "]) == tokenizer.words(["a bell"])


def test_special_ids_are_distinct_and_no_word(tokenizer):
    special = {tokenizer.pad_id, tokenizer.end_id, tokenizer.mask_id, tokenizer.unknown_id}
    assert special == {0, 1, 2, 3}
    assert not special & {token for ids in tokenizer.words(CAPTIONS) for token in ids}
    assert tokenizer.words(["雨"])[0][-1] == tokenizer.unknown_id


def test_a_caption_cannot_write_special_tokens(tokenizer):
    ids = tokenizer.words(["a <mask> bell <end> <pad>"])[0]
    assert not {tokenizer.pad_id, tokenizer.end_id, tokenizer.mask_id} & set(ids)


def test_a_canvas_is_words_then_the_end_then_padding(tokenizer):
    encoded = tokenizer.encode(["a bell", CAPTIONS[0]])
    assert encoded.values.shape == (2, 24)
    assert encoded.values.dtype == encoded.lengths.dtype == torch.int64
    for row, length, ids in zip(
        encoded.values.tolist(), encoded.lengths.tolist(), tokenizer.words(["a bell", CAPTIONS[0]]), strict=True
    ):
        assert row == [*ids, tokenizer.end_id] + [tokenizer.pad_id] * (24 - length)
        assert length == len(ids) + 1


def test_an_empty_caption_is_the_end_alone(tokenizer):
    encoded = tokenizer.encode([""])
    assert encoded.lengths.tolist() == [1]
    assert tokenizer.decode(encoded.values) == [""]


def test_a_caption_longer_than_the_canvas_is_cut_and_counted(tokenizer):
    longer = " ".join(["bell"] * 40)
    beyond = len(tokenizer.words([longer])[0]) - 23
    assert tokenizer.overlong([longer, "a bell"]) == [beyond, 0]
    encoded = tokenizer.encode([longer])
    assert encoded.lengths.tolist() == [24]
    assert encoded.values[0, -1] == tokenizer.end_id
    assert longer.startswith(tokenizer.decode(encoded.values)[0])


def test_a_caption_that_just_fits_is_not_overlong(tokenizer):
    fits = " ".join(["a"] * 23)
    assert tokenizer.overlong([fits, fits + " a"]) == [0, 1]
    assert tokenizer.decode(tokenizer.encode([fits]).values) == [fits]


def test_decoding_stops_at_the_first_end_or_padding_and_skips_masks(tokenizer):
    a, bell = tokenizer.words(["a"])[0], tokenizer.words(["bell"])[0]
    row = [*a, tokenizer.mask_id, *bell, tokenizer.pad_id, *a, tokenizer.end_id]
    assert tokenizer.decode(torch.tensor([row])) == ["a bell"]


def test_banned_are_all_ids_but_the_end_and_those_of_words(tokenizer):
    banned = set(tokenizer.banned_ids)
    assert {tokenizer.pad_id, tokenizer.mask_id, tokenizer.unknown_id} <= banned
    assert tokenizer.end_id not in banned
    assert not banned & {token for ids in tokenizer.words(CAPTIONS) for token in ids}
    wide = BytePairTokenizer(vocabulary_size=5000)
    wide.fit(CAPTIONS)
    assert {4998, 4999} <= set(wide.banned_ids)


def test_all_ids_are_inside_the_vocabulary():
    small = BytePairTokenizer(canvas=64, vocabulary_size=40)
    small.fit(CAPTIONS)
    assert max(token for ids in small.words(CAPTIONS) for token in ids) < 40
    assert all(0 <= token < 40 for token in small.banned_ids)


def test_a_vocabulary_that_cannot_hold_the_characters_is_refused():
    small = BytePairTokenizer(vocabulary_size=20)
    with pytest.raises(ValueError, match=r"\d+ different characters, too many for a vocabulary of 20"):
        small.fit(CAPTIONS)
    assert not small.fitted


def test_fits_to_the_same_captions_agree():
    fits = [BytePairTokenizer() for _ in range(5)]
    for made in fits:
        made.fit(CAPTIONS)
    assert all(made.words(CAPTIONS) == fits[0].words(CAPTIONS) for made in fits)


def test_a_saved_vocabulary_comes_back(tokenizer, tmp_path: Path):
    tokenizer.save(tmp_path)
    loaded = BytePairTokenizer(canvas=24, vocabulary_size=200)
    assert not loaded.fitted
    loaded.load(tmp_path)
    assert loaded.fitted
    assert torch.equal(loaded.encode(CAPTIONS).values, tokenizer.encode(CAPTIONS).values)
    assert loaded.banned_ids == tokenizer.banned_ids
    assert [file.name for file in tmp_path.iterdir()] == ["tokenizer.json"]


def test_a_missing_vocabulary_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match=f"{tmp_path / 'tokenizer.json'}"):
        BytePairTokenizer().load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not json", b"{}", b"\x80\x04K\x01.", b'{"model": {"type": "BPE"}}'])
def test_a_damaged_vocabulary_is_named(tmp_path: Path, content: bytes):
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"tokenizer\.json"):
        BytePairTokenizer().load(tmp_path)


def test_a_foreign_vocabulary_is_named(tmp_path: Path):
    from tokenizers import Tokenizer, models

    Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a")).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ValueError, match=r"tokenizer.json lacks the special tokens <pad>, <end>"):
        BytePairTokenizer().load(tmp_path)


def test_a_vocabulary_too_large_for_the_model_is_named(tokenizer, tmp_path: Path):
    tokenizer.save(tmp_path)
    with pytest.raises(ValueError, match=r"tokenizer.json has \d+ tokens, more than the 50"):
        BytePairTokenizer(vocabulary_size=50).load(tmp_path)


@pytest.mark.parametrize("captions", [[], ["", "  "]])
def test_no_words_to_learn_from_is_an_error(captions: list[str]):
    with pytest.raises(ValueError, match="no captions"):
        BytePairTokenizer().fit(captions)


def test_shortened_captions_fit_and_lose_whole_words_at_the_end_only(tokenizer):
    longer = "a bell " * tokenizer.canvas
    shortened = tokenizer.shortened(longer)
    assert longer.startswith(shortened)
    assert (
        tokenizer.overlong([shortened, shortened + " bell bell"])[0]
        == 0
        < tokenizer.overlong([shortened + " bell bell"])[0]
    )
    assert tokenizer.shortened("a  bell") == "a  bell"
