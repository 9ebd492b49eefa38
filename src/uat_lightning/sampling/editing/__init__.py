"""Editing methods: from source latents to others, under the texts of both."""

from uat_lightning.sampling.editing.base import EditingMethod
from uat_lightning.sampling.editing.difference import VelocityDifference
from uat_lightning.sampling.editing.edit_friendly import EditFriendlyInversion
from uat_lightning.sampling.editing.flow_edit import FlowEdit
from uat_lightning.sampling.editing.inversion import Interpolation, Inversion, RFInversion
from uat_lightning.sampling.editing.sdedit import Inpainting, SDEdit, Variation
from uat_lightning.sampling.editing.source_conditioned import Instructed, SourceConditioned
from uat_lightning.sampling.editing.source_difference import SourceDifference
from uat_lightning.sampling.editing.text_flow import Confined, TextFlow
from uat_lightning.sampling.editing.views import Views

__all__ = [
    "Confined",
    "EditFriendlyInversion",
    "EditingMethod",
    "FlowEdit",
    "Inpainting",
    "Instructed",
    "Interpolation",
    "Inversion",
    "RFInversion",
    "SDEdit",
    "SourceConditioned",
    "SourceDifference",
    "TextFlow",
    "Variation",
    "VelocityDifference",
    "Views",
]
