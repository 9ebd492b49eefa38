from __future__ import annotations

import io
import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from shard_making import BrokenTones, make_shards

from toy_training import CANVAS, ToneData, Tones
from uat_lightning.data.audio_text import Share
from uat_lightning.data.shards import latents, names
from uat_lightning.data.shards.long_files import FirstSeconds, Whole, Windows
from uat_lightning.data.shards.store import ShardFolder, ShardStore

EVERY = np.arange(10)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    make_shards(folder / "shards", ToneData(folder / "cache"))
    return folder


@pytest.fixture
def store(made: Path) -> ShardStore:
    data = ToneData(made / "cache")
    data.tokenizer.load(made / "shards" / "parts")
    return ShardStore(ShardFolder(made / "shards", made / "cache"), "train", data.tokenizer)


@pytest.fixture(scope="module")
def cached(made: Path):
    data = ToneData(made / "cache")
    data.prepare_data()
    data.setup("fit")
    return data._stores


@pytest.mark.parametrize("longest", [None, 5, 6, 100])
def test_the_store_gives_what_the_cache_gives(store: ShardStore, cached, longest: int | None):
    clips, numbers = np.array([9, 0, 4, 4, 7, 2]), np.array([0.0, 0.99, 0.3, 0.6, 0.5, 0.2])
    ours, theirs = (each.pairs(clips, numbers, numbers, CANVAS, 0, longest) for each in (store, cached["train"]))
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.equal(mine.values, other.values)
        assert torch.equal(mine.lengths, other.lengths)
        assert mine.values.dtype == other.values.dtype
    assert np.array_equal(store.frames, cached["train"].frames)
    assert len(store) == 10


def test_no_rows_are_no_rows(store: ShardStore):
    nothing = store.pairs(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), CANVAS, 0)
    assert nothing.audio.values.shape == (0, 1, 4)
    assert nothing.text.values.shape == (0, CANVAS)


def test_a_store_travels_to_other_processes_and_reads_there(store: ShardStore):
    first = store.latents_of(EVERY, np.zeros(10)).values
    again: ShardStore = pickle.loads(pickle.dumps(store))
    assert torch.equal(again.latents_of(EVERY, np.zeros(10)).values, first)
    assert again.captions(2) == list(Tones(10)[2].captions)
    assert again.uid(2) == "tone-2"


def test_the_tars_are_plain_and_their_members_are_numpy_files(made: Path, store: ShardStore):
    with tarfile.open(made / "shards" / "train-tones-000001.tar") as archive:
        found = archive.getmembers()
        assert [member.name for member in found] == [f"tone-{number}.npy" for number in (4, 5, 6, 7)]
        assert {(member.mtime, member.uid, member.gid, member.mode) for member in found} == {(0, 0, 0, 0o644)}
        content = archive.extractfile("tone-5.npy").read()
    values = np.load(io.BytesIO(content), allow_pickle=False)
    assert values.dtype == np.float16
    frames = store.latents_of(np.array([5]), np.zeros(1)).values[0].numpy()
    assert np.array_equal(values.astype(np.float32), frames)


def test_meta_tells_what_the_latents_are(made: Path, store: ShardStore):
    told = json.loads((made / "shards" / "meta.json").read_text())
    assert told["splits"] == {"train": {"tones": 10}, "validation": {"tones": 5}}
    assert told["made_of"]["codec"]["class_path"].endswith("MelCodec")
    assert told["made_of"]["long_files"]["class_path"].endswith("Whole")
    assert told["frames_per_second"] == 15.625
    validation = ShardStore(store.folder, "validation", store.tokenizer)
    kept = [each.latents_of(np.arange(len(each)), np.zeros(len(each))) for each in (store, validation)]
    values = torch.cat([rows.values[rows.mask] for rows in kept]).double()
    torch.testing.assert_close(values.mean(0), torch.tensor(told["mean"], dtype=torch.float64))
    torch.testing.assert_close(values.std(0, correction=0), torch.tensor(told["deviation"], dtype=torch.float64))
    assert told["frames"] == len(values)


