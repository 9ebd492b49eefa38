from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from uat_lightning.sampling import Euler, Heun, ODESolver

MEAN, DEVIATION = 0.7, 0.4


def gaussian_velocity(latents: Tensor, t: float) -> Tensor:
    """Velocity of the rectified flow where the data are normal: E[noise - clean | noisy], in closed form."""
    variance = (1 - t) ** 2 * DEVIATION**2 + t**2
    covariance = t - (1 - t) * DEVIATION**2
    return -MEAN + covariance / variance * (latents - (1 - t) * MEAN)


def noise(count: int = 64) -> Tensor:
    return torch.randn(1, count, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def error(solver: ODESolver) -> float:
    exact = MEAN + DEVIATION * noise()
    return float((solver.solve(gaussian_velocity, noise()) - exact).abs().mean())


@pytest.mark.parametrize(("kind", "order"), [(Euler, 1), (Heun, 2)])
def test_the_error_falls_with_the_order_of_the_solver(kind: type[ODESolver], order: int):
    errors = [error(kind(steps)) for steps in (40, 80, 160, 320)]
    measured = [math.log2(coarse / fine) for coarse, fine in itertools.pairwise(errors)]
    assert measured[-1] == pytest.approx(order, abs=0.1)
    assert measured == sorted(measured, key=lambda value: abs(value - order), reverse=True)


def test_normal_noise_becomes_normal_data():
    data = Heun(100).solve(gaussian_velocity, noise(20_000))
    assert float(data.mean()) == pytest.approx(MEAN, abs=0.01)
    assert float(data.std()) == pytest.approx(DEVIATION, rel=0.02)


@pytest.mark.parametrize("solver", [Euler(1), Euler(7), Heun(1), Heun(7)])
def test_a_straight_path_is_followed_exactly(solver: ODESolver):
    clean, start = noise(), noise().flip(1)
    reached = solver.solve(lambda latents, t: start - clean, start)
    torch.testing.assert_close(reached, clean, rtol=0, atol=1e-13)


@pytest.mark.parametrize("solver", [Euler(1), Euler(10), Heun(1), Heun(10)])
def test_a_perfect_denoiser_of_one_clip_reaches_it_in_any_number_of_steps(solver: ODESolver):
    clean = noise()
    reached = solver.solve(lambda latents, t: (latents - clean) / t, noise().flip(1))
    torch.testing.assert_close(reached, clean, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("solver", "per_step"), [(Euler(12), 1), (Heun(12), 2)])
def test_the_network_is_never_asked_at_noise_level_zero_where_it_learned_no_velocity(solver: ODESolver, per_step: int):
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
