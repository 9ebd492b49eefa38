"""The model that a command works with, and what a result says of it."""

from __future__ import annotations

import hashlib
import mmap
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from uat_lightning.pipeline import WEIGHTS, UATPipeline
from uat_lightning.tasks import Parts


@dataclass(frozen=True)
class OpenModel:
    """A pipeline and the folder it came from.

    Args:
        folder: The model folder.
        pipeline: What was in it.
    """

    folder: Path
    pipeline: UATPipeline

    @property
    def parts(self) -> Parts:
        """Backbone, codec and tokenizer."""
        return self.pipeline.parts

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What a sidecar says of the model: its folder, the SHA-256 of its weights, the package's version."""
        with (
            (self.folder / WEIGHTS).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as weights,
        ):
            digest = hashlib.sha256(weights).hexdigest()
        return {"folder": str(self.folder.absolute()), "weights_sha256": digest, "uat_lightning": package_version()}


def open_model(folder: str, device: str = "auto") -> OpenModel:
    """Read a model folder.

    Args:
        folder: What ``ExportPipeline`` or ``UATPipeline.save_pretrained`` wrote.
        device: "cpu", "cuda", "cuda:1" and so on; "auto" takes a GPU where there is one.

    Raises:
        ValueError: If the folder is no model, or the device is not there.
    """
    return OpenModel(Path(folder), UATPipeline.from_pretrained(folder, find_device(device)))


def find_device(name: str) -> torch.device:
    """Return the device of a name; "auto" takes a GPU where there is one.

    Raises:
        ValueError: If it is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"no device {name!r} here: {str(error).splitlines()[0]}") from error


def package_version() -> str:
    """Return the version of the installed package, or "unknown" in a checkout that is not installed."""
    try:
        return version("uat-lightning")
    except PackageNotFoundError:
        return "unknown"
