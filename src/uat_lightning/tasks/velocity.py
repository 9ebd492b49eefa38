"""A trained model as the velocity of a rectified flow under captions, whatever its process."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from uat_lightning.diffusion import RectifiedFlow, converted
from uat_lightning.sampling import DualGuidance, EditVelocity, Guidance, GuidedVelocity
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
    null, null_t = _null(parts, len(captions), negative)
    guided = GuidedVelocity(parts.backbone, lengths, text, null, guidance.begin(), parts.process, null_t, times)
    return converted(guided, parts.process, RectifiedFlow())


def edit_velocity(
    parts: Parts,
    source: Sequences,
    texts: Sequence[Sequence[str]],
    guidance: DualGuidance,
    negative: str | None = None,
    weights: Tensor | None = None,
) -> Velocity:
    """Return the velocity of noisy latents of the rectified flow beside a source and under texts.

    Args:
        parts: The trained model; its backbone takes a source.
        source: Latents of the source.
        texts: What is to be heard, or to be done, in each row, said in one way or in several; nothing is said of rows
            where it is empty.
        guidance: Classifier-free guidance on source and text.
        negative: What guidance on the text is to lead away from; away from no text where None.
        weights: How much each of the ways counts, (ways, rows), for each row 1 in all; the same where None.

    Raises:
        ValueError: If a text is longer than the canvas, or the negative one is empty.
    """
    canvases, times = zip(*(_read(parts, said) for said in texts), strict=True)
    null, null_t = _null(parts, len(source), negative)
    where = (parts.backbone, source, canvases, null, guidance.begin(), parts.process)
    return converted(EditVelocity(*where, null_t, times, weights), parts.process, RectifiedFlow())


def _null(parts: Parts, rows: int, negative: str | None) -> tuple[Sequences, float]:
    """Return what guidance leads away from, and its noise level."""
    return (parts.masked_canvas(rows), 1.0) if negative is None else (parts.read([negative] * rows), 0.0)


def _read(parts: Parts, captions: Sequence[str]) -> tuple[Sequences, Tensor]:
    """Return canvases and their noise levels: all masked, at level 1, where there is no caption."""
    said = torch.tensor([bool(caption.strip()) for caption in captions], device=parts.device)
    canvases = parts.masked_canvas(len(captions))
    if bool(said.any()):
        text = parts.read([caption for caption in captions if caption.strip()])
        canvases.values[said], canvases.lengths[said] = text.values, text.lengths
    return canvases, (~said).float()
