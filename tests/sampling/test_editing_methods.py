"""What editing methods promise, on a flow in closed form and on a network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from uat_lightning.diffusion import RectifiedFlow, VPCosine, converted, same_level
from uat_lightning.sampling import (
    AdamsBashforth,
    CosineSchedule,
    DPMSolver2M,
    DPMSolver3MSDE,
    Euler,
    FixedPoint,
    Guidance,
    Heun,
    Midpoint,
    ShiftedSchedule,
    Solver,
    Windows,
)
from uat_lightning.sampling.editing import (
    EditFriendlyInversion,
    EditingMethod,
    FlowEdit,
    Inpainting,
    Interpolation,
    Inversion,
    RFInversion,
    SDEdit,
    TextFlow,
    Variation,
)
from uat_lightning.sampling.editing.sdedit import renoised
from uat_lightning.sampling.solvers import Velocity
from uat_lightning.tasks import Caption, Parts
from uat_lightning.tasks.base import gaussian, generators
from uat_lightning.tasks.model_flow import ModelFlow, Texts
from uat_lightning.types import Sequences

ROWS, FRAMES, CHANNELS, EVENTS = 3, 6, 4, 2
SPREAD = 0.5
PLAIN = Guidance(1.0)
BELL, RAIN = -1.0, 2.0  # means of the channels that the text decides; the others' is 0 under any


@dataclass(frozen=True)
class GaussianFlow(TextFlow):
    """Normal latents whose event channels have the mean that the text says: every velocity is known exactly."""

    source: float = BELL
    target: float = RAIN
    guided: Guidance = PLAIN
    asked: list[float] = field(default_factory=list)

    @property
    def guidance(self) -> Guidance:
        return self.guided

    def under_source(self, guidance: Guidance) -> Velocity:
        return self.under(self.source, guidance)

    def under_target(self, guidance: Guidance) -> Velocity:
        return self.under(self.target, guidance)

    def under(self, event: float, guidance: Guidance) -> Velocity:
        def velocity(latents: Tensor, t: float) -> Tensor:
            self.asked.append(t)
            return torch.lerp(exact(latents, t, 0.5 * (BELL + RAIN)), exact(latents, t, event), guidance.scale)

        return velocity


def means(event: float) -> Tensor:
    return torch.cat([torch.full((EVENTS,), event), torch.zeros(CHANNELS - EVENTS)]).double()


def exact(latents: Tensor, t: float, event: float) -> Tensor:
    """E[noise - clean | noisy] of normal latents."""
    variance = (1 - t) ** 2 * SPREAD**2 + t**2
    covariance = t - (1 - t) * SPREAD**2
    return -means(event) + covariance / variance * (latents - (1 - t) * means(event))


def source_latents(event: float = BELL) -> Tensor:
    drawn = torch.randn(ROWS, FRAMES, CHANNELS, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return means(event) + SPREAD * drawn


def noises(seed: int = 0) -> Callable[[], Tensor]:
    drawn = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(ROWS, FRAMES, CHANNELS, generator=drawn, dtype=torch.float64)


def distance(one: Tensor, other: Tensor) -> float:
    return float((one - other).square().mean().sqrt())


METHODS = [
    SDEdit(0.7),
    Variation(0.7),
    Inpainting(0.9, rounds=2),
    Inversion(0.9),
    Inversion(1.0, Midpoint()),
    Interpolation(0.5),
    RFInversion(),
    FlowEdit(),
    FlowEdit(draws=2, tail=0.2),
    EditFriendlyInversion(0.8, eta=0.7),
]
every_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)


# In closed form.


@pytest.mark.parametrize("guidance", [PLAIN, Guidance(3.0)])
@pytest.mark.parametrize(
    "make",
    [
        lambda guidance: FlowEdit(1.0, guidance),
        lambda guidance: FlowEdit(0.6, guidance, draws=3),
        lambda guidance: EditFriendlyInversion(1.0, guidance),
        lambda guidance: EditFriendlyInversion(0.5, guidance, eta=0.4),
    ],
)
def test_an_edit_to_what_it_is_returns_the_source(make: Callable[..., EditingMethod], guidance: Guidance):
    flow = GaussianFlow(target=BELL, guided=guidance)
    edited = make(guidance).run(source_latents(), flow, Euler(20), noises())
    torch.testing.assert_close(edited, source_latents(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("schedule", [None, CosineSchedule(), ShiftedSchedule(3.0)])
@pytest.mark.parametrize("strength", [1.0, 0.7])
def test_inversion_reconstructs_by_its_order_and_the_fixed_point_exactly(schedule, strength: float):
    flow = GaussianFlow(target=BELL)
    ways = [(Euler(), Euler), (Midpoint(), Midpoint), (FixedPoint(iterations=60), Euler)]
    euler, midpoint, fixed = (
        distance(Inversion(strength, up).run(source_latents(), flow, down(50, schedule), noises()), source_latents())
        for up, down in ways
    )
    assert euler > 10 * midpoint > 100 * fixed
    assert fixed < 1e-9


def test_inversion_moves_the_event_and_keeps_the_rest():
    edited = Inversion(1.0, Midpoint()).run(source_latents(), GaussianFlow(), Midpoint(200), noises())
    torch.testing.assert_close(edited, source_latents() + means(RAIN) - means(BELL), rtol=0, atol=1e-3)


def test_flow_edit_moves_the_event_and_keeps_the_rest_to_the_last_digit():
    edited = FlowEdit(1.0).run(source_latents(), GaussianFlow(), Euler(50), noises())
    torch.testing.assert_close(edited[..., EVENTS:], source_latents()[..., EVENTS:], rtol=0, atol=1e-12)
    moved = (edited - source_latents())[..., :EVENTS].mean()
    assert float(moved) == pytest.approx(RAIN - BELL, abs=0.15)


def test_the_tail_of_flow_edit_is_plain_denoising_of_its_result():
    """With the tail from the start on it is SDEdit to the last digit."""
    flow = GaussianFlow()
    tailed = FlowEdit(0.6, tail=0.9).run(source_latents(), flow, Euler(20), noises())
    torch.testing.assert_close(tailed, SDEdit(0.6).run(source_latents(), flow, Euler(20), noises()), rtol=0, atol=1e-12)


@pytest.mark.parametrize("target", [BELL, RAIN])
def test_rf_inversion_without_its_pulls_is_inversion(target: float):
    flow = GaussianFlow(target=target)
    pulled = RFInversion(gamma=0, eta=0).run(source_latents(), flow, Euler(30), noises())
    plain = Inversion(1.0, Euler()).run(source_latents(), flow, Euler(30), noises())
    assert torch.equal(pulled, plain)


def test_rf_inversion_with_its_whole_pull_ends_in_noise_and_in_the_source():
    edited = RFInversion(gamma=1, eta=1, stop=0).run(source_latents(), GaussianFlow(), Euler(30), noises())
    torch.testing.assert_close(edited, source_latents(), rtol=0, atol=1e-9)
    typical, up = noises()(), RFInversion(gamma=1).up(GaussianFlow(), noises())
    top = Euler().follow(up, source_latents(), Euler(30).schedule.times(30)[::-1])
    torch.testing.assert_close(top, typical, rtol=0, atol=1e-9)


def test_edit_friendly_inversion_is_the_published_one():
    """Noises first, then the replay, as two passes that keep every noise, in the words of the paper."""
    source, flow, draw, eta = source_latents(), GaussianFlow(), noises(), 0.8
    times = Euler(12).schedule.times(12, 0.8)
    path = [torch.lerp(source, draw(), t) for t in times[:-1]] + [source]
    away, on = flow.under_source(PLAIN), flow.under_target(PLAIN)

    def step(latents, velocity, here, there, fresh):
        clean, noise = latents - here * velocity, latents + (1 - here) * velocity
        return (1 - there) * clean + there * (math.sqrt(1 - eta**2) * noise + eta * fresh)

    edited, zero = path[0], torch.zeros_like(source)
    for place, (here, there) in enumerate(pairwise(times)):
        left = path[place + 1] - step(path[place], away(path[place], here), here, there, zero)
        if there > 0:
            edited = step(edited, on(edited, here), here, there, left / (there * eta))
        else:
            edited = step(edited, on(edited, here), here, there, zero) + left
    got = EditFriendlyInversion(0.8, eta=eta).run(source, flow, Euler(12), noises())
    torch.testing.assert_close(got, edited, rtol=0, atol=1e-12)


def test_noise_goes_back_up_by_the_exact_bridge():
    """Noised again, latents have the mean and the spread of the higher level."""
    clean, drawn = 3.0, torch.Generator().manual_seed(0)
    eps, more = (torch.randn(200_000, generator=drawn, dtype=torch.float64) for _ in range(2))
    raised = renoised((1 - 0.3) * clean + 0.3 * eps, 0.3, 0.5, more)
    assert float(raised.mean()) == pytest.approx(0.5 * clean, abs=0.01)
    assert float(raised.std()) == pytest.approx(0.5, abs=0.005)
    assert torch.equal(renoised(eps, 0.8, 1.0, more), more)


@pytest.mark.parametrize(("share", "event"), [(0.0, BELL), (0.5, 0.5 * (BELL + RAIN)), (1.0, RAIN)])
def test_interpolation_is_where_it_is_told_between_the_source_and_its_edit(share: float, event: float):
    edited = Interpolation(share, ascent=Midpoint()).run(source_latents(), GaussianFlow(), Midpoint(200), noises())
    torch.testing.assert_close(edited, source_latents() + means(event) - means(BELL), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("method", "solver", "evaluations"),
    [
        (SDEdit(0.7), Euler(20), 14),
        (SDEdit(0.7), Midpoint(20), 28),
        (Variation(0.5), Heun(20), 19),
        (Inpainting(1.0, rounds=1), Euler(20), 20),
        (Inpainting(1.0, rounds=3), Euler(20), 3 * 19 + 1),
        (Inversion(1.0, Euler()), Euler(20), 19 + 20),
        (Inversion(1.0, Midpoint()), Midpoint(20), 39 + 40),
        (Inversion(0.5, FixedPoint(iterations=4)), Euler(20), 40 + 10),
        (Interpolation(0.5, ascent=Euler()), Euler(20), 19 + 40),
        (RFInversion(), Euler(20), 19 + 20),
        (FlowEdit(0.8), Euler(20), 2 * 16),
        (FlowEdit(0.8, draws=3), Euler(20), 6 * 16),
        (FlowEdit(0.8, tail=0.2), Euler(20), 2 * 12 + 4),
        (EditFriendlyInversion(0.8), Euler(20), 2 * 16),
    ],
)
def test_evaluations_are_as_documented(method: EditingMethod, solver: Solver, evaluations: int):
    flow = GaussianFlow()
    method.run(source_latents(), flow, solver, noises())
    assert len(flow.asked) == evaluations
    assert min(flow.asked) > 0  # no method needs a velocity of clean latents


@every_method
def test_an_exact_flow_of_another_process_edits_alike(method: EditingMethod):
    """The v-model's predictions, turned into a flow's, are the flow's: so is the edit."""

    @dataclass(frozen=True)
    class Turned(GaussianFlow):
        def under(self, event: float, guidance: Guidance) -> Velocity:
            v = converted(super().under(event, guidance), RectifiedFlow(), VPCosine())
            return converted(v, VPCosine(), RectifiedFlow())

    edited = [method.run(source_latents(), flow, Euler(10), noises()) for flow in (GaussianFlow(), Turned())]
    torch.testing.assert_close(edited[0], edited[1], rtol=0, atol=1e-10)


