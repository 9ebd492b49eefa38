"""Backbones: one network over both modalities."""

from uat_lightning.backbone.base import Backbone
from uat_lightning.backbone.coupling import Coupling, Isolated, Joint
from uat_lightning.backbone.dictation import Dictation
from uat_lightning.backbone.directions import Directions
from uat_lightning.backbone.dual_stream import DualStreamTransformer
from uat_lightning.backbone.one_sided import OneSided
from uat_lightning.backbone.paper import PaperBackbone
from uat_lightning.backbone.prediction import Prediction, TextPrediction
from uat_lightning.backbone.sight import Backwards, Sight, Whole
from uat_lightning.backbone.source import InContextSource, SourceLatents, beside
from uat_lightning.backbone.stable_audio import AudioXStart, DiffusersStart, StableAudioToolsStart
from uat_lightning.backbone.timing import PrependedTiming, StableAudioTiming, Timing
from uat_lightning.backbone.warm_start import FromNothing, SavedStart, WarmStart

__all__ = [
    "AudioXStart",
    "Backbone",
    "Backwards",
    "Coupling",
    "Dictation",
    "DiffusersStart",
    "Directions",
    "DualStreamTransformer",
    "FromNothing",
    "InContextSource",
    "Isolated",
    "Joint",
    "OneSided",
    "PaperBackbone",
    "Prediction",
    "PrependedTiming",
    "SavedStart",
    "Sight",
    "SourceLatents",
    "StableAudioTiming",
    "StableAudioToolsStart",
    "TextPrediction",
    "Timing",
    "WarmStart",
    "Whole",
    "beside",
]
