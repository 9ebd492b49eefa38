"""LPAPS: how far two sounds are apart in the layers of a network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from uat_lightning.metrics.clip_records import ClipMeans

EPSILON = 1e-10  # of LPIPS, beside norms


def layered_distance(reference: Sequence[Tensor], other: Sequence[Tensor], axis: int = 1) -> Tensor:
    """Return the learned perceptual distance of clips without learned weights, float64 (clips,).

    States are divided by their norm along an axis; the squared difference is summed along it, averaged over the other
    one and summed over layers (LPIPS, Zhang et al. 2018, arXiv 1801.03924, equation 1, with all weights 1; LPAPS,
    Iashin & Rahtu 2021, arXiv 2110.08791). Published figures of edits (Manor & Michaeli 2024, arXiv 2402.10009) take
    the axis of positions, 1, which is the default; LPIPS means that of channels, 2. The figures differ.

    Args:
        reference: States (clips, positions, channels) of each layer.
        other: States of the same shapes.
        axis: 1 or 2.

    Raises:
        ValueError: If layers or shapes differ.
    """
    if [layer.shape for layer in reference] != [layer.shape for layer in other] or axis not in (1, 2):
        raise ValueError("states differ in shape, or axis is not 1 or 2: give one network's for clips of equal length")
    distances = [_layer_distance(a.double(), b.double(), axis) for a, b in zip(reference, other, strict=True)]
    return torch.stack(distances).sum(0)


def _layer_distance(a: Tensor, b: Tensor, axis: int) -> Tensor:
    units = [states / (states.norm(dim=axis, keepdim=True) + EPSILON) for states in (a, b)]
    distance: Tensor = (units[0] - units[1]).square().sum(axis).mean(-1)
    return distance


class LayeredDistance(ClipMeans):
    """The mean of ``layered_distance`` over clips; ``compute`` returns ``lpaps``, ``clips`` and ``undefined``.

    Args:
        axis: Axis along which states have norm 1: 1, positions, or 2, channels.
    """

    higher_is_better = False

    def __init__(self, axis: int = 1) -> None:
        super().__init__("lpaps")
        self.axis = axis

    def update(self, reference: Sequence[Tensor], other: Sequence[Tensor], ids: Tensor) -> None:
        """Add the states (clips, positions, channels) of each layer with the clips' ids (clips,)."""
        self.record(layered_distance(reference, other, self.axis)[:, None], ids)
