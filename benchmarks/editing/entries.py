"""The methods that are compared, each with its settings and the strengths of its curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from uat_lightning.app.editing_scores import Asking, instructed, prompted
from uat_lightning.app.unseen import UnseenEdit
from uat_lightning.sampling import Euler, Guidance, RescaledGuidance
from uat_lightning.sampling.editing import (
    EditFriendlyInversion,
    EditingMethod,
    FlowEdit,
    Inpainting,
    Instructed,
    Inversion,
    RFInversion,
    SDEdit,
    SourceConditioned,
    SourceDifference,
    VelocityDifference,
)
from uat_lightning.tasks import ChangedBins, ChosenEdit, Decoded, Edit, Parts, Rendering, Source


def true_source(
    parts: Parts, edits: Sequence[UnseenEdit], task: Edit, seed: int = 0, first: int = 0
) -> list[Source | None]:
    """Return edits towards the target's caption whose source's caption is given."""
    return [Source(unseen.source, unseen.prompt, unseen.heard) for unseen in edits]


@dataclass(frozen=True)
class Entry:
    """A method under a name.

    Args:
        name: Its name in tables.
        method: Makes the method of a strength.
        strengths: Strengths of the curve.
        own: The strength that is tried first and told beside other methods', one of them.
        guidance: Scale of the guidance on the target.
        asks: Makes what is edited of edits: who says what the source is, and what is wished for; None where nothing can
            be done. Its arguments are those of ``editing_scores.instructed``.
        rendering: Makes sound of latents.
        finder: Finds the region; everything may change where None.
        trained: Whether it takes the model of ``--trained``, and is left out where there is none.
        candidates: Results of which the one is kept that deserves its caption most in the model's own opinion.
    """

    name: str
    method: Callable[[float], EditingMethod]
    strengths: tuple[float, ...]
    own: float
    guidance: float = 4.0
    asks: Asking = true_source
    rendering: Rendering = ChangedBins()  # noqa: RUF009 (it holds three numbers)
    finder: VelocityDifference | None = None
    trained: bool = False
    candidates: int = 1

    def task(self, strength: float, steps: int) -> Edit:
        """Return the edit at a strength, in so many steps from pure noise."""
        guidance = RescaledGuidance(self.guidance, rescale=0.9)
        return Edit(self.method(strength), Euler(steps), guidance, finder=self.finder, rendering=self.rendering)

    def several(self, task: Edit) -> Edit | ChosenEdit:
        """Return an edit that chooses among its candidates, where there are several."""
        return task if self.candidates == 1 else ChosenEdit(task, candidates=self.candidates)


def twice(strength: float) -> FlowEdit:
    """Return ``FlowEdit`` over two noises a step."""
    return FlowEdit(strength, Guidance(1.0), draws=2)


def drawn_back(strength: float) -> RFInversion:
    """Return ``RFInversion`` with a pull towards the source that is the weaker the higher the strength."""
    return RFInversion(eta=0.9, stop=1 - 0.25 * strength, strength=1.0)


def in_two_rounds(strength: float) -> Inpainting:
    """Return ``Inpainting`` that takes each step twice."""
    return Inpainting(strength, rounds=2)


PLAIN, FOUND, SEEING = Decoded(), VelocityDifference(), SourceConditioned.usual_guidance
OBEYING, CHOSEN = "SourceConditioned, by instruction", "SourceConditioned, by instruction, best of 4"
BASELINE = Entry("SDEdit, plain", SDEdit, (0.5, 0.7, 0.8, 0.9, 1.0), 0.8, rendering=PLAIN)
DEFAULT = Entry("FlowEdit", twice, (0.7, 0.85, 1.0), 1.0)
WRITTEN = Entry("FlowEdit, source written", twice, (1.0,), 1.0, asks=prompted)
ENTRIES = (
    BASELINE,
    DEFAULT,
    WRITTEN,
    Entry("FlowEdit, by instruction", twice, (1.0,), 1.0, asks=instructed),
    Entry("SDEdit", SDEdit, (0.8, 0.9), 0.8),
    Entry("FlowEdit, plain", twice, (1.0,), 1.0, rendering=PLAIN),
    Entry("EditFriendlyInversion", EditFriendlyInversion, (0.7, 0.9), 0.9),
    Entry("RFInversion", drawn_back, (0.5, 1.0), 1.0),
    Entry("FlowEdit, region found", twice, (1.0,), 1.0, finder=FOUND),
    Entry("SDEdit, region found", SDEdit, (0.9,), 0.9, finder=FOUND),
    Entry("Inpainting, region found", in_two_rounds, (1.0,), 1.0, finder=FOUND),
    Entry("Inversion", Inversion, (0.8, 1.0), 1.0),
    Entry("SourceConditioned", SourceConditioned, (1.0,), 1.0, SEEING, trained=True),
    Entry(OBEYING, SourceConditioned, (1.0,), 1.0, SEEING, asks=instructed, trained=True),
    Entry(CHOSEN, SourceConditioned, (1.0,), 1.0, SEEING, asks=instructed, trained=True, candidates=4),
    Entry("SourceDifference, by instruction", SourceDifference, (1.0,), 1.0, SEEING, asks=instructed, trained=True),
    Entry("Instructed, by instruction", Instructed, (1.0,), 1.0, asks=instructed, trained=True),
)


def trials(entries: tuple[Entry, ...]) -> list[tuple[Entry, float]]:
    """Return entries with strengths: all of the baseline's, then each one's own, then the rest of the curves."""
    first = [(entry, level) for entry in entries if entry is BASELINE for level in entry.strengths]
    own = [(entry, entry.own) for entry in entries if entry is not BASELINE]
    rest = [(entry, level) for entry, strength in own for level in entry.strengths if level != strength]
    return first + own + rest
