"""Backbones: one network over both modalities."""

from uat_lightning.backbone.base import Backbone, OneSided
from uat_lightning.backbone.coupling import Coupling, Isolated, Joint
from uat_lightning.backbone.dual_stream import DualStreamTransformer

__all__ = ["Backbone", "Coupling", "DualStreamTransformer", "Isolated", "Joint", "OneSided"]
