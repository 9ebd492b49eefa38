from __future__ import annotations

from pathlib import Path

import pytest
import torch
from shard_making import make_shards

from toy_training import ToneCorpus, ToneData, Trace, toy_module, toy_trainer
from uat_lightning.codec import MelCodec
from uat_lightning.data.audio_text import Share
from uat_lightning.data.shards.datamodule import Shards, ShardsDataModule
from uat_lightning.text import BytePairTokenizer

SETTINGS = {"batch_size": 4, "longest_seconds": 0.5, "captions": 2, "epoch_steps": 4}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    make_shards(folder / "whole", ToneData(folder / "cache"), clips_per_shard=100)
    two = {"low": Share(ToneCorpus(10, 0)), "high": Share(ToneCorpus(6, 4))}
    make_shards(folder / "mixed", ToneData(folder / "cache", corpora=two), clips_per_shard=3)
    return folder


def losses(folder: Path, data) -> Trace:
    trace = Trace()
    toy_trainer(folder, 6, trace).fit(toy_module(), datamodule=data)
    return trace


def test_training_from_shards_is_training_on_the_fly(made: Path, tmp_path: Path):
    on_the_fly = losses(tmp_path, ToneData(made / "cache", **SETTINGS))
    shards = {"tones": Shards(str(made / "whole"))}
    from_shards = losses(tmp_path, ShardsDataModule(shards, cache=str(tmp_path), **SETTINGS))
    assert from_shards.losses == on_the_fly.losses
    assert from_shards.rows == on_the_fly.rows
    assert from_shards.validation == on_the_fly.validation


def test_corpora_of_one_folder_have_weights_of_their_own(made: Path, tmp_path: Path):
    shards = {
        "low": Shards(str(made / "mixed"), "low", generation=1, captioning=0),
        "high": Shards(str(made / "mixed"), "high", generation=0, captioning=1),
    }
    data = ShardsDataModule(shards, cache=str(tmp_path), batch_size=4)
    data.setup("fit")
    assert {split: sorted(stores) for split, stores in data.stores().items()} == {
        "train": ["high", "low"],
        "validation": ["high"],
    }
    rows = data.plan("train").step(0)
    assert (rows.clips[rows.generation] < 10).all()
    assert (rows.clips[~rows.generation] >= 10).all()
    assert data.stores()["train"]["low"].store.shard_offsets.tolist() == [0, 3, 6, 9, 10]
    store = data._stores["validation"]
    assert (len(store), [store.uid(clip) for clip in range(4)]) == (4, [f"tone-{clip}" for clip in range(4)])


def test_another_tokenizer_takes_no_other_shards(made: Path, tmp_path: Path):
    tokenizer = BytePairTokenizer(6, 80)
    tokenizer.fit(["tone number 1 again", "tone number 2"])
    data = ShardsDataModule({"tones": Shards(str(made / "whole"))}, tokenizer=tokenizer, cache=str(tmp_path))
    data.setup("fit")
    batch = next(iter(data.val_dataloader()))
    assert batch.clean.text.values.shape[1] == 6
    assert data.tokenizer.decode(batch.clean.text.values)[0] == "tone number"


def test_what_does_not_fit_is_said(made: Path, tmp_path: Path):
    shards = {"tones": Shards(str(made / "whole"))}
    with pytest.raises(ValueError, match=r"encoded by another codec than data\.codec"):
        ShardsDataModule(shards, MelCodec(latent_width=5), cache=str(tmp_path))
    data = ShardsDataModule(shards, tokenizer=BytePairTokenizer(9), cache=str(tmp_path))
    with pytest.raises(ValueError, match="has no vocabulary"):
        data.setup("fit")
    make_shards(tmp_path / "other", ToneData(tmp_path / "cache", train=12))
    with pytest.raises(ValueError, match="encoded by different codecs"):
        ShardsDataModule({**shards, "other": Shards(str(tmp_path / "other"))}, cache=str(tmp_path))
    with pytest.raises(ValueError, match=r"holds no finished shards \(meta\.json: No such file"):
        ShardsDataModule({"none": Shards(str(tmp_path))}, cache=str(tmp_path))
    with pytest.raises(ValueError, match="no shards to train on"):
        ShardsDataModule({})


def test_loader_processes_read_the_same(made: Path, tmp_path: Path):
    shards = {"tones": Shards(str(made / "mixed"))}
    alone, others = (
        ShardsDataModule(shards, cache=str(tmp_path), batch_size=4, epoch_steps=3, loader_workers=workers)
        for workers in (0, 1)
    )
    batches = []
    for data in (alone, others):
        data.setup("fit")
        batches.append(list(data.train_dataloader()))
    for mine, other in zip(*batches, strict=True):
        assert torch.equal(mine.clean.audio.values, other.clean.audio.values)
        assert torch.equal(mine.clean.text.values, other.clean.text.values)
