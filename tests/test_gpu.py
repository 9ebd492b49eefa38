"""What a GPU must not change: results beside those of the CPU, and a training that goes on where it was stopped."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from conftest import BACKBONE
from toy_training import ToneData, Trace, toy_module, toy_trainer
from uat_lightning.app.way import MethodName, chosen_method
from uat_lightning.backbone import DualStreamTransformer, Isolated, SourceLatents
from uat_lightning.sampling import Euler, Guidance
from uat_lightning.sampling.editing import EditingMethod, FlowEdit, VelocityDifference
from uat_lightning.tasks import BothDirections, Caption, ChosenCaption, Decoded, Edit, Generate, Imagine, Parts, Score
from uat_lightning.tasks.edit import Source

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
CAPTIONS = ["a bell rings", "rain", "a dog barks, then wind"]
SECONDS = [1.0, 0.4, 0.7]
METHODS = [chosen_method(name, None) for name in get_args(MethodName)]


@pytest.fixture
def both(tiny_codec, tiny_tokenizer) -> tuple[Parts, Parts]:
    """Return a model that edits, generates and captions, on the CPU and on the GPU."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = DualStreamTransformer(**BACKBONE, coupling=Isolated(), source=SourceLatents())
        for weight in backbone.parameters():
            torch.nn.init.normal_(weight, std=0.1)
    here = Parts(backbone.eval(), tiny_codec, tiny_tokenizer)
    return here, replace(here, backbone=copy.deepcopy(backbone).cuda(), codec=copy.deepcopy(tiny_codec).cuda())


def sounds() -> list[Tensor]:
    drawn = torch.Generator().manual_seed(1)
    return [0.2 * torch.randn(1, round(16_000 * seconds), generator=drawn) for seconds in SECONDS]


def latents(parts: Parts, made: list[Tensor]) -> Tensor:
    """Return latents of sounds, on the CPU: phases may part where spectra agree."""
    return parts.listen(made).values.cpu()


def same(here: Tensor, there: Tensor) -> None:
    torch.testing.assert_close(here, there.cpu(), rtol=1e-2, atol=1e-2)


def test_generation_is_that_of_the_cpu(both: tuple[Parts, Parts]):
    here, there = (Generate(Euler(4), Guidance(2.0)).run(parts, CAPTIONS, SECONDS, seed=3) for parts in both)
    assert [made.device.type for made in there] == ["cpu"] * 3
    same(latents(both[0], here), latents(both[0], there))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_edits_are_those_of_the_cpu(both: tuple[Parts, Parts], method: EditingMethod):
    wanted = [Source(audio, target, "wind") for audio, target in zip(sounds(), CAPTIONS, strict=True)]
    task = Edit(method, Euler(4), Guidance(2.0), rendering=Decoded())
    here, there = ([edited.audio for edited in task.edit(parts, wanted, seed=3)] for parts in both)
    same(latents(both[0], here), latents(both[0], there))


def test_what_changed_is_found_and_pasted_there(both: tuple[Parts, Parts]):
    task = Edit(FlowEdit(0.9), Euler(4), Guidance(2.0), finder=VelocityDifference(), window=0.5)
    made = task.edit(both[1], [Source(audio, "rain", "wind") for audio in sounds()])
    for edited, source in zip(made, sounds(), strict=True):
        assert edited.audio.shape == source.shape
        assert edited.audio.isfinite().all()


def test_captions_and_their_scores_are_those_of_the_cpu(both: tuple[Parts, Parts]):
    for task in (Caption(), ChosenCaption(candidates=3)):
        here, there = (task.run(parts, sounds(), seed=1) for parts in both)
        assert here == there
    for score in (Score(strata=4), BothDirections(strata=4)):
        here, there = (score.run(parts, sounds(), CAPTIONS) for parts in both)
        torch.testing.assert_close(here, there, rtol=1e-3, atol=1e-2)


def test_audio_and_caption_come_from_nothing_there(both: tuple[Parts, Parts]):
    waveforms, captions = Imagine(4).run(both[1], SECONDS, seed=1)
    assert len(captions) == len(SECONDS)
    assert all(waveform.isfinite().all() for waveform in waveforms)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_resumed_training_is_the_uninterrupted_one(tmp_path: Path, precision: str):
    settings = {"accelerator": "gpu", "precision": precision}
    keep = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    whole, rest = Trace(), Trace()
    trainer = toy_trainer(tmp_path, 8, whole, keep, enable_checkpointing=True, **settings)
    trainer.fit(toy_module(), datamodule=ToneData(tmp_path))
    again = toy_trainer(tmp_path, 8, rest, **settings)
    again.fit(toy_module(), datamodule=ToneData(tmp_path), ckpt_path=tmp_path / "step=4.ckpt", weights_only=True)
    assert rest.losses == whole.losses[4:]
    assert rest.rows == whole.rows[4:]


def test_the_first_losses_are_those_of_the_cpu(tmp_path: Path):
    traces = Trace(), Trace()
    for trace, accelerator in zip(traces, ("cpu", "gpu"), strict=True):
        toy_trainer(tmp_path, 4, trace, accelerator=accelerator).fit(toy_module(), datamodule=ToneData(tmp_path))
    assert traces[0].rows == traces[1].rows
    assert traces[0].losses == pytest.approx(traces[1].losses, rel=1e-3)
