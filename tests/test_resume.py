from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from conftest import BACKBONE, CODEC, TOKENIZER
from processes import start
from toy_training import KillAt, ToneData, Trace, TraceFile, toy_module, toy_trainer
from uat_lightning.callbacks import EMA
from uat_lightning.cli import main
from uat_lightning.module import UATModule

STEPS = 12  # of an epoch of five


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    return one == other


def state(trainer: Trainer, module: LightningModule) -> dict[str, Any]:
    (average,) = (callback for callback in trainer.callbacks if isinstance(callback, EMA))
    return {
        "weights": module.state_dict(),
        "average": average.average,
        "updates": average.updates,
        "optimizer": trainer.optimizers[0].state_dict(),
        "schedule": trainer.lr_scheduler_configs[0].scheduler.state_dict(),
        "step": trainer.global_step,
        "epoch": trainer.current_epoch,
    }


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trace, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("whole")
    keep = ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1)
    trace, module = Trace(), toy_module()
    trainer = toy_trainer(folder, STEPS, trace, keep, enable_checkpointing=True)
    trainer.fit(module, datamodule=ToneData(folder))
    return folder, trace, state(trainer, module)


@pytest.mark.parametrize("stopped", [1, 3, 5, 7, 10])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(uninterrupted, tmp_path: Path, stopped: int):
    folder, whole, end = uninterrupted
    torch.manual_seed(999)
    trace, module = Trace(), toy_module()
    for weight in module.parameters():
        torch.nn.init.normal_(weight)
    trainer = toy_trainer(tmp_path, STEPS, trace)
    trainer.fit(module, datamodule=ToneData(tmp_path), ckpt_path=folder / f"step={stopped}.ckpt")
    assert trace.losses == whole.losses[stopped:]
    assert trace.rows == whole.rows[stopped:]
    assert trace.validation == whole.validation[len(whole.validation) - len(trace.validation) :]
    for name, value in state(trainer, module).items():
        assert equal(value, end[name]), name


def test_the_trace_tells_steps_apart(uninterrupted):
    _, whole, _ = uninterrupted
    assert len(whole.losses) == STEPS == len(set(whole.losses))
    assert len(whole.validation) == 2
    assert len({tuple(rows) for rows in whole.rows}) == STEPS


def test_a_checkpoint_made_in_python_is_read_without_unpickling(uninterrupted):
    folder, _, end = uninterrupted
    saved = torch.load(folder / "step=12.ckpt", weights_only=True)
    assert "hyper_parameters" not in saved
    like = toy_module()
    parts = {"backbone": like.backbone, "audio": like.objectives.audio, "text": like.objectives.text}
    loaded = UATModule.load_from_checkpoint(folder / "step=12.ckpt", square=like.square, **parts)
    assert equal(dict(loaded.named_parameters()), end["average"])


# The same through the command line, with a process that is killed.


def config(folder: Path, cache: Path, steps: int = 10) -> Path:
    part = lambda path, **init_args: {"class_path": path, "init_args": init_args}  # noqa: E731
    data = {
        "train_clips": 8,
        "validation_clips": 2,
        "test_clips": 2,
        "shortest": 1.0,
        "longest": 1.2,
        "batch_size": 4,
        "workers": 0,
    }
    settings = {
        "seed_everything": 0,
        "trainer": {
            "max_steps": steps,
            "accelerator": "cpu",
            "devices": 1,
            "logger": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "default_root_dir": str(folder),
            "callbacks": [
                part("uat_lightning.callbacks.RankSeed"),
                part("uat_lightning.callbacks.EMA", decay=0.9),
                part(
                    "lightning.pytorch.callbacks.ModelCheckpoint",
                    dirpath=str(folder / "checkpoints"),
                    every_n_train_steps=3,
                    save_last=True,
                ),
                part("toy_training.TraceFile", file=str(folder / "trace.txt")),
            ],
        },
        "model": part(
            "uat_lightning.module.UATModule",
            backbone=part("uat_lightning.backbone.DualStreamTransformer", **BACKBONE),
            audio=part("uat_lightning.diffusion.RectifiedFlow"),
            text=part("uat_lightning.diffusion.MaskedAbsorbing"),
            square=part(
                "uat_lightning.diffusion.Conditional",
                audio=part("uat_lightning.diffusion.LogitNormal"),
                text=part("uat_lightning.diffusion.Uniform"),
            ),
            optimizer=part("torch.optim.AdamW", lr=0.01),
            scheduler=part("uat_lightning.learning_rate.WarmupCosine", warmup=2, steps=steps),
        ),
        "data": part(
            "uat_lightning.data.soundscapes.datamodule.SoundscapesDataModule",
            codec=part("uat_lightning.codec.MelCodec", **CODEC),
            tokenizer=part("uat_lightning.text.BytePairTokenizer", **TOKENIZER),
            cache=str(cache),
            **data,
        ),
    }
    folder.mkdir()
    (folder / "run.yaml").write_text(yaml.safe_dump(settings))
    return folder / "run.yaml"  # not config.yaml: that is what the command line writes there


def killed(folder: Path, file: Path, step: int) -> None:
    killer = f"--trainer.callbacks+=toy_training.KillAt --trainer.callbacks.step={step}".split()
    running = start("fit", "--config", str(file), *killer, folder=folder)
    assert running.wait() == -signal.SIGKILL, running.read("stderr")


@pytest.mark.slow
def test_killed_in_mid_epoch_the_same_command_goes_on_bit_for_bit(tmp_path: Path):
    whole, cut = (config(tmp_path / name, tmp_path / "cache") for name in ("whole", "cut"))
    main(["fit", "--config", str(whole)])
    killed(cut.parent, cut, step=7)
    before = TraceFile.read(cut.parent / "trace.txt")
    assert max(before) == 7
    main(["fit", "--config", str(cut), "--ckpt_path", "last"])
    assert TraceFile.read(cut.parent / "trace.txt") == TraceFile.read(whole.parent / "trace.txt")
    ends = [torch.load(file.parent / "checkpoints" / "last.ckpt", weights_only=True) for file in (whole, cut)]
    for name in ("state_dict", "raw_parameters", "optimizer_states", "lr_schedulers", "global_step"):
        assert equal(ends[0][name], ends[1][name]), name
    assert KillAt(7).step == 7


def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before(uninterrupted, tmp_path: Path, monkeypatch):
    """What is written under another name first cannot be half there under its own."""
    folder, _, _ = uninterrupted
    last = tmp_path / "last.ckpt"
    trainer = toy_trainer(tmp_path, 1)
    trainer.strategy.save_checkpoint({"step": 1}, last)
    whole = last.read_bytes()

    def torn(*_: object, **__: object) -> None:
        assert last.read_bytes() == whole
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.move", torn)
    with pytest.raises(KeyboardInterrupt):
        trainer.strategy.save_checkpoint({"step": 2}, last)
    assert torch.load(last, weights_only=True) == {"step": 1}
    assert folder.exists()
