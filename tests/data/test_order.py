from __future__ import annotations

import numpy as np
import pytest

from uat_lightning.data.order import ClipOrder, Order, ShardOrder

OFFSETS = np.concatenate([[0], np.cumsum(np.random.default_rng(0).integers(5, 40, 23))])


def walk(order: Order, lane: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    return order.at(np.full(steps, lane), np.arange(steps))


def passes(order: Order, lanes: int, steps: int) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for lane in range(lanes):
        for clip, number in zip(*(column.tolist() for column in walk(order, lane, steps)), strict=True):
            found.setdefault(number, []).append(clip)
    return found


@pytest.mark.parametrize("lanes", [1, 3, 4, 23])
@pytest.mark.parametrize("window", [1, 3, 100])
def test_a_pass_over_shards_holds_every_clip_once(lanes: int, window: int):
    found = passes(ShardOrder(OFFSETS, lanes, window, key=9), lanes, 3000)
    whole = [number for number, clips in found.items() if len(clips) == OFFSETS[-1]]
    assert len(whole) >= 3
    assert all(sorted(found[number]) == list(range(OFFSETS[-1])) for number in whole)
    assert all(len(set(clips)) == len(clips) for clips in found.values())


@pytest.mark.parametrize(("clips", "lanes"), [(37, 1), (37, 4), (3, 8)])
def test_a_pass_over_clips_holds_every_clip_once(clips: int, lanes: int):
    found = passes(ClipOrder(clips, lanes, key=9), lanes, 400)
    complete = max(found)  # the last one is cut
    assert complete >= 10
    assert all(sorted(found[number]) == list(range(clips)) for number in range(complete))


def test_no_shard_is_read_by_two_lanes_in_one_pass():
    order = ShardOrder(OFFSETS, 4, 3, key=2)
    readers: dict[tuple[int, int], set[int]] = {}
    for lane in range(4):
        clips, numbers = walk(order, lane, 2000)
        for shard, number in zip(np.searchsorted(OFFSETS, clips, side="right") - 1, numbers, strict=True):
            readers.setdefault((int(number), int(shard)), set()).add(lane)
    assert {len(lanes) for lanes in readers.values()} == {1}


def test_lanes_have_other_shards_in_another_pass():
    order = ShardOrder(OFFSETS, 4, 3, key=2)
    of_pass = lambda number: order.shuffled(np.array([number]))[0][::4]  # noqa: E731
    assert set(of_pass(0)) != set(of_pass(1))


def test_few_shards_are_open_at_a_time():
    order, window = ShardOrder(np.arange(0, 1001, 10), 2, 5, key=0), 5
    clips, _ = walk(order, 1, 500)
    for first in range(0, 500, 10 * window):
        stretch = clips[first : first + 10 * window]
        assert len(set(stretch // 10)) == window
        assert not np.array_equal(stretch, np.sort(stretch))


@pytest.mark.parametrize("order", [ShardOrder(OFFSETS, 4, 3, key=2), ClipOrder(500, 4, key=2)])
def test_a_place_is_the_same_however_it_is_asked_for(order: Order):
    whole = np.stack([np.stack(walk(order, lane, 1500)) for lane in range(4)])
    random = np.random.default_rng(0)
    for _ in range(5):
        lanes, places = random.integers(0, 4, 64), random.integers(0, 1500, 64)
        assert np.array_equal(np.stack(order.at(lanes, places)), whole[lanes, :, places].T)


def test_a_far_place_is_found_without_walking_there():
    near, far = (ShardOrder(OFFSETS, 4, 3, key=2) for _ in range(2))
    walked = walk(near, 1, 200_000)
    assert [column[0] for column in far.at(np.array([1]), np.array([199_999]))] == [column[-1] for column in walked]
