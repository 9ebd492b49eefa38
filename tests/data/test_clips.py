"""Clips in columns are what a list of entries is, and much smaller."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa

from uat_lightning.data import clips as module
from uat_lightning.data.clips import Clips
from uat_lightning.data.corpus import digest
from uat_lightning.data.manifest import Entry

ENTRIES = [
    Entry("a.wav", Path("/sounds/a.wav"), ("one", "zwölf"), 0.5, None, "", (7, 8)),
    Entry("/else/b.wav", Path("/else/b.wav"), ("two",), 0.0, 3.0, "", (9, 0), "fs:1", ("clotho:x", "clotho:y")),
] * 5000


def test_entries_come_back_as_they_were():
    clips = Clips.of(Path("/sounds"), ENTRIES)
    assert len(clips) == len(ENTRIES) and list(clips) == ENTRIES
    assert clips[1] == ENTRIES[1] and clips[-1] == ENTRIES[-1] and list(clips[3:9:2]) == ENTRIES[3:9:2]
    assert digest(clips) == digest(ENTRIES) != digest(clips[1:])
    assert list(clips.where(np.arange(len(clips)) % 2 == 1)) == ENTRIES[1::2]
    assert [(name, identity) for identity, _, name in clips.names()] == [(e.name, e.identity) for e in ENTRIES]


def test_large_tables_lie_in_a_file_that_is_gone_when_they_are(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "LARGE", 1)
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    before = pa.total_allocated_bytes()
    clips = Clips.of(Path("/sounds"), ENTRIES)
    assert pa.total_allocated_bytes() - before < clips.table.nbytes / 4
    assert list(clips) == ENTRIES and list(pickle.loads(pickle.dumps(clips))) == ENTRIES
    assert not list(tmp_path.iterdir())


def test_a_million_clips_take_less_than_200_megabytes():
    rows = 1 << 14
    names = pa.array([f"train/Y{number:011}_{number % 600}.flac" for number in range(rows)])
    columns = {
        "name": names,
        "identity": pa.array([f"yt:{number:011}:{number % 600}000" for number in range(rows)]),
        "captions": pa.array([[f"A man speaks while a dog barks and birds chirp {number}"] for number in range(rows)]),
        "part": pa.array(["train"] * rows).dictionary_encode(),
    }
    clips = Clips(Path("/sounds"), pa.table(columns))
    assert clips.table.nbytes * 1_000_000 / rows < 200e6
    assert clips[5].captions == ("A man speaks while a dog barks and birds chirp 5",)
