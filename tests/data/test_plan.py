from __future__ import annotations

import functools
import gc
import hashlib
import tracemalloc
from collections import Counter

import numpy as np
import pytest

from uat_lightning.data.mixture import Pool
from uat_lightning.data.plan import Plan, Rows, changes


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


# Mixtures, lanes and length buckets.

PAPER = {"generation": (50, 20, 15, 15), "captioning": (0, 15, 60, 25)}


def mixture(clips: int = 300, shards: int = 1, lanes: int = 1, buckets: int = 1, rows: int = 40, seed: int = 5) -> Plan:
    """Plan as the paper mixes: four sources of different size, weighed differently in either direction."""
    pools = []
    for source, (generation, captioning) in enumerate(zip(*PAPER.values(), strict=True)):
        count = clips * (source + 1)
        lengths = np.random.default_rng(source).integers(0, buckets, count) if buckets > 1 else None
        offsets = np.linspace(0, count, shards * (source + 1) + 1).astype(np.int64)
        pools.append(Pool(f"source-{source}", offsets, generation, captioning, lengths))
    return Plan(pools, rows, 0.4, seed, lanes, window=2)


KINDS = {
    "plain": {},
    "sharded": {"shards": 9},
    "lanes": {"shards": 9, "lanes": 4},
    "buckets": {"buckets": 3},
    "all": {"shards": 9, "lanes": 4, "buckets": 3},
}


def order_of(plan: Plan, steps: int) -> str:
    digest = hashlib.sha256()
    for step in range(steps):
        rows = plan.step(step)
        for name in ("clips", "visits", "choices", "crops", "generation"):
            digest.update(np.ascontiguousarray(getattr(rows, name)).tobytes())
    return digest.hexdigest()[:32]


GOLDEN = {
    "plain": "ef719933e6b6198987d854ee1205fae3",
    "sharded": "61cd9056c973d4a34fc7a92944724ee9",
    "lanes": "9e183624be90c18bd6f30e61f84b48ad",
    "buckets": "606e4b941e154abfa7074387f45f3b0d",
    "all": "a64184a8ebc36b05e3d834ace6500a70",
}


@pytest.mark.parametrize(("kind", "golden"), GOLDEN.items())
def test_the_order_is_the_one_that_it_was(kind: str, golden: str):
    """Where this fails on purpose, raise ``ORDER`` in data/plan.py, so that old checkpoints are refused."""
    assert order_of(mixture(**KINDS[kind]), 50) == golden


