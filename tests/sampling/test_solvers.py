from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from uat_lightning.diffusion import RectifiedFlow, VPCosine, converted
from uat_lightning.sampling import (
    AdamsBashforth,
    CosineSchedule,
    DPMSolver2M,
    DPMSolver3MSDE,
    Euler,
    Heun,
    Midpoint,
    PolyexponentialSchedule,
    Schedule,
    ShiftedSchedule,
    Solver,
    UniformSchedule,
)

MEAN, DEVIATION = 0.7, 0.4


def gaussian_velocity(latents: Tensor, t: float) -> Tensor:
    """Velocity of the rectified flow where the data are normal: E[noise - clean | noisy], in closed form."""
    variance = (1 - t) ** 2 * DEVIATION**2 + t**2
    covariance = t - (1 - t) * DEVIATION**2
    return -MEAN + covariance / variance * (latents - (1 - t) * MEAN)


def noise(count: int = 64) -> Tensor:
    return torch.randn(1, count, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def deviation(t: float) -> float:
    return math.sqrt((1 - t) ** 2 * DEVIATION**2 + t**2)


def error(solver: Solver, start: float = 1.0, stop: float = 0.0) -> float:
    """Distance to the exact end of the path, which keeps the place of a point among all in deviations."""
    place = (noise() - (1 - start) * MEAN) / deviation(start)
    exact = (1 - stop) * MEAN + deviation(stop) * place
    return float((solver.solve(gaussian_velocity, noise(), start, stop) - exact).abs().mean())


def deterministic_3m(steps: int, schedule: Schedule | None = None) -> DPMSolver3MSDE:
    return DPMSolver3MSDE(steps, schedule, eta=0.0)


SOLVERS = {
    "Euler": Euler,
    "Heun": Heun,
    "Midpoint": Midpoint,
    "AdamsBashforth": AdamsBashforth,
    "2M": DPMSolver2M,
    "3M": deterministic_3m,
}
SCHEDULES = [UniformSchedule(), CosineSchedule(), ShiftedSchedule(3.0), PolyexponentialSchedule(0.01, 100.0)]
every_solver = pytest.mark.parametrize("make", SOLVERS.values(), ids=SOLVERS)
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: type(schedule).__name__)


def orders(errors: list[float]) -> list[float]:
    return [math.log2(coarse / fine) for coarse, fine in itertools.pairwise(errors)]


@pytest.mark.parametrize(("kind", "order"), [(Euler, 1), (Heun, 2)])
def test_the_error_falls_with_the_order_of_the_solver(kind: type[Solver], order: int):
    measured = orders([error(kind(steps)) for steps in (40, 80, 160, 320)])
    assert measured[-1] == pytest.approx(order, abs=0.1)
    assert measured == sorted(measured, key=lambda value: abs(value - order), reverse=True)


@every_schedule
@pytest.mark.parametrize(
    ("name", "order"), [("Euler", 1), ("Heun", 2), ("AdamsBashforth", 2), ("2M", 2), ("Midpoint", 2), ("3M", 2)]
)
def test_solvers_have_their_order_on_every_schedule(name: str, order: int, schedule: Schedule):
    measured = orders([error(SOLVERS[name](steps, schedule), 0.9, 0.1) for steps in (160, 320)])[0]
    # Linear equations flatter the midpoint rule, and the parabola suffers only from its first two steps.
    assert order - 0.1 < measured < (math.inf if name in ("Midpoint", "3M") else order + 0.15)


def two_peaks(latents: Tensor, t: float) -> Tensor:
    """Velocity where the data are a mixture of two normal distributions: not linear in the latents."""
    variance, covariance = (1 - t) ** 2 * 0.3**2 + t**2, t - (1 - t) * 0.3**2
    means = torch.tensor([-0.8, 0.8], dtype=torch.float64)
    offsets = latents[..., None] - (1 - t) * means
    chances = (-(offsets**2) / (2 * variance)).softmax(-1)
    return (chances * (covariance / variance * offsets - means)).sum(-1)


@pytest.fixture(scope="module")
def end_of_two_peaks() -> Tensor:
    return Heun(2500).solve(two_peaks, noise(), 0.9, 0.1)


@pytest.mark.parametrize(
    ("name", "order"), [("Euler", 1), ("Heun", 2), ("Midpoint", 2), ("AdamsBashforth", 2), ("2M", 2)]
)
def test_solvers_have_their_order_where_the_velocity_is_not_linear(name: str, order: int, end_of_two_peaks: Tensor):
    errors = [
        float((SOLVERS[name](steps).solve(two_peaks, noise(), 0.9, 0.1) - end_of_two_peaks).abs().mean())
        for steps in (150, 300)
    ]
    assert orders(errors)[0] == pytest.approx(order, abs=0.2)


