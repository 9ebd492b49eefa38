"""A small convolutional tagger: which sound events are in a clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torchaudio
from torch import Tensor, nn

from uat_lightning.metrics.embedders.base import AudioEmbedder, AudioTagger

FLOOR = 1e-2  # mel amplitude added before the logarithm, so that silence is one value
BATCH = 64  # waveforms listened to at once


class ConvolutionalTagger(AudioTagger, AudioEmbedder):
    """Log-mel spectrogram, convolutions that keep the pitch, and a score per class pooled over time.

    What the scores are taken from, the mean and the maximum over time of the last layer, is the clip's embedding.

    Args:
        classes: Names of the event classes.
        sample_rate: Samples per second of the waveforms, in Hz.
        seconds: Length that waveforms are padded or cut to.
        width: Channels of the first convolution; each later one has twice as many.
        mel_bands: Bands of the spectrogram, a multiple of 8.
        hidden: Channels of the layer whose mean and maximum over time are scored.
    """

    threshold: Tensor

    def __init__(
        self,
        classes: Sequence[str],
        sample_rate: int = 16_000,
        seconds: float = 4.0,
        width: int = 16,
        mel_bands: int = 64,
        hidden: int = 128,
    ) -> None:
        super().__init__()
        self.classes, self.sample_rate, self.samples = tuple(classes), sample_rate, round(seconds * sample_rate)
        self.embedding_width = 2 * hidden
        self.mel = torchaudio.transforms.MelSpectrogram(sample_rate, 1024, hop_length=512, n_mels=mel_bands, power=1.0)
        self.normalise = nn.BatchNorm1d(mel_bands)
        self.layers = nn.Sequential(
            _layer(1, width, (2, 2)), _layer(width, 2 * width, (2, 2)), _layer(2 * width, 4 * width, (2, 1))
        )
        # What sounds where in the spectrum is told apart here, as the bands become channels.
        bands = nn.Conv1d(4 * width * mel_bands // 8, hidden, 3, padding=1, bias=False)
        self.over_time = nn.Sequential(bands, nn.BatchNorm1d(hidden), nn.ReLU())
        self.score = nn.Linear(2 * hidden, len(self.classes))
        self.register_buffer("threshold", torch.zeros(()))

    @torch.no_grad()
    def amplitudes(self, waveforms: Sequence[Tensor]) -> Tensor:
        """Return mel amplitudes (rows, bands, frames) of mono waveforms (samples,) of any lengths."""
        rows = torch.stack([_fitted(waveform, self.samples) for waveform in waveforms])
        mel: Tensor = self.mel(rows.to(self.threshold.device))
        return mel

    @staticmethod
    def features(amplitudes: Tensor) -> Tensor:
        """Return the logarithm of mel amplitudes, of the same shape: what ``forward`` takes."""
        return torch.log(amplitudes + FLOOR)

    def pooled(self, features: Tensor) -> Tensor:
        """Return what is scored, (rows, embedding_width), for features (rows, bands, frames)."""
        hidden = self.over_time(self.layers(self.normalise(features)[:, None]).flatten(1, 2))
        return torch.cat([hidden.mean(-1), hidden.amax(-1)], dim=-1)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (rows, classes) for features (rows, bands, frames)."""
        logits: Tensor = self.score(self.pooled(features))
        return logits

    @torch.no_grad()
    def embed(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        """Return one vector (1, embedding_width) for each mono waveform (samples,)."""
        return list(self._in_batches(self.pooled, waveforms, self.embedding_width)[:, None])

    @torch.no_grad()
    def logits(self, waveforms: Sequence[Tensor]) -> Tensor:
        """Return scores (clips, classes) of mono waveforms (samples,), each class on its own: for a sigmoid."""
        return self._in_batches(self, waveforms, len(self.classes))

    def tag(self, waveforms: Sequence[Tensor]) -> list[frozenset[int]]:
        """Return the classes heard in each mono waveform (samples,): those with logits above the threshold."""
        return [frozenset(row.nonzero()[:, 0].tolist()) for row in self.logits(waveforms) > self.threshold]

    def _in_batches(self, network: Callable[[Tensor], Tensor], waveforms: Sequence[Tensor], width: int) -> Tensor:
        starts = range(0, len(waveforms), BATCH)
        rows = [network(self.features(self.amplitudes(waveforms[start : start + BATCH]))) for start in starts]
        return torch.cat([torch.zeros(0, width, device=self.threshold.device), *rows])


def best_threshold(logits: Tensor, labels: Tensor) -> float:
    """Return the logit above which to say yes, so that the micro F1 is highest.

    Args:
        logits: Scores of shape (rows, classes).
        labels: True where the class is there, bool (rows, classes).
    """
    scores, order = logits.flatten().sort(descending=True)
    hits = labels.flatten()[order].cumsum(0)
    said = torch.arange(1, len(scores) + 1, device=scores.device)
    best = int((2 * hits / (said + labels.sum())).argmax())
    following = min(best + 1, len(scores) - 1)
    return float((scores[best] + scores[following]) / 2) if following > best else float(scores[best]) - 1.0


def _fitted(waveform: Tensor, samples: int) -> Tensor:
    return nn.functional.pad(waveform[:samples], (0, max(0, samples - len(waveform))))


def _layer(inward: int, outward: int, stride: tuple[int, int]) -> nn.Module:
    convolution = nn.Conv2d(inward, outward, 3, stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outward), nn.ReLU())
