"""Classifier-free guidance on two conditions: a source, and a text that says how to change it."""

from __future__ import annotations

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
    """The prediction of audio latents beside a source and under an instruction, a function of (latents, t).

    Args:
        backbone: The network; it takes a source.
        source: Latents of the source.
        text: The instruction of each row.
        null: What guidance on the text leads away from, same rows: masked canvases, or other instructions.
        guidance: How to mix the conditions.
        process: What the network predicts, and at which noise levels.
        null_t: Noise level of the null side: 1 for masked canvases, 0 for instructions.
        text_t: Noise level of each row's text, (rows,): 1 where its canvas is masked; 0 for all where None.
    """

    backbone: Backbone
    source: Sequences
    text: Sequences
    null: Sequences
    guidance: DualGuidance
    process: ContinuousProcess = field(default_factory=RectifiedFlow)
    null_t: float = 1.0
    text_t: Tensor | None = None
    _given: dict[int, OneSided[Tensor]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __call__(self, latents: Tensor, t: float) -> Tensor:
        """Return the process's prediction for latents (rows, frames, channels) at noise level t."""
        rows, count = len(latents), self.guidance.conditions(t)
        audio, times = Sequences(latents, self.source.lengths), t * latents.new_ones(rows)
        predictions = self._under(count)(audio.repeat(count), times.repeat(count)).chunk(count)
        return self.guidance.guide(predictions, Seen(audio, times, self.process), t)

    def _under(self, count: int) -> OneSided[Tensor]:
        """Return the network under the text and, below it, the null side for each further condition.

        The source stands beside the first two, and beside a third none.
        """
        if count not in self._given:
            zeros = torch.zeros_like(self.source.lengths, dtype=torch.float32)
            times = [zeros if self.text_t is None else self.text_t, *[zeros + self.null_t] * (count - 1)]
            text = self.text if count == 1 else self.text.followed_by(self.null.repeat(count - 1))
            sources = self.source.repeat(count)
            seen = torch.arange(len(sources), device=sources.lengths.device) < 2 * len(self.source)
            sources = replace(sources, lengths=sources.lengths * seen)
            self._given[count] = self.backbone.given_text(text, torch.cat(times), sources)
        return self._given[count]
