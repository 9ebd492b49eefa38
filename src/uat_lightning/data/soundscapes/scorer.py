"""Scores of captions of Soundscapes: the right events, in the right order, with the right attributes."""

from __future__ import annotations

from collections.abc import Iterable

from uat_lightning.metrics.captioning import CaptionScorer, NotComputable
from uat_lightning.metrics.captioning.scores import CaptionCorpus
from uat_lightning.metrics.corpus_scores import CorpusScores
from uat_lightning.metrics.scenes import SCORES, ToldScene, scene_ratios

from .parse import parse


class SoundscapesEvents(CaptionScorer):
    """What captions tell of scenes, by ``scene_ratios``.

    Captions are read back by ``parse``. The true scene is what the references say together: each names all events and
    their order, and between them all attributes. Over batches and ranks: ``CaptionMetric([SoundscapesEvents()])``.
    """

    names = SCORES

    def score(self, corpus: CaptionCorpus) -> CorpusScores:
        """Score a corpus.

        Raises:
            NotComputable: If no reference names an event that Soundscapes has.
        """
        true = [told(references) for references in corpus.texts.references]
        if not any(scene.events for scene in true):
            raise NotComputable("no reference names an event of Soundscapes: score captions of Soundscapes")
        ratios = scene_ratios([told([caption]) for caption in corpus.texts.candidates], true)
        known = {name: ratio for name, ratio in ratios.items() if sum(ratio.wholes)}
        return CorpusScores(
            {name: ratio.value for name, ratio in known.items()},
            {name: ratio.each for name, ratio in known.items()},
            {name: "no clip has what it counts" for name in ratios if name not in known},
            {name: ratio.shares for name, ratio in known.items()},
        )


def told(captions: Iterable[str]) -> ToldScene:
    """Return what captions say together."""
    events: dict[str, set[str]] = {}
    relations: set[tuple[str, str, str]] = set()
    for parsed in map(parse, captions):
        relations.update(parsed.relations)
        for mention in parsed.mentions:
            events.setdefault(mention.name, set()).update(mention.attributes)
    return ToldScene(events, relations)
