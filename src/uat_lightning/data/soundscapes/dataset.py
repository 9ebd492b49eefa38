"""The data set: clips and edits as pure functions of a seed, a split and an index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from . import grammar
from .edits import Change, draw_change
from .performance import Samples
from .render import render_scene
from .scene import Scene, draw_scene

SPLITS = {"train": 0, "validation": 1, "test": 2}
CAPTIONS = {"train": 8, "validation": 5, "test": 5}
SCENE_STREAM, CAPTION_STREAM, EDIT_STREAM, INSTRUCTION_STREAM = range(4)


@dataclass(frozen=True)
class Clip:
    """A rendered scene: audio (samples,) is the sum of the stems (events, samples), both float32 within ±0.95."""

    uid: str
    scene: Scene
    audio: Samples
    stems: Samples
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Edit:
    """An edit triplet: operation "add", "delete" or "replace", source, instruction and true target."""

    operation: str
    source: Clip
    instruction: str
    target: Clip


@dataclass(frozen=True)
class Soundscapes:
    """Synthesised sound scenes; durations in seconds in steps of 0.1, sample rate in Hz, at least 16000."""

    seed: int = 0
    sample_rate: int = 16000
    shortest: float = 3.0
    longest: float = 4.0

    def clip(self, split: str, index: int) -> Clip:
        """Return a clip with its stems and captions; raise ValueError for an unknown split."""
        scene = self.scene(split, index)
        rng = self._rng(split, index, CAPTION_STREAM)
        return self._rendered(f"soundscapes/{split}/{index:05d}", scene, CAPTIONS[split], rng)

    def scene(self, split: str, index: int) -> Scene:
        """Return the scene of a clip without rendering it; raise ValueError for an unknown split."""
        rng = self._rng(split, index, SCENE_STREAM)
        return draw_scene(rng, self.shortest, self.longest, may_hold_out=split == "test", sizes=(1, 3))

    def edit(self, split: str, index: int) -> Edit:
        """Return an edit triplet whose untouched stems are identical; raise ValueError for an unknown split."""
        rng = self._rng(split, index, EDIT_STREAM)
        change = self._change(split, rng)
        uid = f"soundscapes/{split}/edit-{index:05d}"
        source = self._rendered(f"{uid}/source", change.source, CAPTIONS[split], rng)
        target = self._rendered(f"{uid}/target", change.target, CAPTIONS[split], rng)
        return Edit(change.operation, source, change.instruction, target)

    def instructions(self, split: str, index: int, count: int) -> tuple[str, ...]:
        """Return the instruction of an edit and other ways to say it, distinct where possible."""
        change = self._change(split, self._rng(split, index, EDIT_STREAM))
        rng = self._rng(split, index, INSTRUCTION_STREAM)
        said = dict.fromkeys([change.instruction, *(change.rephrased(rng) for _ in range(3 * count))])
        found = tuple(said)[:count]
        return tuple(found[turn % len(found)] for turn in range(count))

    def _change(self, split: str, rng: Generator) -> Change:
        return draw_change(rng, self.shortest, self.longest, may_hold_out=split == "test")

    def captions(self, scene: Scene, count: int, rng: Generator) -> tuple[str, ...]:
        """Write count captions of a scene, distinct where possible."""
        return grammar.captions(scene, count, rng)

    def _rng(self, split: str, index: int, stream: int) -> Generator:
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}, not {split!r}")
        return np.random.default_rng([self.seed, SPLITS[split], index, stream])

    def _rendered(self, uid: str, scene: Scene, count: int, rng: Generator) -> Clip:
        stems = render_scene(scene, self.sample_rate)
        return Clip(uid, scene, stems.sum(0), stems, self.captions(scene, count, rng))
