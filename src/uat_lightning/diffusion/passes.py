"""How a batch of both directions goes through the backbone to its losses."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from uat_lightning.backbone import Backbone
from uat_lightning.configurable import Configurable
from uat_lightning.diffusion.base import Objective
from uat_lightning.diffusion.square import SquareSampler
from uat_lightning.tensors import mean_where
from uat_lightning.types import Batch, Pair, Sequences


class Passes(Configurable, ABC):
    """Corrupts a batch, lets the backbone predict and scores it."""

    @abstractmethod
    def losses(
        self, backbone: Backbone, objectives: Pair[Objective], square: SquareSampler, batch: Batch
    ) -> Pair[Tensor]:
        """Return the audio loss and the text loss, each a mean over the rows that learn it; zero where none does.

        Args:
            backbone: The network.
            objectives: The processes of the latents and of the tokens.
            square: Where on the (t_audio, t_text) square rows train.
            batch: Clean rows.
        """


class OnePass(Passes):
    """All rows in one forward, each with its own pair of times."""

    def losses(
        self, backbone: Backbone, objectives: Pair[Objective], square: SquareSampler, batch: Batch
    ) -> Pair[Tensor]:
        """Score every row on both sides, and count the side that it learns."""
        draw = square.draw(batch.generation)
        corrupted = [o.corrupt(clean, t) for o, clean, t in zip(objectives, batch.clean, draw.t, strict=True)]
        predicted = backbone(Pair(*(side.noisy for side in corrupted)), draw.t)
        per_row = [o.loss(p, c) for o, p, c in zip(objectives, predicted, corrupted, strict=True)]
        return Pair(*(mean_where(row, learn) for row, learn in zip(per_row, draw.learn, strict=True)))


class PassPerDirection(Passes):
    """Generation rows under their text, captioning rows under their audio, without the outputs that nobody scores.

    A captioning row may have several canvases, each masked anew. Where the backbone isolates clean audio, its stream
    is computed once for all of them: the text then learns from several times as many draws for little more work.

    Args:
        canvases: Masked canvases of each captioning row.
    """

    def __init__(self, canvases: int = 1) -> None:
        if canvases < 1:
            raise ValueError(f"canvases must be at least 1, got {canvases}")
        self.canvases = canvases

    def losses(
        self, backbone: Backbone, objectives: Pair[Objective], square: SquareSampler, batch: Batch
    ) -> Pair[Tensor]:
        """Draw noise levels for all rows and canvases together, then take one direction after the other."""
        rows, count = self._rows(batch), batch.generation_rows or 0
        clean = Pair(*(side.take(rows) for side in batch.clean))
        t = square.draw(batch.generation[rows]).t
        generation, captioning = slice(count), slice(count, None)
        audio = _generation_loss(backbone, objectives, _part(clean, generation), Pair(*(x[generation] for x in t)))
        text = self._captioning_loss(backbone, objectives, _part(clean, captioning), Pair(*(x[captioning] for x in t)))
        return Pair(audio, text)

    def _rows(self, batch: Batch) -> Tensor:
        """Return the places of the generation rows, then those of the captioning rows once for each canvas."""
        order = batch.generation.logical_not().argsort(stable=True)
        count = batch.generation_rows or 0
        return torch.cat([order[:count], order[count:].repeat(self.canvases)])

    def _captioning_loss(
        self, backbone: Backbone, objectives: Pair[Objective], clean: Pair[Sequences], t: Pair[Tensor]
    ) -> Tensor:
        once = slice(len(clean.audio) // self.canvases)
        audio = objectives.audio.corrupt(clean.audio.take(once), t.audio[once]).noisy
        corrupted = objectives.text.corrupt(clean.text, t.text)
        logits = backbone.given_audio(audio, t.audio[once], self.canvases)(corrupted.noisy, t.text)
        return _mean(objectives.text.loss(logits, corrupted))


def _generation_loss(
    backbone: Backbone, objectives: Pair[Objective], clean: Pair[Sequences], t: Pair[Tensor]
) -> Tensor:
    text = objectives.text.corrupt(clean.text, t.text).noisy
    corrupted = objectives.audio.corrupt(clean.audio, t.audio)
    velocity = backbone.given_text(text, t.text)(corrupted.noisy, t.audio)
    return _mean(objectives.audio.loss(velocity, corrupted))


def _part(clean: Pair[Sequences], rows: slice) -> Pair[Sequences]:
    return Pair(clean.audio.take(rows), clean.text.take(rows))


def _mean(per_row: Tensor) -> Tensor:
    """Return the mean over rows; zero, with a gradient path, where there are none."""
    return per_row.sum() / max(len(per_row), 1)
