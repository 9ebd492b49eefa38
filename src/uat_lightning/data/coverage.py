"""How much of a list of clips is there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Coverage:
    """What became of the clips of a list: ``listed = found + missing + unreadable``.

    Args:
        corpus: Name of the corpus.
        split: Name of the split.
        part: Name of the list within the corpus.
        captions: Captions of the list.
        malformed: Rows of it that could not be used.
        listed: Clips of the list; several captions may be one's.
        found: Clips with a sound file.
        missing: Clips without one.
        unreadable: Clips whose file has a format that cannot be read.
        filtered: Clips found and left out, as they are evaluated on somewhere.
    """

    corpus: str
    split: str
    part: str
    captions: int
    malformed: int
    listed: int
    found: int
    missing: int
    unreadable: int = 0
    filtered: int = 0

    def __str__(self) -> str:
        """Return one line."""
        part = "" if self.part == self.split else f" ({self.part})"
        malformed = f", {self.malformed:,} rows malformed" if self.malformed else ""
        counts = {name: getattr(self, name) for name in ("found", "missing", "unreadable", "filtered")}
        became = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        listed = f"{self.listed:,} clips with {self.captions:,} captions{malformed}"
        return f"{self.corpus} {self.split}{part}: {listed}; {became}"
