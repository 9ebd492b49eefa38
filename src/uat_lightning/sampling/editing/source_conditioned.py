"""Editing by a model that was trained to."""

from __future__ import annotations

from uat_lightning.backbone import Backbone
from uat_lightning.sampling.dual_guidance import DualGuidance
from uat_lightning.sampling.editing.sdedit import SDEdit
from uat_lightning.sampling.editing.text_flow import TextFlow
from uat_lightning.sampling.editing.views import Views
from uat_lightning.sampling.guidance import Guidance
from uat_lightning.sampling.solvers import Velocity

VIEWS = Views(caption=0.5, words=0.25, alone=0.25)


class SourceConditioned(SDEdit):
    """Makes what the target's caption says beside the source, as the model learned from edits.

    The model sees the source's latents at every step, whatever the noise. What the caption names and the source holds
    stays, what it does not name goes, what is new comes. Where an instruction was given, the caption is what follows
    from it and from the caption that the model writes of the source, and the model looks at the edit from three sides
    (``Views``): the caption beside the source tells best what stays, the instruction beside the source what changes,
    and the caption without the source cannot take what is to go for what stays. Where one is mistaken the others hold
    against it. What only adds follows the instruction alone, as nothing that is heard has to be found; so does that
    from which no caption follows, as what is named was not heard.

    Evaluations: those of the solver from the strength down, each a batch of up to four conditions; and as many again
    where the caption without the source has a share.

    Args:
        strength: Noise level to start from, of the model's process, 0 to 1: 0 returns the source, at 1 the source is
            known from beside the noise alone, as in training.
        source_guidance: Guidance on the source, away from none; a scale of 1, which takes no evaluations, where None.
        views: How much each side counts; ``VIEWS`` where None.
    """

    follows_instructions = True
    usual_guidance = 5.0  # three sides that differ have a mean that says less

    def __init__(
        self, strength: float = 1.0, source_guidance: Guidance | None = None, views: Views | None = None
    ) -> None:
        super().__init__(strength)
        self.source_guidance, self.views = source_guidance or Guidance(1.0), views or VIEWS

    def check(self, backbone: Backbone) -> None:
        """See that a model was trained on edits.

        Raises:
            ValueError: If it takes no source.
        """
        if not backbone.takes_source:
            name, remedy = type(self).__name__, "train one with `uat-fit --config edit.yaml`, or take another method"
            raise ValueError(f"{name} needs a model that was trained on edits, and this one takes no source: {remedy}")

    def velocity(self, flow: TextFlow) -> Velocity:
        """Return what the noise follows: the target's texts, beside the source."""
        return flow.beside_source(DualGuidance(flow.guidance, self.source_guidance), self.views)


class Instructed(SourceConditioned):
    """Follows an instruction beside the source (AUDIT, arXiv 2304.00830; InstructPix2Pix, arXiv 2211.09800).

    The model reads the instruction as it is said: no caption of the source is needed, nothing is parsed, and so
    whatever it was trained to change can be asked for. It has to find out by itself which of the sounds is meant.

    Args:
        strength: Noise level to start from, as of ``SourceConditioned``.
        source_guidance: Guidance on the source, away from none; a scale of 1, which takes no evaluations, where None.
    """

    reads_captions = False
    usual_guidance = 4.0

    def __init__(self, strength: float = 1.0, source_guidance: Guidance | None = None) -> None:
        super().__init__(strength, source_guidance, Views())
