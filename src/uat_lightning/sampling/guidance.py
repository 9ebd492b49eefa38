"""Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598), batched and limited to an interval."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from uat_lightning.backbone import Backbone, OneSided
from uat_lightning.diffusion import ContinuousProcess, RectifiedFlow
from uat_lightning.types import Sequences


@dataclass(frozen=True)
class Guidance:
    """How far predictions move from the null condition to the condition, and beyond.

    Args:
        scale: 1 follows the condition alone, 0 ignores it, above 1 exaggerates it.
        start: Guidance acts at noise levels up to this one (arXiv 2404.07724), 0 to 1.
        stop: Guidance acts at noise levels from this one on, 0 to 1.
    """

    scale: float = 3.0
    start: float = 1.0
    stop: float = 0.0

    def __post_init__(self) -> None:
        """Check the interval."""
        if not 0 <= self.stop <= self.start <= 1:
            raise ValueError(
                f"guidance interval needs 0 <= stop <= start <= 1, got stop {self.stop}, start {self.start}"
            )

    def acts(self, t: float) -> bool:
        """Say whether the null condition is needed at a noise level."""
        return self.scale != 1 and self.stop <= t <= self.start

    def mix(self, conditional: Tensor, null: Tensor) -> Tensor:
        """Return ``null + scale (conditional - null)``."""
        return torch.lerp(null, conditional, self.scale)

    def words(self, heard: Tensor, deaf: Tensor) -> Tensor:
        """Return guided log-probabilities (rows, positions, vocabulary) from those with and without the audio."""
        return self.mix(heard, deaf).log_softmax(-1)

    def begin(self) -> Guidance:
        """Return the guidance for one run of a solver, with a memory of its own where it needs one."""
        return self

    def guide(self, conditional: Tensor, null: Tensor, seen: Seen) -> Tensor:
        """Return the guided prediction of audio, (rows, frames, channels), from those under the two conditions."""
        return self.mix(conditional, null)


@dataclass(frozen=True)
class AudioFirst(Guidance):
    """Guidance on text that lets samplers of confidence write first what the audio decides.

    The mixture of log-probabilities is not normalised. The logarithm of its sum over the vocabulary is ``scale - 1``
    times the Renyi divergence of order ``scale`` between the two distributions: what the audio tells about a position
    counts as confidence in it. It is for ``ConfidenceOrder``, which compares positions; samplers that need
    probabilities take plain ``Guidance``.

    Args:
        scale: 1 follows the condition alone, 0 ignores it, above 1 exaggerates it.
        start: Guidance acts at noise levels up to this one, 0 to 1.
        stop: Guidance acts at noise levels from this one on, 0 to 1.
    """

    def words(self, heard: Tensor, deaf: Tensor) -> Tensor:
        """Return the mixture as it is, (rows, positions, vocabulary)."""
        return self.mix(heard, deaf)


@dataclass(frozen=True)
class Seen:
    """Noisy latents in front of a model.

    Args:
        noisy: The latents.
        t: Their noise levels, (rows,).
        process: The process of the model.
    """

    noisy: Sequences
    t: Tensor
    process: ContinuousProcess

    def clean(self, prediction: Tensor) -> Tensor:
        """Return the clean latents that a prediction stands for."""
        return self.process.separate(prediction, self.noisy.values, self.t)[0]

    def prediction(self, clean: Tensor) -> Tensor:
        """Return the prediction that stands for clean latents."""
        return self.process.reconsider(clean, self.noisy.values, self.t)

    def sums(self, values: Tensor) -> Tensor:
        """Return the sums over valid frames and channels, (rows, 1, 1); padding does not count."""
        return torch.where(self.noisy.mask[..., None], values, 0).sum((1, 2), keepdim=True)


@dataclass(frozen=True)
class RescaledGuidance(Guidance):
    """Guided sounds as loud as conditional ones: guidance without its overexposure (Lin et al. 2023, arXiv 2305.08891).

    The clean latents that guidance aims at get the standard deviation, over a row's valid frames and channels, of
    those under the condition alone. As the clean latents are rescaled and not the prediction, no noise is left behind.

    Args:
        scale: 1 follows the condition alone, 0 ignores it, above 1 exaggerates it.
        start: Guidance acts at noise levels up to this one, 0 to 1.
        stop: Guidance acts at noise levels from this one on, 0 to 1.
        rescale: Share of the rescaled latents in the result (phi), 0 to 1.
    """

    rescale: float = 0.7

    def __post_init__(self) -> None:
        """Check the interval and the share."""
        super().__post_init__()
        if not 0 <= self.rescale <= 1:
            raise ValueError(f"guidance rescale is a share from 0 to 1, got {self.rescale}")

    def guide(self, conditional: Tensor, null: Tensor, seen: Seen) -> Tensor:
        """Return the guided prediction, rescaled."""
        clean, guided = seen.clean(conditional), seen.clean(self.mix(conditional, null))
        factor = (_variance(clean, seen) / _variance(guided, seen).clamp(min=1e-12)).sqrt()
        return seen.prediction(guided * (1 + self.rescale * (factor - 1)))


@dataclass(frozen=True)
class ProjectedGuidance(Guidance):
    """Adaptive projected guidance (Sadat et al. 2024, arXiv 2410.02416): what only makes sounds louder is left out.

    The difference between the clean latents with and without the condition is remembered over the steps, limited in
    size, and split: what is parallel to the conditional latents is what overexposes, what is orthogonal to them
    is what improves.

    Args:
        scale: 1 follows the condition alone, above 1 exaggerates it.
        start: Guidance acts at noise levels up to this one, 0 to 1.
        stop: Guidance acts at noise levels from this one on, 0 to 1.
        parallel: Share of the parallel part that is kept (eta); 1 with the other two off is plain guidance.
        momentum: Weight of the differences before (beta); below 0 pushes away from them, 0 is none.
        largest: Root mean square per value to which the difference is limited (r); infinite is no limit.
    """

    parallel: float = 0.0
    momentum: float = -0.5
    largest: float = float("inf")
    _before: list[Tensor] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the interval and the numbers."""
        super().__post_init__()
        if not (-1 < self.momentum < 1 and self.largest > 0):
            raise ValueError(
                f"momentum must be between -1 and 1 and largest above 0, got {self.momentum}, {self.largest}"
            )

    def begin(self) -> Guidance:
        """Return this guidance with an empty memory."""
        return type(self)(self.scale, self.start, self.stop, self.parallel, self.momentum, self.largest)

    def guide(self, conditional: Tensor, null: Tensor, seen: Seen) -> Tensor:
        """Return the guided prediction, without what is parallel to the conditional one."""
        clean = seen.clean(conditional)
        difference = self._limited(self._remembered(clean - seen.clean(null)), seen)
        along = seen.sums(difference * clean) / seen.sums(clean.square()).clamp(min=1e-12) * clean
        return seen.prediction(clean + (self.scale - 1) * (difference - (1 - self.parallel) * along))

    def _remembered(self, difference: Tensor) -> Tensor:
        for before in self._before:
            difference = difference + self.momentum * before
        self._before[:] = [difference]
        return difference

    def _limited(self, difference: Tensor, seen: Seen) -> Tensor:
        size = (seen.sums(difference.square()) / seen.sums(torch.ones_like(difference))).sqrt()
        return difference * (self.largest / size.clamp(min=1e-12)).clamp(max=1)


