from __future__ import annotations

import pytest
import torch

from uat_lightning.metrics.audio.moments import Moments


def rows(count: int, offset: float = 0.0) -> torch.Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(count), dtype=torch.float64) + offset


def assert_close(one: Moments, other: Moments, tolerance: float = 1e-12) -> None:
    for name in ("count", "mean", "scatter"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=tolerance, atol=tolerance)


def test_they_are_the_mean_and_the_covariance():
    values = rows(30)
    moments = Moments.of(values)
    assert moments.count == 30
    torch.testing.assert_close(moments.mean, values.mean(0))
    torch.testing.assert_close(moments.covariance, values.T.cov())


@pytest.mark.parametrize("sizes", [[1] * 20, [3, 17], [0, 20, 0], [19, 1], [7, 6, 7]])
def test_pieces_merge_to_the_whole_in_any_order(sizes):
    values = rows(20, offset=50.0)
    pieces = [Moments.of(piece) for piece in values.split(sizes)]
    assert_close(Moments.joined(pieces), Moments.of(values))
    assert_close(Moments.joined(reversed(pieces)), Moments.of(values))


def test_an_offset_far_above_the_deviation_costs_no_precision():
    values = rows(1000)
    far = Moments.joined([Moments.of(piece) for piece in (values + 1e4).split(10)])
    torch.testing.assert_close(far.covariance, Moments.of(values).covariance, rtol=1e-9, atol=1e-9)


def test_single_precision_rows_are_summed_in_double():
    assert Moments.of(rows(9).float()).scatter.dtype == torch.float64


def test_nothing_is_neutral_and_a_single_row_has_no_covariance():
    some = Moments.of(rows(6))
    assert_close(Moments.empty(5).merged(some), some, 0)
    assert_close(some.merged(Moments.empty(5)), some, 0)
    assert Moments.of(rows(1)).covariance.isnan().all()
    assert Moments.empty(5).covariance.isnan().all()
    assert Moments.empty(5).merged(Moments.empty(5)).mean.tolist() == [0] * 5


def test_stored_statistics_come_back():
    some = Moments.of(rows(6))
    assert_close(Moments.from_covariance(6, some.mean, some.covariance), some)
