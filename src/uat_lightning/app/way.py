"""How a command goes from noise to sound: the solver, its schedule, the guidance and the method of its options."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from uat_lightning.sampling import Guidance, Solver
    from uat_lightning.sampling.editing import EditingMethod
    from uat_lightning.tasks import Rendering, TextAudioSimilarity

SolverName = Literal["Euler", "Heun", "Midpoint", "AdamsBashforth", "DPMSolver2M", "DPMSolver3MSDE"]
ScheduleName = Literal["uniform", "cosine", "shifted", "polyexponential"]

MethodName = Literal[
    "SDEdit",
    "FlowEdit",
    "Inversion",
    "RFInversion",
    "EditFriendlyInversion",
    "Inpainting",
    "Variation",
    "Interpolation",
    "SourceConditioned",
    "SourceDifference",
    "Instructed",
]

RenderingName = Literal["ChangedBins", "Decoded"]


def chosen_solver(name: str, steps: int, schedule: str = "uniform") -> Solver:
    """Return the solver of a name, with a schedule of a name.

    Raises:
        ValueError: If the steps are none.
    """
    from uat_lightning import sampling

    times = getattr(sampling, f"{schedule.capitalize()}Schedule")()
    made: Solver = getattr(sampling, name)(steps, times)
    return made


def chosen_guidance(scale: float, rescale: float = 0.0) -> Guidance:
    """Return plain guidance, or guidance that is rescaled where its share is not 0.

    Raises:
        ValueError: If the share is none.
    """
    from uat_lightning.sampling import Guidance, RescaledGuidance

    return RescaledGuidance(scale, rescale=rescale) if rescale else Guidance(scale)


def chosen_method(name: str, strength: float | None, source_guidance: float | None = None) -> EditingMethod:
    """Return the editing method of a name, with its own settings where None is given.

    Raises:
        ValueError: If the strength is none, or the method knows no guidance on the source.
    """
    from uat_lightning.sampling import Guidance, editing

    kind = getattr(editing, name)
    settings: dict[str, object] = {} if strength is None else {"strength": strength}
    if source_guidance is not None:
        if "source_guidance" not in inspect.signature(kind).parameters:
            remedy = "take SourceConditioned, Instructed or FlowEdit, or leave it out"
            raise ValueError(f"{name} has no guidance on the source: {remedy}")
        settings["source_guidance"] = Guidance(source_guidance)
    made: EditingMethod = kind(**settings)
    return made


def chosen_rendering(name: str) -> Rendering:
    """Return the rendering of a name."""
    from uat_lightning import tasks

    made: Rendering = getattr(tasks, name)()
    return made


def chosen_judge(clap: str | None, candidates: int, device: str) -> TextAudioSimilarity | None:
    """Return who chooses among candidates: the CLAP in a folder, or None for the model itself where none is named.

    Raises:
        ValueError: If there is nothing to choose from, or the folder holds none.
    """
    if clap is None:
        return None
    if candidates < 2:
        raise ValueError(f"clap chooses among candidates, got {candidates}: give --candidates 8, or leave it out")
    from uat_lightning.app.evaluation.listeners import open_listener
    from uat_lightning.app.model import find_device
    from uat_lightning.metrics.embedders import TextAudioEmbedder
    from uat_lightning.tasks import TextAudioSimilarity

    embedder = open_listener(clap, TextAudioEmbedder, find_device(device))  # type: ignore[type-abstract]
    return TextAudioSimilarity(embedder)
