from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from uat_lightning.sampling import AudioFirst, ConfidenceOrder, Euler, Guidance
from uat_lightning.tasks import (
    Caption,
    Choice,
    ChosenCaption,
    ChosenGenerate,
    Generate,
    MinimumBayesRisk,
    MostLikely,
    Parts,
    PerToken,
    Score,
    WordOverlap,
)
from uat_lightning.tasks.choice import STRIDE
from uat_lightning.types import Sequences


@pytest.fixture
def waveforms(clips) -> list[Tensor]:
    return [torch.from_numpy(clip.audio)[None] for clip in clips[:2]]


def test_word_overlap_is_the_mean_f1_of_shared_word_sequences():
    worth = WordOverlap(2).between(["A bell rings.", "a bell", "", "rain"])
    assert torch.equal(worth, worth.T)
    assert worth.diagonal().tolist() == [1, 1, 1, 1]
    assert float(worth[0, 1]) == pytest.approx((2 * 2 / 5 + 2 * 1 / 3) / 2)
    assert worth[0, 2:].tolist() == worth[2, [0, 1, 3]].tolist()[:1] * 2 == [0, 0]


def test_the_least_risk_is_with_what_most_agree_on(tiny_parts: Parts):
    candidates = [["rain falls", "a bell rings twice", "a bell rings once", "a bell rings"], ["x", "y", "y", "z"]]
    assert MinimumBayesRisk().choose(tiny_parts, Sequences(torch.zeros(2, 1, 4), torch.ones(2)), candidates) == [3, 1]


def test_the_likeliest_is_chosen_for_each_row(tiny_parts: Parts, waveforms):
    audio, candidates = tiny_parts.listen(waveforms), [["rain", "a bell rings", ""], ["a dog", "a siren wails", "wind"]]
    chosen = MostLikely(PerToken(4)).choose(tiny_parts, audio, candidates, seed=1)
    for row, texts in enumerate(candidates):
        several = Sequences(audio.values[[row] * 3], audio.lengths[[row] * 3])
        scores = PerToken(4).of_latents(tiny_parts, several, tiny_parts.tokenizer.encode(texts), seed=1)
        assert chosen[row] == int(scores.argmax())


class Last(Choice):
    """Remembers the candidates and takes the last."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, ...]] = []

    def choose(self, parts: Parts, audio: Sequences, candidates: Sequence[Sequence[str]], seed: int = 0) -> list[int]:
        self.seen += [tuple(texts) for texts in candidates]
        return [len(texts) - 1 for texts in candidates]


@pytest.mark.parametrize("guidance", [None, AudioFirst(2.0)])
def test_candidates_differ_by_their_seeds_and_the_first_is_that_of_a_plain_caption(
    tiny_parts: Parts, waveforms, guidance: Guidance | None
):
    """The first is guided as a caption alone is, the others are not, unless guidance is asked for."""
    choice, sampler = Last(), ConfidenceOrder(4, 2.0)
    written = ChosenCaption(sampler, guidance, choice, candidates=3).run(tiny_parts, waveforms, seed=5, first=2)
    unguided = Caption(sampler, guidance or Guidance(1.0))
    drawn = [unguided.run(tiny_parts, waveforms, 5 + STRIDE * number, 2) for number in (1, 2)]
    plain = [Caption(guidance=guidance).run(tiny_parts, waveforms, 5, 2), *drawn]
    assert choice.seen == list(zip(*plain, strict=True))
    assert written == plain[2]
    assert len(set(choice.seen[0])) > 1


def test_what_is_drawn_is_not_guided_unless_guidance_is_asked_for():
    usual, asked = ChosenCaption(), AudioFirst(2.0)
    assert usual.guidance == Guidance(1.0)
    assert usual.likeliest.guidance is None  # the one that suits the model
    guided = ChosenCaption(guidance=asked)
    assert guided.guidance is guided.likeliest.guidance is asked


@pytest.mark.parametrize("choice", [None, MostLikely(PerToken(2))])
def test_a_chosen_caption_does_not_depend_on_the_batch(tiny_parts: Parts, waveforms, choice: Choice | None):
    task = ChosenCaption(ConfidenceOrder(3, 1.0), choice=choice, candidates=2)
    together = task.run(tiny_parts, waveforms, seed=1)
    assert together == [task.run(tiny_parts, [w], seed=1, first=row)[0] for row, w in enumerate(waveforms)]


def test_texts_that_are_alike_are_scored_once(tiny_parts: Parts, waveforms):
    """Of a row whose texts are all alike nothing is asked, and of equals the first is chosen."""
    asked = []

    class Counted(PerToken):
        def of_latents(self, parts: Parts, audio: Sequences, text: Sequences, seed: int = 0) -> Tensor:
            asked.append(len(text))
            return super().of_latents(parts, audio, text, seed)

    audio, candidates = tiny_parts.listen(waveforms), [["rain", "wind", "rain", "a dog"], ["a bell"] * 4]
    chosen = MostLikely(Counted(2)).choose(tiny_parts, audio, candidates)
    assert asked == [3]
    assert chosen[1] == 0
    assert chosen[0] == candidates[0].index(candidates[0][chosen[0]])
    assert MostLikely(Counted(2)).choose(tiny_parts, audio, candidates[1:] * 2) == [0, 0]
    assert asked == [3]


def test_the_generation_is_kept_that_deserves_its_caption_most(tiny_parts: Parts):
    captions, generate, score = ["rain falls", "a bell rings"], Generate(Euler(2)), Score(2)
    kept = ChosenGenerate(generate, score, 3).run(tiny_parts, captions, [0.5, 0.7], seed=2, first=1)
    made = [generate.run(tiny_parts, captions, [0.5, 0.7], 2 + STRIDE * number, 1) for number in range(3)]
    scores = torch.stack([score.run(tiny_parts, waveforms, captions, 2) for waveforms in made])
    for row, best in enumerate(scores.argmax(0).tolist()):
        assert torch.equal(kept[row], made[best][row])
    assert ChosenGenerate(generate).run(tiny_parts, [], []) == []


def test_no_candidates_are_refused():
    for kind in (ChosenCaption, ChosenGenerate):
        with pytest.raises(ValueError, match="candidates must be at least 1"):
            kind(candidates=0)
