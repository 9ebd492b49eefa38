from __future__ import annotations

import math

import pytest
import torch
from lightning.pytorch import Callback

from toy_training import CANVAS, VOCABULARY, WIDTH, ToneData, toy_module, toy_trainer
from uat_lightning.backbone import Backwards, DualStreamTransformer, Isolated
from uat_lightning.callbacks import CaptionLikelihood
from uat_lightning.diffusion import Conditional, LogitNormal, NextToken, RectifiedFlow, Uniform
from uat_lightning.module import UATModule
from uat_lightning.types import Pair


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


def test_a_model_of_the_next_token_has_its_own_likelihood_whatever_is_drawn(tmp_path):
    torch.manual_seed(0)
    backbone = DualStreamTransformer(WIDTH, VOCABULARY, CANVAS, 16, 1, 2, coupling=Isolated(), sight=Backwards())
    for weight in backbone.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    square = Conditional(LogitNormal(), Uniform(), drop_audio=0.0)
    module = UATModule(backbone, RectifiedFlow(), NextToken(), square)
    trainer, data = toy_trainer(tmp_path, 1), ToneData(tmp_path / "cache")
    trainer.callbacks += (CaptionLikelihood(seed=3), EveryRow())
    trainer.validate(module, datamodule=data, verbose=False)
    found, rows = trainer.callback_metrics, trainer.callbacks[-1]
    assert float(found["validation/nelbo"]) == pytest.approx(sum(rows.nats) / sum(rows.tokens), rel=1e-5)
    assert float(found["validation/nelbo_caption"]) == pytest.approx(sum(rows.nats) / len(rows.nats), rel=1e-5)


class EveryRow(Callback):
    """Sums every caption's nats by hand."""

    def __init__(self) -> None:
        self.nats: list[float] = []
        self.tokens: list[int] = []

    @torch.no_grad()
    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0) -> None:
        audio, text = (side.take(~batch.generation) for side in batch.clean)
        ones = torch.ones(len(text))
        seen = NextToken().corrupt(text, ones)
        loss = NextToken().loss(pl_module.backbone(Pair(audio, seen.noisy), Pair(0 * ones, ones)).text, seen)
        self.nats += (loss * text.lengths).tolist()
        self.tokens += text.lengths.tolist()
