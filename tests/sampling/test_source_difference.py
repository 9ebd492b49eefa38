"""Editing by the difference to a known source, on velocities in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from uat_lightning.sampling import DPMSolver3MSDE, DualGuidance, Euler, Guidance
from uat_lightning.sampling.editing import SourceDifference, TextFlow, Views
from uat_lightning.sampling.solvers import Noise, Velocity

SHAPE = (3, 6, 4)


@dataclass(frozen=True)
class Certain(TextFlow):
    """An editor that knows what the result is to be."""

    result: Tensor

    @property
    def guidance(self) -> Guidance:
        return Guidance(2.0)

    def under_source(self, guidance: Guidance) -> Velocity:
        raise AssertionError("the source's velocity is known")

    def under_target(self, guidance: Guidance) -> Velocity:
        raise AssertionError("the model sees the source")

    def beside_source(self, guidance: DualGuidance, views: Views) -> Velocity:
        return lambda latents, t: (latents - self.result) / t


def drawn(seed: int) -> Noise:
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(SHAPE, generator=generator, dtype=torch.float64)


def edited(result: Tensor, source: Tensor, strength: float = 1.0, steps: int = 7) -> Tensor:
    return SourceDifference(strength).run(source, Certain(result), Euler(steps), drawn(5))


def test_where_the_editor_is_sure_that_the_source_stays_it_does():
    source = drawn(0)()
    torch.testing.assert_close(edited(source, source), source, rtol=0, atol=1e-12)


@pytest.mark.parametrize("strength", [0.4, 1.0])
@pytest.mark.parametrize("steps", [1, 7])
def test_where_the_result_is_certain_it_is_reached_along_a_straight_line(strength: float, steps: int):
    """The noise cancels: dz/dt = (z - result) / t, which Euler's steps solve exactly."""
    source, result = drawn(0)(), drawn(1)()
    torch.testing.assert_close(edited(result, source, strength, steps), result, rtol=0, atol=1e-9)


def test_at_strength_0_the_source_comes_back():
    source = drawn(0)()
    assert edited(drawn(1)(), source, strength=0.0) is source


def test_outside_of_a_region_the_source_stays_to_the_last_bit():
    source, result = drawn(0)(), drawn(1)()
    region = torch.zeros(SHAPE[0], SHAPE[1], 1, dtype=torch.float64)
    region[:, 2:4] = 1.0
    made = SourceDifference().run(source, Certain(result), Euler(7), drawn(5), region)
    assert torch.equal(made[:, :2], source[:, :2]) and torch.equal(made[:, 4:], source[:, 4:])
    torch.testing.assert_close(made[:, 2:4], result[:, 2:4], rtol=0, atol=1e-9)


def test_a_solver_that_adds_noise_is_refused():
    with pytest.raises(ValueError, match="DPMSolver3MSDE adds noise, which SourceDifference cannot use"):
        SourceDifference().run(drawn(0)(), Certain(drawn(1)()), DPMSolver3MSDE(4), drawn(5))
