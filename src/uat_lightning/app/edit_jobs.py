"""What `uat edit` is asked to do: by its options, or line by line by a manifest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import soundfile

from uat_lightning.app.model import OpenModel
from uat_lightning.app.output import audio_files, check_place
from uat_lightning.app.own_samples import holder
from uat_lightning.app.sources import Part
from uat_lightning.data.audio import FORMATS, read_audio
from uat_lightning.tasks import Spans
from uat_lightning.text import Instruction, Said, read_instruction

AUTOMATIC = "auto"
KEYS = ("audio", "target", "instruction", "source", "region", "out")


@dataclass(frozen=True)
class Job:
    """An edit of a file.

    Args:
        file: The sound file.
        out: Where the result goes.
        target: The caption of what is to be heard in the end; None where there is an instruction.
        instruction: What to change; None where there is a target.
        source: The caption of what is heard; the model writes it where None, nothing is said where empty.
        region: Where the file may change, in seconds, as in ``2.0:5.5`` or ``1:2,4:4.5``; ``auto`` finds it;
            everywhere where None.
        part: What to edit of the file; the rest is left out.
    """

    file: str
    out: Path
    target: str | None
    instruction: str | None
    source: str | None = None
    region: str | None = None
    part: Part = field(default_factory=Part)

    def __post_init__(self) -> None:
        """See that it says what to do, and only once."""
        if (self.target is None) == (self.instruction is None):
            raise ValueError(
                "say what is to be heard in the end (--target), or what is to change (--instruction), and not both"
            )
        if self.region is not None and (self.part.start or self.part.end is not None):
            raise ValueError("a region keeps the rest of the file, start and end leave it out: give one of the two")
        _ = self.spans  # what cannot be read is complained about before the work

    @property
    def wish(self) -> str | Instruction:
        """The target, or the instruction as it was said."""
        return self.target if self.target is not None else Said(self.instruction or "")

    @property
    def spans(self) -> Spans | None:
        """The region, where it is given in seconds."""
        return read_spans(self.region) if self.region not in (None, AUTOMATIC) else None

    def check(self, model: OpenModel) -> None:
        """See that a model can do it.

        Raises:
            ValueError: If the file or a caption cannot be used.
        """
        if said := [text for text in (self.target, self.source or None) if text is not None]:
            model.parts.read(said)
        rate, codec = model.pipeline.sample_rate, model.parts.codec
        if self.spans is None:
            lasts = read_audio(self.file, rate, codec.channels, self.part.start, self.part.end).shape[1] / rate
        else:
            read_audio(self.file, rate, codec.channels, 0.0, 1e-9)  # complains about what is no sound file
            lasts = soundfile.info(self.file).duration
            self.spans.check_within(lasts, self.file)
        if lasts < (frame := codec.hop / rate):
            told = f"{1000 * lasts:.1f} ms, less than a latent frame of {1000 * frame:.0f} ms"
            raise ValueError(f"{self.file} lasts {told}: take a longer one")
        if self.region is not None:
            holder(self.file, self.out)

    def record(self) -> dict[str, Any]:
        """Return what a sidecar says of it."""
        known = {"source": self.file, "target": self.target, "instruction": self.instruction, "region": self.region}
        return {name: value for name, value in known.items() if value is not None}


def check_readable(jobs: Sequence[Job]) -> None:
    """See that the instructions can be read, which those who apply them to a caption must.

    Raises:
        ValueError: If one cannot.
    """
    for job in jobs:
        if job.instruction is not None:
            read_instruction(job.instruction)


def read_spans(text: str) -> Spans:
    """Return stretches of time written as ``2.0:5.5`` or ``1:2,4:4.5``, in seconds.

    Raises:
        ValueError: If they cannot be read, are none, or overlap.
    """
    try:
        pairs = [tuple(map(float, stretch.split(":"))) for stretch in text.split(",")]
        seconds = [(begin, end) for begin, end in pairs]
    except ValueError:
        raise ValueError(f"cannot read region {text!r}: write seconds as in 2.0:5.5, or auto") from None
    return Spans(sorted(seconds))


def jobs_of(files: Sequence[str], out: str, manifest: str | None, asked: dict[str, Any]) -> list[Job]:
    """Return the edits asked for.

    Args:
        files: Sound files.
        out: Where results go; several are numbered.
        manifest: A .jsonl file of more edits.
        asked: What every edit has, unless its line in the manifest says otherwise.

    Raises:
        ValueError: If there are none, or one cannot be done.
    """
    listed = [{"audio": file} for file in files] + (read_manifest(Path(manifest)) if manifest else [])
    if not listed:
        raise ValueError("no sound file given: name at least one")
    numbered = audio_files(out, len(listed))
    return [_job(line, place, asked) for line, place in zip(listed, numbered, strict=True)]


def read_manifest(file: Path) -> list[dict[str, str]]:
    """Return the lines of a manifest; paths in it are seen from its folder.

    Raises:
        ValueError: If a line is no JSON object of the known keys.
    """
    lines = enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
    return [_entry(line, f"{file}, line {number}", file.parent) for number, line in lines if line.strip()]


def _entry(line: str, where: str, folder: Path) -> dict[str, str]:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where} is no JSON: {error}") from error
    if not isinstance(entry, dict) or "audio" not in entry or not set(entry) <= set(KEYS):
        raise ValueError(f"{where} must have audio, and may have {', '.join(KEYS[1:])}")
    if not all(isinstance(value, str) for value in entry.values()):
        raise ValueError(f"{where}: every value must be a text")
    return {name: str(folder / value) if name in ("audio", "out") else value for name, value in entry.items()}


def _job(line: dict[str, str], place: Path, asked: dict[str, Any]) -> Job:
    said = {**asked, **{name: value for name, value in line.items() if name not in ("audio", "out")}}
    if {"target", "instruction"} & set(line):  # a line's wish takes the place of the command's
        said |= {name: line.get(name) for name in ("target", "instruction")}
    job = Job(line["audio"], place, **said)
    if "out" not in line:
        return job
    check_place(Path(line["out"]), *FORMATS)
    return replace(job, out=Path(line["out"]))
