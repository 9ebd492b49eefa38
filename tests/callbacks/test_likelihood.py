from __future__ import annotations

import math

import pytest
import torch

from toy_training import ToneData, toy_module, toy_trainer
from uat_lightning.callbacks import CaptionLikelihood


def figures(tmp_path, *callbacks, seed: int = 0) -> dict[str, float]:
    torch.manual_seed(seed)
    trainer = toy_trainer(tmp_path, 1)
    trainer.callbacks += callbacks
    trainer.validate(toy_module(), datamodule=ToneData(tmp_path / "cache"), verbose=False)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def test_the_nelbo_is_logged_and_repeats_whatever_the_random_state(tmp_path):
    seen = figures(tmp_path, CaptionLikelihood())
    assert math.isfinite(seen["validation/nelbo"])
    assert 0 < seen["validation/nelbo"] < 2 * math.log(64)
    assert seen["validation/nelbo_caption"] > seen["validation/nelbo"]
    assert figures(tmp_path, CaptionLikelihood(), seed=7)["validation/nelbo"] == seen["validation/nelbo"]


def test_it_changes_nothing_else(tmp_path):
    seen, without = figures(tmp_path, CaptionLikelihood()), figures(tmp_path)
    assert {name: value for name, value in seen.items() if "nelbo" not in name} == pytest.approx(without, abs=0)


def test_an_untrained_model_of_no_opinion_costs_the_log_of_the_vocabulary(tmp_path):
    class Flat(CaptionLikelihood):
        def on_validation_epoch_start(self, trainer, pl_module):
            super().on_validation_epoch_start(trainer, pl_module)
            for weight in pl_module.backbone.text_head.parameters():
                weight.data.zero_()

    assert figures(tmp_path, Flat())["validation/nelbo"] == pytest.approx(math.log(64), rel=1e-5)
