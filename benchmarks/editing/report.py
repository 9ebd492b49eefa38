"""From the scores of trials to the record, the tables and the picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from editing import curves, table
from editing.comparison import DISTANCES, Trial, against, recommended, relative
from editing.entries import BASELINE, DEFAULT, WRITTEN
from editing.real import REGION, TARGET
from editing.trial import Row, mean
from uat_lightning.app.editing_scores import OPERATIONS
from uat_lightning.app.output import save_text
from uat_lightning.app.scores import plain


@dataclass
class Report:
    """What is known so far.

    Args:
        about: The protocol: what a reader must know to do it again.
        references: The scores of the sources and of the true targets.
        results: The results of trials so far, each with its entry's name, strength and rows.
        real: The results on real clips so far.
    """

    about: dict[str, Any]
    references: dict[str, list[Row]]
    results: list[dict[str, Any]]
    real: list[dict[str, Any]]

    @property
    def trials(self) -> list[Trial]:
        """The trials so far."""
        return [Trial(result["entry"], result["strength"], result["rows"]) for result in self.results]

    def save(self, folder: Path) -> None:
        """Write ``editing.json``, ``editing.md`` and ``editing.png``; scores of single edits stay where they are."""
        record: dict[str, Any] = {"protocol": self.about, "real": [means_alone(result) for result in self.real]}
        record["references"] = {name: summary(rows) for name, rows in self.references.items()}
        record["trials"] = [{**means_alone(result), "scores": summary(result["rows"])} for result in self.results]
        save_text(folder / "editing.json", json.dumps(plain(record), indent=1) + "\n")
        save_text(folder / "editing.md", self.text())
        by_name = {trial.name: [other for other in self.trials if other.name == trial.name] for trial in self.trials}
        curves.draw(by_name, self.references["the source itself"], folder / "editing.png")

    def text(self) -> str:
        """Return the tables that can be made of what is known."""
        parts = [table.head(table.HEAD, **self.about, finished=len(self.results)), self._all()]
        curve = self._of(BASELINE.name)
        if {trial.strength for trial in curve} == set(BASELINE.strengths):
            others = [trial for trial in self.trials if trial.name != BASELINE.name]
            parts += [table.head(table.EQUAL), table.equal_lines(against(curve, trial) for trial in others)]
            parts += [self._written(), self._best(curve)]
        return "".join([*parts, self._real()])

    def _all(self) -> str:
        source = self.references["the source itself"]
        lines = [table.trial_line(name, "", rows, source, ("0", "")) for name, rows in self.references.items()]
        for result in sorted(self.results, key=lambda result: self.about["order"].index(result["entry"])):
            cost = str(result["evaluations"]), f"{result['seconds_each']:.2f}"
            strength = f"{result['strength']:g}"
            lines.append(table.trial_line(result["entry"], strength, result["rows"], source, cost))
        return "".join(lines)

    def _of(self, name: str) -> list[Trial]:
        return [trial for trial in self.trials if trial.name == name]

    def _written(self) -> str:
        pair = [[t for t in self._of(entry.name) if t.strength == DEFAULT.own] for entry in (DEFAULT, WRITTEN)]
        if not all(pair):
            return ""
        scores = ("asked_for", *DISTANCES)
        columns = {score: [[row[score] for row in some[0].rows] for some in pair] for score in scores}
        return table.head(table.WRITTEN) + table.written_lines(
            {score: relative(*both) for score, both in columns.items()}
        )

    def _best(self, curve: Sequence[Trial]) -> str:
        (plain_one,) = (trial for trial in curve if trial.strength == BASELINE.own)
        best = {kind: recommended(self.trials, plain_one, kind) for kind in OPERATIONS}
        return table.head(table.BEST) + table.best_lines(best, plain_one)

    def _real(self) -> str:
        if not self.real:
            return ""
        clips, (begin, end) = len(self.real[0]["rows"]), REGION
        head = table.head(table.REAL, clips=clips, target=TARGET, begin=begin, end=end)
        rows = ((result["entry"], result["strength"], result["means"]) for result in self.real)
        return head + table.real_lines(rows)


def summary(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Return the means of scores over all edits and over those of each operation."""
    scores = [name for name in rows[0] if name not in ("index", "operation")]
    return {kind or "all": {score: mean(rows, score, kind) for score in scores} for kind in (None, *OPERATIONS)}


def means_alone(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result without the scores of single edits."""
    return {name: value for name, value in result.items() if name != "rows"}
