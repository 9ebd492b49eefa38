"""One trial: all edits by one method at one strength, scored edit by edit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from editing.entries import Entry
from uat_lightning.app.editing_scores import edited, target_reached
from uat_lightning.app.generation_scores import distance
from uat_lightning.app.hearing import Ears, Events
from uat_lightning.app.model import OpenModel
from uat_lightning.app.unseen import UnseenEdit, batches
from uat_lightning.metrics.audio.preservation import signal_distortion

BATCH = 100
Row = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """What trials are judged by.

    Args:
        edits: The edits.
        ears: Hears what results hold.
        steps: Steps from pure noise to clean.
    """

    edits: Sequence[UnseenEdit]
    ears: Ears
    steps: int

    def tried(self, model: OpenModel, entry: Entry, strength: float) -> dict[str, Any]:
        """Return the scores of each edit by a method, its evaluations and its seconds for an edit."""
        task, label, begun = entry.task(strength, self.steps), f"{entry.name} at {strength:g}", time.perf_counter()
        made: list[Tensor] = []
        evaluations = idle = 0
        for rows in batches([unseen.source for unseen in self.edits], BATCH, label):
            some = [self.edits[row] for row in rows]
            asked = entry.asks(model.parts, some, task, 0, rows.start)
            results = edited(model.parts, some, asked, entry.several(task), 0, rows.start)
            made, evaluations = made + [result.audio for result in results], results[0].evaluations * entry.candidates
            idle += asked.count(None)
        cost = {"evaluations": evaluations, "seconds_each": (time.perf_counter() - begun) / len(self.edits)}
        return {**cost, "not_followed": idle, "rows": self.scored(model, made)}

    def scored(self, model: OpenModel, made: Sequence[Tensor]) -> list[Row]:
        """Return the scores of results, edit by edit."""
        heard = self.ears.hear(made)
        return [_row(model, *each) for each in zip(self.edits, made, heard, strict=True)]


def _row(model: OpenModel, unseen: UnseenEdit, result: Tensor, heard: Events) -> Row:
    """Return what one result is worth; what cannot be said is None."""
    rate, untouched = model.pipeline.sample_rate, unseen.before & unseen.after
    distortion = float(signal_distortion(result.mean(0), unseen.target.mean(0)))
    return {
        "index": unseen.index,
        "operation": unseen.edit.operation,
        "asked_for": float(target_reached(unseen, heard)),
        "kept": len(untouched & heard) / len(untouched) if untouched else None,
        "to_target_db": distance(result, unseen.target, rate),
        "to_source_db": distance(result, unseen.source, rate),
        "latents": _latent_distance(model, result, unseen.target),
        "si_sdr_db": distortion if distortion == distortion else None,
    }


def _latent_distance(model: OpenModel, result: Tensor, target: Tensor) -> float:
    """Return the root mean square between the latents of a result and of the true target, per value."""
    made, true = (model.parts.codec.encode(sound[None].to(model.parts.device)) for sound in (result, target))
    return float((made - true).square().mean().sqrt())


def mean(rows: Sequence[Row], score: str, operation: str | None = None) -> float:
    """Return the mean of a score over the edits that have it, of an operation or of all."""
    chosen = [row[score] for row in rows if operation in (None, row["operation"]) and row[score] is not None]
    return fmean(chosen) if chosen else torch.nan
