"""Callbacks: what goes on beside training."""

from uat_lightning.callbacks.ema import EMA
from uat_lightning.callbacks.rank_seed import RankSeed

__all__ = ["EMA", "RankSeed"]
