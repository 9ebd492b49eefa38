"""Scores of a run as functions of how often each clip counts, so that clips can be drawn anew."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from settle.grounds import Ground, TestClip
from settle.run import SOUNDS, read_made
from uat_lightning.app.hearing import Events
from uat_lightning.metrics.audio.frechet import frechet_distance
from uat_lightning.metrics.audio.moments import Moments
from uat_lightning.metrics.captioning import CiderD, caption_scores

Counts = NDArray[np.int64]
FRECHET, HEARD = "Fréchet distance (tagger)", "event F1 of sounds"
CIDER, EVENTS, RELATIONS = "CIDEr-D", "event F1 of captions", "relations right"
LOWER_IS_BETTER = (FRECHET,)


class Score(ABC):
    """A score of a run."""

    @abstractmethod
    def __call__(self, counts: Counts) -> float:
        """Return the score where each clip counts so often, int64 (clips,)."""


@dataclass(frozen=True)
class Ratio(Score):
    """A sum over clips by another: a mean, a share, or an F1 counted over all clips together.

    Args:
        parts: What each clip adds above the line.
        wholes: What it adds below.
    """

    parts: Sequence[float]
    wholes: Sequence[float]

    def __call__(self, counts: Counts) -> float:
        """Return the ratio; NaN where there is nothing below the line."""
        whole = float(counts @ np.asarray(self.wholes))
        return float(counts @ np.asarray(self.parts)) / whole if whole else float("nan")


@dataclass(frozen=True)
class Distance(Score):
    """The Frechet distance of generated sounds from the true ones.

    Args:
        true: Embeddings of the true clips, (clips, width).
        made: Embeddings of the generated ones.
    """

    true: Tensor
    made: Tensor

    def __call__(self, counts: Counts) -> float:
        """Return the distance of the clips drawn, each true one with its own generated one."""
        times = torch.from_numpy(counts)
        return frechet_distance(*(Moments.of(side.repeat_interleave(times, 0)) for side in (self.true, self.made)))


def f1(found: Sequence[Events], true: Sequence[Events]) -> Ratio:
    """Return the F1 of sets of events, counted over all clips together."""
    pairs = list(zip(found, true, strict=True))
    return Ratio([2.0 * len(a & b) for a, b in pairs], [float(len(a) + len(b)) for a, b in pairs])


def caption_ratios(ground: Ground, clips: Sequence[TestClip], captions: Sequence[str]) -> dict[str, Score]:
    """Return the scores of captions."""
    read, ones = [ground.read(text) for text in captions], [1.0] * len(clips)
    cider = caption_scores(captions, [clip.references for clip in clips], [CiderD()]).per_clip["cider_d"]
    related = [float(bool(clip.relations)) for clip in clips]
    right = [
        float(bool(clip.relations) and said.events == clip.events and said.relations == clip.relations)
        for said, clip in zip(read, clips, strict=True)
    ]
    scores: dict[str, Score] = {CIDER: Ratio(cider, ones)}
    scores[EVENTS] = f1([said.events for said in read], [clip.events for clip in clips])
    return scores | ({RELATIONS: Ratio(right, related)} if any(related) else {})


def scores_of(folder: Path, ground: Ground, clips: Sequence[TestClip], true: Tensor) -> dict[str, Score]:
    """Return all scores of a run by name.

    Args:
        folder: The run's folder.
        ground: What it was tested on.
        clips: The test clips.
        true: The listener's embeddings of the true clips, (clips, width).

    Raises:
        ValueError: If the run was tested on other clips.
    """
    made: Mapping[str, Any] = read_made(folder)
    if made["clips"] != [clip.name for clip in clips]:
        raise ValueError(f"{folder} was tested on other clips: remove its made.json, and run again")
    scores: dict[str, Score] = {}
    if "heard" in made:
        scores[FRECHET] = Distance(true, load_file(folder / SOUNDS)["vectors"])
        scores[HEARD] = f1([frozenset(events) for events in made["heard"]], [clip.events for clip in clips])
    for way, words in (("captions", ""), ("captions_without_guidance", ", without guidance")):
        if way in made:
            found = caption_ratios(ground, clips, made[way])
            scores |= {f"{name}{words}": score for name, score in found.items()}
    return scores
