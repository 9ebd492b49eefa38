"""Which sound of a caption a description means, in the opinion of a model that hears it."""

from __future__ import annotations

from uat_lightning.tasks.base import Parts
from uat_lightning.tasks.score import PointwiseInformation, Score
from uat_lightning.text import Phrases, Pointing, WordPointing
from uat_lightning.text.phrases import with_article
from uat_lightning.types import Sequences

MARGIN = 5.5  # nats; where the quickstart model errs as often in either direction, on validation clips of Soundscapes


class HeardPointing(Pointing):
    """Finds the phrase by its words or, where none has them, by ear.

    Each phrase in turn is called by the description, and the model says how much likelier the audio makes that caption:
    calling the bell a chime costs little of it, calling the rain so costs much. Where all cost much, nothing is meant
    that is heard. What a caption costs as such, by odd grammar, does not count.

    Args:
        parts: The trained model.
        audio: Latents of what is heard, one row.
        margin: Nats that the caption may lose.
        score: How the model judges; pointwise mutual information where None.
    """

    def __init__(self, parts: Parts, audio: Sequences, margin: float = MARGIN, score: Score | None = None) -> None:
        self.parts, self.audio, self.margin, self.score = parts, audio, margin, score or PointwiseInformation()

    def find(self, phrases: Phrases, description: str) -> int | None:
        """Return the number of the phrase."""
        if (known := WordPointing().find(phrases, description)) is not None or not phrases.each:
            return known
        places = range(len(phrases.each))
        told = [str(phrases), *(str(phrases.exchanged(place, with_article(description))) for place in places)]
        usual, *renamed = self._scores(told)
        best = max(places, key=renamed.__getitem__)
        return best if renamed[best] >= usual - self.margin else None

    def _scores(self, captions: list[str]) -> list[float]:
        # Not parts.read: a caption that is too long loses its end here, and is compared all the same.
        text = self.parts.tokenizer.encode(captions).to(self.parts.device)
        scores: list[float] = self.score.of_latents(self.parts, self.audio.repeat(len(captions)), text).tolist()
        return scores
