"""Real clips: what an edit of a region does to the rest, and how loud it leaves the region.

No true result is known here, and no tagger of these sounds: adherence is not measured. What can be said is how far the
result is from the source, in the region and outside of it, and whether the region has become silent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from editing.entries import Entry
from uat_lightning.app.generation_scores import distance
from uat_lightning.app.model import OpenModel
from uat_lightning.data.audio import read_audio
from uat_lightning.tasks import Source, Spans

REGION = (1.5, 2.5)  # seconds
TARGET = "a bell rings"
SUFFIXES = (".flac", ".mp3", ".ogg", ".wav")


@dataclass(frozen=True)
class RealClips:
    """The beginnings of real clips.

    Args:
        sources: Audio at the model's rate, (channels, samples) each.
    """

    sources: Sequence[Tensor]

    @classmethod
    def of(cls, folder: Path, model: OpenModel, seconds: float = 4.0) -> RealClips:
        """Read the first seconds of each sound file in a folder.

        Raises:
            ValueError: If there is none.
        """
        files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
        if not files:
            raise ValueError(f"no sound file in {folder}: name another folder")
        rate, channels = model.pipeline.sample_rate, model.parts.codec.channels
        return cls([torch.from_numpy(read_audio(str(file), rate, channels, 0.0, seconds)) for file in files])

    def tried(self, model: OpenModel, entry: Entry, strength: float, steps: int) -> dict[str, Any]:
        """Return how far from their sources results are, with the whole of a clip open to change and with a region."""
        task, rows = entry.task(strength, steps), []
        for number, audio in enumerate(tqdm(self.sources, desc=f"{entry.name}, real clips", leave=False)):
            whole = Source(audio, TARGET)
            spans = None if entry.finder else Spans([REGION])
            free = replace(entry, finder=None).task(strength, steps)
            (everywhere,) = free.edit(model.parts, [whole], 0, number)
            (within,) = task.edit(model.parts, [replace(whole, region=spans)], 0, number)
            rows.append(_row(audio, everywhere.audio, within.audio, model.pipeline.sample_rate))
        return {"rows": rows, "means": {name: fmean(row[name] for row in rows) for name in rows[0]}}


def _row(source: Tensor, everywhere: Tensor, within: Tensor, rate: int) -> dict[str, float]:
    first, last = (round(second * rate) for second in REGION)
    inside, outside = within[:, first:last], torch.cat([within[:, :first], within[:, last:]], 1)
    kept = torch.cat([source[:, :first], source[:, last:]], 1)
    return {
        "everywhere_db": distance(everywhere, source, rate),
        "everywhere_level_db": _louder(everywhere, source),
        "inside_db": distance(inside, source[:, first:last], rate),
        "outside_db": distance(outside, kept, rate),
        "inside_level_db": _louder(inside, source[:, first:last]),
        "samples_kept": float((outside == kept).double().mean()),
    }


def _louder(result: Tensor, source: Tensor) -> float:
    """Return how much louder a result is than its source, in dB."""
    power = [float(sound.double().square().mean()) + 1e-10 for sound in (result, source)]
    return 10 * math.log10(power[0] / power[1])
