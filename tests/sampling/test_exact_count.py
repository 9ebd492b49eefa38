from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from uat_lightning.sampling import ExactCount, Symbols
from uat_lightning.types import Sequences

PAD, END, MASK = range(3)
SYMBOLS = Symbols(MASK, END, PAD, [PAD, MASK])
TEXTS = torch.tensor([[*words, END] for words in itertools.product((3, 4, 5), repeat=3)])
PROBABILITY = (1.5 * torch.randn(27, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).softmax(0)


def posterior(canvas: Tensor) -> Tensor:
    """Return the log-probabilities of the optimal denoiser of 27 texts."""
    fits = ((canvas[:, None] == TEXTS) | (canvas[:, None] == MASK)).all(-1)
    weight = fits * PROBABILITY
    share = torch.einsum("rt,tpv->rpv", weight, torch.nn.functional.one_hot(TEXTS, 6).double())
    return (share / share.sum(-1, keepdim=True)).log().clamp(min=-1e4)


def estimates(strata: int, text: int, rows: int = 3000) -> Tensor:
    sources = [torch.Generator().manual_seed(row) for row in range(rows)]
    text_rows = Sequences(TEXTS[text].expand(rows, -1), torch.full((rows,), 4))
    return ExactCount(strata).log_likelihood(posterior, text_rows, SYMBOLS, sources)


@pytest.mark.parametrize("text", [0, 13])
@pytest.mark.parametrize("strata", [1, 4])
def test_the_bound_of_the_optimal_denoiser_is_the_likelihood_itself(text: int, strata: int):
    found = estimates(strata, text)
    error = float(found.std()) / len(found) ** 0.5
    assert float(found.mean()) == pytest.approx(float(PROBABILITY[text].log()), abs=4 * error)


def test_strata_lower_the_variance_more_than_as_many_independent_looks():
    assert float(estimates(4, 5).var()) < 0.8 * float(estimates(1, 5).var()) / 4


def test_every_number_of_hidden_tokens_is_equally_likely_and_the_padding_goes_with_its_end():
    text = Sequences(torch.zeros(2, 9, dtype=torch.int64), torch.tensor([5, 1]))
    sources = [torch.Generator().manual_seed(row) for row in range(2)]
    hidden = ExactCount(10).hidden(text, sources)
    assert hidden[:, 0, :5].sum(-1).sort().values.tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert torch.equal(hidden[:, 0, 5:], hidden[:, 0, 4:5].expand(-1, 4))
    assert hidden[:, 1].all()


def test_no_strata_are_refused():
    with pytest.raises(ValueError, match="strata must be at least 1"):
        ExactCount(0)
