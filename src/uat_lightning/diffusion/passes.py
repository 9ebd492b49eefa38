"""How a batch of both directions goes through the backbone to its losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

import torch
from torch import Tensor, nn

from uat_lightning.backbone import Backbone, Directions, beside
from uat_lightning.configurable import Configurable
from uat_lightning.diffusion.base import Objective
from uat_lightning.diffusion.occasion import Occasion
from uat_lightning.diffusion.square import Draw, SquareSampler
from uat_lightning.tensors import mean_where
from uat_lightning.types import Batch, Pair, Sequences


class Passes(Configurable, ABC):
    """Corrupts a batch, lets the backbone predict and scores it."""

    def check(self, square: SquareSampler) -> None:
        """See that rows may train where a sampler puts them, before training begins.

        Raises:
            ValueError: If they may not.
        """

    @abstractmethod
    def losses(
        self, backbone: Backbone, objectives: Pair[Objective], square: SquareSampler, batch: Batch, occasion: Occasion
    ) -> Pair[Tensor]:
        """Return the audio loss and the text loss, each a mean over the rows that learn it; zero where none does.

        Args:
            backbone: The network.
            objectives: The processes of the latents and of the tokens.
            square: Where on the (t_audio, t_text) square rows train.
            batch: Clean rows.
            occasion: Step and rank, on which noise levels may depend.
        """


class OnePass(Passes):
    """All rows in one forward, each with its own pair of times; audio with several captions comes once for each."""

    def losses(
        self, backbone: Backbone, objectives: Pair[Objective], square: SquareSampler, batch: Batch, occasion: Occasion
    ) -> Pair[Tensor]:
        """Score every row on both sides, and count the side that it learns."""
        rows, clean = Directions(batch.generation_rows, batch.captions), batch.sorted()
        draw = _drawn(square, batch, clean, rows, occasion)
        clean = Pair(Sequences(rows.for_texts(clean.audio.values), rows.for_texts(clean.audio.lengths)), clean.text)
        corrupted = [o.corrupt(side, t) for o, side, t in zip(objectives, clean, draw.t, strict=True)]
        audio, text = (side.noisy for side in corrupted)
        source = _sources(backbone, batch, draw, len(audio))
        predicted = backbone(Pair(audio if source is None else beside(audio, source), text), draw.t)
        per_row = [o.loss(p, c) for o, p, c in zip(objectives, predicted, corrupted, strict=True)]
        return Pair(*(mean_where(row, learn) for row, learn in zip(per_row, draw.learn, strict=True)))


class PassPerDirection(Passes):
    """Generation rows under their text, captioning rows under their audio, without the outputs that nobody scores.

    Where the backbone isolates clean streams, all rows go through it together, and clean audio is computed once for all
    captions of a row: the text learns from several captions for little more work than from one.
    """

    def check(self, square: SquareSampler) -> None:
        """See that every row has a condition.

        Raises:
            ValueError: If rows are noisy on both sides.
        """
        if not square.conditional:
            raise ValueError(f"{type(square).__name__} has rows without a clean condition: train them with OnePass")

    def losses(
        self, backbone: Backbone, objectives: Pair[Objective], square: SquareSampler, batch: Batch, occasion: Occasion
    ) -> Pair[Tensor]:
        """Draw noise levels for all rows and captions together, corrupt every audio once, score what is noisy."""
        rows, clean = Directions(batch.generation_rows, batch.captions), batch.sorted()
        draw = _drawn(square, batch, clean, rows, occasion)
        t = Pair(draw.t.audio[: len(batch)], draw.t.text)
        corrupted = [o.corrupt(side, at) for o, side, at in zip(objectives, clean, t, strict=True)]
        source = _sources(backbone, batch, draw, rows.generation)
        predicted = backbone.both_directions(Pair(*(side.noisy for side in corrupted)), t, rows, source)
        learned = [side.take(noisy) for side, noisy in zip(corrupted, rows.noisy, strict=True)]
        return Pair(*(_mean(o.loss(p, c)) for o, p, c in zip(objectives, predicted, learned, strict=True)))


def _drawn(square: SquareSampler, batch: Batch, clean: Pair[Sequences], rows: Directions, occasion: Occasion) -> Draw:
    """Return a place on the square for every caption."""
    captions, edits = len(clean.text), None
    if batch.sources is not None:
        edits = nn.functional.pad(batch.sources.lengths > 0, (0, captions - len(batch.sources)))
    lengths = Pair(rows.for_texts(clean.audio.lengths), clean.text.lengths)
    generation = torch.arange(captions, device=batch.generation.device) < rows.generation
    return square.draw(generation, replace(occasion, lengths=lengths, edits=edits))


def _sources(backbone: Backbone, batch: Batch, draw: Draw, rows: int) -> Sequences | None:
    """Return what rows are edits of, the generation rows first, of length 0 for those that are none or may not see it.

    Raises:
        ValueError: If the backbone takes no source.
    """
    if batch.sources is None:
        return None
    if not backbone.takes_source:
        raise ValueError(f"the batch holds edits, and {type(backbone).__name__} takes no source: give it SourceLatents")
    sources = batch.sources.filled_up(rows)
    return sources if draw.source is None else replace(sources, lengths=sources.lengths * draw.source[:rows])


def _mean(per_row: Tensor) -> Tensor:
    """Return the mean over rows; zero, with a gradient path, where there are none."""
    return per_row.sum() / max(len(per_row), 1)