SOLVERS = [Heun(12), Midpoint(12), AdamsBashforth(12), DPMSolver2M(12), Euler(12, CosineSchedule())]


@every_method
@pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: type(solver).__name__)
def test_every_method_works_with_every_solver(method: EditingMethod, solver: Solver):
    edited = method.run(source_latents(), GaussianFlow(), solver, noises())
    assert edited.isfinite().all()
    assert distance(edited, source_latents()) > 0.01
    assert float(edited.abs().amax()) < 10


@pytest.mark.parametrize("method", [Inversion(), RFInversion(), FlowEdit()], ids=lambda method: type(method).__name__)
def test_solvers_that_add_noise_are_refused_where_there_must_be_none(method: EditingMethod):
    with pytest.raises(ValueError, match=f"DPMSolver3MSDE adds noise, which {type(method).__name__} cannot use"):
        method.run(source_latents(), GaussianFlow(), DPMSolver3MSDE(10), noises())
    assert method.run(source_latents(), GaussianFlow(), DPMSolver3MSDE(10, eta=0), noises()).isfinite().all()


# On both: strengths, regions.


def at_strength(method: EditingMethod, strength: float) -> EditingMethod:
    changed = type(method).__new__(type(method))
    vars(changed).update(vars(method))
    changed.strength = strength
    return changed


