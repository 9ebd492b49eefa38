"""Callbacks: what goes on beside training."""

from uat_lightning.callbacks.clips_bar import ClipsBar
from uat_lightning.callbacks.ema import EMA
from uat_lightning.callbacks.export import ExportPipeline
from uat_lightning.callbacks.likelihood import CaptionLikelihood
from uat_lightning.callbacks.rank_seed import RankSeed
from uat_lightning.callbacks.recompute import RecomputeBlocks
from uat_lightning.callbacks.samples import SampleTasks
from uat_lightning.callbacks.scored import ScoreCaptions, ScoredTask
from uat_lightning.callbacks.scored_sounds import ScoreGenerated
from uat_lightning.callbacks.scores import ScoreTasks
from uat_lightning.callbacks.shards import ShardWriter
from uat_lightning.callbacks.shown import Sample, ShowCaptioned, ShowEdited, ShowGenerated, ShownTask
from uat_lightning.callbacks.unusable import NameUnusable

__all__ = [
    "EMA",
    "CaptionLikelihood",
    "ClipsBar",
    "ExportPipeline",
    "NameUnusable",
    "RankSeed",
    "RecomputeBlocks",
    "Sample",
    "SampleTasks",
    "ScoreCaptions",
    "ScoreGenerated",
    "ScoreTasks",
    "ScoredTask",
    "ShardWriter",
    "ShowCaptioned",
    "ShowEdited",
    "ShowGenerated",
    "ShownTask",
]