def test_the_whole_curvature_makes_the_parabola_better_than_published_code():
    class Published(DPMSolver3MSDE):
        """Halves the curvature's own term."""

        def _bend(self, clean, past, step):
            whole, without = super()._bend(clean, past, step), super()._bend(clean, past[:1], step)
            if len(past) < 2:
                return whole
            (last, clean_last), (oldest, clean_oldest) = past
            here = math.log((1 - step.here) / step.here)
            bend = (clean - clean_last) / (here - last) - (clean_last - clean_oldest) / (last - oldest)
            bend = bend / (here - oldest)
            first = math.expm1(-step.length) / step.length + 1
            slope_part = without + first * step.length * bend * (here - last)
            return slope_part + (whole - slope_part) / 2

    schedule = PolyexponentialSchedule(0.01, 100.0)
    halved, whole = (error(kind(160, schedule, eta=0.0), 0.9, 0.1) for kind in (Published, DPMSolver3MSDE))
    assert whole < 0.2 * halved


@every_solver
@every_schedule
def test_the_whole_path_converges(make: Callable[..., Solver], schedule: Schedule):
    assert error(make(400, schedule)) < 4e-3 < error(Euler(60, schedule))


@every_schedule
def test_one_evaluation_of_a_second_order_solver_beats_one_of_eulers(schedule: Schedule):
    path = {"start": 0.9, "stop": 0.1}
    for kind in (AdamsBashforth, DPMSolver2M, deterministic_3m):
        assert error(kind(40, schedule), **path) < 0.25 * error(Euler(40, schedule), **path)


def test_normal_noise_becomes_normal_data():
    data = Heun(100).solve(gaussian_velocity, noise(20_000))
    assert float(data.mean()) == pytest.approx(MEAN, abs=0.01)
    assert float(data.std()) == pytest.approx(DEVIATION, rel=0.02)


def all_solvers(*steps: int) -> list[Solver]:
    return [make(count) for make in SOLVERS.values() for count in steps]


@pytest.mark.parametrize("solver", all_solvers(1, 7), ids=lambda solver: f"{type(solver).__name__}-{solver.steps}")
def test_a_straight_path_is_followed_exactly(solver: Solver):
    clean, start = noise(), noise().flip(1)
    reached = solver.solve(lambda latents, t: start - clean, start)
    torch.testing.assert_close(reached, clean, rtol=0, atol=1e-13)


@pytest.mark.parametrize("solver", [*all_solvers(1, 10), DPMSolver3MSDE(1), DPMSolver3MSDE(10)])
@pytest.mark.parametrize("start", [1.0, 0.4])
def test_a_perfect_denoiser_of_one_clip_reaches_it_in_any_number_of_steps(solver: Solver, start: float):
    clean = noise()
    reached = solver.solve(lambda latents, t: (latents - clean) / t, noise().flip(1), start)
    torch.testing.assert_close(reached, clean, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("solver", "per_step"),
    [(make(12), 2 if make in (Heun, Midpoint) else 1) for make in SOLVERS.values()],
)
def test_the_network_is_never_asked_at_noise_level_zero_where_it_learned_no_velocity(solver: Solver, per_step: int):
    asked: list[float] = []
    solver.solve(lambda latents, t: asked.append(t) or latents, noise())
    assert min(asked) > 0
    assert max(asked) == 1
    assert 12 * per_step - 1 <= len(asked) <= 12 * per_step


def test_a_path_that_starts_lower_takes_its_share_of_the_steps():
    asked: list[float] = []
    Euler(20).solve(lambda latents, t: asked.append(t) or latents, noise(), start=0.5)
    assert asked == pytest.approx([0.5 - 0.05 * step for step in range(10)])


def test_two_halves_of_a_path_are_the_whole():
    half = Euler(20).solve(gaussian_velocity, noise(), start=1.0, stop=0.5)
    both = Euler(20).solve(gaussian_velocity, half, start=0.5, stop=0.0)
    torch.testing.assert_close(both, Euler(20).solve(gaussian_velocity, noise()), rtol=0, atol=1e-12)


@pytest.mark.parametrize("steps", [0, -3])
def test_no_steps_are_refused(steps: int):
    with pytest.raises(ValueError, match=f"steps must be at least 1, got {steps}"):
        Heun(steps)


# Stochastic solvers.


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("start", [1.0, 0.6])
def test_renewed_noise_keeps_the_distribution(eta: float, start: float):
    torch.manual_seed(1)  # the noise to begin with has seed 0
    begin = (1 - start) * MEAN + deviation(start) * noise(40_000)
    solver = DPMSolver3MSDE(150, PolyexponentialSchedule(0.02, 200.0), eta)
    data = solver.solve(gaussian_velocity, begin, start)
    assert float(data.mean()) == pytest.approx(MEAN, abs=0.01)
    assert float(data.std()) == pytest.approx(DEVIATION, rel=0.02)


def test_noise_is_asked_for_in_every_step_but_the_last_and_decides_the_sample():
    drawn: list[Tensor] = []

    def fresh() -> Tensor:
        drawn.append(torch.randn(noise().shape, generator=generator, dtype=torch.float64))
        return drawn[-1]

    samples = []
    for seed in (1, 1, 2):
        generator = torch.Generator().manual_seed(seed)
        samples.append(DPMSolver3MSDE(10).solve(gaussian_velocity, noise(), noise=fresh))
    assert len(drawn) == 27
    assert torch.equal(samples[0], samples[1])
    assert not torch.equal(samples[0], samples[2])