@every_method
def test_strength_zero_is_the_source(method: EditingMethod):
    assert torch.equal(
        at_strength(method, 0.0).run(source_latents(), GaussianFlow(), Euler(9), noises()), source_latents()
    )


@pytest.mark.parametrize("method", [SDEdit(1.0), Inpainting(1.0, rounds=1), Variation(1.0)])
def test_strength_one_is_plain_generation(method: EditingMethod):
    flow = GaussianFlow(source=RAIN)
    edited = method.run(source_latents(), flow, Euler(9), noises())
    assert torch.equal(edited, Euler(9).solve(flow.under(RAIN, PLAIN), noises()()))


@every_method
def test_what_is_outside_of_a_region_stays_to_the_last_bit(method: EditingMethod):
    region = torch.zeros(ROWS, FRAMES, 1, dtype=torch.float64)
    region[:, 2:4] = 1
    region[1] = 0
    source = source_latents()
    edited = method.run(source, GaussianFlow(), Euler(20), noises(), region)
    assert torch.equal(edited[:, :2], source[:, :2]) and torch.equal(edited[:, 4:], source[:, 4:])
    assert torch.equal(edited[1], source[1])
    assert distance(edited[0, 2:4], source[0, 2:4]) > 0.01


@every_method
def test_a_region_of_everything_is_none(method: EditingMethod):
    whole = torch.ones(1, 1, 1, dtype=torch.float64)
    edited = [method.run(source_latents(), GaussianFlow(), Euler(10), noises(), region) for region in (None, whole)]
    torch.testing.assert_close(edited[1], edited[0], rtol=0, atol=1e-9)


