"""One device's share of a training step, computed without memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NoReturn, TypeVar

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from tqdm import tqdm

from uat_lightning.app.planning.cost import Cost, cost_of, kept_by
from uat_lightning.app.planning.recipe import Recipe
from uat_lightning.app.planning.weightless import HiddenShare, without_memory
from uat_lightning.backbone.units import blocks_of
from uat_lightning.diffusion import Occasion
from uat_lightning.types import Batch, Pair, Sequences

Measured = TypeVar("Measured")
DRAWS = 4096  # rows whose hidden words are counted


@dataclass(frozen=True)
class Rehearsal:
    """What a device's rows cost in one batch.

    Args:
        generation_rows: Its rows that teach audio from text.
        captioning_rows: Its rows that teach text from audio.
        generation: The cost of those that teach audio.
        captioning: The cost of those that teach text.
        recomputed: The cost of all where blocks are recomputed.
        block: Bytes that a block needs beside that while it is recomputed, at most.
    """

    generation_rows: int
    captioning_rows: int
    generation: Cost
    captioning: Cost
    recomputed: Cost
    block: int


def rehearse(recipe: Recipe, devices: int) -> Rehearsal:
    """Compute a device's share of a step on tensors that have no memory.

    Raises:
        ValueError: If the rows cannot be divided among the devices, or the precision is not known.
    """
    if devices < 1 or recipe.rows % devices:
        raise ValueError(f"batch_size {recipe.rows} must be a multiple of the devices, got {devices}")
    if not recipe.mixed and recipe.precision not in ("32-true", "32"):
        raise ValueError(f"precision {recipe.precision} cannot be planned: 32-true and bf16-mixed can")
    generation = round(recipe.generation_rows / devices)
    captioning = recipe.rows // devices - generation
    audio, text, both = _shares(recipe, generation, captioning)
    blocks, kinds = list(blocks_of(recipe.module.backbone)), _kinds(recipe)
    with _weightless(recipe), tqdm(total=3 + len(kinds), desc="Rehearsing", leave=False, disable=None) as bar:
        told = partial(_told, bar)
        alone = told(audio.cost), told(text.cost)
        again = told(both.cost, blocks)
        most = [told(both.kept, [block for block in blocks if block is not kind]) - again.kept for kind in kinds]
    return Rehearsal(generation, captioning, *alone, again, max(most, default=0))


def directions(recipe: Recipe) -> tuple[Cost, Cost]:
    """Return what the rows of a batch cost that teach audio from text, and those that teach text from audio."""
    audio, text, _ = _shares(recipe, recipe.generation_rows, recipe.rows - recipe.generation_rows)
    with _weightless(recipe):
        return audio.cost(), text.cost()


@dataclass(frozen=True)
class _Rows:
    """Rows of a batch, whose loss is computed on tensors that have no memory."""

    recipe: Recipe
    generation: int
    captioning: int
    hidden: float

    def cost(self, again: Sequence[nn.Module] = ()) -> Cost:
        """Return what their loss and its gradient cost where some blocks are recomputed."""
        if not self.generation + self.captioning:
            return Cost()
        with HiddenShare(self.hidden):
            return cost_of(self._loss(), self._weights(), self.recipe.mixed, again)

    def kept(self, again: Sequence[nn.Module]) -> int:
        """Return the bytes that their loss keeps where some blocks are recomputed."""
        with HiddenShare(self.hidden):
            return kept_by(self._loss(), self._weights(), self.recipe.mixed, again)

    def _loss(self) -> Callable[[], Tensor]:
        module, batch = self.recipe.module, rows_of(self.recipe, self.generation, self.captioning)
        module.zero_grad()
        return lambda: module.losses(batch)["loss"]

    def _weights(self) -> list[Tensor]:
        networks = (self.recipe.module, *self.recipe.frozen)
        return [tensor for network in networks for tensor in (*network.parameters(), *network.buffers())]


def _shares(recipe: Recipe, generation: int, captioning: int) -> tuple[_Rows, _Rows, _Rows]:
    """Return the rows of either direction and both together, with their share of hidden words."""
    audio = _Rows(recipe, generation, 0, hidden_share(recipe, generation=True))
    text = _Rows(recipe, 0, captioning, hidden_share(recipe, generation=False))
    hidden = (generation * audio.hidden + captioning * text.hidden) / (generation + captioning)
    return audio, text, _Rows(recipe, generation, captioning, hidden)


@contextmanager
def _weightless(recipe: Recipe) -> Iterator[None]:
    """Let the recipe's networks, and what is made meanwhile, have no memory."""
    with FakeTensorMode():
        for network in (recipe.module, *recipe.frozen):
            without_memory(network)
        yield


def _told(bar: tqdm[NoReturn], measure: Callable[..., Measured], *arguments: object) -> Measured:
    """Return a measurement, and let the progress bar know of it."""
    measured = measure(*arguments)
    bar.update()
    return measured


def _kinds(recipe: Recipe) -> list[nn.Module]:
    """Return one block of each kind: the first of every list."""
    blocks = list(blocks_of(recipe.module.backbone))
    return [block for place, block in enumerate(blocks) if not place or type(block) is not type(blocks[place - 1])]


def rows_of(recipe: Recipe, generation: int, captioning: int) -> Batch:
    """Return rows of the config's lengths, all of them full."""
    rows, backbone = generation + captioning, recipe.module.backbone
    audio = torch.zeros(rows, recipe.frames, backbone.latent_width)
    further = _texts((recipe.captions - 1) * captioning, backbone.canvas) if recipe.captions > 1 else None
    clean = Pair(Sequences(audio, torch.full((rows,), recipe.frames)), _texts(rows, backbone.canvas))
    return Batch(clean, torch.arange(rows) < generation, further, generation)


def _texts(rows: int, canvas: int) -> Sequences:
    return Sequences(torch.zeros(rows, canvas, dtype=torch.int64), torch.full((rows,), canvas))


def hidden_share(recipe: Recipe, generation: bool) -> float:
    """Return the share of text positions that a row's loss asks for, by the module's own draws."""
    module, canvas = recipe.module, recipe.module.backbone.canvas
    rows = max(1, DRAWS // canvas)
    lengths = Pair(torch.full((rows,), recipe.frames), torch.full((rows,), canvas))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        t: Tensor = module.square.draw(torch.full((rows,), generation), Occasion(lengths=lengths)).t.text
        weight = module.objectives.text.corrupt(_texts(rows, canvas), t).weight
    return float((weight > 0).float().mean())
