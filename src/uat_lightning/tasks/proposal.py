"""A caption that tells of something which somebody says is heard."""

from __future__ import annotations

from uat_lightning.tasks.base import Parts
from uat_lightning.tasks.blanks import Blanks
from uat_lightning.tasks.infill import Infill
from uat_lightning.tasks.score import BothDirections, Score
from uat_lightning.text.phrases import with_article
from uat_lightning.types import Sequences

PLACES = ("{} ___", "___ {} ___", "___ {}")
# Nats. On 26 validation clips 41 of 44 names of what is there cost less, and all 6 of what is not 17 and more.
MARGIN = 10.0


class Proposal:
    """Writes captions around a name, and takes the best of them where it fits the audio about as well as any.

    A written caption may lack a sound; who asks to remove it says that it is there. The name is put at the beginning,
    in the middle and at the end, the rest is filled in by ear. Where all of these captions fit much worse than the one
    that was written without the name, what is named is not heard.

    Args:
        infill: Fills in the rest; as ``Infill()`` where None.
        score: How the model judges; by both directions where None.
        margin: Nats by which a caption with the name may fit worse.
    """

    def __init__(self, infill: Infill | None = None, score: Score | None = None, margin: float = MARGIN) -> None:
        self.infill, self.score, self.margin = infill or Infill(), score or BothDirections(), margin

    def write(self, parts: Parts, audio: Sequences, what: str, caption: str, seed: int = 0) -> str | None:
        """Return a caption that has the name; None where the name is not heard, or does not fit the canvas.

        Args:
            parts: The trained model.
            audio: Latents of what is heard, one row.
            what: The name, such as ``the bell``.
            caption: What was written without it.
            seed: Seed.
        """
        proposed = self._proposed(parts, audio, with_article(what), seed)
        if not proposed:
            return None
        text = parts.tokenizer.encode([caption, *proposed]).to(parts.device)
        written, *others = self.score.of_latents(parts, audio.repeat(len(text)), text, seed).tolist()
        best = max(range(len(others)), key=others.__getitem__)
        return proposed[best] if others[best] >= written - self.margin else None

    def _proposed(self, parts: Parts, audio: Sequences, name: str, seed: int) -> list[str]:
        found: list[tuple[Blanks, str]] = []
        for place in PLACES:
            try:
                blanks = Blanks.read(place.format(name), parts.tokenizer)
            except ValueError:  # the name is too long for the canvas
                continue
            found.append((blanks, self.infill.fill(parts, audio, blanks, seed)))
        return [text for blanks, text in found if blanks.kept_in(text)]
