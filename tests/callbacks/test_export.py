from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback
from safetensors.torch import load_file

from toy_training import ToneData, toy_module, toy_trainer
from uat_lightning.callbacks import EMA, ExportPipeline
from uat_lightning.callbacks.export import check_folder, trained_pipeline, trained_process
from uat_lightning.diffusion import RectifiedFlow, VPCosine
from uat_lightning.pipeline import UATPipeline
from uat_lightning.types import Pair


class StopAt(Callback):
    """Raises something after the second step."""

    def __init__(self, exception: BaseException) -> None:
        self.exception = exception

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if trainer.global_step == 2:
            raise self.exception


def train(tmp_path: Path, *callbacks: Callback, **settings):
    module, trainer = toy_module(), toy_trainer(tmp_path, 3, *callbacks, **settings)
    trainer.fit(module, datamodule=ToneData(tmp_path / "cache"))
    return module, trainer


def exported(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_the_averaged_weights_are_saved_and_training_keeps_the_raw_ones(tmp_path):
    module, trainer = train(tmp_path, ExportPipeline(str(tmp_path / "model")))
    (average,) = (callback.average for callback in trainer.callbacks if isinstance(callback, EMA))
    raw = dict(module.backbone.named_parameters())
    for name, weight in exported(tmp_path / "model").items():
        assert weight.equal(average[f"backbone.{name}"])
    assert any(not weight.equal(raw[name]) for name, weight in exported(tmp_path / "model").items())


def test_the_folder_is_a_whole_pipeline(tmp_path):
    train(tmp_path, ExportPipeline(str(tmp_path / "new/model")))
    pipeline = UATPipeline.from_pretrained(tmp_path / "new/model")
    assert pipeline.generate("tone number 3", 0.5)[0].isfinite().all()
    assert isinstance(pipeline.caption(pipeline.generate("tone number 3", 0.5))[0], str)


def test_a_keyboard_stop_saves_the_model_as_far_as_it_came(tmp_path):
    with pytest.raises(SystemExit):
        train(tmp_path, StopAt(KeyboardInterrupt()), ExportPipeline(str(tmp_path / "model")))
    assert exported(tmp_path / "model")


def test_the_end_of_the_time_saves_the_model(tmp_path):
    train(tmp_path, ExportPipeline(str(tmp_path / "model")), max_time={"seconds": 0})
    assert exported(tmp_path / "model")


def test_an_error_leaves_the_model_that_was_there(tmp_path):
    train(tmp_path, ExportPipeline(str(tmp_path / "model")))
    before = (tmp_path / "model/model.safetensors").read_bytes()
    with pytest.raises(RuntimeError, match="fell over"):
        train(tmp_path, StopAt(RuntimeError("fell over")), ExportPipeline(str(tmp_path / "model")))
    assert (tmp_path / "model/model.safetensors").read_bytes() == before


def test_a_trial_run_saves_nothing(tmp_path):
    train(tmp_path, ExportPipeline(str(tmp_path / "model")), fast_dev_run=1)
    assert not (tmp_path / "model").exists()


def test_a_wrong_folder_is_refused_before_training(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/cat.jpg").touch()
    module, trainer = toy_module(), toy_trainer(tmp_path, 3, ExportPipeline(str(tmp_path / "photos")))
    with pytest.raises(ValueError, match="photos holds something else than a model"):
        trainer.fit(module, datamodule=ToneData(tmp_path / "cache"))
    assert trainer.global_step == 0
    with pytest.raises(ValueError, match="cannot write a model to"):
        check_folder(tmp_path / "photos/cat.jpg/model")


def test_a_module_without_the_parts_is_told_so(tmp_path):
    module, trainer = train(tmp_path)
    module.backbone = torch.nn.Linear(1, 1)
    with pytest.raises(ValueError, match="a module with a backbone"):
        trained_pipeline(trainer, module)


def test_the_process_of_the_training_is_saved_and_a_foreign_one_is_told(tmp_path):
    module = toy_module()
    module.objectives = Pair(VPCosine(), module.objectives.text)
    assert type(trained_process(module)) is VPCosine
    module.objectives = Pair(module.objectives.text, module.objectives.text)
    with pytest.warns(UserWarning, match="MaskedAbsorbing is no ContinuousProcess"):
        assert type(trained_process(module)) is RectifiedFlow
