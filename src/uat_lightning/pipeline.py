"""A trained model as one thing: weights, codec and tokenizer in one folder."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from torch import Tensor

from uat_lightning.backbone import Backbone
from uat_lightning.codec import CODEC, Codec
from uat_lightning.configurable import rebuild
from uat_lightning.data.parts import check_parts
from uat_lightning.diffusion import ContinuousProcess, MaskedAbsorbing, RectifiedFlow, TextProcess
from uat_lightning.tasks import Caption, ChosenCaption, Edit, Generate, Parts
from uat_lightning.text import Tokenizer

CONFIG, WEIGHTS = "config.json", "model.safetensors"
FORMAT = 1
PARTS = ("backbone", "codec", "tokenizer", "process", "text")


@dataclass(frozen=True)
class UATPipeline:
    """Generates, edits and captions with one model.

    Args:
        parts: Backbone, codec, tokenizer and processes.
    """

    parts: Parts

    @property
    def sample_rate(self) -> int:
        """Samples per second of all waveforms, in Hz."""
        return self.parts.codec.sample_rate

    def to(self, device: str | torch.device) -> UATPipeline:
        """Move backbone and codec to a device."""
        self.parts.backbone.to(device)
        self.parts.codec.to(device)
        return self

    def generate(
        self, captions: str | Sequence[str], seconds: float = 4.0, seed: int = 0, task: Generate | None = None
    ) -> list[Tensor]:
        """Return one waveform (channels, samples) per caption; see ``Generate.run``."""
        captions = [captions] if isinstance(captions, str) else captions
        return (task or Generate()).run(self.parts, captions, [seconds] * len(captions), seed)

    def caption(self, waveforms: Sequence[Tensor], seed: int = 0, task: Caption | None = None) -> list[str]:
        """Return one caption per waveform (channels, samples) at the pipeline's rate, the best of several.

        See ``ChosenCaption``; ``Caption()`` writes one, and is faster.
        """
        return (task or ChosenCaption()).run(self.parts, waveforms, seed)

    def edit(
        self, waveforms: Sequence[Tensor], targets: Sequence[str], seed: int = 0, task: Edit | None = None
    ) -> list[Tensor]:
        """Return one edited waveform per source; see ``Edit.run``."""
        return (task or Edit()).run(self.parts, waveforms, targets, seed)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model into a folder, all of it or nothing.

        A model that is there already is replaced; other files beside it are kept.

        Raises:
            ValueError: If the folder holds something else than a model.
        """
        folder = Path(folder).absolute()
        if folder.exists() and not _replaceable(folder):
            raise ValueError(f"{folder} is there already and is not a model of uat-lightning: name another folder")
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
        temporary.mkdir()
        try:
            self._write(temporary)
            _put_in_place(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _write(self, folder: Path) -> None:
        parts = {name: getattr(self.parts, name).describe() for name in PARTS}
        save_model(self.parts.backbone, str(folder / WEIGHTS))
        self.parts.codec.save(folder / CODEC)
        self.parts.tokenizer.save(folder)
        (folder / CONFIG).write_text(json.dumps({"format": FORMAT, **parts}, indent=2) + "\n")

    @classmethod
    def from_pretrained(cls, folder: str | Path, device: str | torch.device = "cpu") -> UATPipeline:
        """Read a model that ``save_pretrained`` wrote.

        Raises:
            ValueError: If the folder or a file of it is missing, damaged or of another model; the message names it.
        """
        folder = Path(folder)
        described = _read_config(folder)
        try:
            backbone = rebuild(described["backbone"], Backbone)  # type: ignore[type-abstract]
            codec = rebuild(described["codec"], Codec)  # type: ignore[type-abstract]
            tokenizer = rebuild(described["tokenizer"], Tokenizer)  # type: ignore[type-abstract]
            process = rebuild(described["process"], ContinuousProcess)  # type: ignore[type-abstract]
            text = rebuild(described["text"], TextProcess)  # type: ignore[type-abstract]
            tokenizer.load(folder)
            check_parts(backbone, codec, tokenizer)
        except ValueError as error:
            raise ValueError(f"{folder / CONFIG}: {error}") from error
        _read_tensors(lambda file: load_model(backbone, str(file)), folder / WEIGHTS)
        _read_tensors(codec.load, folder / CODEC)
        backbone.eval()
        return cls(Parts(backbone, codec, tokenizer, process, text)).to(device)


def _replaceable(folder: Path) -> bool:
    try:
        return not any(folder.iterdir()) or bool(_read_config(folder))
    except (OSError, ValueError):
        return False


def _put_in_place(new: Path, folder: Path) -> None:
    if folder.exists():
        old = new.with_name(f"{new.name}-old")
        folder.rename(old)
        new.rename(folder)
        for kept in [file for file in old.iterdir() if not (folder / file.name).exists()]:
            kept.rename(folder / kept.name)
        shutil.rmtree(old)
    else:
        new.rename(folder)


def _read_config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise ValueError(f"no model folder {folder}: train one with `uat-fit`, or name another with --model")
    try:
        described = dict(json.loads((folder / CONFIG).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{folder / CONFIG} is missing or not JSON: not a model folder of uat-lightning") from error
    missing = {"format", "backbone", "codec", "tokenizer"} - set(described)
    if missing:
        raise ValueError(f"{folder / CONFIG} lacks {', '.join(sorted(missing))}: not a model of uat-lightning")
    if described["format"] != FORMAT:
        raise ValueError(f"{folder / CONFIG} has format {described['format']}; this version reads format {FORMAT}")
    # Models saved before there was a choice of processes are of a rectified flow and of masked texts.
    return {"process": RectifiedFlow().describe(), "text": MaskedAbsorbing().describe(), **described}


def _read_tensors(load: Callable[[Path], object], file: Path) -> None:
    try:
        load(file)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{file} is missing or damaged: {error}") from error
    except RuntimeError as error:
        raise ValueError(f"{file} holds another model's tensors: {str(error).splitlines()[0]}") from error
