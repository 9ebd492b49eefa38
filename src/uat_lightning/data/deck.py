"""Draws in given shares, as from a deck of cards that is shuffled anew whenever it is used up."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uat_lightning.data.shuffle import mixed

CARDS = 1000


@dataclass(frozen=True)
class Deck:
    """A deck of a thousand cards, each of a kind: of every thousand draws, each kind has its share to the card.

    How many cards of a kind were drawn before is then known without drawing them again. Several players (the lanes)
    each have a deck of their own.

    Args:
        cards: Cards of each kind, a thousand in all.
        key: Which shuffles.
    """

    cards: tuple[int, ...]
    key: int

    @classmethod
    def of(cls, shares: Sequence[float] | NDArray[np.float64], key: int) -> Deck:
        """Make a deck of kinds in the given shares, which need not add up to 1.

        Shares are kept to a thousandth; a kind with any share has a card at least.
        """
        exact = np.asarray(shares, np.float64) / np.sum(shares) * CARDS
        cards = np.maximum(np.floor(exact), exact > 0)
        while (missing := CARDS - int(cards.sum())) > 0:
            cards[np.argsort(cards - exact, kind="stable")[:missing]] += 1
        while int(cards.sum()) > CARDS:
            cards[np.argmax(cards)] -= 1
        return cls(tuple(int(count) for count in cards), key)

    def draw(
        self, players: NDArray[np.int64], numbers: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tell draws.

        Args:
            players: Whose draw, (draws,).
            numbers: The how-manieth of the player's draws, from 0, (draws,).

        Returns:
            The kind of each card, and how many of this kind the player drew before; int64 (draws,) each.
        """
        decks, places = np.divmod(numbers, CARDS)
        codes, which = np.unique((players << np.int64(40)) | decks, return_inverse=True)
        kinds, earlier = _shuffled(self, tuple(codes.tolist()))
        kind = kinds[which, places].astype(np.int64)
        return kind, decks * np.asarray(self.cards)[kind] + earlier[which, places]


@functools.lru_cache(maxsize=32)
def _shuffled(deck: Deck, codes: tuple[int, ...]) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Return the kinds of shuffled decks, and how many of its kind lie before each card; (decks, cards) each."""
    order = np.argsort(mixed(deck.key, np.array(codes)[:, None], np.arange(CARDS)), axis=1)
    kinds = np.repeat(np.arange(len(deck.cards)), deck.cards)[order]
    together = np.argsort(kinds, axis=1, kind="stable")
    starts = np.repeat(np.cumsum(deck.cards) - deck.cards, deck.cards)
    earlier = np.empty_like(kinds)
    np.put_along_axis(earlier, together, np.arange(CARDS) - starts[None], axis=1)
    return kinds.astype(np.int16), earlier.astype(np.int16)
