"""A trained model as the velocity of a rectified flow under captions, whatever its process."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from uat_lightning.diffusion import RectifiedFlow, converted
from uat_lightning.sampling import Guidance, GuidedVelocity
from uat_lightning.sampling.solvers import Velocity
from uat_lightning.tasks.base import Parts
from uat_lightning.types import Sequences


def text_velocity(
    parts: Parts, lengths: Tensor, captions: Sequence[str], guidance: Guidance, negative: str | None = None
) -> Velocity:
    """Return the velocity of noisy latents of the rectified flow under captions.

    Args:
        parts: The trained model.
        lengths: Valid frames of each row, (rows,).
        captions: What is to be heard in each row; nothing is said of rows where it is empty.
        guidance: Classifier-free guidance.
        negative: A caption of what guidance is to lead away from; away from no caption where None.

    Raises:
        ValueError: If a caption is longer than the canvas, or the negative one is empty.
    """
    text, times = _read(parts, captions)
    rows, guidance = len(captions), guidance.begin()
    null, null_t = (parts.masked_canvas(rows), 1.0) if negative is None else (parts.read([negative] * rows), 0.0)
    guided = GuidedVelocity(parts.backbone, lengths, text, null, guidance, parts.process, null_t, times)
    return converted(guided, parts.process, RectifiedFlow())


def _read(parts: Parts, captions: Sequence[str]) -> tuple[Sequences, Tensor]:
    """Return canvases and their noise levels: all masked, at level 1, where there is no caption."""
    said = torch.tensor([bool(caption.strip()) for caption in captions], device=parts.device)
    canvases = parts.masked_canvas(len(captions))
    if bool(said.any()):
        text = parts.read([caption for caption in captions if caption.strip()])
        canvases.values[said], canvases.lengths[said] = text.values, text.lengths
    return canvases, (~said).float()
