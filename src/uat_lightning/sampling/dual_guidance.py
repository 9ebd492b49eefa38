"""Classifier-free guidance on two conditions: a source, and a text that says how to change it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from uat_lightning.backbone import Backbone, OneSided
from uat_lightning.diffusion import ContinuousProcess, RectifiedFlow
from uat_lightning.sampling.guidance import Guidance, Seen
from uat_lightning.types import Sequences


@dataclass(frozen=True)
class DualGuidance:
    """How far predictions move from no condition to the source, and from there to the source and the text.

    ``v = v(0, 0) + s_source (v(S, 0) - v(0, 0)) + s_text (v(S, T) - v(S, 0))`` (InstructPix2Pix, arXiv 2211.09800,
    equation 3). With equal scales this is plain guidance from (0, 0) to (S, T); with both 1 it is ``v(S, T)``.

    Args:
        text: Guidance on the text, of any kind.
        source: Guidance on the source; its scale and its interval count.
    """

    text: Guidance
    source: Guidance

    def conditions(self, t: float) -> int:
        """Return how many predictions are needed at a noise level: (S, T), then (S, 0), then (0, 0)."""
        return 3 if self.source.acts(t) else 1 + self.text.acts(t)

    def begin(self) -> DualGuidance:
        """Return the guidance for one run of a solver, with a memory of its own where it needs one."""
        return DualGuidance(self.text.begin(), self.source)

    def guide(self, predictions: tuple[Tensor, ...], seen: Seen, t: float) -> Tensor:
        """Return the guided prediction of audio, (rows, frames, channels).

        Args:
            predictions: As many as ``conditions`` says, in its order.
            seen: The noisy latents.
            t: Their noise level, known on the host.
        """
        both, *less = predictions
        guided = self.text.guide(both, less[0], seen) if less and self.text.acts(t) else both
        return guided if len(less) < 2 else guided + self.source.mix(*less) - less[0]


@dataclass(frozen=True)
class EditVelocity:
    """The prediction of audio latents beside a source and under texts, a function of (latents, t).

    Where there are several texts, of which each says in its way what is to be heard, the prediction under the text is
    the weighted mean of those under each: composed conditions (Liu et al. 2022, arXiv 2206.01714).

    Args:
        backbone: The network; it takes a source.
        source: Latents of the source.
        texts: Texts of all rows, at least one for each row.
        null: What guidance on the text leads away from, same rows: masked canvases, or other texts.
        guidance: How to mix the conditions.
        process: What the network predicts, and at which noise levels.
        null_t: Noise level of the null side: 1 for masked canvases, 0 for texts.
        text_t: Noise levels of each of the texts, (rows,): 1 where a row's canvas is masked; 0 for all where None.
        weights: How much each of the texts counts, (texts, rows), for each row 1 in all; the same where None.
    """

    backbone: Backbone
    source: Sequences
    texts: Sequence[Sequences]
    null: Sequences
    guidance: DualGuidance
    process: ContinuousProcess = field(default_factory=RectifiedFlow)
    null_t: float = 1.0
    text_t: Sequence[Tensor] | None = None
    weights: Tensor | None = None
    _given: dict[int, OneSided[Tensor]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __call__(self, latents: Tensor, t: float) -> Tensor:
        """Return the process's prediction for latents (rows, frames, channels) at noise level t."""
        rows, conditions = len(latents), len(self.texts) + self.guidance.conditions(t) - 1
        audio, times = Sequences(latents, self.source.lengths), t * latents.new_ones(rows)
        predictions = self._under(conditions)(audio.repeat(conditions), times.repeat(conditions)).chunk(conditions)
        both, others = self._mean(predictions[: len(self.texts)]), predictions[len(self.texts) :]
        return self.guidance.guide((both, *others), Seen(audio, times, self.process), t)

    def _mean(self, predictions: Sequence[Tensor]) -> Tensor:
        if len(predictions) == 1:
            return predictions[0]
        if self.weights is None:
            return torch.stack(list(predictions)).mean(0)
        return (torch.stack(list(predictions)) * self.weights[..., None, None]).sum(0)

    def _under(self, conditions: int) -> OneSided[Tensor]:
        """Return the network under the texts and, below them, the null side for each further condition.

        The source stands beside the texts and the first null side, and beside a second one none.
        """
        if conditions not in self._given:
            count, rows = conditions - len(self.texts), len(self.source)
            zeros = torch.zeros_like(self.source.lengths, dtype=torch.float32)
            times = [*(self.text_t or [zeros] * len(self.texts)), *[zeros + self.null_t] * count]
            text = functools.reduce(Sequences.followed_by, [*self.texts, *[self.null] * count])
            sources = self.source.repeat(conditions)
            seen = torch.arange(len(sources), device=sources.lengths.device) < (len(self.texts) + 1) * rows
            sources = replace(sources, lengths=sources.lengths * seen)
            self._given[conditions] = self.backbone.given_text(text, torch.cat(times), sources)
        return self._given[conditions]
