from __future__ import annotations

import numpy as np
import pytest

from uat_lightning.data.deck import CARDS, Deck


def drawn(deck: Deck, player: int, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    return deck.draw(np.full(count, player), np.arange(first, first + count))


@pytest.mark.parametrize("shares", [[1], [50, 20, 15, 15], [1, 1, 1], [0.999, 0.001], [3, 0, 1]])
def test_of_every_thousand_draws_each_kind_has_its_share(shares: list[float]):
    deck = Deck.of(shares, key=4)
    exact = np.array(shares) / sum(shares) * CARDS
    for player, block in ((0, 0), (3, 0), (3, 117)):
        kinds, _ = drawn(deck, player, block * CARDS, CARDS)
        counts = np.bincount(kinds, minlength=len(shares))
        assert np.abs(counts - exact).max() < 1
        assert counts.sum() == CARDS


def test_a_kind_with_any_share_is_drawn_and_one_without_is_not():
    assert Deck.of([1e6, 1, 0], key=0).cards == (999, 1, 0)


def test_how_many_of_a_kind_came_before_is_what_counting_gives():
    deck = Deck.of([0.5, 0.3, 0.2], key=8)
    kinds, earlier = drawn(deck, 2, 0, 3500)
    for kind in range(3):
        assert earlier[kinds == kind].tolist() == list(range((kinds == kind).sum()))


def test_draws_are_the_same_whoever_asks_and_when():
    deck = Deck.of([2, 1], key=1)
    players, numbers = np.array([5, 0, 5, 9]), np.array([2500, 1, 999, 1000])
    together = np.stack(deck.draw(players, numbers))
    apart = np.concatenate([np.stack(drawn(deck, *which, 1)) for which in zip(players, numbers, strict=True)], 1)
    assert np.array_equal(together, apart)


def test_players_and_decks_are_shuffled_differently():
    deck = Deck.of([1, 1], key=1)
    orders = {tuple(drawn(deck, player, first, CARDS)[0]) for player in range(3) for first in (0, CARDS, 5 * CARDS)}
    assert len(orders) == 9


def test_short_stretches_are_mixed_as_chance_mixes():
    kinds = np.concatenate([drawn(Deck.of([1, 1], key=key), 0, 0, 20)[0] for key in range(500)])
    halves = kinds.reshape(500, 20).sum(1)
    assert abs(halves.mean() - 10) < 0.4
    assert 1.8 < halves.std() < 2.6  # sqrt(20 / 4) is 2.24
