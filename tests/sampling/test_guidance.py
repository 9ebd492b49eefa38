from __future__ import annotations

import pytest
import torch
from torch import Tensor

from uat_lightning.backbone import Backbone, DualStreamTransformer
from uat_lightning.sampling import Euler, Guidance, GuidedVelocity
from uat_lightning.types import Pair, Sequences

ROWS, FRAMES, CANVAS, MASK = 3, 6, 5, 2


class Recorder(Backbone):
    """Remembers what it was asked."""

    def __init__(self, inner: Backbone) -> None:
        super().__init__()
        self.inner, self.calls = inner, []

    def forward(self, noisy: Pair[Sequences], t: Pair[Tensor]) -> Pair[Tensor]:
        self.calls.append((noisy, t))
        return self.inner(noisy, t)


@pytest.fixture
def recorder() -> Recorder:
    torch.manual_seed(0)
    backbone = DualStreamTransformer(latent_width=4, vocabulary_size=20, canvas=CANVAS, width=16, depth=2, heads=2)
    for weight in backbone.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return Recorder(backbone.double()).eval()


@pytest.fixture
def audio() -> Sequences:
    values = torch.randn(ROWS, FRAMES, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return Sequences(values, torch.tensor([FRAMES, 3, 5]))


@pytest.fixture
def text() -> Sequences:
    return Sequences(torch.tensor([[5, 6, 1, 0, 0], [7, 1, 0, 0, 0], [8, 9, 10, 11, 1]]), torch.tensor([3, 2, 5]))


@pytest.fixture
def null() -> Sequences:
    return Sequences(torch.full((ROWS, CANVAS), MASK), torch.full((ROWS,), CANVAS))


def velocity(recorder: Recorder, audio: Sequences, text: Sequences, null: Sequences, guidance: Guidance, t=0.5):
    with torch.no_grad():
        return GuidedVelocity(recorder, audio.lengths, text, null, guidance)(audio.values, t)


def by_hand(recorder: Recorder, audio: Sequences, text: Sequences, text_time: float, t: float = 0.5) -> Tensor:
    ones = torch.ones(ROWS, dtype=torch.float64)
    with torch.no_grad():
        return recorder.inner(Pair(audio, text), Pair(t * ones, text_time * ones)).audio


def test_scale_one_is_the_condition_alone_in_one_evaluation(recorder, audio, text, null):
    assert torch.equal(velocity(recorder, audio, text, null, Guidance(1.0)), by_hand(recorder, audio, text, 0.0))
    assert [len(noisy.audio) for noisy, _ in recorder.calls] == [ROWS]


def test_scale_zero_is_the_null_condition(recorder, audio, text, null):
    got = velocity(recorder, audio, text, null, Guidance(0.0))
    torch.testing.assert_close(got, by_hand(recorder, audio, null, 1.0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", [-1.0, 0.5, 3.0, 7.0])
def test_one_batched_evaluation_equals_two(recorder, audio, text, null, scale: float):
    conditional, nothing = by_hand(recorder, audio, text, 0.0), by_hand(recorder, audio, null, 1.0)
    got = velocity(recorder, audio, text, null, Guidance(scale))
    torch.testing.assert_close(got, nothing + scale * (conditional - nothing), rtol=0, atol=1e-11)
    assert [len(noisy.audio) for noisy, _ in recorder.calls] == [2 * ROWS]


def test_the_null_condition_is_the_one_of_training(recorder, audio, text, null):
    """A dropped condition comes with time one and every token masked, its whole canvas in view."""
    velocity(recorder, audio, text, null, Guidance(3.0))
    noisy, t = recorder.calls[0]
    assert t.text.tolist() == [0.0] * ROWS + [1.0] * ROWS
    assert t.audio.tolist() == [0.5] * 2 * ROWS
    assert (noisy.text.values[ROWS:] == MASK).all()
    assert noisy.text.lengths.tolist() == [3, 2, 5] + [CANVAS] * ROWS


@pytest.mark.parametrize(("start", "stop", "guided"), [(1.0, 0.0, 10), (0.75, 0.25, 5), (1.0, 0.85, 2), (0.05, 0.0, 0)])
def test_guidance_costs_only_inside_its_interval(recorder, audio, text, null, start, stop, guided):
    guide = Guidance(3.0, start, stop)
    with torch.no_grad():
        Euler(10).solve(GuidedVelocity(recorder, audio.lengths, text, null, guide), audio.values)
    rows = [len(noisy.audio) for noisy, _ in recorder.calls]
    assert len(rows) == 10
    assert rows.count(2 * ROWS) == guided
    assert rows.count(ROWS) == 10 - guided


@pytest.mark.parametrize(("start", "stop"), [(0.2, 0.5), (1.5, 0.0), (1.0, -0.1)])
def test_an_impossible_interval_is_refused(start: float, stop: float):
    with pytest.raises(ValueError, match="0 <= stop <= start <= 1"):
        Guidance(3.0, start, stop)
