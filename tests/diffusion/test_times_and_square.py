from __future__ import annotations

import math

import pytest
import torch

from uat_lightning.diffusion import Conditional, LogitNormal, TimeSampler, Uniform

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_uniform_has_one_level_in_every_bin(count: int):
    for _ in range(50):
        bins = ((1 - Uniform().sample(count, CPU)) * count).long().clamp(max=count - 1)
        assert bins.sort().values.tolist() == list(range(count))


def test_uniform_levels_come_in_random_order():
    orders = {tuple(Uniform().sample(4, CPU).argsort().tolist()) for _ in range(300)}
    assert len(orders) == math.factorial(4)


@pytest.mark.parametrize("sampler", [Uniform(), LogitNormal(), LogitNormal(2.0, 3.0)])
def test_levels_are_noise_levels_above_zero(sampler: TimeSampler):
    levels = torch.cat([sampler.sample(64, CPU) for _ in range(500)])
    assert levels.min() > 0
    assert levels.max() <= 1


def test_zero_rows_draw_zero_levels():
    assert Uniform().sample(0, CPU).shape == (0,)
    assert LogitNormal().sample(0, CPU).shape == (0,)


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (-1.2, 2.0)])
def test_logit_normal_has_the_quantiles_of_its_name(mean: float, deviation: float):
    levels = LogitNormal(mean, deviation).sample(20_000, CPU).double()
    shares = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95], dtype=torch.float64)
    expected = torch.sigmoid(mean + deviation * torch.special.ndtri(shares))
    torch.testing.assert_close(levels.quantile(shares), expected, rtol=0, atol=2e-3)


def test_generation_rows_learn_audio_and_captioning_rows_learn_text():
    generation = torch.rand(200) < 0.5
    draw = Conditional(LogitNormal(), Uniform()).draw(generation)
    assert torch.equal(draw.learn.audio, generation)
    assert torch.equal(draw.learn.text, ~generation)
    assert not (draw.learn.audio & draw.learn.text).any()


def test_the_condition_is_clean_or_dropped_and_the_learned_side_is_noisy():
    generation = torch.rand(2000) < 0.5
    draw = Conditional(LogitNormal(), Uniform(), 0.3, 0.3).draw(generation)
    condition = torch.where(generation, draw.t.text, draw.t.audio)
    assert set(condition.tolist()) == {0.0, 1.0}
    learned = torch.where(generation, draw.t.audio, draw.t.text)
    assert ((learned > 0) & (learned <= 1)).all()


def test_conditions_are_dropped_as_often_as_asked():
    generation = torch.arange(40_000) % 2 == 0
    draw = Conditional(LogitNormal(), Uniform(), drop_text=0.1, drop_audio=0.4).draw(generation)
    assert float(draw.t.text[generation].mean()) == pytest.approx(0.1, abs=0.01)
    assert float(draw.t.audio[~generation].mean()) == pytest.approx(0.4, abs=0.015)


def test_conditions_are_never_dropped_at_rate_zero_and_always_at_one():
    generation = torch.arange(1000) % 2 == 0
    draw = Conditional(LogitNormal(), Uniform(), drop_text=0.0, drop_audio=1.0).draw(generation)
    assert not draw.t.text[generation].any()
    assert (draw.t.audio[~generation] == 1).all()


@pytest.mark.parametrize(("rows", "marked"), [(8, 4), (8, 3), (7, 2), (10, 9), (5, 5), (6, 1)])
def test_levels_are_stratified_among_the_rows_that_learn(rows: int, marked: int):
    generation = torch.zeros(rows, dtype=torch.bool)
    for _ in range(100):
        generation = generation[torch.randperm(rows)] if generation.any() else torch.arange(rows) < marked
        t = Conditional(Uniform(), Uniform(), 0.0, 0.0).draw(generation).t
        for levels in (t.audio[generation], t.text[~generation]):
            bins = ((1 - levels) * len(levels)).long().clamp(max=len(levels) - 1)
            assert bins.sort().values.tolist() == list(range(len(levels)))


@pytest.mark.parametrize(("rows", "marked"), [(4, 1), (4, 3), (8, 4), (7, 2)])
def test_levels_of_the_rows_that_learn_are_uniform_whatever_their_share(rows: int, marked: int):
    generation = torch.arange(rows) < marked
    square = Conditional(Uniform(), Uniform())
    levels = torch.cat([square.draw(generation).t.audio[generation] for _ in range(4000)]).double()
    counts = torch.histc(levels, 10, 0, 1)
    expected = len(levels) / 10
    assert float(((counts - expected) ** 2 / expected).sum()) < 9 + 5 * math.sqrt(18)


def test_rows_of_one_direction_only_are_welcome():
    for generation in (torch.ones(6, dtype=torch.bool), torch.zeros(6, dtype=torch.bool)):
        draw = Conditional(Uniform(), Uniform(), 0.0, 0.0).draw(generation)
        assert torch.equal(torch.where(generation, draw.t.text, draw.t.audio), torch.zeros(6))
