from __future__ import annotations

import json
import math

import numpy as np
import pytest
import scipy.linalg
import torch

from uat_lightning.metrics.audio.frechet import frechet_distance, frechet_distance_at_infinity
from uat_lightning.metrics.audio.moments import Moments


def rows(count: int, width: int, seed: int = 0, offset: float = 0.0) -> torch.Tensor:
    source = torch.Generator().manual_seed(seed)
    mixing = torch.randn(width, width, generator=source, dtype=torch.float64)
    return torch.randn(count, width, generator=source, dtype=torch.float64) @ mixing + offset


def gaussian(mean: list[float], variances: list[float]) -> Moments:
    return Moments.from_covariance(100, torch.tensor(mean), torch.diag(torch.tensor(variances)))


def test_pairs_of_real_statistics_are_as_far_as_five_other_solvers_say(shared):
    folder = shared / "cases" / "fd_vggish"
    with np.load(folder / "dcase2023t7.npz", allow_pickle=False) as data:
        sides = {
            str(name): Moments.from_covariance(int(n), torch.from_numpy(mean), torch.from_numpy(covariance))
            for name, n, mean, covariance in zip(
                data["names"], np.broadcast_to(data["n"], len(data["names"])), data["mu"], data["sigma"], strict=True
            )
        }
    expected = json.loads((folder / "cross_solver.json").read_text())["fd"]
    assert len(expected) == 21
    for pair, distance in expected.items():
        one, other = pair.split("|")
        assert frechet_distance(sides[one], sides[other]) == pytest.approx(distance, abs=1e-6)
        assert frechet_distance(sides[other], sides[one]) == pytest.approx(distance, abs=1e-6)


@pytest.mark.parametrize(("count", "width"), [(2, 16), (10, 64), (63, 64), (64, 64), (500, 64)])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_statistics_of_any_rank_are_no_distance_from_themselves(count, width, scale):
    same = Moments.of(scale * rows(count, width))
    assert frechet_distance(same, same) < 1e-9 * max(1.0, scale**2)


def test_diagonal_gaussians_are_as_far_as_their_closed_form():
    distance = frechet_distance(gaussian([0, 1], [4, 9]), gaussian([3, 1], [1, 25]))
    assert distance == pytest.approx(9 + (2 - 1) ** 2 + (3 - 5) ** 2)


def test_covariances_that_do_not_commute_agree_with_the_matrix_square_root():
    one, other = Moments.of(rows(300, 12)), Moments.of(rows(200, 12, seed=1, offset=0.3))
    root = scipy.linalg.sqrtm((one.covariance @ other.covariance).numpy()).real
    apart = (one.mean - other.mean).square().sum()
    expected = apart + one.covariance.trace() + other.covariance.trace() - 2 * np.trace(root)
    assert frechet_distance(one, other) == pytest.approx(float(expected), rel=1e-9)


def test_few_rows_of_many_channels_give_what_a_larger_space_of_zeros_gives():
    one, other = rows(10, 40), rows(14, 40, seed=3)
    distance = frechet_distance(Moments.of(one), Moments.of(other))
    turned = torch.linalg.qr(rows(80, 80, seed=5))[0][:40]
    assert frechet_distance(Moments.of(one @ turned), Moments.of(other @ turned)) == pytest.approx(distance, abs=1e-9)


def test_what_cannot_be_compared_is_nan_or_refused():
    many = Moments.of(rows(9, 4))
    assert math.isnan(frechet_distance(many, Moments.of(rows(1, 4))))
    assert math.isnan(frechet_distance(Moments.empty(4), many))
    broken = rows(9, 4)
    broken[3, 2] = math.nan
    assert math.isnan(frechet_distance(many, Moments.of(broken)))
    with pytest.raises(ValueError, match="one embedder"):
        frechet_distance(many, Moments.of(rows(9, 5)))


def test_the_bias_of_few_clips_is_undone():
    reference = gaussian([0.0] * 16, [1.0] * 16)
    source = torch.Generator().manual_seed(0)
    clips = [torch.randn(1, 16, generator=source, dtype=torch.float64) for _ in range(400)]
    biased = frechet_distance(reference, Moments.of(torch.cat(clips)))
    found = frechet_distance_at_infinity(reference, clips)
    assert biased > 0.1
    assert abs(found.distance) < 0.3 * biased
    assert found.slope > 0
    assert found.fit > 0.9
    assert found.clips == 400
    assert found == frechet_distance_at_infinity(reference, clips)
    assert found != frechet_distance_at_infinity(reference, clips, seed=1)


def test_a_line_needs_clips():
    reference, clips = gaussian([0.0], [1.0]), list(rows(9, 1)[:, None])
    assert math.isfinite(frechet_distance_at_infinity(reference, clips).distance)
    assert math.isnan(frechet_distance_at_infinity(reference, clips[:7]).distance)
    assert math.isnan(frechet_distance_at_infinity(reference, [*clips, torch.full((1, 1), math.nan)]).distance)
    with pytest.raises(ValueError, match="2 points"):
        frechet_distance_at_infinity(reference, clips, points=1)
