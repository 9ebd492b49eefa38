"""Editing methods on Soundscapes triplets, where the true result of every edit is known.

Run ``python benchmarks/editing.py --model runs/quickstart/model --split validation`` to choose settings, and with
``--split test`` to report them. Every edit goes to the true caption of its target; what the source is, the truth says
(``given``), the model (``written``) or nobody (``none``). ``--only FlowEdit`` tries one method. A model of edit.yaml is
tried with instructions as well: ``--only Instructed --guidances 1 2 --source_guidances 1 1.5``.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from uat_lightning.app.editing_scores import editing_scores
from uat_lightning.app.hearing import Ears
from uat_lightning.app.model import OpenModel, open_model
from uat_lightning.app.output import save_text
from uat_lightning.app.scores import plain
from uat_lightning.app.tagger import TaggerRecipe, trained_tagger
from uat_lightning.app.unseen import UnseenEdit, batches, unseen_edits
from uat_lightning.data.soundscapes import Soundscapes
from uat_lightning.sampling import Euler, Guidance, RescaledGuidance
from uat_lightning.sampling.editing import (
    EditFriendlyInversion,
    EditingMethod,
    FlowEdit,
    Instructed,
    Inversion,
    RFInversion,
    SDEdit,
)
from uat_lightning.tasks import Edit, Source

STRENGTHS = (0.5, 0.7, 0.8, 0.9, 1.0)
METHODS: dict[str, Callable[[float], EditingMethod]] = {
    "SDEdit": SDEdit,
    "FlowEdit": FlowEdit,
    "Inversion": Inversion,
    "RFInversion": lambda strength: RFInversion(strength=strength),
    "EditFriendlyInversion": EditFriendlyInversion,
    "Instructed": Instructed,
}
SOURCES = ("given", "written", "none")


@dataclass(frozen=True)
class Trial:
    """A method with its settings.

    Args:
        method: Its name.
        strength: Noise level to start from.
        source: Who says what the source is.
        guidance: Scale of guidance on the target.
        steps: Euler steps from pure noise to clean.
        source_guidance: Scale of guidance on the source, of the method that has one.
    """

    method: str
    strength: float
    source: str
    guidance: float
    steps: int
    source_guidance: float = 1.0

    @property
    def task(self) -> Edit:
        """The edit."""
        guidance = RescaledGuidance(self.guidance, rescale=0.9) if self.guidance != 1 else Guidance(1.0)
        method = METHODS[self.method](self.strength)
        if isinstance(method, Instructed):
            method = Instructed(self.strength, Guidance(self.source_guidance))
        return Edit(method, Euler(self.steps), guidance)


def carried_out(model: OpenModel, edits: Sequence[UnseenEdit], trial: Trial) -> tuple[list[Tensor], int]:
    """Return the results of a trial, and how often it evaluated velocities for an edit."""
    made: list[Tensor] = []
    said = {"given": lambda unseen: unseen.heard, "written": lambda unseen: None, "none": lambda unseen: ""}
    for rows in batches([unseen.source for unseen in edits], 50, f"{trial.method} at {trial.strength:g}"):
        some = [edits[row] for row in rows]
        task = trial.task
        wishes = [unseen.instruction if task.method.follows_instructions else unseen.prompt for unseen in some]
        sources = [Source(u.source, wish, said[trial.source](u)) for u, wish in zip(some, wishes, strict=True)]
        results = task.edit(model.parts, sources, 0, rows.start)
        made += [result.audio for result in results]
    return made, results[0].evaluations


def latent_distance(model: OpenModel, edits: Sequence[UnseenEdit], made: Sequence[Tensor]) -> float:
    """Return the root mean square between latents of results and of true targets, per value."""
    apart = [
        model.parts.codec.encode(result[None]) - model.parts.codec.encode(unseen.target[None])
        for result, unseen in zip(made, edits, strict=True)
    ]
    return fmean(float(one.square().mean().sqrt()) for one in apart)


def scored(model: OpenModel, ears: Ears, edits: Sequence[UnseenEdit], made: Sequence[Tensor]) -> dict[str, Any]:
    """Return the scores of results, over all and by operation."""
    scores = editing_scores(edits, made, ears.hear(made), model.pipeline.sample_rate)
    return {**scores, "latent_distance_to_target": latent_distance(model, edits, made)}


def row(name: str, scores: dict[str, Any], more: str = "") -> str:
    """Return a line of the table."""
    every, kinds = scores["all"], [scores[kind]["target_present"] for kind in ("add", "delete", "replace")]
    numbers = [f"{every[name]:.3f}" for name in ("target_present", "untouched_kept", "deleted_gone")]
    numbers += [f"{kind:.2f}" for kind in kinds]
    numbers += [f"{every[f'distance_to_{side}_db']:.2f}" for side in ("target", "source")]
    return f"| {name} | {' | '.join(numbers)} | {scores['latent_distance_to_target']:.3f} | {more}|"


def main() -> None:
    """Try methods, print a table, write the results."""
    options = parsed()
    torch.set_num_threads(options.threads)
    model = open_model(options.model, "cpu")
    soundscapes = Soundscapes(sample_rate=model.pipeline.sample_rate)
    ears = Ears(trained_tagger(soundscapes, TaggerRecipe())[0])
    edits = unseen_edits(soundscapes, model.parts, range(options.edits), options.split)
    print("| what | asked for | kept | gone | add | delete | replace | dB to target | dB to source | latents | cost |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    record: dict[str, Any] = {"references": {}, "trials": []}
    for name, sounds in {"sources": [u.source for u in edits], "true targets": [u.target for u in edits]}.items():
        record["references"][name] = scored(model, ears, edits, sounds)
        print(row(name, record["references"][name]), flush=True)
    for trial in trials(options, model):
        begun = time.perf_counter()
        made, evaluations = carried_out(model, edits, trial)
        seconds = (time.perf_counter() - begun) / len(edits)
        scores = scored(model, ears, edits, made)
        record["trials"].append({**vars(trial), "evaluations": evaluations, "seconds_each": seconds, **scores})
        name = f"{trial.method} {trial.strength:g}, source {trial.source}, guidance {trial.guidance:g}"
        name += f", {trial.source_guidance:g} on the source" if trial.source_guidance != 1 else ""
        print(row(name, scores, f"{evaluations} evaluations, {seconds:.2f} s "), flush=True)
        save(options, model, record)


def trials(options: argparse.Namespace, model: OpenModel) -> list[Trial]:
    """Return all combinations asked for; what is said of the source only where the method has a use for it."""
    able = [method for method in METHODS if method != "Instructed" or model.parts.backbone.takes_source]
    return [
        Trial(method, strength, source, guidance, options.steps, kept)
        for method in options.only or able
        for strength in options.strengths
        for guidance in options.guidances
        for source in (options.sources if method not in ("SDEdit", "Instructed") else ["none"])
        for kept in (options.source_guidances if method == "Instructed" else [1.0])
    ]


def save(options: argparse.Namespace, model: OpenModel, record: dict[str, Any]) -> None:
    """Write the results so far."""
    about = {
        "model": model.identity["weights_sha256"],
        "split": options.split,
        "edits": options.edits,
        "seed": 0,
        "date": datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {options.threads} threads",
        "torch": torch.__version__,
    }
    save_text(options.out, json.dumps(plain({"protocol": about, **record}), indent=1) + "\n")


def parsed() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="runs/quickstart/model")
    parser.add_argument("--split", default="validation", choices=["validation", "test"])
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--only", nargs="*", choices=list(METHODS))
    parser.add_argument("--strengths", nargs="*", type=float, default=STRENGTHS)
    parser.add_argument("--guidances", nargs="*", type=float, default=[4.0])
    parser.add_argument("--source_guidances", nargs="*", type=float, default=[1.0])
    parser.add_argument("--sources", nargs="*", choices=SOURCES, default=SOURCES)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/editing.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
