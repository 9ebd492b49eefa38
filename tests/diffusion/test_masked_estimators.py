"""Bernoulli and exact-count masks on a toy that can be written down: 3 tokens of a vocabulary of 3, an exact table."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from uat_lightning.backbone import TextPrediction
from uat_lightning.diffusion import Independent, MaskedAbsorbing, MaskedBernoulli, Objective, TimeSampler, Uniform
from uat_lightning.metrics.likelihood import CaptionNELBO, caption_nelbo
from uat_lightning.types import Sequences

MASK, END, PAD = 3, 1, 0
WORDS = torch.tensor(list(itertools.product(range(3), repeat=3)))
TABLE = torch.rand(27, generator=torch.Generator().manual_seed(3), dtype=torch.float64) ** 2 + 0.01
TABLE = TABLE / TABLE.sum()
LENGTHS = torch.full((27,), 3)
CPU = torch.device("cpu")


def optimal(canvas: Tensor) -> Tensor:
    """Log-probabilities (rows, 3, 3) of the exact posterior of the table, given what is shown."""
    fits = ((canvas[:, None] == WORDS) | (canvas[:, None] == MASK)).all(-1)
    texts = fits * TABLE
    tokens = torch.nn.functional.one_hot(WORDS, 3).double()
    return torch.einsum("ct,tpv->cpv", texts / texts.sum(-1, keepdim=True), tokens).clamp(min=1e-300).log()


def hiding(count: int) -> Tensor:
    """Every way to hide so many of three tokens, bool (ways, 3)."""
    return torch.tensor([[place in chosen for place in range(3)] for chosen in itertools.combinations(range(3), count)])


def exact_nelbo(text: int) -> float:
    """The mean of the metric over every count and every choice of hidden tokens."""
    means = []
    for count in (1, 2, 3):
        hidden = hiding(count)
        clean = WORDS[text].expand(len(hidden), 3)
        logits = optimal(torch.where(hidden, MASK, clean))
        means.append(caption_nelbo(logits, clean, hidden, torch.full((len(hidden),), 3)).mean())
    return float(torch.stack(means).mean())


def bernoulli_nelbo(text: int, eps: float) -> float:
    """The mean of the loss over t and masks in closed form: the weights 1/t are integrated over t up to 1."""
    total = 0.0
    for count in (1, 2, 3):
        hidden = hiding(count)
        clean = WORDS[text].expand(len(hidden), 3)
        nats = -optimal(torch.where(hidden, MASK, clean)).gather(-1, clean[..., None])[..., 0]
        p = torch.linspace(0, 1 - eps, 20_001, dtype=torch.float64)
        weight = float(torch.trapezoid(p ** (count - 1) * (1 - p) ** (3 - count), p))
        total += weight * float((nats * hidden).sum())
    return total


@pytest.mark.parametrize("text", range(27))
def test_the_nelbo_of_the_optimal_denoiser_is_the_negative_log_likelihood(text: int):
    likelihood = -float(TABLE[text].log())
    assert exact_nelbo(text) == pytest.approx(likelihood, abs=1e-9)
    assert bernoulli_nelbo(text, eps=0.0) == pytest.approx(likelihood, rel=1e-6)


def losses(process: Objective, levels: TimeSampler, batches: int, rows: int, text: int = 5) -> Tensor:
    """Losses of batches of one text under the optimal denoiser, in nats per token, (batches, rows)."""
    clean = Sequences(WORDS[text].expand(batches * rows, 3), torch.full((batches * rows,), 3))
    t = torch.cat([levels.sample(rows, CPU) for _ in range(batches)])
    corrupted = process.corrupt(clean, t)
    return process.loss(TextPrediction.of(optimal(corrupted.noisy.values)), corrupted).double().view(batches, rows)


def test_the_estimators_agree_in_mean_and_the_stratified_one_varies_less():
    torch.manual_seed(0)
    bernoulli, exact = MaskedBernoulli(MASK), MaskedAbsorbing(MASK)
    expected = -float(TABLE[5].log()) / 3
    variance = {}
    for name, process, levels in (
        ("Bernoulli", bernoulli, Independent(Uniform())),
        ("Bernoulli, stratified", bernoulli, Uniform()),
        ("exact", exact, Independent(Uniform())),
        ("exact, stratified", exact, Uniform()),
    ):
        means = losses(process, levels, 400, 12).mean(-1)
        assert float(means.mean()) == pytest.approx(expected, abs=4 * float(means.std()) / math.sqrt(400) + 3e-3)
        variance[name] = float(means.var())
    # The Bernoulli estimator's variance is that of rare masks with weights of 1/t, which no strata of t take away.
    assert variance["exact, stratified"] < 0.7 * variance["exact"]
    assert variance["exact"] < 0.7 * min(variance["Bernoulli"], variance["Bernoulli, stratified"])


def test_each_token_is_hidden_with_its_probability_and_weighs_one_over_t():
    torch.manual_seed(0)
    rows, t = 4000, torch.rand(4000) * 0.9 + 0.05
    clean = Sequences(torch.full((rows, 9), 7), torch.full((rows,), 9))
    process = MaskedBernoulli(eps=0.1)
    corrupted = process.corrupt(clean, t)
    hidden = corrupted.noisy.values == 2
    assert float((hidden.float().mean(1) - 0.9 * t).mean()) == pytest.approx(0, abs=0.01)
    torch.testing.assert_close(corrupted.weight[hidden], (1 / (9 * t.clamp(min=0.1)))[:, None].expand(-1, 9)[hidden])
    assert not corrupted.weight[~hidden].any()


def test_padding_goes_with_the_end_and_weighs_as_one_token():
    torch.manual_seed(0)
    ids = torch.tensor([[7, 8, END, PAD, PAD, PAD]]).expand(500, 6)
    t = torch.full((500,), 0.5)
    corrupted = MaskedBernoulli(pad_weight=2.0).corrupt(Sequences(ids, torch.full((500,), 3)), t)
    hidden = corrupted.noisy.values == 2
    assert torch.equal(hidden[:, 2:], hidden[:, 2:3].expand(-1, 4))
    assert set(hidden[:, 2].tolist()) == {True, False}
    tail = corrupted.weight[:, 3:].sum(-1)
    torch.testing.assert_close(tail, 2.0 * hidden[:, 2] / (3 * t))


def test_the_ends_are_clean_and_null():
    clean = Sequences(torch.full((2000, 9), 7), torch.full((2000,), 9))
    null = MaskedBernoulli(eps=0.5).corrupt(clean, torch.ones(2000)).noisy
    assert (null.values == 2).all()
    untouched = MaskedBernoulli().corrupt(clean, torch.zeros(2000))
    assert torch.equal(untouched.noisy.values, clean.values)
    assert not untouched.weight.any()


@pytest.mark.parametrize("eps", [0.0, 1.0, -1.0])
def test_an_impossible_eps_is_refused(eps: float):
    with pytest.raises(ValueError, match="eps must be above 0 and below 1"):
        MaskedBernoulli(eps=eps)


def test_the_metric_is_a_mean_over_captions_and_over_tokens_whatever_the_batches():
    torch.manual_seed(0)
    logits, tokens = torch.randn(6, 5, 9), torch.randint(9, (6, 5))
    lengths = torch.tensor([5, 1, 2, 3, 4, 5])
    hidden = torch.rand(6, 5) < 0.4
    hidden[:, 0] = True
    each = caption_nelbo(logits, tokens, hidden, lengths)
    for row in range(6):
        counted = hidden[row, : lengths[row]]
        nats = torch.nn.functional.cross_entropy(
            logits[row, : lengths[row]][counted], tokens[row, : lengths[row]][counted]
        )
        assert float(each[row]) == pytest.approx(float(nats * lengths[row]), rel=1e-5)
    metric = CaptionNELBO()
    for rows in (slice(0, 1), slice(1, 4), slice(4, 6)):
        metric.update(logits[rows], tokens[rows], hidden[rows], lengths[rows], torch.arange(6)[rows])
    assert float(metric.compute()["per_caption"]) == pytest.approx(float(each.mean()), rel=1e-6)
    assert float(metric.compute()["per_token"]) == pytest.approx(float(each.sum() / 20), rel=1e-6)
    metric.reset()
    assert math.isnan(float(metric.compute()["per_token"]))


def test_uniform_logits_cost_the_log_of_the_vocabulary_for_each_token():
    hidden = torch.tensor([[True, False, True, True]])
    nelbo = caption_nelbo(torch.zeros(1, 4, 50), torch.zeros(1, 4, dtype=torch.long), hidden, torch.tensor([3]))
    assert float(nelbo) == pytest.approx(3 * math.log(50))
