from __future__ import annotations

import multiprocessing
import pickle
import shutil
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch
from shard_making import make_shards

from toy_training import ToneData
from uat_lightning.data.shards.datamodule import Shards, ShardsDataModule
from uat_lightning.data.shards.places import Cached
from uat_lightning.data.shards.store import ShardFolder, ShardStore
from uat_lightning.data.shards.verify import damaged


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("remote")
    make_shards(folder / "shards", ToneData(folder / "cache"), clips_per_shard=2)
    return folder / "shards"


@pytest.fixture
def memory(made: Path):
    system = fsspec.filesystem("memory")
    system.put(str(made), "/bucket/shards", recursive=True)
    yield "memory://bucket/shards"
    system.rm("/bucket", recursive=True)


def opened(url: str | Path, cache: Path, limit: int = 1 << 30) -> ShardStore:
    data = ToneData(cache)
    folder = ShardFolder(url, cache, limit)
    data.tokenizer.load(folder.parts())
    return ShardStore(folder, "train", data.tokenizer)


def kept(cache: Path) -> list[str]:
    return sorted(file.name for file in cache.rglob("*.tar"))


@pytest.mark.parametrize("protocol", ["memory", "file"])
def test_shards_from_elsewhere_read_as_those_at_hand(made: Path, memory: str, tmp_path: Path, protocol: str):
    url = memory if protocol == "memory" else f"file://{made}"
    near, far = opened(made, tmp_path / "near"), opened(url, tmp_path / "far")
    clips, zeros = np.arange(10)[::-1], np.zeros(10)
    assert torch.equal(near.latents_of(clips, zeros).values, far.latents_of(clips, zeros).values)
    assert [near.captions(clip) for clip in range(10)] == [far.captions(clip) for clip in range(10)]
    assert kept(tmp_path / "near") == []
    assert kept(tmp_path / "far") == [f"train-tones-{number:06d}.tar" for number in range(5)]
    assert list(damaged(far.folder)) == []


def test_only_shards_that_are_read_are_fetched_and_only_once(memory: str, tmp_path: Path, monkeypatch):
    store = opened(memory, tmp_path)
    fetched = []
    get = Cached._fetch
    monkeypatch.setattr(Cached, "_fetch", lambda self, name, file: (fetched.append(name), get(self, name, file))[1])
    for _ in range(2):
        store.latents_of(np.array([4, 5]), np.zeros(2))
    again = opened(memory, tmp_path)
    again.latents_of(np.array([5]), np.zeros(1))
    assert fetched == ["train-tones-000002.tar"]


def test_the_cache_is_bounded_and_what_was_used_least_recently_goes(memory: str, tmp_path: Path):
    store = opened(memory, tmp_path, limit=2 * 10240)
    first = store.latents_of(np.array([0]), np.zeros(1)).values
    for clip in (2, 0, 4):
        store.folder.files.__init__(store.folder.place, store.folder.meta.shards)  # as in another process
        store.latents_of(np.array([clip]), np.zeros(1))
    assert kept(tmp_path) == ["train-tones-000000.tar", "train-tones-000002.tar"]
    everything = store.latents_of(np.arange(10), np.zeros(10)).values
    assert torch.equal(everything[0, : first.shape[1]], first[0])
    assert len(kept(tmp_path)) <= 2


def test_shards_are_fetched_ahead(memory: str, tmp_path: Path):
    store = opened(memory, tmp_path)
    store.soon(np.array([6, 8]))
    for coming in list(store.folder.place._coming.values()):
        coming.result(10)
    assert kept(tmp_path) == ["train-tones-000003.tar", "train-tones-000004.tar"]
    again = pickle.loads(pickle.dumps(store))
    assert len(again.latents_of(np.array([6]), np.zeros(1)).values) == 1


def read_all(url: str, cache: Path, answers) -> None:
    torch.set_num_threads(1)  # a forked process has lost the others
    answers.put(float(opened(url, cache, limit=10240).latents_of(np.arange(10), np.zeros(10)).values.sum()))


def test_processes_share_a_cache_that_is_too_small_for_them(made: Path, tmp_path: Path):
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    readers = [context.Process(target=read_all, args=(f"file://{made}", tmp_path, answers)) for _ in range(3)]
    for reader in readers:
        reader.start()
    sums = {answers.get(timeout=60) for _ in readers}
    for reader in readers:
        reader.join(10)
    assert sums == {float(opened(made, tmp_path).latents_of(np.arange(10), np.zeros(10)).values.sum())}
    assert len(kept(tmp_path)) <= 1


def test_a_file_that_somebody_takes_from_the_cache_meanwhile_is_not_missed(memory: str, tmp_path: Path):
    place = Cached(memory, tmp_path, 1 << 30)
    place.folder.mkdir(parents=True)
    (place.folder / "gone.tar").symlink_to("nowhere")  # listed, and not there when it is looked at
    assert place.file("train-tones-000000.tar").stat().st_size > 0


def test_a_shard_that_makes_room_for_others_at_once_is_read_all_the_same(
    made: Path, memory: str, tmp_path: Path, monkeypatch
):
    fetch = Cached._fetch

    def fetched_and_gone(self: Cached, name: str, file: Path) -> int:
        descriptor = fetch(self, name, file)
        if file.suffix == ".tar":
            file.unlink()
        return descriptor

    monkeypatch.setattr(Cached, "_fetch", fetched_and_gone)
    near, far = opened(made, tmp_path / "near"), opened(memory, tmp_path / "far")
    clips, zeros = np.arange(10), np.zeros(10)
    assert torch.equal(near.latents_of(clips, zeros).values, far.latents_of(clips, zeros).values)
    assert kept(tmp_path / "far") == []


def test_what_was_fetched_is_not_taken_for_what_replaced_it(made: Path, tmp_path: Path):
    shutil.copytree(made, tmp_path / "there")
    url = f"file://{tmp_path}/there"
    before = opened(url, tmp_path / "kept").latents_of(np.array([0]), np.zeros(1)).values
    shutil.rmtree(tmp_path / "there")
    make_shards(tmp_path / "there", ToneData(tmp_path / "cache", train=7))
    after = opened(url, tmp_path / "kept").latents_of(np.array([0]), np.zeros(1)).values
    assert not torch.equal(before, after)


def test_training_reads_from_elsewhere(memory: str, tmp_path: Path):
    data = ShardsDataModule({"tones": Shards(memory)}, cache=str(tmp_path), batch_size=4, epoch_steps=2)
    data.setup("fit")
    assert len(list(data.train_dataloader())) == 2


def test_what_cannot_be_fetched_is_said(memory: str, tmp_path: Path):
    with pytest.raises(ValueError, match="holds no finished shards"):
        opened("memory://bucket/nothing", tmp_path)
    fsspec.filesystem("memory").rm("/bucket/shards/train-tones-000001.tar")
    store = opened(memory, tmp_path)
    with pytest.raises(ValueError, match=r"cannot fetch memory://bucket/shards/train-tones-000001\.tar"):
        store.latents_of(np.array([2]), np.zeros(1))
    with pytest.raises(ValueError, match="holds no finished shards"):
        opened("nosuchprotocol://x", tmp_path)