def test_without_renewed_noise_nothing_is_drawn():
    def never() -> Tensor:
        raise AssertionError

    for solver in [make(5) for make in SOLVERS.values()]:
        solver.solve(gaussian_velocity, noise(), noise=never)


@pytest.mark.parametrize("kind", [DPMSolver2M, DPMSolver3MSDE])
def test_a_way_back_into_noise_is_refused(kind: type[Solver]):
    with pytest.raises(ValueError, match=r"goes from noise to clean, not from 0\.2 to 0\.8"):
        kind(10).solve(gaussian_velocity, noise(), 0.2, 0.8)


def test_a_negative_eta_is_refused():
    with pytest.raises(ValueError, match="eta must not be negative, got -1"):
        DPMSolver3MSDE(10, eta=-1)


# Schedules.


@every_schedule
def test_a_schedule_falls_from_noise_to_clean_and_is_inverted(schedule: Schedule):
    times = schedule.times(40)
    assert (times[0], times[-1], len(times)) == (1.0, 0.0, 41)
    assert all(there < here for here, there in itertools.pairwise(times))
    share = torch.linspace(0.02, 0.98, 40, dtype=torch.float64)
    torch.testing.assert_close(schedule.remaining(schedule.level(share)), share, rtol=0, atol=1e-12)


@every_schedule
@pytest.mark.parametrize("start", [1.0, 0.75, 0.3, 0.02])
def test_a_path_that_starts_lower_begins_where_it_is_told_and_takes_its_share(schedule: Schedule, start: float):
    times = schedule.times(60, start)
    assert (times[0], times[-1]) == (start, 0.0)
    assert all(there < here for here, there in itertools.pairwise(times))
    whole = schedule.times(60)
    assert abs(len(times) - 1 - sum(time < start for time in whole)) <= 2


def test_the_cosine_schedule_is_uniform_in_the_time_of_the_v_process():
    vp = VPCosine()
    levels = [float(vp.level(torch.tensor(time, dtype=torch.float64))) for time in CosineSchedule().times(10)]
    assert levels == pytest.approx([1 - step / 10 for step in range(11)])


def test_the_polyexponential_schedule_is_even_in_log_sigma_where_rho_is_one():
    times = PolyexponentialSchedule(0.3, 500.0).times(20)[1:-1]
    gaps = [math.log(a / (1 - a)) - math.log(b / (1 - b)) for a, b in itertools.pairwise(times)]
    assert gaps == pytest.approx([math.log(500 / 0.3) / 20] * 18)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ShiftedSchedule(0), "shift must be above 0"),
        (lambda: PolyexponentialSchedule(2.0, 1.0), "0 < sigma_min < sigma_max"),
        (lambda: PolyexponentialSchedule(rho=0), "0 < rho"),
    ],
)
def test_impossible_schedules_are_refused(make: Callable[[], Schedule], says: str):
    with pytest.raises(ValueError, match=says):
        make()


# The two processes.


def v_prediction(latents: Tensor, t: float) -> Tensor:
    """The v-prediction where the data are normal, E[alpha noise - sigma clean | noisy], in closed form."""
    alpha, sigma = math.cos(math.pi / 2 * t), math.sin(math.pi / 2 * t)
    covariance = alpha * sigma * (1 - DEVIATION**2)
    variance = alpha**2 * DEVIATION**2 + sigma**2
    return -sigma * MEAN + covariance / variance * (latents - alpha * MEAN)


def ddim(steps: int) -> Tensor:
    """DDIM of the v process, written in its own words: a turn by an equal angle at each step."""
    latents, turn = noise(), math.pi / 2 / steps
    for step in range(steps):
        latents = math.cos(turn) * latents - math.sin(turn) * v_prediction(latents, 1 - step / steps)
    return latents


def test_a_flow_sampler_on_a_v_model_is_ddim_to_the_last_digit():
    velocity = converted(v_prediction, VPCosine(), RectifiedFlow())
    reached = Euler(25, CosineSchedule()).solve(velocity, noise())
    torch.testing.assert_close(reached, ddim(25), rtol=0, atol=1e-12)


def test_a_v_sampler_on_a_flow_model_is_ddim_too():
    prediction = converted(gaussian_velocity, RectifiedFlow(), VPCosine())
    torch.testing.assert_close(prediction(noise(), 0.7), v_prediction(noise(), 0.7), rtol=0, atol=1e-12)


@every_solver
def test_both_processes_reach_the_same_sample(make: Callable[..., Solver]):
    vp, flow = VPCosine(), RectifiedFlow()
    velocity = converted(v_prediction, vp, flow)
    flowed = make(200).solve(velocity, noise())
    torch.testing.assert_close(flowed, make(200).solve(gaussian_velocity, noise()), rtol=0, atol=1e-10)
    exact = MEAN + DEVIATION * noise()
    assert (flowed - exact).abs().max() < 0.02
    # The v process's own equation, without any conversion.
    turned = Heun(400).solve(lambda latents, t: math.pi / 2 * v_prediction(latents, t), noise())
    torch.testing.assert_close(turned, exact, rtol=0, atol=1e-3)
