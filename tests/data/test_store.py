from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from uat_lightning.data.joined import JoinedStore
from uat_lightning.data.store import ARRAYS, EncodedClip, LatentStore

PAD, CANVAS = 0, 7


@pytest.fixture
def encoded() -> list[EncodedClip]:
    random = np.random.default_rng(0)
    return [
        EncodedClip(
            random.standard_normal((frames, 3)).astype(np.float16).astype(np.float32),
            [random.integers(3, 99, length) for length in random.integers(1, CANVAS + 1, captions)],
        )
        for frames, captions in ((5, 1), (1, 3), (9, 2), (4, 5))
    ]


def numbers(*values: float) -> np.ndarray:
    return np.array(values)


def test_latents_are_those_of_the_clips_padded_with_zeros(encoded):
    got = LatentStore.pack(encoded).latents_of(np.array([2, 0, 1, 2]), np.zeros(4))
    assert got.values.shape == (4, 9, 3)
    assert got.lengths.tolist() == [9, 5, 1, 9]
    for row, clip in enumerate((2, 0, 1, 2)):
        frames = len(encoded[clip].latents)
        assert np.array_equal(got.values[row, :frames].numpy(), encoded[clip].latents)
        assert not got.values[row, frames:].any()


@pytest.mark.parametrize("longest", [1, 3, 5, 100])
def test_crops_are_what_a_naive_loop_cuts(encoded, longest: int):
    store, clips = LatentStore.pack(encoded), np.array([0, 1, 2, 3, 2, 2])
    crops = numbers(0.0, 0.5, 0.999, 0.3, 0.0, 0.7)
    got = store.latents_of(clips, crops, longest)
    for row, (clip, crop) in enumerate(zip(clips, crops, strict=True)):
        latents = encoded[clip].latents
        start = int((max(0, len(latents) - longest) + 1) * crop)
        expected = latents[start : start + longest]
        assert got.lengths[row] == len(expected)
        assert np.array_equal(got.values[row, : len(expected)].numpy(), expected)
    assert got.values.shape[1] == min(longest, 9)


def test_every_crop_can_be_drawn(encoded):
    store = LatentStore.pack(encoded)
    starts = {
        next(i for i in range(7) if np.array_equal(encoded[2].latents[i : i + 3], window))
        for crop in np.linspace(0, 0.999, 200)
        for window in [store.latents_of(np.array([2]), numbers(crop), 3).values[0].numpy()]
    }
    assert starts == set(range(7))


