"""How a sound may be altered, and how captions say it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ARTICLE = re.compile(r"^((?:the\s+)?sound of\s+)?((?:a|an|the)\s+)?(.*)$", re.I | re.S)


@dataclass(frozen=True)
class Quality:
    """A quality of sounds.

    Args:
        word: The adjective that says it.
        opposites: Words and phrases that it takes the place of, those for itself included.
    """

    word: str
    opposites: tuple[str, ...]

    def given_to(self, words: str) -> str:
        """Return a description with this quality before its noun, and nothing that contradicts it."""
        pattern = "|".join(sorted(map(re.escape, self.opposites), key=len, reverse=True))
        rest = " ".join(re.sub(rf"\b(?:{pattern})\b", " ", words, flags=re.I).split())
        sound, article, noun = _ARTICLE.fullmatch(rest).groups()  # type: ignore[union-attr]  # matches everything
        article = (article or "").strip().lower()
        if article in ("a", "an"):
            article = "an" if self.word[0] in "aeiou" else "a"
        return " ".join(filter(None, [(sound or "").strip(), article, self.word, noun]))


_LEVEL = ("loud", "loudly", "quiet", "quietly", "soft", "softly", "faint", "faintly", "muffled")
_REACH = ("distant", "faraway", "far away", "in the distance", "close", "nearby", "up close")
_RATE = ("fast", "rapid", "rapidly", "quickly", "quick", "slow", "slowly")
_PITCH = ("low pitched", "high pitched", "low-pitched", "high-pitched", "low", "deep", "high")
_WORDS = {
    "loud": (("louder", "loud", "more loud"), (*_LEVEL, *_REACH)),
    "quiet": (("quieter", "quiet", "softer", "soft", "fainter", "less loud"), _LEVEL),
    "fast": (("faster", "fast", "quicker", "more rapid"), _RATE),
    "slow": (("slower", "slow"), _RATE),
    "high": (("higher", "high", "higher pitched"), _PITCH),
    "low": (("lower", "low", "deeper", "deep", "lower pitched"), _PITCH),
    "distant": (("more distant", "distant", "farther away", "further away", "farther", "further"), (*_LEVEL, *_REACH)),
    "close": (("closer", "nearer", "close", "less distant"), _REACH),
}
QUALITIES = {said: Quality(word, opposites) for word, (sayings, opposites) in _WORDS.items() for said in sayings}