def test_a_soft_region_changes_less_the_lower_it_is():
    edited = [
        FlowEdit(1.0).run(source_latents(), GaussianFlow(), Euler(20), noises(), torch.full((1, 1, 1), share).double())
        for share in (0.0, 0.2, 0.6, 1.0)
    ]
    apart = [distance(one, source_latents()) for one in edited]
    assert apart == sorted(apart) and apart[0] == 0


def test_the_model_sees_the_source_around_a_region_at_the_right_noise():
    seen: list[tuple[float, Tensor]] = []

    @dataclass(frozen=True)
    class Watched(GaussianFlow):
        def under(self, event: float, guidance: Guidance) -> Velocity:
            inner = super().under(event, guidance)
            return lambda latents, t: (seen.append((t, latents[:, 0])), inner(latents, t))[1]

    region = torch.ones(1, FRAMES, 1, dtype=torch.float64)
    region[:, 0] = 0
    Inpainting(1.0, rounds=1).run(source_latents(), Watched(), Euler(10), noises(), region)
    noise = noises()()[:, 0]
    for t, around in seen:
        torch.testing.assert_close(around, torch.lerp(source_latents()[:, 0], noise, t), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: SDEdit(1.2), "strength is a noise level from 0 to 1, got 1.2"),
        (lambda: Inversion(math.nan), "strength is a noise level"),
        (lambda: Inpainting(rounds=0), "rounds must be at least 1"),
        (lambda: FlowEdit(draws=0), "draws must be at least 1"),
        (lambda: FlowEdit(tail=1.0), "tail is a noise level from 0 to below 1"),
        (lambda: RFInversion(eta=2.0), "eta is from 0 to 1, got 2.0"),
        (lambda: EditFriendlyInversion(eta=0.0), "eta is above 0"),
        (lambda: Interpolation(1.5), "share is from 0"),
        (lambda: FixedPoint(iterations=0), "iterations must be at least 1"),
    ],
)
def test_impossible_settings_are_refused(make: Callable[[], object], says: str):
    with pytest.raises(ValueError, match=says):
        make()


# On a network, of either process.


@pytest.fixture(params=[RectifiedFlow(), VPCosine()], ids=["flow", "v"])
def parts(request: pytest.FixtureRequest, tiny_parts: Parts) -> Parts:
    return replace(tiny_parts, process=request.param)


LENGTHS = [6, 3, 5]


def network_source(parts: Parts) -> Sequences:
    return gaussian(LENGTHS, parts.codec.latent_width, generators(9, ROWS), parts.device)


