"""Finished trials are kept, so that a benchmark goes on where it was stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uat_lightning.app.output import save_text
from uat_lightning.app.scores import plain
from uat_lightning.data.encode import fingerprint


@dataclass(frozen=True)
class Kept:
    """A folder of results.

    Args:
        folder: The folder.
        about: What every result depends on: edits, tagger, steps.
    """

    folder: Path
    about: dict[str, Any]

    def result(
        self, entry: str, strength: float, model: str, task: object, make: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """Return a result that is there, or make and keep it.

        Args:
            entry: The name of the method.
            strength: Its strength.
            model: The model's digest.
            task: What is done: with other settings it is another result.
            make: Makes it, of plain values.
        """
        file = self.folder / f"{fingerprint(model=model, task=described(task), **self.about)}.json"
        if file.exists():
            return {"entry": entry, "strength": strength, **json.loads(file.read_text(encoding="utf-8"))}
        made: dict[str, Any] = plain({"settings": described(task), **make()})
        save_text(file, json.dumps(made) + "\n")
        return {"entry": entry, "strength": strength, **made}


def described(thing: object) -> object:
    """Return a thing's class and settings, and theirs, as plain values."""
    if isinstance(thing, (list, tuple)):
        return [described(part) for part in thing]
    if thing is None or isinstance(thing, (bool, int, float, str)):
        return thing
    own = {name: described(value) for name, value in vars(thing).items() if not name.startswith("_")}
    return {"class": type(thing).__name__, **own}
