from __future__ import annotations

import gc
import hashlib
import json
import os
import subprocess
import sys
import tracemalloc
from itertools import chain, islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from toy_training import CANVAS, VOCABULARY, WIDTH, ToneCorpus, ToneData, Tones, toy_module, toy_trainer
from uat_lightning.codec import MelCodec
from uat_lightning.data.audio_text import Share
from uat_lightning.data.buckets import QuantileBuckets
from uat_lightning.data.planned import PlannedDataModule, WeightedStore
from uat_lightning.data.store import EncodedClip, LatentStore
from uat_lightning.text import BytePairTokenizer
from uat_lightning.types import Batch

STEPS, EPOCH = 50, 17
MIXED = {"captions": 2, "batch_size": 8, "seed": 3, "epoch_steps": EPOCH, "longest_seconds": 0.128}


class ShardedStore(LatentStore):
    """A packed store that says it lies in shards of four clips."""

    @property
    def shard_offsets(self) -> np.ndarray:
        return np.append(np.arange(0, len(self), 4), len(self))


class Encoded(PlannedDataModule):
    """Serves stores that were encoded elsewhere: two sources, one of them in shards."""

    def __init__(self, sharded: bool = False, **settings) -> None:
        codec = MelCodec(latent_width=WIDTH, mel_bands=16, window=512, mel_hop=256, patch=4, iterations=2)
        super().__init__(codec, BytePairTokenizer(CANVAS, VOCABULARY), **{**MIXED, **settings})
        self.kind = ShardedStore if sharded else LatentStore

    def stores(self) -> dict[str, dict[str, WeightedStore]]:
        few, many = (self.kind.pack(clips(count, count)) for count in (20, 52))
        return {"train": {"few": WeightedStore(few, 3.0, 1.0), "many": WeightedStore(many, 1.0, 3.0)}}


def clips(count: int, seed: int) -> list[EncodedClip]:
    random = np.random.default_rng(seed)
    return [
        EncodedClip(
            random.standard_normal((int(frames), WIDTH)).astype(np.float32),
            [random.integers(3, VOCABULARY, 5) for _ in range(random.integers(1, 4))],
        )
        for frames in random.integers(1, 9, count)
    ]


KINDS = {
    "plain": {},
    "lanes": {"sharded": True, "lanes": 4, "window": 2},
    "buckets": {"buckets": QuantileBuckets(3)},
}


def rows_of(batch: Batch) -> list[str]:
    """Return what tells each row's audio, text, further captions and direction from others', without its padding."""
    further = [] if batch.further is None else [batch.further.values]
    heard, rows = iter(range(len(batch))), []
    for row, generation in enumerate(batch.generation.tolist()):
        frames = int(batch.clean.audio.lengths[row])
        parts = [batch.clean.audio.values[row, :frames], batch.clean.text.values[row]]
        parts += [values[next(heard)] for values in further if not generation]
        content = b"".join(part.contiguous().numpy().tobytes() for part in parts)
        rows.append(hashlib.sha256(content + bytes([generation])).hexdigest()[:12])
    return rows


def loaded(rank: int = 0, world_size: int = 1, **settings) -> Encoded:
    data = Encoded(**settings)
    data.setup("fit")
    progress = SimpleNamespace(total=SimpleNamespace(processed=0))
    loops = SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=progress))
    data.trainer = SimpleNamespace(
        global_rank=rank,
        world_size=world_size,
        fit_loop=loops,
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )
    return data


def epoch(data: Encoded) -> list[list[str]]:
    return [rows_of(batch) for batch in data.train_dataloader()]


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


# Resuming, through the Trainer.


class OneWeight(LightningModule):
    """The least that trains."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        return (self.weight - batch.clean.audio.values.mean()) ** 2

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class AsksForSteps(OneWeight):
    """Makes Lightning set the loader up before it has restored its own progress (Lightning issue 20550)."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        assert self.trainer.estimated_stepping_batches > 0
        assert self.trainer.train_dataloader is not None
        return super().configure_optimizers()


