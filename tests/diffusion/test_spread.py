from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from uat_lightning.diffusion import (
    Annealed,
    Antithetic,
    Conditional,
    Independent,
    LogitNormal,
    Occasion,
    ShiftedByLength,
    TimeSampler,
    Uniform,
)
from uat_lightning.diffusion.spread import shifted
from uat_lightning.types import Pair

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def over_ranks(sampler: TimeSampler, count: int, ranks: int, batch: int) -> list[Tensor]:
    rows = torch.ones(count, dtype=torch.bool)
    return [sampler.among(rows, Occasion(0, batch, rank, ranks)) for rank in range(ranks)]


@pytest.mark.parametrize("sampler", [Uniform(), Antithetic(Uniform())])
@pytest.mark.parametrize(("count", "ranks"), [(4, 2), (5, 3), (8, 8), (1, 4), (7, 1)])
def test_all_ranks_together_have_one_level_in_every_stratum(sampler: TimeSampler, count: int, ranks: int):
    total = count * ranks
    for batch in range(20):
        levels = torch.cat(over_ranks(sampler, count, ranks, batch)).double()
        strata = ((1 - levels) * total).long().clamp(max=total - 1)
        assert strata.sort().values.tolist() == list(range(total))


def test_ranks_draw_different_noise_within_the_strata_they_agree_on():
    generation = torch.tensor([True, False] * 4)
    square = Conditional(Uniform(), Uniform(), 0.0, 0.0)
    levels = []
    for rank in range(2):
        torch.manual_seed(100 + rank)
        levels.append(square.draw(generation, Occasion(0, 7, rank, 2)).t.audio[generation])
    assert not set(levels[0].tolist()) & set(levels[1].tolist())
    strata = ((1 - torch.cat(levels)) * 8).long()
    assert strata.sort().values.tolist() == list(range(8))


def test_every_rank_alone_is_uniform_in_the_course_of_batches():
    levels = torch.cat([over_ranks(Uniform(), 4, 3, batch)[1] for batch in range(3000)]).double()
    counts = torch.histc(levels, 12, 0, 1)
    expected = len(levels) / 12
    assert float(((counts - expected) ** 2 / expected).sum()) < 11 + 5 * math.sqrt(22)


def test_a_process_alone_draws_what_it_drew_before_there_were_ranks():
    rows = torch.tensor([True, False, True, True])
    torch.manual_seed(4)
    places = torch.rand(4).masked_fill(~rows, 2.0).argsort().argsort()
    expected = 1 - ((places + torch.rand(4)) / 3).clamp(max=1 - 1e-6)
    torch.manual_seed(4)
    assert torch.equal(Uniform().among(rows, Occasion(step=9, batch=5)), expected)


@pytest.mark.parametrize("sampler", [Independent(Uniform()), Antithetic(Uniform())])
@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_other_spreads_are_uniform_too(sampler: TimeSampler, count: int):
    levels = torch.cat([sampler.sample(count, CPU) for _ in range(20_000 // count)]).double()
    assert levels.min() > 0
    assert levels.max() <= 1
    counts = torch.histc(levels, 10, 0, 1)
    expected = len(levels) / 10
    assert float(((counts - expected) ** 2 / expected).sum()) < 9 + 5 * math.sqrt(18)


def test_antithetic_levels_mirror_each_other():
    rows = torch.tensor([True, False, True, True, False, True])
    for _ in range(20):
        levels = Antithetic(Uniform()).among(rows)[rows].double().sort().values
        torch.testing.assert_close(levels + levels.flip(0), torch.ones(4, dtype=torch.float64), rtol=0, atol=1e-6)


def test_spreads_order_by_variance():
    spreads = Independent(Uniform()), Uniform(), Antithetic(Uniform())
    variance = [torch.stack([torch.exp(s.sample(8, CPU).double()).mean() for _ in range(2000)]).var() for s in spreads]
    assert variance[0] > 20 * variance[1] > 60 * variance[2]


def test_annealing_moves_from_one_sampler_to_the_other_as_a_function_of_the_step():
    sampler = Annealed(LogitNormal(), Uniform(), steps=100, start=50)
    share = torch.linspace(0.01, 0.99, 50)
    at = [sampler.quantile(share, Occasion(step=step)) for step in (0, 50, 100, 150, 900)]
    assert torch.equal(at[0], LogitNormal().quantile(share))
    assert torch.equal(at[1], at[0])
    torch.testing.assert_close(at[2], (LogitNormal().quantile(share) + share) / 2)
    assert torch.equal(at[3], share)
    assert torch.equal(at[4], share)
    assert torch.equal(sampler.quantile(share, Occasion(step=77)), sampler.quantile(share, Occasion(step=77)))


def test_annealing_needs_a_step():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        Annealed(Uniform(), Uniform(), 0)


def test_longer_latents_get_more_noise_and_the_reference_is_not_shifted():
    lengths = torch.tensor([64, 256, 1024])
    occasion = Occasion(lengths=Pair(lengths, torch.tensor([9, 9, 9])))
    sampler = ShiftedByLength(Uniform(), reference=256)
    torch.testing.assert_close(sampler.quantile(torch.full((3,), 0.5), occasion), torch.tensor([1 / 3, 0.5, 2 / 3]))
    for end in (1e-9, 1.0):
        torch.testing.assert_close(
            sampler.quantile(torch.full((3,), end), occasion), torch.full((3,), end), rtol=1e-6, atol=1e-8
        )
    with pytest.raises(ValueError, match="needs the latent lengths"):
        sampler.sample(3, CPU)
    with pytest.raises(ValueError, match="latent frames above 0"):
        ShiftedByLength(Uniform(), 0)


def test_a_shift_is_undone_by_its_inverse():
    t = torch.linspace(0, 1, 50, dtype=torch.float64)
    torch.testing.assert_close(shifted(shifted(t, 3.0), 1 / 3.0), t)


def test_samplers_can_be_put_into_each_other():
    occasion = Occasion(step=10, lengths=Pair(torch.tensor([256] * 4), torch.tensor([3] * 4)))
    nested = ShiftedByLength(Antithetic(Annealed(LogitNormal(), Uniform(), 10)))
    levels = nested.among(torch.ones(4, dtype=torch.bool), occasion).double().sort().values
    torch.testing.assert_close(levels + levels.flip(0), torch.ones(4, dtype=torch.float64), rtol=0, atol=1e-6)
