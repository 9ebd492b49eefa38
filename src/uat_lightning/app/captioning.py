"""The work behind `uat caption`: files to spans, spans to captions, captions to a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from uat_lightning.app.model import OpenModel
from uat_lightning.app.output import save_sidecar, save_text
from uat_lightning.app.sources import Part, Span, cut, read_source
from uat_lightning.tasks import Caption


@dataclass
class Captioner:
    """Captions files one after another, and keeps why some could not be.

    Args:
        model: The model.
        task: How it writes captions.
        window: Longest span with one caption, in seconds.
        seed: Seed of the first span; span i has seed + i.
        batch_size: Spans captioned at once.
        failures: Why files were left out.
    """

    model: OpenModel
    task: Caption
    window: float
    seed: int
    batch_size: int
    failures: list[str] = field(default_factory=list)

    def run(self, files: Sequence[str], part: Part) -> Iterator[tuple[Span, str]]:
        """Yield every span with its caption, in order."""
        spans, first = self._spans(files, part), 0
        while some := list(islice(spans, self.batch_size)):
            waveforms = [span.waveform for span in some]
            yield from zip(some, self.task.run(self.model.parts, waveforms, self.seed, first), strict=True)
            first += len(some)

    def _spans(self, files: Sequence[str], part: Part) -> Iterator[Span]:
        # In a terminal the captions themselves are the progress.
        for file in tqdm(files, unit="file", leave=False, disable=len(files) < 2 or sys.stdout.isatty() or None):
            try:
                waveform = read_source(file, part, self.model)
            except ValueError as error:
                self.failures.append(str(error))
            else:
                yield from cut(file, part.start, waveform, self.model.pipeline.sample_rate, self.window)

    def complain(self, files: int) -> None:
        """Say which of so many files have no caption.

        Raises:
            ValueError: If there are any.
        """
        if self.failures:
            prefix = "" if files == 1 else f"{len(self.failures)} of {files} files have no caption. "
            raise ValueError(prefix + "; ".join(self.failures))


def save_captions(file: Path, lines: Sequence[tuple[Span, str]], record: dict[str, Any], model: OpenModel) -> None:
    """Write captions as JSON lines, and their sidecar."""
    rows = [{"audio": span.file, "start": span.start, "end": span.end, "caption": text} for span, text in lines]
    save_text(file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    save_sidecar(file, {**record, "model": model.identity})