@pytest.mark.parametrize("world_size", [2, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_ranks_together_hold_the_global_batch_of_a_mixture(kind: str, world_size: int):
    plan = mixture(**KINDS[kind])
    for step in (0, 1, 77, 1000):
        assert same(gathered(plan, step, world_size), plan.step(step))


@pytest.mark.parametrize("kind", KINDS)
def test_any_step_of_a_mixture_is_reached_at_once(kind: str):
    forwards = [mixture(**KINDS[kind]).step(step) for step in range(60)]
    for step in (59, 0, 31, 30):
        assert same(mixture(**KINDS[kind]).step(step), forwards[step])


@functools.cache
def walked(kind: str, side: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return clips and visits of one direction's rows over many passes."""
    plan = mixture(clips=30, **KINDS[kind])
    rows = [plan.step(step) for step in range(150)]
    return tuple(np.concatenate([getattr(r, name)[r.generation == side] for r in rows]) for name in ("clips", "visits"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("side", "direction"), [(True, "generation"), (False, "captioning")])
def test_sources_have_their_shares_in_either_direction(kind: str, side: bool, direction: str):
    clips, _ = walked(kind, side)
    source = np.searchsorted(np.cumsum([30, 60, 90, 120]), clips, side="right")
    shares = np.array(PAPER[direction]) / sum(PAPER[direction])
    deviation = np.abs(np.bincount(source, minlength=4) / len(clips) - shares)
    assert (deviation <= 3 * np.sqrt(shares * (1 - shares) / len(clips))).all()
    assert deviation[shares == 0].sum() == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", [True, False])
def test_no_clip_comes_twice_in_a_pass_over_its_source(kind: str, side: bool):
    clips, visits = walked(kind, side)
    assert visits.max() >= 10
    assert len(np.unique(np.stack([clips, visits]), axis=1).T) == len(clips)


@pytest.mark.parametrize("side", [True, False])
def test_without_lanes_a_pass_ends_before_the_next_begins_in_a_mixture_too(side: bool):
    clips, visits = walked("plain", side)
    for first, last in ((30, 90), (90, 180), (180, 300)):
        assert (np.diff(visits[(clips >= first) & (clips < last)]) >= 0).all()


def test_ranks_read_shards_of_their_own():
    plan = mixture(shards=9, lanes=4)
    offsets = np.concatenate([[0], np.cumsum([pool.clips for pool in plan.pools])])
    readers: dict[tuple[int, ...], set[int]] = {}
    for rank in range(4):
        for step in range(20):
            rows = plan.step(step, rank, 4)
            for clip, visit, side in zip(rows.clips, rows.visits, rows.generation, strict=True):
                source = int(np.searchsorted(offsets, clip, side="right")) - 1
                shard = int(np.searchsorted(plan.pools[source].offsets, clip - offsets[source], side="right"))
                readers.setdefault((source, shard, int(visit), int(side)), set()).add(rank)
    assert {len(ranks) for ranks in readers.values()} == {1}
    assert set().union(*readers.values()) == {0, 1, 2, 3}


@pytest.mark.parametrize("kind", ["buckets", "all"])
def test_a_batch_holds_one_length_in_either_direction(kind: str):
    plan = mixture(**KINDS[kind])
    lengths = np.concatenate([pool.lengths for pool in plan.pools])
    alike, seen = 0, Counter()
    for step in range(100):
        rows = plan.step(step)
        (heard,), (made,) = (np.unique(lengths[rows.clips[rows.generation == side]]) for side in (False, True))
        alike += heard == made
        seen[int(heard)] += 1
    assert alike > 90  # the sources' lengths are alike, so the directions' are
    assert min(seen[bucket] for bucket in range(3)) > 15


def test_captions_and_crops_follow_clip_and_visit_and_not_where_they_fall():
    one, other = ({}, {})
    for found, rows in ((one, 8), (other, 24)):
        plan = plan_of(13, rows)
        for step in range(240 // rows):
            batch = plan.step(step)
            for key in zip(batch.clips, batch.visits, batch.generation, batch.choices, batch.crops, strict=True):
                found.setdefault(key[:3], set()).add(key[3:])
    assert one == other
    assert all(len(drawn) == 1 for drawn in one.values())
    assert len({next(iter(drawn)) for drawn in one.values()}) == len(one)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lanes": 3}, "3 lanes do not divide the 16 generation and 24 captioning rows of a batch"),
        ({"lanes": 0}, "0 lanes do not divide"),
        ({"rows": 0}, "at least one row, got 0"),
    ],
)
def test_lanes_that_do_not_divide_are_refused(settings: dict[str, int], message: str):
    with pytest.raises(ValueError, match=message):
        mixture(**settings)


@pytest.mark.parametrize("weights", [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.0)])
def test_weights_that_leave_nothing_to_draw_are_refused(weights: tuple[float, float]):
    with pytest.raises(ValueError, match="weights must be 0 or more, one of a source with clips above"):
        Plan([Pool("one", np.array([0, 9]), *weights)], 4)
    Plan([Pool("one", np.array([0, 9]), 0.0, 1.0)], 4, generation_share=0.0).step(0)


def test_what_changed_is_said_by_name():
    then, now = mixture().description(), mixture(seed=6, shards=9).description()
    now["pools"]["source-3"]["captioning"] = 20
    said = list(changes(then, now))
    assert "seed 5 -> 6" in said
    assert "pools.source-3.captioning 25 -> 20" in said
    assert "pools.source-0.shards 1 -> 9" in said
    assert list(changes(then, mixture().description())) == []


def test_a_million_clips_are_planned_in_less_than_200_mb():
    clips = 1_000_000
    tracemalloc.start()
    lengths = np.random.default_rng(0).integers(0, 8, clips)
    plan = Plan([Pool("large", np.arange(0, clips + 1, 1000), lengths=lengths)], 64, lanes=8)
    plan.step(100_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200e6


def test_memory_stays_flat_over_epochs():
    plan = mixture(clips=20, **KINDS["all"])
    steps = 200 // 20

    def epochs(first: int) -> int:
        for step in range(first * steps, (first + 3) * steps):
            plan.step(step)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    before, after = epochs(0), epochs(3)
    tracemalloc.stop()
    assert after - before < 100_000
