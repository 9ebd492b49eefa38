"""What the tagger hears, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from uat_lightning.metrics.embedders.convolutional import ConvolutionalTagger
from uat_lightning.metrics.events import detection

Events = frozenset[str]


@dataclass(frozen=True)
class Heard:
    """What was heard in clips.

    Args:
        events: The classes heard in each.
        logits: Scores (clips, classes) of all classes.
        vectors: The tagger's embeddings (clips, width).
    """

    events: list[Events]
    logits: Tensor
    vectors: Tensor


@dataclass(frozen=True)
class Ears:
    """Hears events.

    Args:
        tagger: A trained tagger.
    """

    tagger: ConvolutionalTagger

    def hear(self, waveforms: Sequence[Tensor]) -> list[Events]:
        """Return the classes heard in waveforms (channels, samples); what is not finite is heard as silence."""
        return self.listen(waveforms).events

    @torch.no_grad()
    def listen(self, waveforms: Sequence[Tensor]) -> Heard:
        """Return all that is heard in waveforms (channels, samples); what is not finite is heard as silence."""
        mono = [waveform.mean(0).nan_to_num(0.0, 0.0, 0.0) for waveform in waveforms]
        vectors = torch.cat([torch.zeros(0, self.tagger.embedding_width), *self.tagger.embed(mono)])
        logits, names = self.tagger.score(vectors), self.tagger.classes
        loud = [row.nonzero()[:, 0].tolist() for row in logits > self.tagger.threshold]
        return Heard([frozenset(names[place] for place in places) for places in loud], logits, vectors)


def event_scores(found: Sequence[Events], true: Sequence[Events]) -> dict[str, float]:
    """Return how well events were found, over all clips together."""
    score = detection(found, true)
    return {
        "clips": len(true),
        "event_precision": score.precision,
        "event_recall": score.recall,
        "event_f1": score.f1,
    }