def _variance(values: Tensor, seen: Seen) -> Tensor:
    count = seen.sums(torch.ones_like(values))
    return seen.sums((values - seen.sums(values) / count).square()) / count


@dataclass(frozen=True)
class GuidedVelocity:
    """The prediction of audio latents under a text condition, a function of (latents, t).

    Args:
        backbone: The network.
        lengths: Valid frames of each row, (rows,).
        text: The caption of each row.
        null: What guidance leads away from, same rows: the canvas with every token masked, or another caption.
        guidance: How to mix the two.
        process: What the network predicts, and at which noise levels.
        null_t: Noise level of the null side: 1 for masked canvases, 0 for captions (negative prompts).
        text_t: Noise level of each row's text, (rows,): 1 where its canvas is masked; 0 for all where None.
    """

    backbone: Backbone
    lengths: Tensor
    text: Sequences
    null: Sequences
    guidance: Guidance
    process: ContinuousProcess = field(default_factory=RectifiedFlow)
    null_t: float = 1.0
    text_t: Tensor | None = None

    def __call__(self, latents: Tensor, t: float) -> Tensor:
        """Return the process's prediction for latents (rows, frames, channels) at noise level t."""
        audio = Sequences(latents, self.lengths)
        times = t * latents.new_ones(len(latents))
        if not self.guidance.acts(t):
            return self._conditional(audio, times)
        conditional, null = self._both(audio.repeat(2), times.repeat(2)).chunk(2)
        return self.guidance.guide(conditional, null, Seen(audio, times, self.process))

    @cached_property
    def _conditional(self) -> OneSided[Tensor]:
        return self.backbone.given_text(self.text, self._text_times)

    @cached_property
    def _both(self) -> OneSided[Tensor]:
        """The condition and, below it, the null side."""
        null = torch.full_like(self._text_times, self.null_t)
        return self.backbone.given_text(self.text.followed_by(self.null), torch.cat([self._text_times, null]))

    @property
    def _text_times(self) -> Tensor:
        zeros = torch.zeros_like(self.lengths, dtype=torch.float32)
        return zeros if self.text_t is None else self.text_t
