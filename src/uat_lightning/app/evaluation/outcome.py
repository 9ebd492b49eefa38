"""An evaluation on its way to disk: all of it or nothing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from uat_lightning.app.evaluation.page import render
from uat_lightning.app.evaluation.record import Evaluation
from uat_lightning.app.evaluation.recordings import Recording

Players = Mapping[str, Mapping[str, Recording]]  # by clip, then by what stands above the player

REMARKS = {
    "malformed": "rows of the references make no sense and were left out",
    "missing": "clips of the references are missing",
}


@dataclass(frozen=True)
class Outcome:
    """An evaluation and what there is to listen to.

    Args:
        evaluation: The scores.
        players: The sounds of each clip, by what they are.
    """

    evaluation: Evaluation
    players: Players = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Return a few lines for the terminal: all scores with their 95 % intervals, then what is absent."""
        ends = {name: f"  ({low:.4f} to {high:.4f})" for name, (low, high) in self.evaluation.intervals.items()}
        scores = [f"{name:40}{value:.4f}{ends.get(name, '')}" for name, value in self.evaluation.scores.items()]
        absent = [f"{name:40}not computed: {reason}" for name, reason in self.evaluation.not_computed.items()]
        system = self.evaluation.protocol.system
        remarks = [f"{system[key]} {words}" for key, words in REMARKS.items() if system.get(key)]
        return [*scores, *absent, *remarks]


class Draft:
    """A context in which an evaluation is written beside its folder, and moved there once it is complete.

    Args:
        out: The folder.
        sounds: Name of the folder in it that holds sounds that were made.
        table: Name of the file of scores.
        page: Name of the page.
    """

    def __init__(self, out: Path, sounds: str, table: str, page: str) -> None:
        self.out, self.sounds, self.table, self.page = out, sounds, table, page

    def __enter__(self) -> Draft:
        """See that there is room, before any work is done.

        Raises:
            ValueError: If nothing can be written, or sounds are there already.
        """
        if self.out.exists() and not self.out.is_dir():
            raise ValueError(f"{self.out} is a file: name a folder to write into")
        if (self.out / self.sounds).exists():
            raise ValueError(f"{self.out / self.sounds} is there already: name another folder")
        home = next(place for place in (self.out.absolute(), *self.out.absolute().parents) if place.is_dir())
        try:
            self.folder = Path(tempfile.mkdtemp(prefix=f".{self.out.name}-", dir=home))
        except OSError as error:
            raise ValueError(f"cannot write to {self.out}: {error.strerror or error}: choose another place") from error
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Leave nothing half done."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def keep(self, outcome: Outcome) -> None:
        """Write everything, and move it to its place."""
        (self.folder / self.page).write_text(render(outcome.evaluation, outcome.players), encoding="utf-8")
        (self.folder / self.table).write_text(outcome.evaluation.to_json(), encoding="utf-8")
        self.out.mkdir(parents=True, exist_ok=True)
        for made in sorted(self.folder.iterdir()):
            made.replace(self.out / made.name)
