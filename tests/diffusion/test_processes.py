from __future__ import annotations

import pytest
import torch

from uat_lightning.configurable import rebuild
from uat_lightning.diffusion import (
    ContinuousProcess,
    RectifiedFlow,
    VPCosine,
    converted,
    rescaled,
    same_level,
)
from uat_lightning.types import Sequences

PROCESSES = [RectifiedFlow(), VPCosine()]
T = torch.tensor([0.05, 0.3, 0.5, 0.9], dtype=torch.float64)


def latents(seed: int) -> torch.Tensor:
    return torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def close(one: torch.Tensor, other: torch.Tensor, atol: float = 1e-12) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=atol)


@pytest.mark.parametrize("process", PROCESSES)
def test_the_way_back_from_a_prediction_is_exact(process: ContinuousProcess):
    clean, noise = latents(0), latents(1)
    back = process.separate(process.target(clean, noise, T), process.path(clean, noise, T), T)
    close(back[0], clean)
    close(back[1], noise)
    close(process.reconsider(clean, process.path(clean, noise, T), T), process.target(clean, noise, T), 1e-11)


@pytest.mark.parametrize("process", PROCESSES)
def test_the_derivative_is_that_of_the_path(process: ContinuousProcess):
    clean, noise, step = latents(0), latents(1), 1e-5
    numerical = (process.path(clean, noise, T + step) - process.path(clean, noise, T - step)) / (2 * step)
    derivative = process.derivative(process.target(clean, noise, T), process.path(clean, noise, T), T)
    close(derivative, numerical, 1e-8)


@pytest.mark.parametrize("process", PROCESSES)
def test_the_ends_are_exact_and_levels_and_shares_invert_each_other(process: ContinuousProcess):
    clean, noise = latents(0).float(), latents(1).float()
    assert torch.equal(process.path(clean, noise, torch.zeros(4)), clean)
    assert torch.equal(process.path(clean, noise, torch.ones(4)), noise)
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    close(process.level(process.noise_share(t)), t)
    assert process.noise_share(t)[[0, -1]].tolist() == [0, 1]


def test_the_v_process_is_the_papers():
    clean, noise = latents(0), latents(1)
    angle = (torch.pi / 2 * T)[:, None, None]
    close(VPCosine().path(clean, noise, T), angle.cos() * clean + angle.sin() * noise)
    close(VPCosine().target(clean, noise, T), angle.cos() * noise - angle.sin() * clean)
    close(VPCosine().alpha(T) ** 2 + VPCosine().sigma(T) ** 2, torch.ones(4, dtype=torch.float64))


def test_a_clean_row_comes_back_bit_for_bit_and_noise_follows_the_generator():
    clean = Sequences(latents(0), torch.tensor([6, 6, 2, 4]))
    drawn = [VPCosine().corrupt(clean, 0 * T, torch.Generator().manual_seed(3)) for _ in range(2)]
    assert torch.equal(drawn[0].noisy.values, clean.values)
    assert torch.equal(drawn[0].target, drawn[1].target)
    assert VPCosine().loss(drawn[0].target, drawn[0]).tolist() == [0] * 4


@pytest.mark.parametrize("t", [0.01, 0.3, 0.75, 0.99])
@pytest.mark.parametrize(("trained", "wanted"), [PROCESSES, PROCESSES[::-1]])
def test_a_converted_model_answers_as_one_trained_on_the_other_process(trained, wanted, t: float):
    clean, noise, asked = latents(0), latents(1), []

    def model(noisy: torch.Tensor, level: float) -> torch.Tensor:
        at = torch.full((4,), level, dtype=torch.float64)
        close(noisy, trained.path(clean, noise, at))
        asked.append(level)
        return trained.target(clean, noise, at)

    at = torch.full((4,), t, dtype=torch.float64)
    close(converted(model, trained, wanted)(wanted.path(clean, noise, at), t), wanted.target(clean, noise, at))
    share = trained.noise_share(torch.tensor(asked[0], dtype=torch.float64))
    close(share, wanted.noise_share(torch.tensor(t, dtype=torch.float64)))


@pytest.mark.parametrize("t", [0.0, 0.2, 0.75, 1.0])
def test_a_model_converted_there_and_back_is_itself(t: float):
    vp, flow = VPCosine(), RectifiedFlow()

    def model(noisy: torch.Tensor, level: float) -> torch.Tensor:
        return torch.sin(3 * noisy) + level

    both = converted(converted(model, vp, flow), flow, vp)
    close(both(latents(0), t), model(latents(0), t))
    close(rescaled(rescaled(latents(0), vp, t, flow), flow, same_level(vp, flow, t), vp), latents(0))


def test_a_model_of_the_same_process_is_left_alone():
    def model(noisy: torch.Tensor, level: float) -> torch.Tensor:
        return noisy

    assert converted(model, RectifiedFlow(), RectifiedFlow()) is model
    assert torch.equal(rescaled(latents(0), VPCosine(), 0.3, VPCosine()), latents(0))


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_can_be_saved(process: ContinuousProcess):
    assert type(rebuild(process.describe(), ContinuousProcess)) is type(process)
