"""Codecs: waveforms to latents and back."""

from uat_lightning.codec.base import CODEC, Codec
from uat_lightning.codec.mel import MelCodec
from uat_lightning.codec.oobleck import OobleckCodec

__all__ = ["CODEC", "Codec", "MelCodec", "OobleckCodec"]
