from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from uat_lightning.data.mixture import Pool
from uat_lightning.data.plan import Plan, Rows


def plan_of(clips: int, rows: int, generation_share: float = 0.5, seed: int = 0) -> Plan:
    return Plan([Pool("clips", np.array([0, clips]))], rows, generation_share, seed)


def gathered(plan: Plan, step: int, world_size: int) -> Rows:
    shards = [plan.step(step, rank, world_size) for rank in range(world_size)]
    return Rows(*(np.concatenate([getattr(shard, name) for shard in shards]) for name in vars(shards[0])))


def same(one: Rows, other: Rows) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in vars(one))


@pytest.mark.parametrize("world_size", [1, 2, 4])
@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_the_ranks_together_hold_the_same_global_batch_whatever_their_number(world_size: int, share: float):
    plan = plan_of(clips=37, rows=8, generation_share=share, seed=3)
    for step in (0, 1, 7, 100):
        assert same(gathered(plan, step, world_size), plan.step(step))
        sizes = {len(plan.step(step, rank, world_size).clips) for rank in range(world_size)}
        assert sizes == {8 // world_size}


@pytest.mark.parametrize("world_size", [2, 4])
def test_every_rank_has_as_many_rows_of_either_direction_as_any_other(world_size: int):
    plan = plan_of(clips=50, rows=16)
    shares = [int(plan.step(3, rank, world_size).generation.sum()) for rank in range(world_size)]
    assert shares == [8 // world_size] * world_size


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.75, 1.0])
def test_each_direction_sees_every_clip_once_before_any_is_seen_again(share: float):
    plan = plan_of(clips=13, rows=6, generation_share=share, seed=1)
    seen: dict[bool, list[int]] = {True: [], False: []}
    for step in range(60):
        rows = plan.step(step)
        for clip, generation in zip(rows.clips.tolist(), rows.generation.tolist(), strict=True):
            seen[generation].append(clip)
    for direction, count in ((True, plan.counts[0]), (False, plan.counts[1])):
        clips = seen[direction]
        assert len(clips) == 60 * count
        for first in range(0, len(clips) - 12, 13):
            assert sorted(clips[first : first + 13]) == list(range(13))


def test_passes_and_directions_are_shuffled_differently():
    plan = plan_of(clips=20, rows=40)
    first, second = plan.step(0), plan.step(1)
    orders = [tuple(rows.clips[rows.generation == side]) for rows in (first, second) for side in (True, False)]
    assert len(set(orders)) == 4


def test_a_step_depends_on_nothing_that_came_before():
    plan = plan_of(clips=11, rows=4, seed=9)
    forwards = [plan.step(step) for step in range(30)]
    fresh = plan_of(clips=11, rows=4, seed=9)
    assert all(same(fresh.step(step), forwards[step]) for step in (29, 3, 17, 0))


def test_the_seed_changes_order_captions_and_crops():
    one, other = plan_of(50, 8, seed=0).step(2), plan_of(50, 8, seed=1).step(2)
    assert not np.array_equal(one.clips, other.clips)
    assert not np.array_equal(one.choices, other.choices)
    assert not np.array_equal(one.crops, other.crops)


def test_choices_and_crops_are_independent_uniform_numbers():
    rows = [plan_of(50, 8).step(step) for step in range(500)]
    choices, crops = (np.concatenate([getattr(row, name) for row in rows]) for name in ("choices", "crops"))
    assert choices.min() >= 0
    assert choices.max() < 1
    for numbers in (choices, crops):
        assert max(abs(count - 400) for count in np.histogram(numbers, 10, (0, 1))[0]) < 100
    assert abs(np.corrcoef(choices, crops)[0, 1]) < 0.06


@pytest.mark.parametrize(
    ("rows", "share", "generation"), [(8, 0.5, 4), (8, 0.25, 2), (7, 0.5, 4), (8, 0.0, 0), (8, 1.0, 8)]
)
def test_the_directions_share_the_rows_as_asked(rows: int, share: float, generation: int):
    assert int(plan_of(30, rows, share).step(5).generation.sum()) == generation


def test_fewer_clips_than_rows_repeat_within_a_batch():
    counts = Counter(plan_of(clips=3, rows=12).step(0).clips.tolist())
    assert counts == {0: 4, 1: 4, 2: 4}
