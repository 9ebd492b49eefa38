"""From how many sides a model that was trained on edits looks at one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Views:
    """How much each way to know the target counts in a velocity: composed conditions (Liu et al. 2022).

    Args:
        caption: Share of the prediction under the target's caption, beside the source.
        words: Share of that under the instruction as it was said, beside the source.
        alone: Share of that under the target's caption without the source.
    """

    caption: float = 1.0
    words: float = 0.0
    alone: float = 0.0

    def __post_init__(self) -> None:
        """Check the shares."""
        shares = (self.caption, self.words, self.alone)
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
            raise ValueError(f"the shares of views are 0 or more and sum to 1, got {shares}")

    @property
    def without_words(self) -> Views:
        """The same where no words were said: their share is the caption's."""
        return Views(self.caption + self.words, 0.0, self.alone)


WORDS_ALONE = Views(0.0, 1.0)
