"""What a metric asks of the network that listens for it."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from uat_lightning.configurable import Configurable


class Listener(Configurable, nn.Module, ABC):
    """A frozen network that listens to mono waveforms (samples,) at its own rate, each as if it were alone.

    Subclasses set ``sample_rate``, in Hz.
    """

    sample_rate: int

    @property
    def identity(self) -> str:
        """The class and the SHA-256 of all weights: scores of two listeners compare where these are the same."""
        digest = hashlib.sha256()
        for name, values in sorted(self.state_dict().items()):
            digest.update(name.encode() + values.detach().cpu().contiguous().numpy().tobytes())
        return f"{type(self).__module__}.{type(self).__qualname__} sha256 {digest.hexdigest()}"


class AudioEmbedder(Listener):
    """Turns waveforms into vectors for the Frechet distance; subclasses set ``embedding_width``."""

    embedding_width: int

    @abstractmethod
    def embed(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        """Return the vectors (frames, embedding_width) of each mono waveform (samples,); one frame where it has one."""


class AudioTagger(Listener):
    """Says which sounds are in waveforms; subclasses set ``classes``, the names."""

    classes: tuple[str, ...]

    @abstractmethod
    def logits(self, waveforms: Sequence[Tensor]) -> Tensor:
        """Return scores (clips, classes) of mono waveforms (samples,), before any softmax or sigmoid."""


class TextAudioEmbedder(AudioEmbedder):
    """An embedder of audio and of text into one space, such as CLAP."""

    @abstractmethod
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Return the vectors (texts, embedding_width) of texts."""


class LayeredEmbedder(Listener):
    """A network whose layers are compared, by LPAPS."""

    @abstractmethod
    def layers(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        """Return the states (clips, positions, channels) of each layer for mono waveforms (samples,) of one length."""
