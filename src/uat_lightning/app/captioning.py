"""The work behind `uat caption`: files to spans, spans to captions, captions to a file."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm import tqdm

from uat_lightning import sampling
from uat_lightning.app.model import OpenModel
from uat_lightning.app.output import save_sidecar, save_text
from uat_lightning.app.sources import Part, Span, cut, read_source
from uat_lightning.sampling import AudioFirst, ConfidenceOrder, Guidance, TextSampler, Writing
from uat_lightning.tasks import (
    BothDirections,
    Caption,
    Choice,
    ChosenCaption,
    Infill,
    MinimumBayesRisk,
    MostLikely,
    Parts,
    PointwiseInformation,
)
from uat_lightning.tasks.caption import CAPTIONS

Writer = Callable[[Parts, Sequence[Tensor], int, int], list[str]]
CHOICES: dict[str, Callable[[], Choice]] = {
    "both": lambda: MostLikely(BothDirections()),
    "bayes": MinimumBayesRisk,
    "likelihood": MostLikely,
    "information": lambda: MostLikely(PointwiseInformation(prior=0.4)),
}


@dataclass
class Captioner:
    """Captions files one after another, and keeps why some could not be.

    Args:
        model: The model.
        write: How it writes captions; takes parts, waveforms, seed and the number of the first.
        window: Longest span with one caption, in seconds.
        seed: Seed of the first span; span i has seed + i.
        batch_size: Spans captioned at once.
        failures: Why files were left out.
    """

    model: OpenModel
    write: Writer
    window: float
    seed: int
    batch_size: int
    failures: list[str] = field(default_factory=list)

    def run(self, files: Sequence[str], part: Part) -> Iterator[tuple[Span, str]]:
        """Yield every span with its caption, in order."""
        spans, first = self._spans(files, part), 0
        while some := list(islice(spans, self.batch_size)):
            waveforms = [span.waveform for span in some]
            yield from zip(some, self.write(self.model.parts, waveforms, self.seed, first), strict=True)
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


def text_sampler(
    name: str | None, steps: int, temperature: float | None, several: bool, writing: Writing
) -> TextSampler:
    """Return a sampler of text.

    Args:
        name: Its class; that of the model's own where None.
        steps: Its steps, where it has any.
        temperature: Its temperature; where None its own, or 1 where several different captions are wanted.
        several: Whether they are.
        writing: What suits the model.

    Raises:
        ValueError: If a number is impossible, or the sampler cannot write with the model.
    """
    made = type(writing.sampler()) if name is None else getattr(sampling, name)
    heat = 1.0 if several and temperature is None else temperature
    settings = {"steps": steps, **({} if heat is None else {"temperature": heat})}
    known = inspect.signature(made).parameters
    sampler: TextSampler = made(**{key: value for key, value in settings.items() if key in known})
    writing.check(sampler)
    return sampler


def how_many(candidates: int | None, temperature: float | None, given: str | None) -> int:
    """Return the number of captions to choose from: as many as were asked for, else several where they can differ.

    Raises:
        ValueError: If the number is not above 0, they would all be the same, or are asked for a given text too.
    """
    if candidates is None:
        return 1 if given is not None or temperature == 0 else CAPTIONS
    if candidates < 1:
        raise ValueError(f"candidates must be at least 1, got {candidates}")
    if candidates > 1 and temperature == 0:
        raise ValueError("candidates at temperature 0 are all alike: set a temperature above 0, or leave it out")
    if given is not None and candidates != 1:
        raise ValueError("given and candidates do not go together: what fits a blank is chosen by likelihood anyway")
    return candidates


def text_guidance(scale: float, sampler: TextSampler) -> Guidance:
    """Return guidance on the audio that suits a sampler: one that compares positions writes first what is heard."""
    return AudioFirst(scale) if isinstance(sampler, ConfidenceOrder) else Guidance(scale)


def infiller(sampler: TextSampler, guidance: Guidance | None, given: str) -> Writer:
    """Return what writes the rest of a given text; without guidance, the task takes its own."""
    infill = Infill(sampler, guidance)
    return lambda parts, waveforms, seed, first: infill.run(parts, waveforms, [given] * len(waveforms), seed, first)


def best_writer(
    sampler: TextSampler, likeliest: TextSampler, guidance: Guidance | None, candidates: int, choose: str
) -> Writer:
    """Return what writes the best of several captions; without guidance, the task takes its own.

    Args:
        sampler: Draws them, or writes the only one.
        likeliest: Writes the first of several.
        guidance: Guidance on the audio.
        candidates: Their number.
        choose: How to choose, a key of ``CHOICES``.
    """
    if candidates == 1:
        return Caption(sampler, guidance).run
    return ChosenCaption(sampler, guidance, CHOICES[choose](), candidates, Caption(likeliest, guidance)).run


def save_captions(file: Path, lines: Sequence[tuple[Span, str]], record: dict[str, Any], model: OpenModel) -> None:
    """Write captions as JSON lines, and their sidecar."""
    rows = [{"audio": span.file, "start": span.start, "end": span.end, "caption": text} for span, text in lines]
    save_text(file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    save_sidecar(file, {**record, "model": model.identity})