class Seen(Callback):
    """Remembers the rows of every batch."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.rows.append(rows_of(batch))


def fitted(
    folder: Path, data: PlannedDataModule, module: OneWeight, checkpoint: Path | None = None, **settings
) -> Seen:
    seen = Seen()
    usual = {
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "use_distributed_sampler": False,
    }
    keep = ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1)
    saving = {"callbacks": [seen] if checkpoint else [seen, keep], "enable_checkpointing": checkpoint is None}
    trainer = Trainer(default_root_dir=folder, **{**usual, **saving, **settings})
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint)
    return seen


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[str]]]:
    folder = tmp_path_factory.mktemp("whole")
    return folder, fitted(folder, Encoded(**KINDS["lanes"]), OneWeight(), max_steps=STEPS).rows


def test_fifty_steps_are_three_epochs_and_all_different(whole):
    _, rows = whole
    assert len(rows) == len({tuple(row) for row in rows}) == STEPS > 2 * EPOCH


@pytest.mark.slow
@pytest.mark.parametrize("stopped", range(1, STEPS))
def test_a_run_resumed_after_any_step_goes_on_with_the_next(whole, tmp_path: Path, stopped: int):
    folder, rows = whole
    data, checkpoint = Encoded(**KINDS["lanes"]), folder / f"step={stopped}.ckpt"
    assert fitted(tmp_path, data, OneWeight(), checkpoint, max_steps=STEPS).rows == rows[stopped:]


@pytest.mark.parametrize("stopped", [5, EPOCH, EPOCH + 1, 49])
@pytest.mark.parametrize("workers", [0, 2])
def test_resuming_survives_a_loader_that_is_asked_before_the_progress_is_back(whole, tmp_path: Path, stopped, workers):
    folder, rows = whole
    data, checkpoint = Encoded(loader_workers=workers, **KINDS["lanes"]), folder / f"step={stopped}.ckpt"
    again = fitted(tmp_path, data, AsksForSteps(), checkpoint, max_steps=STEPS, max_epochs=3)
    assert again.rows == rows[stopped:]


def test_with_accumulated_gradients_a_step_of_the_plan_is_a_batch(whole, tmp_path: Path):
    _, rows = whole
    three = {"accumulate_grad_batches": 3, "max_epochs": 3}
    assert fitted(tmp_path, Encoded(**KINDS["lanes"]), OneWeight(), **three).rows[:STEPS] == rows
    updates = len(list(tmp_path.glob("*.ckpt")))
    assert updates == 3 * -(-EPOCH // 3)  # the last update of an epoch is of what is left
    for update in (1, 5, 6, 7, updates - 1):
        saved = tmp_path / f"step={update}.ckpt"
        position = torch.load(saved, weights_only=True)["Encoded"]["position"]
        again = fitted(tmp_path, Encoded(**KINDS["lanes"]), AsksForSteps(), saved, **three)
        assert again.rows[: STEPS - position] == rows[position:]


class Fails(Callback):
    """Ends a run in the middle of a batch, as a full disk or a lost node does."""

    def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
        if trainer.global_step == 4:
            trainer.save_checkpoint(Path(trainer.default_root_dir, "failed.ckpt"))
            raise RuntimeError("a node was lost")


def test_a_batch_that_failed_half_way_is_taken_again(whole, tmp_path: Path):
    _, rows = whole
    with pytest.raises(RuntimeError, match="a node was lost"):
        fitted(tmp_path, Encoded(**KINDS["lanes"]), OneWeight(), callbacks=[Fails()], max_steps=STEPS)
    again = fitted(tmp_path, Encoded(**KINDS["lanes"]), OneWeight(), tmp_path / "failed.ckpt", max_steps=STEPS)
    assert again.rows[:20] == rows[4:24]


def test_a_datamodule_used_for_a_new_run_begins_anew(whole, tmp_path: Path):
    folder, rows = whole
    data = Encoded(**KINDS["lanes"])
    fitted(tmp_path, data, OneWeight(), folder / "step=49.ckpt", max_steps=STEPS)
    assert fitted(tmp_path, data, OneWeight(), max_steps=2).rows == rows[:2]


CHANGES = [
    ({"lanes": 2}, "lanes 4 -> 2"),
    ({"window": 3}, "window 2 -> 3"),
    ({"sharded": False}, "pools.few.shards 5 -> 1"),
    ({"buckets": QuantileBuckets(3)}, r"buckets\.class_path None -> "),
    ({"seed": 4}, "seed 3 -> 4"),
]


@pytest.mark.parametrize(("changes", "message"), CHANGES)
def test_a_changed_plan_is_refused_by_name(whole, changes: dict, message: str):
    folder, _ = whole
    state = torch.load(folder / "step=1.ckpt", weights_only=True)["Encoded"]
    assert (state["seed"], state["position"]) == (3, 1)
    data = Encoded(**{**KINDS["lanes"], **changes})
    data.setup("fit")
    with pytest.raises(ValueError, match=f"cannot resume, the data order changed: .*{message}"):
        data.load_state_dict(state)


# From two processes to one.

SCRIPT = """
import json, sys
from pathlib import Path
from test_planned import KINDS, Encoded, OneWeight, fitted

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    two = {"strategy": "ddp", "devices": 2, "max_steps": 20}
    module = OneWeight()
    seen = fitted(folder, Encoded(**KINDS["lanes"]), module, **two)
    (folder / f"rank{module.global_rank}.json").write_text(json.dumps(seen.rows))
