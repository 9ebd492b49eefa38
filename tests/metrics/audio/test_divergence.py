from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from uat_lightning.metrics.audio.divergence import (
    BernoulliKullbackLeibler,
    KullbackLeibler,
    bernoulli_kullback_leibler,
    kullback_leibler,
    presence_divergence,
)


def logits(clips: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(clips, 6, generator=torch.Generator().manual_seed(seed))


def test_the_published_examples(shared):
    for case in json.loads((shared / "cases" / "kl" / "cases.json").read_text())["cases"]:
        p, q = (torch.tensor([case[name]], dtype=torch.float64) for name in "PQ")
        assert kullback_leibler(p, q).item() == pytest.approx(case["kl"], abs=1e-9)
        within = case["kl_eps1e-6_inside_log_of_Q_fp64"]
        assert kullback_leibler(p, q, epsilon=1e-6).item() == pytest.approx(within, abs=1e-6)


def test_real_probabilities_give_the_three_figures_of_the_field(shared):
    file = shared / "cases" / "kl" / "passt_probs_song_describer_nosinging.npz"
    with np.load(file, allow_pickle=False) as data:
        probabilities = torch.from_numpy(data["probs"])
    p, q = probabilities[1:], probabilities[:-1]
    found = [kullback_leibler(p, q, 1e-6), kullback_leibler(p, q), kullback_leibler(q, p, 1e-6)]
    assert [round(each.mean().item(), 4) for each in found] == [0.4244, 0.4261, 0.4094]


def test_nothing_is_said_of_classes_that_are_not_there():
    p, q = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, 0.5]])
    assert kullback_leibler(p, q).item() == pytest.approx(math.log(2))
    assert kullback_leibler(q, p).item() == math.inf
    assert kullback_leibler(q, p, epsilon=1e-6).isfinite()


def test_sigmoids_are_compared_class_by_class():
    p, q = torch.tensor([[0.2, 0.9]]), torch.tensor([[0.5, 0.6]])
    bernoulli = torch.distributions.kl_divergence(torch.distributions.Bernoulli(p), torch.distributions.Bernoulli(q))
    assert bernoulli_kullback_leibler(p, q).item() == pytest.approx(bernoulli.sum().item(), rel=1e-6)
    assert presence_divergence(p, q, 0.0).item() == pytest.approx(0.2 * math.log(0.4) + 0.9 * math.log(1.5), rel=1e-6)


@pytest.mark.parametrize("metric", [KullbackLeibler(), BernoulliKullbackLeibler()])
def test_both_directions_are_named(metric):
    metric.reset()
    reference, generated = logits(5), logits(5, 1)
    metric.update(reference, generated, torch.arange(5))
    found = metric.compute()
    p, q = (metric.probabilities(side.double()) for side in (reference, generated))
    forward, backward = metric.divergence(p, q).mean(), metric.divergence(q, p).mean()
    assert forward != backward
    torch.testing.assert_close(found["kl_reference_to_generated"], forward)
    torch.testing.assert_close(found["kl_generated_to_reference"], backward)
    assert (found["clips"], found["undefined"]) == (5, 0)


def test_a_clip_that_cannot_be_heard_is_counted_and_left_out():
    metric, generated = KullbackLeibler(), logits(4, 1)
    generated[2] = math.nan
    metric.update(logits(4), generated, torch.arange(4))
    found = metric.compute()
    assert found["kl_reference_to_generated"].isfinite()
    assert (found["clips"], found["undefined"]) == (4, 1)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="one tagger"):
        kullback_leibler(torch.ones(2, 3), torch.ones(2, 4))
