"""Networks that listen for metrics: embedders and taggers. They know nothing of diffusion."""

from uat_lightning.metrics.embedders.base import (
    AudioEmbedder,
    AudioTagger,
    LayeredEmbedder,
    Listener,
    TextAudioEmbedder,
)

__all__ = ["AudioEmbedder", "AudioTagger", "LayeredEmbedder", "Listener", "TextAudioEmbedder"]
