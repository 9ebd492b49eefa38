from __future__ import annotations

import pytest
import torch
from torch import Tensor

from uat_lightning.backbone import Backbone, DualStreamTransformer, Prediction
from uat_lightning.diffusion import VPCosine
from uat_lightning.sampling import (
    Euler,
    Guidance,
    GuidedVelocity,
    ProjectedGuidance,
    RescaledGuidance,
)
from uat_lightning.types import Pair, Sequences

ROWS, FRAMES, CANVAS, MASK = 3, 6, 5, 2


class Recorder(Backbone):
    """Remembers what it was asked."""

    def __init__(self, inner: Backbone) -> None:
        super().__init__()
        self.inner, self.calls = inner, []

    def forward(self, noisy: Pair[Sequences], t: Pair[Tensor]) -> Prediction:
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


# Guidance that does not overexpose.


def vp_velocity(recorder, audio, text, null, guidance: Guidance, t: float = 0.5, **more) -> Tensor:
    with torch.no_grad():
        return GuidedVelocity(recorder, audio.lengths, text, null, guidance, VPCosine(), **more)(audio.values, t)


def cleaned(prediction: Tensor, audio: Sequences, t: float = 0.5) -> Tensor:
    return VPCosine().separate(prediction, audio.values, torch.full((ROWS,), t, dtype=torch.float64))[0]


def spread_of_rows(clean: Tensor, audio: Sequences) -> Tensor:
    rows = zip(clean, audio.lengths.tolist(), strict=True)
    return torch.stack([row[:length].std(correction=0) for row, length in rows])


def test_rescaled_guidance_has_the_level_of_the_condition(recorder, audio, text, null):
    alone = vp_velocity(recorder, audio, text, null, Guidance(1.0))
    for scale in (3.0, 9.0):
        plain = cleaned(vp_velocity(recorder, audio, text, null, Guidance(scale)), audio)
        whole = cleaned(vp_velocity(recorder, audio, text, null, RescaledGuidance(scale, rescale=1.0)), audio)
        half = cleaned(vp_velocity(recorder, audio, text, null, RescaledGuidance(scale, rescale=0.5)), audio)
        wanted = spread_of_rows(cleaned(alone, audio), audio)
        torch.testing.assert_close(spread_of_rows(whole, audio), wanted, rtol=1e-9, atol=0)
        torch.testing.assert_close(half, (plain + whole) / 2, rtol=0, atol=1e-9)
        assert ((spread_of_rows(plain, audio) - wanted).abs() > 1e-3).all()


