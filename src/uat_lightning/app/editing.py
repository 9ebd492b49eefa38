"""The work behind `uat edit`: whole files at the model's rate, or regions within a file's own samples."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from uat_lightning.app.edit_jobs import Job
from uat_lightning.app.model import OpenModel
from uat_lightning.app.output import batches, progress, save_audio, save_sidecar
from uat_lightning.app.own_samples import Patch, patched_copy
from uat_lightning.app.sources import read_source
from uat_lightning.data.audio import read_audio
from uat_lightning.tasks import ChosenEdit, Edited, Source, Spans
from uat_lightning.text import Applied


@dataclass(frozen=True)
class Editor:
    """Edits files one after another.

    Args:
        model: The model.
        task: How it edits.
        finding: How it edits where it is to find the region.
        seed: Seed of the first file; file i has seed + i.
        settings: What a sidecar says of how.
    """

    model: OpenModel
    task: ChosenEdit
    finding: ChosenEdit
    seed: int
    settings: dict[str, object]

    def run(self, job: Job, number: int) -> None:
        """Edit a file and write the result and its sidecar.

        Raises:
            ValueError: If it cannot be edited.
        """
        if job.region is None:
            self._whole(job, number)
        else:
            self._within(job, number)

    def _whole(self, job: Job, number: int) -> None:
        waveform = read_source(job.file, job.part, self.model)
        (edited,) = self.task.edit(self.model.parts, [Source(waveform, job.wish, job.source)], self.seed, number)
        save_audio(job.out, edited.audio, self.model, self._record(job, number, [edited]))

    def _within(self, job: Job, number: int) -> None:
        frames, rate = soundfile.info(job.file).frames, soundfile.info(job.file).samplerate
        begin, end = self._context(job.spans, frames / rate)
        edits = self._channels(job, begin, end, number)
        first, count = round(begin * rate), min(round(end * rate), frames) - round(begin * rate)
        codec, region = self.model.parts.codec, edits[0].region
        share = torch.ones(count) if region is None else region.samples(count, rate, codec)
        samples = _at_rate([edited.audio for edited in edits], codec.sample_rate, rate, count)
        patch = Patch(first, samples, share.double().numpy())
        patched_copy(job.file, job.out, patch)
        changed = float((share > 0).double().mean() * count / rate)
        gain = round(20 * math.log10(patch.gain), 2)
        record = {"changed_seconds": round(changed, 3), "gain_db": gain, "model": self.model.identity}
        save_sidecar(job.out, {**self._record(job, number, edits), **record})
        turned = f" and turned down {-gain:.1f} dB" if gain else ""
        print(f"{job.out}\t{frames / rate:g} s, {changed:.2f} s of it changed{turned}")

    def _context(self, spans: Spans | None, duration: float) -> tuple[float, float]:
        """Return the stretch that the model looks at: the regions and what is around them, a window at least."""
        if spans is None:
            return 0.0, duration
        begin, end = min(start for start, _ in spans.seconds), max(stop for _, stop in spans.seconds)
        window = self.task.task.window or end - begin
        beside = max(window - (end - begin), window / 2) / 2
        return max(0.0, begin - beside), min(duration, end + beside)

    def _channels(self, job: Job, begin: float, end: float, number: int) -> list[Edited]:
        """Edit a stretch of a file: channels as one where the model has as many, else each, with the same noise."""
        parts, spans = self.model.parts, job.spans
        task = self.finding if spans is None else self.task
        count, codec = soundfile.info(job.file).channels, parts.codec
        heard = torch.from_numpy(read_audio(job.file, codec.sample_rate, count, begin, end))
        region = spans and Spans([(start - begin, stop - begin) for start, stop in spans.seconds], spans.fade)
        if count == codec.channels:
            return task.edit(parts, [Source(heard, job.wish, job.source, region)], self.seed, number)
        rows = [channel.expand(codec.channels, -1) for channel in heard]
        (first,) = task.edit(parts, [Source(rows[0], job.wish, job.source, region)], self.seed, number)
        return [first, *(self._alike(job, row, first) for row in rows[1:])]

    def _alike(self, job: Job, row: Tensor, first: Edited) -> Edited:
        """Edit a channel as the first one was: the same texts, region and noise."""
        targets = first.targets if job.instruction is None else [Applied(job.instruction, t) for t in first.targets]
        source = Source(row, targets, first.texts or None, first.region)
        (edited,) = self.task.task.edit(self.model.parts, [source], first.seed)
        return edited

    def _record(self, job: Job, number: int, edits: Sequence[Edited]) -> dict[str, Any]:
        first = edits[0]
        for complaint in first.complaints:
            print(f"{job.out}: {complaint}", file=sys.stderr)
        texts = {"targets": first.targets, "source_texts": first.texts, "not_followed": first.complaints}
        record = {"task": "edit", **job.record(), "seed": self.seed + number, "noise_seed": first.seed}
        return {
            **record,
            **texts,
            "evaluations": sum(edited.evaluations for edited in edits),
            "settings": self.settings,
        }


def edit_all(editor: Editor, jobs: Sequence[Job]) -> None:
    """Check all edits, then do one after another.

    Raises:
        ValueError: If one cannot be done: before the work where that is known; at its end where an instruction names
            nothing that is heard, with the number of those that failed.
    """
    for job in jobs:
        job.check(editor.model)
    failures = []
    for rows in progress(batches(len(jobs), 1)):
        try:
            editor.run(jobs[rows.start], rows.start)
        except ValueError as error:
            failures.append(error if len(jobs) == 1 else ValueError(f"{jobs[rows.start].file}: {error}"))
    if len(jobs) == 1 and failures:
        raise failures[0]
    if failures:
        raise ValueError(f"{len(failures)} of {len(jobs)} edits failed. {'; '.join(map(str, failures))}")


def _at_rate(edits: Sequence[Tensor], rate: int, wanted: int, count: int) -> NDArray[np.float64]:
    """Return edits of channels, or of all channels at once, at a file's rate, (count, channels)."""
    whole = edits[0] if len(edits) == 1 else torch.stack([edited.mean(0) for edited in edits])
    samples = whole.T.double().numpy()
    resampled = samples if rate == wanted else soxr.resample(samples, rate, wanted, quality="HQ")
    missing = max(0, count - len(resampled))
    return np.pad(resampled[:count], ((0, missing), (0, 0)), mode="edge")
