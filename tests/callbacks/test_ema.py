from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, LightningModule
from torch import Tensor

from toy_training import ToneData, toy_module, toy_trainer
from uat_lightning.callbacks import EMA
from uat_lightning.callbacks.ema import averaged_weights


class Weights(Callback):
    """Copies the weights after every batch, and whatever hooks inside validation see."""

    def __init__(self) -> None:
        self.raw: list[dict[str, Tensor]] = []
        self.seen: dict[str, dict[str, Tensor]] = {}

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.raw.append(copied(pl_module))

    def on_validation_epoch_start(self, trainer, pl_module) -> None:
        self.seen["epoch start"] = copied(pl_module)

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0) -> None:
        self.seen["batch end"] = copied(pl_module)

    def on_validation_epoch_end(self, trainer, pl_module) -> None:
        self.seen["epoch end"] = copied(pl_module)


def copied(module: LightningModule) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in module.named_parameters()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def trained(folder: Path, steps: int = 4, first: bool = True, module=None, **settings):
    weights, module = Weights(), module or toy_module()
    start = copied(module)
    trainer = toy_trainer(folder, steps, weights, **{"check_val_every_n_epoch": 1, **settings})
    if not first:
        trainer.callbacks.reverse()
    trainer.fit(module, datamodule=ToneData(folder, epoch_steps=steps))
    (average,) = (callback for callback in trainer.callbacks if isinstance(callback, EMA))
    return trainer, module, average, weights, start


def closed_form(start: dict[str, Tensor], raw: list[dict[str, Tensor]], decay: float) -> dict[str, Tensor]:
    average = {name: weight.double() for name, weight in start.items()}
    for step, weights in enumerate(raw, start=1):
        kept = min(decay, (1 + step) / (10 + step))
        average = {name: kept * average[name] + (1 - kept) * weights[name].double() for name in average}
    return average


def test_the_average_follows_its_formula(tmp_path: Path):
    _, _, ema, weights, start = trained(tmp_path, steps=6)
    expected = closed_form(start, weights.raw, decay=0.9)
    assert ema.updates == 6
    for name, average in ema.average.items():
        torch.testing.assert_close(average.double(), expected[name], rtol=0, atol=1e-6)
    assert any((ema.average[name] - weights.raw[-1][name]).abs().amax() > 1e-3 for name in ema.average)


def test_an_accumulated_step_counts_once(tmp_path: Path):
    _, _, ema, weights, start = trained(tmp_path, steps=3, accumulate_grad_batches=2, limit_val_batches=0)
    assert ema.updates == 3
    steps = [weights.raw[batch] for batch in (1, 2, 4)]  # an epoch of three batches ends with a step of its own
    expected = closed_form(start, steps, decay=0.9)
    for name, average in ema.average.items():
        torch.testing.assert_close(average.double(), expected[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("first", [True, False])
def test_every_hook_inside_validation_sees_the_average_and_training_goes_on_with_the_raw_weights(tmp_path: Path, first):
    _, module, ema, weights, _ = trained(tmp_path, first=first)
    assert set(weights.seen) == {"epoch start", "batch end", "epoch end"}
    assert all(equal(seen, ema.average) for seen in weights.seen.values())
    assert equal(copied(module), weights.raw[-1])
    assert not equal(copied(module), ema.average)


def test_a_checkpoint_holds_the_average_as_the_weights_and_the_raw_ones_beside_it(tmp_path: Path):
    trainer, module, ema, weights, _ = trained(tmp_path)
    trainer.save_checkpoint(tmp_path / "some.ckpt")
    saved = torch.load(tmp_path / "some.ckpt", weights_only=True)
    assert equal({name: saved["state_dict"][name] for name in ema.average}, ema.average)
    assert equal(saved["raw_parameters"], weights.raw[-1])
    assert saved["ema_updates"] == 4
    assert equal(copied(module), weights.raw[-1])


def test_a_checkpoint_written_inside_validation_holds_the_same(tmp_path: Path):
    class Saver(Callback):
        def on_validation_epoch_end(self, trainer, pl_module) -> None:
            trainer.save_checkpoint(tmp_path / "inside.ckpt")

    weights = Weights()
    trainer = toy_trainer(tmp_path, 4, weights, Saver())
    trainer.fit(toy_module(), datamodule=ToneData(tmp_path, epoch_steps=4))
    saved = torch.load(tmp_path / "inside.ckpt", weights_only=True)
    assert equal(saved["raw_parameters"], weights.raw[-1])
    assert equal({name: saved["state_dict"][name] for name in weights.raw[-1]}, weights.seen["epoch end"])


def test_validating_a_checkpoint_uses_the_average_as_it_is(tmp_path: Path):
    trainer, _, ema, _, _ = trained(tmp_path)
    trainer.save_checkpoint(tmp_path / "some.ckpt")
    weights = Weights()
    fresh = toy_trainer(tmp_path, 4, weights)
    fresh.validate(toy_module(), datamodule=ToneData(tmp_path), ckpt_path=tmp_path / "some.ckpt", verbose=False)
    assert equal(weights.seen["batch end"], ema.average)


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_an_exception_in_validation_leaves_the_raw_weights_in_place(tmp_path: Path, error: BaseException):
    class Breaker(Callback):
        def on_validation_batch_start(self, *args, **kwargs) -> None:
            raise error

    weights, module = Weights(), toy_module()
    trainer = toy_trainer(tmp_path, 4, weights, Breaker())
    with pytest.raises((RuntimeError, SystemExit, KeyboardInterrupt)):
        trainer.fit(module, datamodule=ToneData(tmp_path, epoch_steps=4))
    assert equal(copied(module), weights.raw[-1])


def test_frozen_parameters_are_not_copied(tmp_path: Path):
    module = toy_module()
    module.backbone.text_in.requires_grad_(False)
    _, _, ema, _, _ = trained(tmp_path, module=module)
    assert "backbone.text_in.weight" not in ema.average
    assert len(ema.average) == len(list(module.parameters())) - 1


def test_the_average_can_be_borrowed_for_a_while(tmp_path: Path):
    trainer, module, ema, weights, _ = trained(tmp_path)
    average = {name: value.clone() for name, value in ema.average.items()}
    with averaged_weights(trainer, module):
        assert equal(copied(module), average)
    assert equal(copied(module), weights.raw[-1])
    with pytest.raises(RuntimeError), averaged_weights(trainer, module):
        raise RuntimeError
    assert equal(copied(module), weights.raw[-1])


def test_without_an_average_the_weights_are_borrowed_as_they_are(tmp_path: Path):
    module = toy_module()
    before = copied(module)
    trainer = toy_trainer(tmp_path, 1)
    trainer.callbacks = [callback for callback in trainer.callbacks if not isinstance(callback, EMA)]
    with averaged_weights(trainer, module):
        assert equal(copied(module), before)
