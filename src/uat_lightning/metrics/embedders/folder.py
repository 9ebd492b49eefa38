"""A trained listener as a folder: what it is, and its weights."""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from uat_lightning.configurable import rebuild
from uat_lightning.metrics.embedders.base import Listener

CONFIG, WEIGHTS = "config.json", "model.safetensors"
T = TypeVar("T", bound=Listener)


def save_listener(listener: Listener, folder: str | Path) -> None:
    """Write a listener to a new folder, all of it or nothing.

    Args:
        listener: What to save.
        folder: A folder that does not exist yet, or is empty.

    Raises:
        ValueError: If something is there already.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is there already: choose a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        temporary.mkdir()
        (temporary / CONFIG).write_text(json.dumps(listener.describe(), indent=2) + "\n", encoding="utf-8")
        # Copies, as torchaudio's window is a view into a longer one, which safetensors refuses.
        save_file({name: tensor.clone() for name, tensor in listener.state_dict().items()}, temporary / WEIGHTS)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def load_listener(folder: str | Path, role: type[T]) -> T:
    """Return the listener of a folder, frozen.

    Args:
        folder: What ``save_listener`` wrote.
        role: What it must be, such as ``AudioTagger``.

    Raises:
        ValueError: If there is none, it is damaged or of another role.
    """
    folder = Path(folder)
    try:
        description = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        listener = rebuild(description, role)
        listener.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{folder} holds no {role.__name__}: {reason}") from error
    return listener.eval().requires_grad_(False)
