"""Chance without a state: random numbers and shuffles as pure functions of what they belong to.

NumPy's generators may draw otherwise in another release, and a shuffle of theirs takes memory for every clip. Here a
number is a hash of its occasion, and a place of a shuffle is computed alone: ten million clips cost nothing, and the
hundred-thousandth batch is as near as the first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDS = 12  # four do for large ranges (Luby and Rackoff 1988); a handful of places needs more to be evenly shuffled
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mixed(*numbers: ArrayLike) -> NDArray[np.uint64]:
    """Mix integers, or arrays of them element by element, to 64 bits each: the finaliser of SplitMix64, chained.

    Args:
        numbers: Integers from 0 to below 2^63, of shapes that broadcast; at least one has a dimension.
    """
    state: NDArray[np.uint64] = np.zeros(1, np.uint64)
    for number in numbers:
        state = _finalised((state ^ np.asarray(number).astype(np.uint64)) + GOLDEN)
    return state


def _finalised(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    finalised: NDArray[np.uint64] = state ^ (state >> np.uint64(31))
    return finalised


def uniform(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return numbers in [0, 1) made of the upper 53 bits."""
    numbers: NDArray[np.float64] = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return numbers


def permuted(places: NDArray[np.int64], sizes: ArrayLike, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return what lies at places of shuffled ranges, without shuffling them.

    A Feistel network on a grid barely larger than the range (Black and Rogaway 2002); who lands beyond the range walks
    on until inside, so that it is a permutation of the range.

    Args:
        places: Places in [0, size), int64 (places,).
        sizes: The size of each place's range, at least 1; an int, or int64 (places,).
        keys: Which shuffle each place is of, (places,) or (1,).
    """
    bounds, keys = np.broadcast_to(np.asarray(sizes, np.int64), places.shape), np.broadcast_to(keys, places.shape)
    columns = np.ceil(np.sqrt(bounds)).astype(np.int64)
    rows = -(-bounds // columns)
    result: NDArray[np.int64] = places.copy()
    walking = np.arange(len(places))
    while len(walking):
        result[walking] = _crossed(result[walking], rows[walking], columns[walking], keys[walking])
        walking = walking[result[walking] >= bounds[walking]]
    return result


def _crossed(
    places: NDArray[np.int64], rows: NDArray[np.int64], columns: NDArray[np.int64], keys: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """Shift every row of the grid by a hash of its number, then every column, and so on."""
    row, column = np.divmod(places, columns)
    for _ in range(0, ROUNDS, 2):
        keys = keys + GOLDEN  # another round, another hash: one finaliser each, as this is where the time goes
        column = (column + _below(_finalised(keys ^ row.astype(np.uint64)), columns)) % columns
        keys = keys + GOLDEN
        row = (row + _below(_finalised(keys ^ column.astype(np.uint64)), rows)) % rows
    crossed: NDArray[np.int64] = row * columns + column
    return crossed


def _below(bits: NDArray[np.uint64], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    return (bits % bounds.astype(np.uint64)).astype(np.int64)
