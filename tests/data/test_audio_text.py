from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer

from toy_training import CANVAS, VOCABULARY, WIDTH, ToneCorpus, ToneData, Tones, toy_module, toy_trainer
from uat_lightning.backbone import DualStreamTransformer
from uat_lightning.codec import MelCodec
from uat_lightning.data.audio_text import Share
from uat_lightning.data.batches import PlannedBatches, WholeSplit
from uat_lightning.data.encode import as_it_is, encode, read
from uat_lightning.data.mixture import Pool
from uat_lightning.data.parts import check_parts
from uat_lightning.data.plan import Plan
from uat_lightning.data.soundscapes import Soundscapes
from uat_lightning.data.soundscapes.corpus import SoundscapesSource
from uat_lightning.data.soundscapes.datamodule import SoundscapesDataModule
from uat_lightning.text import BytePairTokenizer


def plan_of(clips: int, rows: int, **settings) -> Plan:
    return Plan([Pool("tones", np.array([0, clips]))], rows, **settings)


def ready(data: ToneData) -> ToneData:
    data.prepare_data()
    data.setup("fit")
    return data


def test_cached_latents_and_tokens_equal_those_encoded_on_the_spot(tmp_path: Path):
    data = ready(ToneData(tmp_path))
    for split, count in (("train", 10), ("validation", 5)):
        store = data._stores[split]
        assert len(store) == count
        for index in range(count):
            clip = Tones(count)[index]
            latents = data.codec.encode(torch.from_numpy(clip.waveform)[None])[0]
            cached = store.latents_of(np.array([index]), np.zeros(1)).values[0]
            assert torch.equal(cached, latents.half().float())
            for caption, text in enumerate(clip.captions):
                choice = np.array([(caption + 0.5) / len(clip.captions)])
                ids = store.captions_of(np.array([index]), choice, CANVAS, data.tokenizer.pad_id)
                assert torch.equal(ids.values, data.tokenizer.encode([text]).values)


def test_the_second_run_reads_the_cache_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first = ready(ToneData(tmp_path))
    monkeypatch.setattr(Tones, "__getitem__", lambda self, index: pytest.fail("read a clip"))
    second = ready(ToneData(tmp_path))
    assert second.folder == first.folder
    assert torch.equal(second.codec.components, first.codec.components)
    assert second.tokenizer.words(["tone number 3"]) == first.tokenizer.words(["tone number 3"])


@pytest.mark.parametrize("changed", [{"train": 11}, {"fit_clips": 5}])
def test_what_shapes_the_data_names_the_cache(tmp_path: Path, changed: dict[str, int]):
    assert ToneData(tmp_path, **changed).folder != ToneData(tmp_path).folder
    assert ToneData(tmp_path, batch_size=8, seed=3, epoch_steps=2).folder == ToneData(tmp_path).folder


def save_parts(data: ToneData, model: Path) -> None:
    """Write what a saved model has of codec and tokenizer."""
    model.mkdir(exist_ok=True)
    data.codec.save(model / "codec.safetensors")
    data.tokenizer.save(model)
    described = {"codec": data.codec.describe(), "tokenizer": data.tokenizer.describe()}
    (model / "config.json").write_text(json.dumps(described))


def test_codec_and_tokenizer_may_be_those_of_a_model(tmp_path: Path):
    model, corpora = tmp_path / "model", {"tones": Share(ToneCorpus(train=7))}
    first = ready(ToneData(tmp_path))
    save_parts(first, model)
    second = ready(ToneData(tmp_path, corpora=corpora, parts_of=str(model)))
    fitted = ready(ToneData(tmp_path, corpora=corpora))
    assert torch.equal(second.codec.components, first.codec.components)
    assert second.tokenizer.words(["tone number 3"]) == first.tokenizer.words(["tone number 3"])
    assert not torch.equal(fitted.codec.components, first.codec.components)
    assert second.folder != fitted.folder
    save_parts(fitted, model)
    assert ToneData(tmp_path, corpora=corpora, parts_of=str(model)).folder != second.folder


