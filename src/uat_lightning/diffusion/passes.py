"""How a batch of both directions goes through the backbone to its losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

import torch
from torch import Tensor, nn

from uat_lightning.backbone import Backbone, beside
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
        clean, generation = _each_caption(batch)
        draw = square.draw(generation, _seen(occasion, clean, batch))
        corrupted = [o.corrupt(rows, t) for o, rows, t in zip(objectives, clean, draw.t, strict=True)]
        audio, text = (side.noisy for side in corrupted)
        source = _sources(backbone, batch, draw, len(audio))
        predicted = backbone(Pair(audio if source is None else beside(audio, source), text), draw.t)
        per_row = [o.loss(p, c) for o, p, c in zip(objectives, predicted, corrupted, strict=True)]
        return Pair(*(mean_where(row, learn) for row, learn in zip(per_row, draw.learn, strict=True)))


class PassPerDirection(Passes):
    """Generation rows under their text, captioning rows under their audio, without the outputs that nobody scores.

    Where the backbone isolates clean audio, its stream is computed once for all captions of a row: the text learns
    from several captions for little more work than from one.
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
        """Draw noise levels for all rows and captions together, then take one direction after the other."""
        count, (clean, generation) = batch.generation_rows, _each_caption(batch)
        draw = square.draw(generation, _seen(occasion, clean, batch))
        rows, captions = slice(count), slice(count, None)
        audio = _generation_loss(backbone, objectives, _take(clean, rows), batch, draw)
        at = Pair(draw.t.audio[captions], draw.t.text[captions])
        return Pair(audio, _captioning_loss(backbone, objectives, _take(clean, captions), at, batch.captions))


def _each_caption(batch: Batch) -> tuple[Pair[Sequences], Tensor]:
    """Return a row for every caption, those of generation rows first, and whether it teaches generation."""
    count, clean = batch.generation_rows, batch.sorted()
    audio, heard = clean.audio.take(slice(count)), clean.audio.take(slice(count, None))
    places = torch.arange(len(clean.text), device=batch.generation.device)
    return Pair(audio.followed_by(heard.repeat(batch.captions)), clean.text), places < count


def _seen(occasion: Occasion, clean: Pair[Sequences], batch: Batch) -> Occasion:
    edits = None
    if batch.sources is not None:
        missing = len(clean.text) - len(batch.sources)
        edits = nn.functional.pad(batch.sources.lengths > 0, (0, missing))
    return replace(occasion, lengths=Pair(clean.audio.lengths, clean.text.lengths), edits=edits)


def _sources(backbone: Backbone, batch: Batch, draw: Draw, rows: int) -> Sequences | None:
    """Return what rows are edits of, the generation rows first, of length 0 for those that are none or may not see it.

    Raises:
        ValueError: If the backbone takes no source.
    """
    if batch.sources is None:
        return None
    if not backbone.takes_source:
        raise ValueError(f"the batch holds edits, and {type(backbone).__name__} takes no source: give it SourceLatents")
    values, missing = batch.sources.values, rows - len(batch.sources)
    none = Sequences(values.new_zeros(missing, *values.shape[1:]), batch.sources.lengths.new_zeros(missing))
    sources = batch.sources.followed_by(none)
    return sources if draw.source is None else replace(sources, lengths=sources.lengths * draw.source[:rows])


def _generation_loss(
    backbone: Backbone, objectives: Pair[Objective], clean: Pair[Sequences], batch: Batch, draw: Draw
) -> Tensor:
    t = Pair(*(side[: len(clean.audio)] for side in draw.t))
    text = objectives.text.corrupt(clean.text, t.text).noisy
    corrupted = objectives.audio.corrupt(clean.audio, t.audio)
    source = _sources(backbone, batch, draw, len(clean.audio))
    velocity = backbone.given_text(text, t.text, source)(corrupted.noisy, t.audio)
    return _mean(objectives.audio.loss(velocity, corrupted))


def _captioning_loss(
    backbone: Backbone, objectives: Pair[Objective], clean: Pair[Sequences], t: Pair[Tensor], captions: int
) -> Tensor:
    """Score several captions to every audio: those of the first come with the audio of all."""
    once = slice(len(clean.text) // captions)
    audio = objectives.audio.corrupt(clean.audio.take(once), t.audio[once]).noisy
    corrupted = objectives.text.corrupt(clean.text, t.text)
    logits = backbone.given_audio(audio, t.audio[once], captions)(corrupted.noisy, t.text)
    return _mean(objectives.text.loss(logits, corrupted))


def _take(clean: Pair[Sequences], rows: slice) -> Pair[Sequences]:
    return Pair(clean.audio.take(rows), clean.text.take(rows))


def _mean(per_row: Tensor) -> Tensor:
    """Return the mean over rows; zero, with a gradient path, where there are none."""
    return per_row.sum() / max(len(per_row), 1)
