"""Backbones: one network over both modalities."""

from uat_lightning.backbone.base import Backbone
from uat_lightning.backbone.dual_stream import DualStreamTransformer

__all__ = ["Backbone", "DualStreamTransformer"]
