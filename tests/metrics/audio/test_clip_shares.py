from __future__ import annotations

import pytest
import torch

from uat_lightning.metrics.audio.clip_shares import frechet_shares, inception_shares
from uat_lightning.metrics.audio.frechet import frechet_distance
from uat_lightning.metrics.audio.inception_score import inception_score
from uat_lightning.metrics.audio.moments import Moments

WIDTH = 8


def rows(count: int, seed: int, scale: float = 1.0) -> torch.Tensor:
    source = torch.Generator().manual_seed(seed)
    mixing = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    return scale * torch.randn(count, WIDTH, generator=source, dtype=torch.float64) @ mixing + 0.3 * scale


def clips(count: int, seed: int) -> list[torch.Tensor]:
    """Return clips of one to three rows."""
    lengths = [1 + row % 3 for row in range(count)]
    return list(torch.split(rows(sum(lengths), seed, 1.2), lengths))


def test_shares_of_the_distance_average_to_it_and_are_what_more_weight_on_a_clip_changes():
    reference, made = Moments.of(rows(500, 1)), clips(60, 2)
    shares = frechet_shares(reference, made)
    distance = frechet_distance(reference, Moments.of(torch.cat(made)))
    assert float(shares.mean()) == pytest.approx(distance, abs=1e-9)
    many = 200  # a clip more among so many is little more weight
    whole = Moments.joined([Moments.of(torch.cat(made))] * many)
    before = frechet_distance(reference, whole)
    for clip in (0, 1, 2, 59):
        more = frechet_distance(reference, whole.merged(Moments.of(made[clip])))
        assert float(shares[clip]) - distance == pytest.approx(60 * many * (more - before), rel=0.02, abs=0.05)


def test_shares_spread_as_the_distance_does_between_sets_of_clips():
    reference = Moments.of(rows(5000, 1))
    sets = [list(rows(150, seed, 1.2)[:, None]) for seed in range(80)]
    distances = torch.tensor([frechet_distance(reference, Moments.of(torch.cat(some))) for some in sets])
    spread = torch.stack([frechet_shares(reference, some).std() / 150**0.5 for some in sets]).mean()
    assert 0.8 < float(spread / distances.std()) < 1.4


def test_too_few_rows_for_the_channels_have_no_shares():
    reference = Moments.of(rows(100, 1))
    assert len(frechet_shares(reference, list(rows(2 * WIDTH, 2)[:, None]))) == 2 * WIDTH
    assert len(frechet_shares(reference, list(rows(2 * WIDTH - 1, 2)[:, None]))) == 0


@pytest.mark.parametrize("splits", [1, 3])
def test_shares_of_the_inception_score_average_to_it(splits):
    logits = 2 * torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    shares = inception_shares(logits, splits)
    assert float(shares.mean()) == pytest.approx(inception_score(logits, splits).mean, abs=1e-12)


def test_a_share_of_the_inception_score_is_what_more_weight_on_a_clip_changes():
    logits = 2 * torch.randn(30, 5, generator=torch.Generator().manual_seed(0))
    before, many = inception_score(logits, 1).mean, 200
    shares = inception_shares(logits, 1)
    for clip in (0, 29):
        more = inception_score(torch.cat([*[logits] * many, logits[clip : clip + 1]]), 1).mean
        assert float(shares[clip]) - before == pytest.approx(30 * many * (more - before), rel=0.01, abs=1e-3)


def test_parts_of_few_clips_have_no_shares():
    assert len(inception_shares(torch.zeros(0, 4))) == len(inception_shares(torch.zeros(29, 4), 3)) == 0
    assert len(inception_shares(torch.zeros(30, 4), 3)) == 30
