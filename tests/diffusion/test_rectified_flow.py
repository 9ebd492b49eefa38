from __future__ import annotations

import torch

from uat_lightning.diffusion import RectifiedFlow
from uat_lightning.types import Sequences


def some_rows(dtype: torch.dtype = torch.float64) -> Sequences:
    values = torch.randn(4, 7, 3, generator=torch.Generator().manual_seed(0), dtype=dtype)
    return Sequences(values, torch.tensor([7, 1, 4, 6]))


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def test_the_path_begins_at_the_data_and_ends_at_the_noise():
    clean, noise = torch.randn(2, 5, 3, dtype=torch.float64), torch.randn(2, 5, 3, dtype=torch.float64)
    assert torch.equal(RectifiedFlow().path(clean, noise, torch.zeros(2, dtype=torch.float64)), clean)
    assert torch.equal(RectifiedFlow().path(clean, noise, torch.ones(2, dtype=torch.float64)), noise)


def test_at_time_zero_a_row_comes_back_bit_for_bit():
    clean = some_rows(torch.float32)
    corrupted = RectifiedFlow().corrupt(clean, torch.tensor([0.0, 0.5, 0.0, 1.0]), seeded())
    assert torch.equal(corrupted.noisy.values[[0, 2]], clean.values[[0, 2]])
    assert not torch.equal(corrupted.noisy.values[1], clean.values[1])
    assert torch.equal(corrupted.noisy.lengths, clean.lengths)


def test_velocity_is_the_derivative_of_the_path_by_time():
    clean, step = some_rows(), 1e-6
    t = torch.tensor([0.1, 0.3, 0.6, 0.9], dtype=torch.float64)
    before, here, after = (RectifiedFlow().corrupt(clean, t + shift, seeded()) for shift in (-step, 0, step))
    numerical = (after.noisy.values - before.noisy.values) / (2 * step)
    torch.testing.assert_close(here.target, numerical, rtol=1e-8, atol=1e-8)


def test_noisy_and_velocity_give_back_data_and_noise():
    clean, t = some_rows(), torch.tensor([0.2, 0.4, 0.6, 0.8], dtype=torch.float64)
    corrupted = RectifiedFlow().corrupt(clean, t, seeded())
    back = corrupted.noisy.values - t[:, None, None] * corrupted.target
    torch.testing.assert_close(back, clean.values, rtol=0, atol=1e-12)
    noise = corrupted.noisy.values + (1 - t)[:, None, None] * corrupted.target
    pure = RectifiedFlow().corrupt(clean, torch.ones(4, dtype=torch.float64), seeded()).noisy.values
    torch.testing.assert_close(noise, pure, rtol=0, atol=1e-12)


def test_at_time_one_there_is_standard_normal_noise_and_nothing_of_the_data():
    clean = Sequences(torch.full((10, 100, 10), 50.0), torch.full((10,), 100))
    noise = RectifiedFlow().corrupt(clean, torch.ones(10), seeded()).noisy.values
    assert abs(float(noise.mean())) < 0.03
    assert abs(float(noise.var()) - 1) < 0.05


def test_loss_is_zero_for_the_true_velocity_only():
    process = RectifiedFlow()
    corrupted = process.corrupt(some_rows(), torch.rand(4, dtype=torch.float64), seeded())
    assert torch.equal(process.loss(corrupted.target, corrupted), torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(
        process.loss(corrupted.target + 2, corrupted), torch.full((4,), 4.0, dtype=torch.float64)
    )


def test_padding_does_not_count_and_every_valid_frame_counts_alike():
    process, clean = RectifiedFlow(), some_rows()
    corrupted = process.corrupt(clean, torch.rand(4, dtype=torch.float64), seeded())
    spoiled = torch.where(clean.mask[..., None], corrupted.target, torch.full_like(corrupted.target, 1e6))
    assert torch.equal(process.loss(spoiled, corrupted), torch.zeros(4, dtype=torch.float64))
    one_frame = corrupted.target.clone()
    one_frame[:, 0] += 1
    torch.testing.assert_close(process.loss(one_frame, corrupted), 1 / clean.lengths.double(), check_dtype=False)


def test_noise_follows_the_generator():
    clean, t = some_rows(), torch.full((4,), 0.5, dtype=torch.float64)
    first, again = (RectifiedFlow().corrupt(clean, t, seeded()).target for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, RectifiedFlow().corrupt(clean, t, torch.Generator().manual_seed(2)).target)
