from __future__ import annotations

import pytest
import torch
from torch import Tensor

from uat_lightning.sampling import ConfidenceOrder, FirstHitting
from uat_lightning.tasks import Infill, Parts, PerToken
from uat_lightning.tasks.blanks import Blanks
from uat_lightning.text import Tokenizer

TEXT = "a bell rings twice, then rain falls"


@pytest.fixture
def waveforms(clips) -> list[Tensor]:
    return [torch.from_numpy(clip.audio)[None] for clip in clips[:2]]


@pytest.mark.parametrize(
    ("text", "blanks"),
    [
        ("a ___ rings twice, then ___", ["bell", "rain falls"]),
        ("___, then rain falls", ["a bell rings twice"]),
        ("a bell rings twice__then rain falls", [","]),
        ("___", [TEXT]),
    ],
)
def test_given_tokens_are_those_of_the_whole_text(tiny_tokenizer: Tokenizer, text: str, blanks: list[str]):
    """Wherever the blanks are, some canvas to fill is the whole text with masks in the blanks' places."""
    ((*whole, end, _),) = [[*ids, tiny_tokenizer.end_id, 0] for ids in tiny_tokenizer.words([TEXT])]
    canvases = Blanks.read(text, tiny_tokenizer).canvases(tiny_tokenizer, longest=20, most=10_000)
    wanted = torch.tensor([*whole, end, *[tiny_tokenizer.pad_id] * (tiny_tokenizer.canvas - len(whole) - 1)])
    mask = tiny_tokenizer.mask_id
    assert any(all(got in (mask, want) for got, want in zip(row, wanted.tolist(), strict=True)) for row in canvases)


def test_all_combinations_of_lengths_that_fit_are_tried(tiny_tokenizer: Tokenizer):
    blanks, mask = Blanks.read("a ___ rings ___", tiny_tokenizer), tiny_tokenizer.mask_id
    assert len(blanks.canvases(tiny_tokenizer, longest=3, most=100)) == 9
    assert len(blanks.canvases(tiny_tokenizer, longest=12, most=40)) == 36
    room = tiny_tokenizer.canvas - 1 - blanks.words
    counts = [row.count(mask) for row in blanks.canvases(tiny_tokenizer, longest=room, most=10_000)]
    assert (min(counts), max(counts)) == (2, room)
    assert len(counts) == room * (room - 1) // 2
    assert {len(row) for row in blanks.canvases(tiny_tokenizer, 12, 40)} == {tiny_tokenizer.canvas}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a bell rings twice, then rain", True),
        ("A big old bell rings twice then it rains", True),
        ("abell rings twice, then rain", False),
        ("a rings twice, then rain", False),
        ("a bell rings twice, then", False),
        ("a bell rings twice, thenrain", False),
    ],
)
def test_it_is_seen_whether_the_given_words_are_kept(tiny_tokenizer: Tokenizer, text: str, kept: bool):
    assert Blanks.read("a ___ rings twice, then ___", tiny_tokenizer).kept_in(text) is kept


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a bell rings", "write ___ where words are missing"),
        ("", "write ___"),
        ("a _ bell", "write ___"),
        ("a ___ " + "bell rings " * 40, "tokens, 31 fit"),
    ],
)
def test_a_text_that_cannot_be_filled_in_is_refused(tiny_parts: Parts, waveforms, text: str, message: str):
    with pytest.raises(ValueError, match=message):
        Infill().run(tiny_parts, waveforms[:1], [text])


@pytest.mark.parametrize("sampler", [ConfidenceOrder(8), FirstHitting()])
def test_given_tokens_stay_and_the_best_filling_is_kept(tiny_parts: Parts, waveforms, sampler):
    seen: list[tuple[Tensor, Tensor]] = []

    class Spy(type(sampler)):
        def sample(self, logits, canvas, symbols, generators):
            written = super().sample(logits, canvas, symbols, generators)
            seen.append((canvas, written))
            return written

    spy = Spy(temperature=sampler.temperature)
    task = Infill(spy, score=PerToken(2), longest=2)
    texts = task.run(tiny_parts, waveforms, ["a ___ rings", "___ then rain"], seed=3)
    mask, banned = tiny_parts.tokenizer.mask_id, torch.tensor(tiny_parts.tokenizer.banned_ids)
    for text, (canvas, written) in zip(texts, seen, strict=True):
        given = canvas != mask
        assert torch.equal(canvas[given], written[given])
        assert not torch.isin(written[~given], banned).any()
        assert not (written[~given] == tiny_parts.tokenizer.end_id).any()
        assert text in tiny_parts.tokenizer.decode(written)
    assert texts == [
        task.run(tiny_parts, [w], [given], seed=3, first=row)[0]
        for row, (w, given) in enumerate(zip(waveforms, ["a ___ rings", "___ then rain"], strict=True))
    ]


def test_wrong_settings_are_refused(tiny_parts: Parts, waveforms):
    with pytest.raises(ValueError, match="longest and combinations"):
        Infill(longest=0)
    with pytest.raises(ValueError, match="2 waveforms and 1 texts"):
        Infill().run(tiny_parts, waveforms, ["a ___"])
    assert Infill().run(tiny_parts, [], []) == []