def test_clips_that_cannot_be_used_are_listed_and_the_others_kept(tmp_path: Path):
    writer = make_shards(tmp_path / "shards", ToneData(tmp_path / "cache", corpora={"broken": Share(BrokenTones())}))
    listed = [json.loads(line) for line in (tmp_path / "shards" / "skipped.jsonl").read_text().splitlines()]
    assert [(each["split"], each["clip"]) for each in listed] == [
        ("train", 1),
        ("train", 3),
        ("train", 6),
        ("validation", 1),
        ("validation", 3),
    ]
    assert listed[0]["reason"] == "tone 1 cannot be read"
    assert listed[1]["reason"] == "tone-3 has no caption"
    assert writer.written.splits == {"train": {"broken": 7}, "validation": {"broken": 3}}
    assert writer.written.skipped == 5


def test_no_usable_clip_is_an_error(tmp_path: Path):
    data = ToneData(tmp_path / "cache", corpora={"broken": Share(BrokenTones(10, 10))})
    make_shards(tmp_path / "shards", data)
    data.corpora["broken"].corpus.source = lambda *where: Tones(10, broken=tuple(range(10)))
    with pytest.raises(ValueError, match=r"no usable clip among 20\. tone 0 cannot be read"):
        make_shards(tmp_path / "others", data)


def test_long_clips_become_windows_with_all_of_their_captions(tmp_path: Path):
    make_shards(tmp_path / "shards", ToneData(tmp_path / "cache"), long_files=Windows(0.4, 0.1))
    data = ToneData(tmp_path / "cache")
    data.tokenizer.load(tmp_path / "shards" / "parts")
    data.codec.load(tmp_path / "shards" / "parts" / "codec.safetensors")
    store = ShardStore(ShardFolder(tmp_path / "shards", tmp_path / "cache"), "train", data.tokenizer)
    uids = [store.uid(clip) for clip in range(len(store))]
    assert uids[:5] == ["tone-0", "tone-1", "tone-2#0", "tone-2#1", "tone-3#0"]
    tone = torch.from_numpy(Tones(10)[2].waveform)
    for number, part in enumerate((tone[:, :6400], tone[:, 6400:])):
        place = uids.index(f"tone-2#{number}")
        kept = store.latents_of(np.array([place]), np.zeros(1)).values[0]
        assert torch.equal(kept, data.codec.encode(part[None])[0].half().float())
        assert store.captions(place) == list(Tones(10)[2].captions)


def test_policies_for_long_files():
    assert Whole().cut(100, 10) == [(0, 100)]
    assert FirstSeconds(3).cut(100, 10) == [(0, 30)]
    assert FirstSeconds(30).cut(100, 10) == [(0, 100)]
    assert Windows(4, 2).cut(100, 10) == [(0, 40), (40, 80), (80, 100)]
    assert Windows(4, 3).cut(100, 10) == [(0, 40), (40, 80)]
    assert Windows(4, 3).cut(5, 10) == [(0, 5)]
    with pytest.raises(ValueError, match="give seconds above 0"):
        Windows(0).cut(5, 10)


@pytest.mark.parametrize("together", [1, 7])
def test_clips_encoded_together_are_bit_for_bit_those_encoded_alone(tmp_path: Path, together: int, made: Path):
    make_shards(tmp_path / "shards", ToneData(tmp_path / "cache"), samples_at_once=1, together=together)
    for name in ("train-tones-000000.tar", "train-tones-000002.tar", "validation-tones-000000.tar"):
        assert (tmp_path / "shards" / name).read_bytes() == (made / "shards" / name).read_bytes()


@pytest.mark.parametrize(
    "uid", ["a", "../../etc/passwd", "/x/y.tar.gz", "-rf", "ä €", "a#b%2E.npy", "x" * 1000, "a\0b\n"]
)
def test_any_uid_is_a_safe_name_and_comes_back(uid: str):
    name = names.member_name(uid, ".npy")
    assert names.uid_of(name) == uid
    assert not name.startswith("/")
    assert ".." not in name.split("/")
    assert name.count(".") == 1
    assert max(map(len, name.split("/"))) < 255
    assert names.member_name(uid, ".npy") != names.member_name(uid + "a", ".npy")


def test_an_empty_uid_is_refused():
    with pytest.raises(ValueError, match="empty uid"):
        names.member_name("", ".npy")


@pytest.mark.parametrize("shape", [(1, 1), (216, 64), (10**7, 1024)])
def test_headers_have_one_length(shape: tuple[int, int]):
    assert len(latents.header(*shape)) == latents.HEADER
