"""A judge who is not the model: similarity of audio and text, and whom tasks keep by it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from uat_lightning.metrics.embedders import TextAudioEmbedder
from uat_lightning.sampling import Euler, Guidance, Windows
from uat_lightning.sampling.editing import SDEdit
from uat_lightning.tasks import Caption, ChosenEdit, ChosenGenerate, Edit, Generate, Parts, Source, TextAudioSimilarity

ANGLES = {"as it is": 0.0, "turned": torch.pi / 2, "": torch.pi}


class Loudness(TextAudioEmbedder):
    """Turns a vector by the mean of a waveform, in radians, and texts by what is agreed upon."""

    sample_rate, embedding_width = 8000, 2

    def embed(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        self.lengths = [len(waveform) for waveform in waveforms]
        return [_at(waveform.double().mean())[None] for waveform in waveforms]

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        return torch.stack([_at(torch.tensor(ANGLES[text], dtype=torch.float64)) for text in texts])


def _at(angle: Tensor) -> Tensor:
    return torch.stack([angle.cos(), angle.sin()])


def test_the_score_is_the_cosine_of_both_at_the_listeners_rate(tiny_parts: Parts):
    judge, rate = TextAudioSimilarity(Loudness()), tiny_parts.codec.sample_rate
    waveforms = [torch.zeros(1, rate), torch.zeros(1, rate // 2)]
    scores = judge.run(tiny_parts, waveforms, ["as it is", "turned"])
    assert judge.embedder.lengths == [8000, 4000]
    torch.testing.assert_close(scores, torch.tensor([1.0, 0.0], dtype=torch.float64), atol=1e-6, rtol=0)
    assert judge.run(tiny_parts, [], []).shape == (0,)
    with pytest.raises(ValueError, match="1 waveforms and 2 captions"):
        judge.run(tiny_parts, waveforms[:1], ["turned", "turned"])


def test_a_window_is_judged_by_its_own_samples(tiny_parts: Parts):
    hop = tiny_parts.codec.hop
    steps = torch.cat([torch.full((1, 4 * hop), level) for level in (0.0, torch.pi / 2)], dim=1)
    windows = Windows(torch.tensor([0, 0]), torch.tensor([0, 4]), torch.tensor([4, 5]), 0)
    judge = TextAudioSimilarity(Loudness())
    fits = judge.of_windows(tiny_parts, [steps], windows, ["as it is", "turned"])
    differs = judge.of_windows(tiny_parts, [steps], windows, ["turned", ""])
    torch.testing.assert_close(fits, torch.ones(2, dtype=torch.float64), atol=0.01, rtol=0)
    torch.testing.assert_close(differs, torch.zeros(2, dtype=torch.float64), atol=0.1, rtol=0)


def test_tasks_keep_what_the_judge_prefers(tiny_parts: Parts):
    class Seeing(TextAudioSimilarity):
        """Prefers the candidate of a number, whatever it sounds like."""

        def __init__(self, number: int) -> None:
            self.number, self.calls = number, 0

        def run(self, parts: Parts, waveforms: Sequence[Tensor], captions: Sequence[str], seed: int = 0) -> Tensor:
            self.calls += 1
            return torch.full((len(waveforms),), float(self.calls - 1 == self.number), dtype=torch.float64)

    once, seconds = Generate(Euler(2), Guidance(1.0)), [0.5]
    kept = ChosenGenerate(once, Seeing(1), 3).run(tiny_parts, ["rain falls"], seconds, seed=4)
    alone = [once.run(tiny_parts, ["rain falls"], seconds, 4 + 1_000_003 * number) for number in range(3)]
    assert torch.equal(kept[0], alone[1][0]) and not torch.equal(kept[0], alone[0][0])

    edit = Edit(SDEdit(0.9), Euler(2), Guidance(1.0), caption=Caption(), window=0.5)
    sources = [Source(0.1 * torch.randn(1, 16_000, generator=torch.Generator().manual_seed(0)), "rain falls")]
    chosen = ChosenEdit(edit, Seeing(2), candidates=3).edit(tiny_parts, sources, seed=4)
    assert chosen[0].seed == 4 + 2 * 1_000_003
