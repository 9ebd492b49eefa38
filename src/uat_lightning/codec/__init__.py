"""Codecs: waveforms to latents and back."""

from uat_lightning.codec.base import Codec
from uat_lightning.codec.mel import MelCodec

__all__ = ["Codec", "MelCodec"]