def network_flow(parts: Parts, audio: Sequences, sources: Sequence[str], targets: Sequence[str], guidance=PLAIN):
    windows = Windows.over(audio.lengths, int(audio.lengths.max()), 0)
    texts = Texts(parts, audio, range(len(audio)), list(sources), list(targets), Caption(), 0)
    return ModelFlow(windows, texts, guidance)


BELLS, RAINS = ["a bell rings", "a dog barks", "wind blows"], ["rain falls", "a siren wails", "a clock ticks"]


def network_edit(
    method: EditingMethod, parts: Parts, audio: Sequences, sources, targets, guidance=PLAIN, first=0, steps=8
):
    drawn = generators(4, len(audio), first)
    flow = network_flow(parts, audio, sources, targets, guidance)
    with torch.no_grad():
        return method.run(
            audio.values, flow, Euler(8), lambda: gaussian(audio.lengths.tolist(), 4, drawn, parts.device).values
        )


@pytest.mark.parametrize("guidance", [PLAIN, Guidance(3.0)])
def test_a_network_returns_the_source_of_an_edit_to_what_it_is(parts: Parts, guidance: Guidance):
    audio = network_source(parts)
    for method in (FlowEdit(1.0, guidance), EditFriendlyInversion(1.0, guidance)):
        edited = network_edit(method, parts, audio, BELLS, BELLS, guidance)
        torch.testing.assert_close(edited[audio.mask], audio.values[audio.mask], rtol=0, atol=1e-5)


def test_a_network_is_inverted_by_its_order_and_by_the_fixed_point(parts: Parts):
    audio, keep = network_source(parts), network_source(parts).mask
    strength = 0.8  # an untrained v-model has no velocity worth the name at pure noise
    ways = [(Euler(), Euler(50)), (Midpoint(), Midpoint(50)), (FixedPoint(iterations=12), Euler(50))]
    apart = []
    for up, down in ways:
        flow = network_flow(parts, audio, BELLS, BELLS)
        with torch.no_grad():
            again = Inversion(strength, up).run(audio.values, flow, down, noises())
        apart.append(distance(again[keep], audio.values[keep]))
    assert apart[0] > apart[1] > apart[2]
    assert apart[2] < 1e-5


def test_a_network_under_rf_inversion_without_pulls_is_inverted(parts: Parts):
    audio = network_source(parts)
    pulled = network_edit(RFInversion(0, 0), parts, audio, BELLS, RAINS, Guidance(3.0))
    plain = network_edit(Inversion(1.0, Euler()), parts, audio, BELLS, RAINS, Guidance(3.0))
    assert torch.equal(pulled, plain)


@every_method
def test_rows_of_a_network_do_not_depend_on_their_neighbours(parts: Parts, method: EditingMethod):
    audio = network_source(parts)
    together = network_edit(method, parts, audio, BELLS, RAINS, Guidance(2.0))
    for row, length in enumerate(LENGTHS):
        own = Sequences(audio.values[row : row + 1, :length], audio.lengths[row : row + 1])
        alone = network_edit(method, parts, own, BELLS[row : row + 1], RAINS[row : row + 1], Guidance(2.0), first=row)
        torch.testing.assert_close(together[row, :length], alone[0], rtol=1e-3, atol=1e-4)


def test_a_source_without_text_is_under_the_null_condition(parts: Parts):
    audio = network_source(parts)
    mixed = network_flow(parts, audio, ["", "a dog barks", ""], RAINS)
    with torch.no_grad():
        got = mixed.under_source(PLAIN)(audio.values, 0.5)
        nothing = mixed.under_target(Guidance(0.0))(audio.values, 0.5)
        said = network_flow(parts, audio, BELLS, RAINS).under_source(PLAIN)(audio.values, 0.5)
    torch.testing.assert_close(got[[0, 2]], nothing[[0, 2]], rtol=0, atol=1e-5)
    torch.testing.assert_close(got[1], said[1], rtol=0, atol=1e-5)


def test_strength_is_the_noise_of_the_model_s_own_process(parts: Parts):
    flow = network_flow(parts, network_source(parts), BELLS, RAINS)
    assert flow.level(0.75) == pytest.approx(same_level(parts.process, RectifiedFlow(), 0.75))
    assert (flow.level(0.0), flow.level(1.0)) == (0.0, pytest.approx(1.0))
