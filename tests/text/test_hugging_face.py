from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from uat_lightning.configurable import rebuild
from uat_lightning.text import HuggingFaceTokenizer
from uat_lightning.text import Tokenizer as AnyTokenizer

WORDS = ["a", "bell", "rings", "twice", "then", "rain"]
CAPTION = "a bell rings twice then rain"


def foreign(folder: Path, **special: str) -> Path:
    """Save a word-level tokenizer as the transformers library does, with the special tokens it happens to have."""
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: index for index, word in enumerate(dict.fromkeys([*special.values(), *WORDS, "[UNK]"]))}
    fast = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    fast.normalizer, fast.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=fast, unk_token="[UNK]", **special).save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def tokenizer(tmp_path: Path) -> HuggingFaceTokenizer:
    return HuggingFaceTokenizer(str(foreign(tmp_path / "own", eos_token="</s>", pad_token="<pad>")), canvas=10)


def test_captions_come_back_as_they_were(tokenizer):
    assert tokenizer.decode(tokenizer.encode([CAPTION, "a bell"]).values) == [CAPTION, "a bell"]


def test_no_captions_have_no_words(tokenizer):
    assert tokenizer.words([]) == [] and tokenizer.overlong([]) == []


def test_a_missing_mask_is_added_to_the_vocabulary(tokenizer):
    assert tokenizer.vocabulary_size == 2 + len(WORDS) + 1 + 1
    assert tokenizer.mask_id == tokenizer.vocabulary_size - 1
    assert len({tokenizer.mask_id, tokenizer.end_id, tokenizer.pad_id}) == 3


@pytest.mark.parametrize(
    "special",
    [
        {},
        {"eos_token": "</s>"},
        {"eos_token": "<|end|>", "pad_token": "<|end|>"},
        {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[MASK]"},
    ],
)
def test_mask_end_and_padding_are_always_three_tokens(tmp_path: Path, special: dict[str, str]):
    tokenizer = HuggingFaceTokenizer(str(foreign(tmp_path / "own", **special)), canvas=10)
    assert len({tokenizer.mask_id, tokenizer.end_id, tokenizer.pad_id}) == 3
    assert all(
        0 <= token < tokenizer.vocabulary_size for token in (tokenizer.mask_id, tokenizer.end_id, tokenizer.pad_id)
    )
    assert tokenizer.decode(tokenizer.encode([CAPTION]).values) == [CAPTION]
    encoded = tokenizer.encode(["a bell"])
    assert encoded.values[0].tolist() == [*tokenizer.words(["a bell"])[0], tokenizer.end_id] + [tokenizer.pad_id] * 7


def test_banned_are_all_special_tokens_but_the_end(tokenizer):
    banned = set(tokenizer.banned_ids)
    assert {tokenizer.mask_id, tokenizer.pad_id} < banned
    assert tokenizer.end_id not in banned
    assert not banned & set(tokenizer.words([CAPTION])[0])


def test_a_caption_cannot_write_special_tokens(tokenizer):
    ids = tokenizer.words(["a <mask> bell </s> <pad>"])[0]
    assert not {tokenizer.pad_id, tokenizer.end_id, tokenizer.mask_id} & set(ids)


def test_gaps_between_ids_are_banned(tmp_path: Path):
    from transformers import PreTrainedTokenizerFast

    fast = Tokenizer(models.WordLevel({"[E]": 0, "[P]": 1, "[M]": 2, "[UNK]": 3, "a": 4, "bell": 9}, unk_token="[UNK]"))
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"eos_token": "[E]", "pad_token": "[P]", "mask_token": "[M]", "unk_token": "[UNK]"}
    PreTrainedTokenizerFast(tokenizer_object=fast, **special).save_pretrained(tmp_path / "own")
    tokenizer = HuggingFaceTokenizer(str(tmp_path / "own"), canvas=10)
    assert tokenizer.vocabulary_size == 10
    assert tokenizer.words(["a bell"]) == [[4, 9]]
    assert tokenizer.banned_ids == [1, 2, 3, 5, 6, 7, 8]


def test_a_caption_longer_than_the_canvas_is_cut_and_counted(tokenizer):
    longer = " ".join(["bell"] * 12)
    assert tokenizer.overlong([longer, CAPTION]) == [3, 0]
    assert tokenizer.decode(tokenizer.encode([longer]).values) == [" ".join(["bell"] * 9)]


def test_a_model_folder_keeps_the_tokenizer_though_the_original_is_gone(tokenizer, tmp_path: Path):
    tokenizer.save(tmp_path / "model")
    (tmp_path / "own").rename(tmp_path / "moved")
    loaded = rebuild(tokenizer.describe(), AnyTokenizer)
    loaded.load(tmp_path / "model")
    assert torch.equal(loaded.encode([CAPTION]).values, tokenizer.encode([CAPTION]).values)
    assert (loaded.vocabulary_size, loaded.mask_id) == (tokenizer.vocabulary_size, tokenizer.mask_id)
    assert loaded.banned_ids == tokenizer.banned_ids


def test_a_missing_folder_is_named(tokenizer, tmp_path: Path):
    with pytest.raises(ValueError, match=f"{tmp_path / 'nothing' / 'tokenizer'} is missing"):
        tokenizer.load(tmp_path / "nothing")


@pytest.mark.parametrize("content", [b"", b"not json", b"{}", b"\x80\x04K\x01."])
def test_a_damaged_file_is_named(tokenizer, tmp_path: Path, content: bytes):
    tokenizer.save(tmp_path / "model")
    (tmp_path / "model" / "tokenizer" / "tokenizer.json").write_bytes(content)
    with pytest.raises(ValueError, match=f"{tmp_path / 'model' / 'tokenizer'}"):
        tokenizer.load(tmp_path / "model")


def test_a_name_that_leads_nowhere_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match="nowhere"):
        HuggingFaceTokenizer(str(tmp_path / "nowhere")).encode(["a bell"])


def test_t5s_unused_extra_ids_and_the_added_mask_are_banned_and_its_tables_padding_is_no_id(tmp_path: Path):
    from transformers import T5Tokenizer

    special = ["<pad>", "</s>", "<unk>"]
    extra = [f"<extra_id_{number}>" for number in range(99, -1, -1)]
    words = ["▁", *(f"▁{word}" for word in WORDS)]
    T5Tokenizer(vocab=[(token, -2.0) for token in [*special, *words, *extra]]).save_pretrained(tmp_path / "t5")
    tokenizer = HuggingFaceTokenizer(str(tmp_path / "t5"), canvas=10)
    known = len(special) + len(words) + len(extra)
    assert (tokenizer.pad_id, tokenizer.end_id, tokenizer.mask_id) == (0, 1, known)
    assert tokenizer.vocabulary_size == known + 1
    assert tokenizer.banned_ids == [0, 2, *range(len(special) + len(words), known + 1)]
    assert tokenizer.decode(tokenizer.encode([CAPTION]).values) == [CAPTION]
