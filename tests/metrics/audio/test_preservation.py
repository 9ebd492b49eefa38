from __future__ import annotations

import pytest
import torch

from uat_lightning.metrics.audio.layered_distance import LayeredDistance, layered_distance
from uat_lightning.metrics.audio.preservation import Preservation, signal_distortion

RATE = 16_000


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_distortion_is_the_level_of_what_is_orthogonal_whatever_gain_and_offset():
    target, other = noise(RATE), noise(RATE, seed=1)
    target -= target.mean()
    other -= other.mean()
    other -= target * (other @ target) / (target @ target)
    other *= 0.1 * target.norm() / other.norm()
    assert signal_distortion(target + other, target).item() == pytest.approx(20, abs=1e-9)
    assert signal_distortion(-3 * (target + other) + 0.7, target - 2).item() == pytest.approx(20, abs=1e-9)


def test_nothing_can_be_compared_with_silence():
    assert signal_distortion(noise(RATE), torch.zeros(RATE, dtype=torch.float64)).isnan()


def test_the_metric_averages_both_and_counts_what_has_no_ratio():
    metric, target = Preservation(RATE), noise(2, RATE)
    metric.update([0.5 * target, target], [target, torch.zeros_like(target)], torch.tensor([3, 5]))
    found = metric.compute()
    assert found["signal_distortion_db"] > 100
    assert (found["clips"], found["undefined"]) == (2, 1)


def states(seed: int) -> list[torch.Tensor]:
    return [noise(3, 8, 4, seed=seed), noise(3, 2, 16, seed=seed + 1)]


@pytest.mark.parametrize("axis", [1, 2])
def test_layers_are_compared_by_direction_alone(axis):
    same = layered_distance(states(0), [5 * layer for layer in states(0)], axis)
    assert same.tolist() == pytest.approx([0] * 3, abs=1e-12)
    opposite = layered_distance(states(0), [-layer for layer in states(0)], axis)
    assert opposite.tolist() == pytest.approx([8] * 3)  # |u - (-u)|^2 = 4 in both layers


def test_the_axis_of_norms_by_hand():
    a, b = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]]), torch.tensor([[[1.0, 0.0], [3.0, 0.0]]])
    # Along channels: equal at position 0, orthogonal at 1. Along positions: (1, 0) from (1, 3), and (0, 1) from 0.
    assert layered_distance([a], [b], axis=2).item() == pytest.approx((0 + 2) / 2)
    first = (1 - 10**-0.5) ** 2 + 0.9
    assert layered_distance([a], [b], axis=1).item() == pytest.approx((first + 1) / 2)


def test_other_layers_are_refused_and_the_metric_averages():
    with pytest.raises(ValueError, match="one network"):
        layered_distance(states(0), states(0)[:1])
    metric = LayeredDistance(axis=2)
    metric.update(states(0), states(4), torch.arange(3))
    torch.testing.assert_close(metric.compute()["lpaps"], layered_distance(states(0), states(4), 2).mean())