def test_captions_are_chosen_evenly_and_padded_to_the_canvas(encoded):
    store, clips = LatentStore.pack(encoded), np.array([3] * 500)
    got = store.captions_of(clips, np.arange(500) / 500, CANVAS, PAD)
    assert got.values.shape == (500, CANVAS)
    for row in range(500):
        caption = encoded[3].captions[row // 100]
        assert got.lengths[row] == len(caption)
        assert got.values[row].tolist() == [*caption, *[PAD] * (CANVAS - len(caption))]


def test_a_caption_never_comes_from_another_clip(encoded):
    store = LatentStore.pack(encoded)
    for clip, choice in ((0, 0.0), (0, 0.999999), (1, 0.999999), (2, 0.999999)):
        ids = store.captions_of(np.array([clip]), numbers(choice), CANVAS, PAD)
        mine = [caption.tolist() for caption in encoded[clip].captions]
        assert ids.values[0, : ids.lengths[0]].tolist() in mine


def test_a_saved_store_is_the_same_and_read_through_memory_maps(encoded, tmp_path: Path):
    packed = LatentStore.pack(encoded)
    packed.save(tmp_path / "store")
    opened = LatentStore.open(tmp_path / "store")
    assert len(opened) == len(packed) == 4
    for name in ARRAYS:
        assert isinstance(getattr(opened, name), np.memmap)
        assert np.array_equal(getattr(opened, name), getattr(packed, name))
        assert getattr(opened, name).dtype == getattr(packed, name).dtype
    rows = np.array([3, 1]), numbers(0.3, 0.9), numbers(0.5, 0.5)
    for a, b in zip(opened.pairs(*rows, CANVAS, PAD, 3), packed.pairs(*rows, CANVAS, PAD, 3), strict=True):
        assert torch.equal(a.values, b.values)
        assert torch.equal(a.lengths, b.lengths)


def test_what_is_gathered_may_be_changed_without_harm(encoded, tmp_path: Path):
    LatentStore.pack(encoded).save(tmp_path)
    store = LatentStore.open(tmp_path)
    store.latents_of(np.array([0]), np.zeros(1)).values.add_(1)
    assert np.array_equal(store.latents[:5], encoded[0].latents)


def test_no_rows_are_gathered_as_no_rows(encoded):
    none = np.zeros(0, np.int64)
    pair = LatentStore.pack(encoded).pairs(none, np.zeros(0), np.zeros(0), CANVAS, PAD)
    assert len(pair.audio) == len(pair.text) == 0
    assert pair.text.values.shape == (0, CANVAS)


def test_latents_are_kept_in_half_precision_and_given_out_in_single(encoded):
    store = LatentStore.pack(encoded)
    assert store.latents.dtype == np.float16
    assert store.latents_of(np.array([0]), np.zeros(1)).values.dtype == torch.float32
    assert store.frames.tolist() == [5, 1, 9, 4]


@pytest.mark.parametrize("value", [7e4, np.nan, -np.inf])
def test_a_latent_beyond_half_precision_is_refused(encoded, value: float):
    encoded[1].latents[0, 0] = value
    with pytest.raises(ValueError, match="beyond half precision"):
        LatentStore.pack(encoded)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_joined_stores_are_one_store_under_one_numbering(encoded, cut: int):
    whole = LatentStore.pack(encoded)
    joined = JoinedStore([LatentStore.pack(encoded[:cut]), LatentStore.pack(encoded[cut:])])
    assert len(joined) == 4
    assert joined.frames.tolist() == whole.frames.tolist()
    random = np.random.default_rng(1)
    for rows in (0, 1, 2, 9):
        asked = random.integers(0, 4, rows), random.random(rows), random.random(rows)
        for a, b in zip(joined.pairs(*asked, CANVAS, PAD, 3), whole.pairs(*asked, CANVAS, PAD, 3), strict=True):
            assert torch.equal(a.values, b.values)
            assert torch.equal(a.lengths, b.lengths)


def test_a_million_clips_are_indexed_in_less_than_200_mb():
    clips, captions = 1_000_000, 5
    offsets = np.arange(clips + 1)
    store = LatentStore(
        np.zeros((1, 64), np.float16), offsets * 215, np.zeros(1, np.int64), np.arange(clips * captions + 1), offsets
    )
    index = (store.frame_offsets, store.caption_offsets, store.token_offsets)
    assert sum(array.nbytes for array in index) < 200e6


def test_a_pickle_in_a_stores_place_is_not_opened(encoded, tmp_path: Path):
    LatentStore.pack(encoded).save(tmp_path)
    np.save(tmp_path / "tokens.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"allow_pickle|object"):
        LatentStore.open(tmp_path)


@pytest.fixture
def edits(encoded) -> list[EncodedClip]:
    return [replace(clip, source=(clip.latents - 1).astype(np.float16).astype(np.float32)) for clip in encoded]


@pytest.mark.parametrize("longest", [None, 1, 3])
def test_an_edit_and_its_source_are_cut_alike(edits, longest: int | None, tmp_path: Path):
    LatentStore.pack(edits).save(tmp_path)
    store = LatentStore.open(tmp_path)
    assert isinstance(store.sources, np.memmap)
    assert store.sources.dtype == np.float16
    rows = np.array([2, 0, 2, 3, 1]), numbers(0.9, 0.2, 0.4, 0.6, 0.0), longest
    made, source = store.latents_of(*rows), store.sources_of(*rows)
    assert torch.equal(made.lengths, source.lengths)
    torch.testing.assert_close(source.values[source.mask], made.values[made.mask] - 1, rtol=1e-2, atol=1e-2)


def test_clips_that_are_no_edits_have_no_source(encoded, tmp_path: Path):
    store = LatentStore.pack(encoded)
    store.save(tmp_path)
    assert not store.holds_edits
    assert not (tmp_path / "sources.npy").exists()
    assert store.sources_of(np.array([1, 2]), np.zeros(2)).lengths.tolist() == [0, 0]


def test_joined_stores_know_which_clips_are_edits(encoded, edits):
    joined = JoinedStore([LatentStore.pack(encoded), LatentStore.pack(edits)])
    clips = np.array([6, 1, 4, 3])
    assert joined.holds_edits
    assert joined.edits(clips).tolist() == [True, False, True, False]
    got = joined.sources_of(clips, np.zeros(4))
    assert got.lengths.tolist() == [9, 0, 5, 0]
    assert np.array_equal(got.values[0].numpy(), edits[2].source)
    assert not got.values[1].any()
    assert joined.sources_of(clips[[1]], np.zeros(1)).lengths.tolist() == [0]


def test_edits_and_other_clips_in_one_store_are_refused(encoded, edits):
    with pytest.raises(ValueError, match="1 of 2 clips are edits: keep them and others in two corpora"):
        LatentStore.pack([encoded[0], edits[1]])
