from __future__ import annotations

import gc
import tracemalloc
from itertools import chain

import pytest
from encoded_stores import EPOCH, KINDS, clips, epoch, loaded

from uat_lightning.data.buckets import QuantileBuckets


@pytest.mark.parametrize("kind", KINDS)
def test_global_batches_are_the_same_for_one_two_and_four_ranks(kind: str):
    alone = epoch(loaded(**KINDS[kind]))
    assert len(alone) == EPOCH
    for world_size in (2, 4):
        ranks = [epoch(loaded(rank, world_size, **KINDS[kind])) for rank in range(world_size)]
        assert [list(chain(*shares)) for shares in zip(*ranks, strict=True)] == alone


@pytest.mark.parametrize("workers", [1, 3])
def test_the_order_does_not_depend_on_loader_processes(workers: int):
    assert epoch(loaded(loader_workers=workers, **KINDS["lanes"])) == epoch(loaded(**KINDS["lanes"]))


def test_a_batch_of_one_length_is_not_padded():
    store_frames = [len(clip.latents) for count in (20, 52) for clip in clips(count, count)]
    assert max(store_frames) > 3 * min(store_frames)
    settings = {"longest_seconds": None, "generation_share": 0.0, "batch_size": 8}
    padding = {}
    for name, buckets in (("none", None), ("three", QuantileBuckets(3))):
        lengths = [batch.clean.audio.lengths for batch in loaded(buckets=buckets, **settings).train_dataloader()]
        padding[name] = sum(int((row.max() - row).sum()) for row in lengths)
    assert padding["three"] < 0.5 * padding["none"]


def test_memory_is_flat_over_three_epochs():
    data = loaded(**KINDS["lanes"])
    progress = data.trainer.fit_loop.epoch_loop.batch_progress.total

    def epochs(count: int) -> int:
        for _ in range(count):
            progress.processed += sum(1 for _ in data.train_dataloader())
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    first, last = epochs(1), epochs(3)
    tracemalloc.stop()
    assert progress.processed == 4 * EPOCH
    assert last - first < 100_000
