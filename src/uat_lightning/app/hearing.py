"""What the tagger hears, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from uat_lightning.app.tagger_training import NAMES
from uat_lightning.metrics.embedders.convolutional import ConvolutionalTagger
from uat_lightning.metrics.events import detection

Events = frozenset[str]


@dataclass(frozen=True)
class Ears:
    """Hears events.

    Args:
        tagger: A trained tagger of the Soundscapes classes.
    """

    tagger: ConvolutionalTagger

    def hear(self, waveforms: Sequence[Tensor]) -> list[Events]:
        """Return the classes heard in waveforms (channels, samples); what is not finite is heard as silence."""
        mono = [waveform.mean(0).nan_to_num(0.0, 0.0, 0.0) for waveform in waveforms]
        return [frozenset(NAMES[place] for place in heard) for heard in self.tagger.tag(mono)]


def event_scores(found: Sequence[Events], true: Sequence[Events]) -> dict[str, float]:
    """Return how well events were found, over all clips together."""
    score = detection(found, true)
    return {
        "clips": len(true),
        "event_precision": score.precision,
        "event_recall": score.recall,
        "event_f1": score.f1,
    }
