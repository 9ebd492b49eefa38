"""A model of one continuous process, used as one of another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from uat_lightning.diffusion.continuous import ContinuousProcess

Predict = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True)
class Converted:
    """Predictions of a process, from a model that was trained on another; a function of (noisy, t).

    Two processes hold the same latents where their signal-to-noise ratio is the same; they then differ by the scale
    ``alpha + sigma`` alone. A v-model answers for a rectified flow at ``t = sigma / (alpha + sigma)`` exactly, and the
    reverse.

    Args:
        predict: The model, a function of noisy latents (rows, frames, channels) and a noise level, of ``trained``.
        trained: The process that the model was trained on.
        wanted: The process whose predictions are wanted.
    """

    predict: Predict
    trained: ContinuousProcess
    wanted: ContinuousProcess

    def __call__(self, noisy: Tensor, t: float) -> Tensor:
        """Return the prediction of ``wanted`` for its own noisy latents at its own noise level t."""
        there = same_level(self.wanted, self.trained, t)
        scaled = rescaled(noisy, self.wanted, t, self.trained)
        known = self.trained.separate(self.predict(scaled, there), scaled, noisy.new_full((1,), there))
        return self.wanted.target(*known, noisy.new_full((1,), t))


def converted(predict: Predict, trained: ContinuousProcess, wanted: ContinuousProcess) -> Predict:
    """Return a model's predictions in another process: the model itself where both processes are the same."""
    return predict if trained.describe() == wanted.describe() else Converted(predict, trained, wanted)


def same_level(here: ContinuousProcess, there: ContinuousProcess, t: float) -> float:
    """Return the noise level of another process with the same signal-to-noise ratio."""
    return float(there.level(here.noise_share(torch.tensor(t, dtype=torch.float64))))


def rescaled(noisy: Tensor, here: ContinuousProcess, t: float, there: ContinuousProcess) -> Tensor:
    """Return noisy latents of a process at noise level t as those of another with the same signal-to-noise ratio."""
    return noisy * (_scale(there, same_level(here, there, t)) / _scale(here, t))


def _scale(process: ContinuousProcess, t: float) -> float:
    level = torch.tensor(t, dtype=torch.float64)
    return float(process.alpha(level) + process.sigma(level))