def test_rescaling_leaves_no_noise_behind(recorder, audio, text, null):
    """The prediction stands for the same noisy latents: clean and noise still mix to what the network saw."""
    t = torch.full((ROWS,), 0.5, dtype=torch.float64)
    prediction = vp_velocity(recorder, audio, text, null, RescaledGuidance(7.0, rescale=1.0))
    clean, noise = VPCosine().separate(prediction, audio.values, t)
    torch.testing.assert_close(VPCosine().path(clean, noise, t), audio.values, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", [RescaledGuidance, ProjectedGuidance])
def test_scale_one_is_the_condition_alone_and_its_interval_holds(kind, recorder, audio, text, null):
    alone = by_hand(recorder, audio, text, 0.0)
    assert torch.equal(velocity(recorder, audio, text, null, kind(1.0)), alone)
    assert torch.equal(velocity(recorder, audio, text, null, kind(5.0, start=0.4)), alone)
    assert not torch.allclose(velocity(recorder, audio, text, null, kind(5.0, start=0.6)), alone)


def test_without_rescaling_or_projection_guidance_is_plain(recorder, audio, text, null):
    plain = velocity(recorder, audio, text, null, Guidance(4.0))
    unscaled = velocity(recorder, audio, text, null, RescaledGuidance(4.0, rescale=0.0))
    torch.testing.assert_close(unscaled, plain, rtol=0, atol=1e-10)
    unprojected = ProjectedGuidance(4.0, parallel=1.0, momentum=0.0)
    torch.testing.assert_close(velocity(recorder, audio, text, null, unprojected), plain, rtol=0, atol=1e-10)
    scaled_to_null = velocity(recorder, audio, text, null, RescaledGuidance(0.0, rescale=0.0))
    torch.testing.assert_close(scaled_to_null, by_hand(recorder, audio, null, 1.0), rtol=0, atol=1e-10)


def test_projected_guidance_adds_only_what_is_orthogonal_to_the_condition(recorder, audio, text, null):
    guided = vp_velocity(recorder, audio, text, null, ProjectedGuidance(6.0, momentum=0.0))
    clean = cleaned(vp_velocity(recorder, audio, text, null, Guidance(1.0)), audio)
    added = cleaned(guided, audio) - clean
    for row, length in enumerate(audio.lengths.tolist()):
        assert float(added[row, :length].norm()) > 1e-2
        assert abs(float((added[row, :length] * clean[row, :length]).sum())) < 1e-9


def test_projected_guidance_limits_the_difference(recorder, audio, text, null):
    limited = ProjectedGuidance(2.0, parallel=1.0, momentum=0.0, largest=0.01)
    clean = cleaned(vp_velocity(recorder, audio, text, null, Guidance(1.0)), audio)
    added = cleaned(vp_velocity(recorder, audio, text, null, limited), audio) - clean
    for row, length in enumerate(audio.lengths.tolist()):
        assert float(added[row, :length].square().mean().sqrt()) == pytest.approx(0.01)


def test_momentum_remembers_within_a_run_and_forgets_between_runs(recorder, audio, text, null):
    guidance = ProjectedGuidance(3.0, parallel=1.0, momentum=-0.5)
    runs = [guidance.begin() for _ in range(2)]
    first, second = (vp_velocity(recorder, audio, text, null, runs[0]) for _ in range(2))
    assert torch.equal(first, vp_velocity(recorder, audio, text, null, runs[1]))
    clean = cleaned(vp_velocity(recorder, audio, text, null, Guidance(1.0)), audio)
    # The same difference d again: d, then d - d / 2.
    torch.testing.assert_close(cleaned(second, audio) - clean, (cleaned(first, audio) - clean) / 2)


@pytest.mark.parametrize("guidance", [RescaledGuidance(6.0, rescale=1.0), ProjectedGuidance(6.0, largest=0.1)])
def test_padding_does_not_change_what_guidance_does(guidance: Guidance, recorder, audio, text, null):
    together = velocity(recorder, audio, text, null, guidance.begin())
    spoiled = torch.where(audio.mask[..., None], audio.values, 100.0)
    again = velocity(recorder, Sequences(spoiled, audio.lengths), text, null, guidance.begin())
    torch.testing.assert_close(again[audio.mask], together[audio.mask], rtol=0, atol=1e-10)


def test_a_negative_caption_stands_in_the_place_of_the_null_condition(recorder, audio, text, null):
    other = Sequences(text.values.flip(0), text.lengths.flip(0))
    with torch.no_grad():
        got = GuidedVelocity(recorder, audio.lengths, text, other, Guidance(3.0), null_t=0.0)(audio.values, 0.5)
    conditional, negative = by_hand(recorder, audio, text, 0.0), by_hand(recorder, audio, other, 0.0)
    torch.testing.assert_close(got, negative + 3 * (conditional - negative), rtol=0, atol=1e-11)
    assert recorder.calls[0][1].text.tolist() == [0.0] * 2 * ROWS


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: RescaledGuidance(rescale=1.2), "share from 0 to 1, got 1.2"),
        (lambda: RescaledGuidance(start=0.1, stop=0.2), "0 <= stop <= start <= 1"),
        (lambda: ProjectedGuidance(momentum=1.0), "momentum must be between -1 and 1"),
        (lambda: ProjectedGuidance(largest=0.0), "largest above 0"),
    ],
)
def test_impossible_guidance_is_refused(make, says: str):
    with pytest.raises(ValueError, match=says):
        make()
