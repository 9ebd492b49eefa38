from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from uat_lightning.metrics.audio.inception_score import InceptionScore, inception_score


def one_hot(labels: list[int], classes: int) -> torch.Tensor:
    return 1e4 * torch.nn.functional.one_hot(torch.tensor(labels), classes).float()


def test_sure_and_even_clips_score_their_classes_and_unsure_or_equal_ones_score_one():
    assert inception_score(one_hot([0, 1, 2, 3] * 5, 7), splits=1).mean == pytest.approx(4)
    assert inception_score(torch.zeros(20, 7), splits=4).mean == pytest.approx(1)
    assert inception_score(one_hot([3] * 20, 7)).mean == pytest.approx(1)


def test_parts_are_those_of_torch_fidelity():
    logits = torch.randn(23, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shuffled = logits.numpy()[np.random.RandomState(2020).permutation(23)]
    p = np.exp(shuffled) / np.exp(shuffled).sum(1, keepdims=True)
    parts = [p[i * 23 // 10 : (i + 1) * 23 // 10] for i in range(10)]
    scores = [np.exp((part * (np.log(part) - np.log(part.mean(0)))).sum(1).mean()) for part in parts]
    found = inception_score(logits)
    assert (found.mean, found.deviation) == (pytest.approx(np.mean(scores)), pytest.approx(np.std(scores)))
    assert (found.splits, found.clips) == (10, 23)


def test_fewer_clips_than_splits():
    assert inception_score(torch.zeros(3, 2)).splits == 3
    none = inception_score(torch.zeros(0, 2))
    assert math.isnan(none.mean)
    assert (none.splits, none.clips) == (0, 0)
    with pytest.raises(ValueError, match="splits"):
        inception_score(torch.zeros(3, 2), splits=0)


def test_what_is_not_finite_is_not_hidden():
    logits = torch.zeros(4, 2)
    logits[1] = math.nan
    assert math.isnan(inception_score(logits, splits=2).mean)


def test_the_metric_shuffles_in_the_order_of_ids():
    logits = torch.randn(12, 5, generator=torch.Generator().manual_seed(0))
    metric, order = InceptionScore(5, splits=3), torch.randperm(12, generator=torch.Generator().manual_seed(1))
    for some in order.split(5):
        metric.update(logits[some], some)
    metric.update(logits[:2], torch.arange(2))
    assert metric.compute()["mean"] == inception_score(logits, splits=3).mean
    assert metric.compute()["clips"] == 12
