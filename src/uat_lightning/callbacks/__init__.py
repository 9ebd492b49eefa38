"""Callbacks: what goes on beside training."""

from uat_lightning.callbacks.ema import EMA
from uat_lightning.callbacks.export import ExportPipeline
from uat_lightning.callbacks.likelihood import CaptionLikelihood
from uat_lightning.callbacks.rank_seed import RankSeed
from uat_lightning.callbacks.recompute import RecomputeBlocks
from uat_lightning.callbacks.samples import SampleTasks
from uat_lightning.callbacks.shown import Sample, ShowCaptioned, ShowEdited, ShowGenerated, ShownTask

__all__ = [
    "EMA",
    "CaptionLikelihood",
    "ExportPipeline",
    "RankSeed",
    "RecomputeBlocks",
    "Sample",
    "SampleTasks",
    "ShowCaptioned",
    "ShowEdited",
    "ShowGenerated",
    "ShownTask",
]
