"""One device's share of a training step, computed without memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

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
    shares = [hidden_share(recipe, learn) for learn in (True, False)]
    with FakeTensorMode(), tqdm(total=3 + len(_kinds(recipe)), desc="Rehearsing", leave=False, disable=None) as bar:
        for network in (recipe.module, *recipe.frozen):
            without_memory(network)
        both = (generation * shares[0] + captioning * shares[1]) / (generation + captioning)
        audio = _cost(recipe, generation, 0, shares[0], bar.update)
        text = _cost(recipe, 0, captioning, shares[1], bar.update)
        blocks = list(blocks_of(recipe.module.backbone))
        again = _cost(recipe, generation, captioning, both, bar.update, blocks)
        spared = [[block for block in blocks if block is not kind] for kind in _kinds(recipe)]
        most = [_kept(recipe, generation, captioning, both, bar.update, some) - again.kept for some in spared]
    return Rehearsal(generation, captioning, audio, text, again, max(most, default=0))


def directions(recipe: Recipe) -> tuple[Cost, Cost]:
    """Return what the rows of a batch cost that teach audio from text, and those that teach text from audio."""
    rows = recipe.generation_rows, recipe.rows - recipe.generation_rows
    shares = [hidden_share(recipe, learn) for learn in (True, False)]
    with FakeTensorMode():
        for network in (recipe.module, *recipe.frozen):
            without_memory(network)
        audio = _cost(recipe, rows[0], 0, shares[0], lambda: None)
        return audio, _cost(recipe, 0, rows[1], shares[1], lambda: None)


def _kinds(recipe: Recipe) -> list[nn.Module]:
    """Return one block of each kind: the first of every list."""
    blocks = list(blocks_of(recipe.module.backbone))
    return [block for place, block in enumerate(blocks) if not place or type(block) is not type(blocks[place - 1])]


def _cost(
    recipe: Recipe,
    generation: int,
    captioning: int,
    share: float,
    done: Callable[[], object],
    again: Iterable[nn.Module] = (),
) -> Cost:
    done()
    if generation + captioning == 0:
        return Cost()
    with HiddenShare(share):
        return cost_of(*_loss(recipe, generation, captioning), recipe.mixed, list(again))


def _kept(
    recipe: Recipe,
    generation: int,
    captioning: int,
    share: float,
    done: Callable[[], object],
    again: Iterable[nn.Module],
) -> int:
    done()
    with HiddenShare(share):
        return kept_by(*_loss(recipe, generation, captioning), recipe.mixed, list(again))


def _loss(recipe: Recipe, generation: int, captioning: int) -> tuple[Callable[[], Tensor], list[Tensor]]:
    """Return the loss of a batch, and all weights."""
    module, batch = recipe.module, rows_of(recipe, generation, captioning)
    module.zero_grad()
    weights = [tensor for network in (module, *recipe.frozen) for tensor in (*network.parameters(), *network.buffers())]
    return lambda: module.losses(batch)["loss"], weights


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