def test_a_model_without_parts_that_fit_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match=r"no .*model/codec\.safetensors to take: train that model first"):
        ToneData(tmp_path, parts_of=str(tmp_path / "model")).prepare_data()
    save_parts(ready(ToneData(tmp_path)), tmp_path / "model")
    other = ToneData(tmp_path, parts_of=str(tmp_path / "model"))
    other.codec = MelCodec(latent_width=WIDTH + 1, mel_bands=16, window=512, mel_hop=256, patch=4)
    with pytest.raises(ValueError, match=r"has another codec than data\.codec"):
        other.prepare_data()
    (tmp_path / "model/codec.safetensors").write_bytes(b"not tensors")
    with pytest.raises(ValueError, match=r"codec\.safetensors is damaged"):
        ToneData(tmp_path, parts_of=str(tmp_path / "model")).prepare_data()
    (tmp_path / "model/config.json").write_text("not JSON")
    with pytest.raises(ValueError, match=r"config\.json is missing or not JSON"):
        ToneData(tmp_path, parts_of=str(tmp_path / "model")).prepare_data()
    assert not list(tmp_path.glob(".*"))


def test_an_interrupted_encoding_leaves_nothing_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    read_one = Tones.__getitem__

    def interrupted(self: Tones, index: int):
        if self.count == 5 and index == 3:
            raise KeyboardInterrupt
        return read_one(self, index)

    monkeypatch.setattr(Tones, "__getitem__", interrupted)
    data = ToneData(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        data.prepare_data()
    assert sorted(path.name for path in data.folder.iterdir()) == ["codec.safetensors", "tokenizer.json"]
    monkeypatch.setattr(Tones, "__getitem__", read_one)
    assert len(ready(ToneData(tmp_path))._stores["validation"]) == 5


def test_a_folder_left_behind_by_a_killed_run_is_not_taken_for_the_cache(tmp_path: Path):
    data = ToneData(tmp_path)
    (tmp_path / f".{data.folder.name}-killed").mkdir()
    assert len(ready(data)._stores["train"]) == 10


def test_a_faster_process_wins_and_its_cache_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    mine, theirs = ToneData(tmp_path), ToneData(tmp_path)
    source = mine._source
    monkeypatch.setattr(mine, "_source", lambda *where: (theirs.prepare_data(), source(*where))[1])
    mine.prepare_data()
    mine.setup("fit")
    assert [path.name for path in tmp_path.iterdir()] == [mine.folder.name]


def test_unusable_clips_are_left_out_and_said(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        read_from = read(Tones(6, broken=(1, 4), silent=(2,)), as_it_is, 0, "Reading")
        clips = [clip.uid for some in read_from for clip in some]
    assert clips == ["tone-0", "tone-3", "tone-5"]
    assert "left out 3 of 6 clips" in caplog.text
    assert "tone 1 cannot be read" in caplog.text
    assert "tone-2 has no caption" in caplog.text


def test_no_usable_clip_is_an_error():
    with pytest.raises(ValueError, match=r"no usable clip among 2\. tone 0 cannot be read; tone 1 cannot be read"):
        list(read(Tones(2, broken=(0, 1)), as_it_is, 0, "Reading"))


def test_workers_change_nothing(tiny_codec, tiny_tokenizer):
    alone, with_workers = (encode(Tones(70), tiny_codec, tiny_tokenizer, workers, "x") for workers in (0, 2))
    assert np.array_equal(alone.latents, with_workers.latents)
    assert np.array_equal(alone.tokens, with_workers.tokens)


# Batches.


def rows_of(batch) -> list[tuple]:
    values = zip(
        batch.clean.audio.values, batch.clean.audio.lengths, batch.clean.text.values, batch.generation, strict=True
    )
    return [(audio[:frames].sum().item(), text.tolist(), bool(direction)) for audio, frames, text, direction in values]


@pytest.mark.parametrize("world_size", [2, 4])
@pytest.mark.parametrize("kind", [PlannedBatches, WholeSplit])
def test_the_ranks_together_train_and_validate_on_what_one_process_would(tmp_path: Path, world_size: int, kind):
    data = ready(ToneData(tmp_path, validation=7))
    store = data._stores["validation"]
    plan = plan_of(7, 8)
    whole = kind(store, plan, data.tokenizer)
    for step in range(2):
        shards = [kind(store, plan, data.tokenizer, rank, world_size)[step] for rank in range(world_size)]
        assert sorted(row for shard in shards for row in rows_of(shard)) == sorted(rows_of(whole[step]))
        if kind is PlannedBatches:
            assert {len(shard) for shard in shards} == {8 // world_size}


@pytest.mark.parametrize("world_size", [1, 2, 4])
@pytest.mark.parametrize("rows", [1, 2, 4, 5, 7, 64])
def test_validation_sees_every_clip_once_in_either_direction(tmp_path: Path, rows: int, world_size: int):
    data = ready(ToneData(tmp_path))
    plan = plan_of(5, rows)
    seen = []
    for rank in range(world_size):
        batches = WholeSplit(data._stores["validation"], plan, data.tokenizer, rank, world_size)
        seen += [row for step in range(len(batches)) for row in rows_of(batches[step])]
    captions = [data.tokenizer.encode([f"tone number {index}"]).values[0].tolist() for index in range(5)]
    assert sorted((row[1], row[2]) for row in seen) == sorted((ids, side) for ids in captions for side in (True, False))


def test_a_captioning_row_brings_further_captions_of_its_own_clip(tiny_codec, tiny_tokenizer, clips):
    source = SoundscapesSource(Soundscapes(shortest=1.0, longest=1.5), "train", len(clips))
    store = encode(source, tiny_codec, tiny_tokenizer, 0, "Encoding")
    batch = PlannedBatches(store, plan_of(len(clips), 4, seed=1), tiny_tokenizer, captions=3)[0]
    heard = (~batch.generation).nonzero()[:, 0]
    said = tiny_tokenizer.decode(batch.clean.text.values[heard].repeat(2, 1))
    further = tiny_tokenizer.decode(batch.further.values)
    assert len(further) == 2 * len(heard) == 4
    for first, other in zip(said, further, strict=True):
        (clip,) = [clip for clip in clips if first in clip.captions]
        assert other in clip.captions
        assert other != first


def test_crops_keep_the_asked_seconds(tmp_path: Path):
    data = ready(ToneData(tmp_path, longest_seconds=0.128))
    batch = next(iter(data.train_dataloader()))
    assert batch.clean.audio.values.shape[1] == 2
    assert batch.clean.audio.lengths.tolist() == [2] * 4


def test_an_epoch_is_one_pass_over_the_clips_or_as_long_as_asked(tmp_path: Path):
    assert len(ready(ToneData(tmp_path)).train_dataloader()) == 5
    assert len(ready(ToneData(tmp_path, epoch_steps=3)).train_dataloader()) == 3
    assert len(ready(ToneData(tmp_path, generation_share=0.25)).train_dataloader()) == 3


def test_the_built_in_data_is_encoded_whole(tmp_path: Path, tiny_data):
    data = SoundscapesDataModule(
        MelCodec(latent_width=WIDTH, mel_bands=16, patch=4), BytePairTokenizer(32, 256), **tiny_data
    )
    data.prepare_data()
    data.setup("fit")
    assert (len(data._stores["train"]), len(data._stores["validation"])) == (8, 4)
    batch = next(iter(data.train_dataloader()))
    latents = batch.clean.audio.values[batch.clean.audio.mask]
    assert 0.2 < float(latents.std()) < 5
    assert len(data.tokenizer.decode(batch.clean.text.values)[0]) > 5


# What must fit.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latent_width": WIDTH + 1}, f"latent_width is {WIDTH + 1}, the data's is {WIDTH}"),
        ({"vocabulary_size": 9}, f"vocabulary_size is 9, the data's is {VOCABULARY}"),
        ({"canvas": 5}, f"canvas is 5, the data's is {CANVAS}"),
    ],
)
def test_parts_that_do_not_fit_are_named_with_both_numbers(tmp_path: Path, changes: dict[str, int], message: str):
    settings = {"latent_width": WIDTH, "vocabulary_size": VOCABULARY, "canvas": CANVAS, "width": 16, "heads": 2}
    data = ToneData(tmp_path)
    check_parts(DualStreamTransformer(**settings), data.codec, data.tokenizer)
    check_parts(object(), data.codec, data.tokenizer)
    with pytest.raises(ValueError, match=message):
        check_parts(DualStreamTransformer(**{**settings, **changes}), data.codec, data.tokenizer)


def test_a_misfit_is_said_before_training_starts(tmp_path: Path):
    module = toy_module()
    module.backbone.canvas = CANVAS + 1
    with pytest.raises(ValueError, match="canvas"):
        toy_trainer(tmp_path, 1).fit(module, datamodule=ToneData(tmp_path))


class Ranks:
    """Stands for a Trainer of several processes."""

    lightning_module = None
    global_rank, world_size = 0, 3

    def __init__(self, sampler: bool) -> None:
        self._accelerator_connector = type("Connector", (), {"use_distributed_sampler": sampler})()


def test_a_batch_that_the_ranks_do_not_divide_is_refused(tmp_path: Path):
    data = ready(ToneData(tmp_path))
    data.trainer = Ranks(sampler=False)
    with pytest.raises(ValueError, match="batch_size 4 must be a multiple of 3 ranks"):
        data.setup("fit")


@pytest.mark.parametrize("stage", ["fit", "validate"])
def test_a_trainer_that_would_shard_once_more_is_refused(tmp_path: Path, stage: str):
    data = ready(ToneData(tmp_path, batch_size=6))
    data.trainer = Ranks(sampler=True)
    with pytest.raises(ValueError, match="use_distributed_sampler=False"):
        data.setup(stage)


CHANGES = [
    ({"batch_size": 6}, "rows 4 -> 6"),
    ({"seed": 1}, "seed 0 -> 1"),
    ({"generation_share": 0.25}, "generation_share 0.5 -> 0.25"),
    ({"train": 11}, "clips 10 -> 11"),
    ({"fit_clips": 9}, "data.tones "),
    ({"longest_seconds": 0.2}, "longest_seconds None -> 0.2"),
    ({"epoch_steps": 2}, "epoch_steps None -> 2"),
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    trainer = toy_trainer(folder, 2, limit_val_batches=0)
    trainer.fit(toy_module(), datamodule=ToneData(folder))
    trainer.save_checkpoint(folder / "some.ckpt")
    return folder / "some.ckpt"


@pytest.mark.parametrize(("changes", "message"), CHANGES)
def test_a_changed_plan_is_refused_on_resume_with_the_reason(tmp_path: Path, checkpoint: Path, changes, message: str):
    with pytest.raises(ValueError, match=f"cannot resume, the data order changed: .*{message}"):
        toy_trainer(tmp_path, 4).fit(toy_module(), datamodule=ToneData(tmp_path, **changes), ckpt_path=checkpoint)


def test_a_checkpoint_may_be_validated_on_other_data_and_in_other_batches(tmp_path: Path, checkpoint: Path):
    trainer: Trainer = toy_trainer(tmp_path, 4)
    (scores,) = trainer.validate(
        toy_module(),
        datamodule=ToneData(tmp_path, batch_size=6, seed=1, validation=3),
        ckpt_path=checkpoint,
        verbose=False,
    )
    assert scores["validation/loss"] > 0