"""


@pytest.mark.slow
def test_two_processes_take_what_one_would_and_one_goes_on_where_they_stopped(whole, tmp_path: Path):
    _, rows = whole
    (tmp_path / "train.py").write_text(SCRIPT)
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parent), *sys.path])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(tmp_path / "train.py"), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    ranks = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2)]
    assert [list(chain(*shares)) for shares in zip(*ranks, strict=True)] == rows[:20]
    data, checkpoint = Encoded(**KINDS["lanes"]), tmp_path / "step=13.ckpt"
    assert fitted(tmp_path, data, AsksForSteps(), checkpoint, max_steps=STEPS, max_epochs=3).rows == rows[13:]


# Mixtures of corpora.


def mixture(folder: Path, **settings) -> ToneData:
    corpora = {"few": Share(ToneCorpus(6, 0), 3.0, 1.0), "many": Share(ToneCorpus(12, 3), 1.0, 3.0)}
    return ToneData(folder, corpora=corpora, **{"batch_size": 8, **settings})


def ready(data: ToneData) -> ToneData:
    data.prepare_data()
    data.setup("fit")
    return data


def test_corpora_are_drawn_by_their_weights_in_either_direction(tmp_path: Path):
    data = ready(mixture(tmp_path))
    plan = data.plan("train")
    assert (len(data._stores["train"]), len(data._stores["validation"])) == (18, 3)
    rows = [plan.step(step) for step in range(250)]
    for side, share in ((True, 0.75), (False, 0.25)):
        drawn = np.concatenate([batch.clips[batch.generation == side] for batch in rows])
        assert np.mean(drawn < 6) == share


def test_another_corpus_leaves_the_others_encoded_where_codec_and_tokenizer_are_given(tmp_path: Path, monkeypatch):
    first = ready(mixture(tmp_path))
    read: list[int] = []
    read_one = Tones.__getitem__
    monkeypatch.setattr(Tones, "__getitem__", lambda self, index: (read.append(self.count), read_one(self, index))[1])
    codec, tokenizer = first.codec, first.tokenizer

    def given(corpora: dict[str, Share]) -> ToneData:
        data = ToneData(tmp_path, corpora=corpora)
        data.codec, data.tokenizer = codec, tokenizer
        return ready(data)

    given(first.corpora)
    read.clear()
    more = given({**first.corpora, "other": Share(ToneCorpus(4, 2))})
    assert sorted(read) == [2] * 2 + [4] * 4
    assert len(more._stores["train"]) == 22
    read.clear()
    given({"many": Share(ToneCorpus(12, 3), 5.0, 0.5)})
    assert read == []


def test_codec_and_tokenizer_are_fitted_to_the_mixture_in_proportion(tmp_path: Path, monkeypatch):
    read: list[int] = []
    read_one = Tones.__getitem__
    monkeypatch.setattr(Tones, "__getitem__", lambda self, index: (read.append(self.count), read_one(self, index))[1])
    data = mixture(tmp_path, fit_clips=4)
    monkeypatch.setattr(data, "_encode", lambda name, corpus: None)
    data.prepare_data()
    assert sorted(read) == [6, 6, 12, 12]
    read.clear()
    data = mixture(tmp_path, fit_clips=4, generation_share=1.0)
    monkeypatch.setattr(data, "_encode", lambda name, corpus: None)
    data.prepare_data()
    assert sorted(read) == [6, 6, 6, 12]


def test_the_first_corpus_with_a_split_is_shown(tmp_path: Path):
    data = mixture(tmp_path)
    assert data.split_names == ("train", "validation")
    assert (len(data.source("train")), len(data.source("validation"))) == (6, 3)
    with pytest.raises(ValueError, match="no corpus has test clips: there are train, validation"):
        data.source("test")


def test_weights_of_corpora_are_part_of_the_plan(tmp_path: Path):
    state = ready(mixture(tmp_path)).state_dict()
    corpora = {"few": Share(ToneCorpus(6, 0), 3.0, 2.0), "many": Share(ToneCorpus(12, 3), 1.0, 3.0)}
    other = ready(ToneData(tmp_path, batch_size=8, corpora=corpora, fit_clips=2000))
    with pytest.raises(ValueError, match=r"pools\.few\.captioning 1\.0 -> 2\.0"):
        other.load_state_dict(state)


def test_batches_are_of_the_clips_that_the_plan_names(tmp_path: Path):
    data = ready(mixture(tmp_path))
    source = {clip: Tones(18)[clip if clip < 6 else clip - 6].captions for clip in range(18)}
    for step, batch in enumerate(islice(data.train_dataloader(), 3)):
        for clip, ids in zip(data.plan("train").step(step).clips.tolist(), batch.clean.text.values, strict=True):
            assert ids.tolist() in data.tokenizer.encode(source[clip]).values.tolist()


def test_data_without_validation_clips_trains(tmp_path: Path):
    data = ToneData(tmp_path, corpora={"few": Share(ToneCorpus(6, 0))})
    trainer = toy_trainer(tmp_path, 4)
    trainer.fit(toy_module(), datamodule=data)
    assert trainer.global_step == 4


@pytest.mark.parametrize("corpora", [{}, {"few": Share(ToneCorpus(0, 3))}, {"few": Share(ToneCorpus(3, 0), 0.0, 0.0)}])
def test_nothing_to_train_on_is_said_before_anything_is_read(tmp_path: Path, corpora: dict[str, Share]):
    data = ToneData(tmp_path)
    data.corpora = corpora
    with pytest.raises(ValueError, match="nothing to train on"):
        data.prepare_data()


def test_a_weight_below_nothing_is_refused():
    with pytest.raises(ValueError, match="weights of a corpus are 0 or more, got -1"):
        Share(ToneCorpus(), -1.0)


def test_lanes_that_do_not_divide_the_batch_are_refused_before_anything_is_read(tmp_path: Path):
    with pytest.raises(ValueError, match="3 lanes do not divide the 4 generation and 4 captioning rows"):
        mixture(tmp_path, lanes=3)


def test_lightning_is_told_that_the_loader_can_go_on(whole, tmp_path: Path, recwarn):
    folder, _ = whole
    fitted(tmp_path, Encoded(**KINDS["lanes"]), OneWeight(), folder / "step=5.ckpt", max_steps=6)
    assert not [warning for warning in recwarn if "not resumable" in str(warning.message)]
