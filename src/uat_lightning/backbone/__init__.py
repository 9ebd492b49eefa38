"""Backbones: one network over both modalities."""

from uat_lightning.backbone.base import Backbone
from uat_lightning.backbone.coupling import Coupling, Isolated, Joint
from uat_lightning.backbone.dual_stream import DualStreamTransformer
from uat_lightning.backbone.one_sided import OneSided

__all__ = ["Backbone", "Coupling", "DualStreamTransformer", "Isolated", "Joint", "OneSided"]
