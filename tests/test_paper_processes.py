"""The paper's processes in training: from the command line, and resumed while the noise levels move."""

from __future__ import annotations

from pathlib import Path

import torch
import yaml
from lightning.pytorch.callbacks import ModelCheckpoint

from test_resume import config
from toy_training import ToneData, Trace, toy_module, toy_trainer
from uat_lightning.cli import main
from uat_lightning.diffusion import (
    Annealed,
    Antithetic,
    Conditional,
    LogitNormal,
    MaskedBernoulli,
    ShiftedByLength,
    Uniform,
    VPCosine,
)
from uat_lightning.module import UATModule
from uat_lightning.pipeline import UATPipeline
from uat_lightning.types import Pair


def paper_module() -> UATModule:
    module = toy_module()
    module.objectives = Pair(VPCosine(), MaskedBernoulli())
    audio = ShiftedByLength(Annealed(LogitNormal(), Uniform(), steps=6), reference=8)
    module.square = Conditional(audio, Antithetic(Uniform()))
    return module


def test_a_run_resumed_while_its_noise_levels_move_is_the_uninterrupted_one(tmp_path: Path):
    keep, whole = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1), Trace()
    toy_trainer(tmp_path, 7, whole, keep, enable_checkpointing=True).fit(paper_module(), datamodule=ToneData(tmp_path))
    torch.manual_seed(999)
    trace = Trace()
    toy_trainer(tmp_path, 7, trace).fit(
        paper_module(), datamodule=ToneData(tmp_path), ckpt_path=tmp_path / "step=3.ckpt"
    )
    assert trace.losses == whole.losses[3:]
    assert len(set(whole.losses)) == 7


def test_the_papers_processes_are_named_in_yaml_train_and_are_saved_with_the_model(tmp_path: Path):
    file = config(tmp_path / "run", tmp_path / "cache", steps=2)
    settings = yaml.safe_load(file.read_text())
    part = lambda name, **init_args: {"class_path": f"uat_lightning.{name}", "init_args": init_args}  # noqa: E731
    model = settings["model"]["init_args"]
    model |= {"audio": part("diffusion.VPCosine"), "text": part("diffusion.MaskedBernoulli", eps=0.01)}
    annealed = part(
        "diffusion.Annealed", first=part("diffusion.LogitNormal"), last=part("diffusion.Uniform"), steps=100
    )
    square = model["square"]["init_args"]
    square |= {"audio": annealed, "text": part("diffusion.Antithetic", levels=part("diffusion.Uniform"))}
    callbacks = settings["trainer"]["callbacks"]
    callbacks[2:] = [part("callbacks.CaptionLikelihood"), part("callbacks.ExportPipeline", folder=f"{tmp_path}/model")]
    file.write_text(yaml.safe_dump(settings))
    main(["fit", "--config", str(file)])
    pipeline = UATPipeline.from_pretrained(tmp_path / "model")
    assert type(pipeline.parts.process) is VPCosine
    assert pipeline.generate("rain", 0.5)[0].isfinite().all()
