from __future__ import annotations

import json

import pytest
import soundfile
import torch
from lightning.pytorch import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from toy_training import ToneData, Tones, toy_module, toy_trainer
from uat_lightning.callbacks import SampleTasks, ShowCaptioned, ShowEdited, ShowGenerated
from uat_lightning.callbacks.samples import share
from uat_lightning.callbacks.shown import first_usable
from uat_lightning.callbacks.spectrogram import picture
from uat_lightning.sampling import Euler
from uat_lightning.sampling.editing import SDEdit
from uat_lightning.tasks import Edit, Generate, Parts

PROMPTS = ["tone number 3", "tone again", "tone number 5"]


def tasks():
    return {
        "generated": ShowGenerated(PROMPTS, 0.5, Generate(Euler(2))),
        "edited": ShowEdited(["tone number 9", "tone again"], task=Edit(SDEdit(0.5), Euler(2))),
        "captioned": ShowCaptioned(2),
    }


class WeightSeen(Callback):
    """Remembers a weight at the moment that samples are made, and its average."""

    def on_validation_epoch_end(self, trainer, pl_module) -> None:
        self.seen = pl_module.backbone.audio_in.weight.detach().clone()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.raw = pl_module.backbone.audio_in.weight.detach().clone()


def train(tmp_path, samples, *callbacks, steps=2, **settings):
    logger = TensorBoardLogger(tmp_path, name="", version="")
    trainer = toy_trainer(tmp_path, steps, samples, *callbacks, logger=logger, **settings)
    trainer.fit(toy_module(), datamodule=ToneData(tmp_path / "cache", epoch_steps=2))
    return trainer


def test_sounds_and_captions_are_written(tmp_path):
    train(tmp_path, SampleTasks(tasks()))
    folder = tmp_path / "samples/step-000002"
    lines = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    assert [line["audio"] for line in lines] == [
        *(f"generated-{row}.wav" for row in range(3)),
        *(f"edited-{row}.wav" for row in range(2)),
        *(f"captioned-{row}.wav" for row in range(2)),
    ]
    assert [line["text"] for line in lines[:5]] == [*PROMPTS, "tone number 9", "tone again"]
    assert [line["truth"] for line in lines[3:]] == ["tone number 0", "tone number 1"] * 2
    assert soundfile.info(folder / "generated-2.wav").frames == 8000
    sources = [soundfile.info(folder / f"edited-{row}-source.wav").frames for row in range(2)]
    assert sources == [soundfile.info(folder / f"edited-{row}.wav").frames for row in range(2)] == [6000, 7000]


def test_tensorboard_has_sounds_pictures_and_captions(tmp_path):
    train(tmp_path, SampleTasks(tasks()))
    board = EventAccumulator(str(tmp_path)).Reload()
    names = {"samples/generated-0", "samples/edited-1", "samples/edited-1-source", "samples/captioned-1"}
    assert names <= set(board.Tags()["audio"])
    assert names <= set(board.Tags()["images"])
    (sound,) = board.Audio("samples/generated-0")
    assert (sound.sample_rate, sound.length_frames, sound.step) == (16_000, 8000, 2)
    (text,) = board.Tensors("samples/generated-0/text_summary")
    assert text.tensor_proto.string_val == [b"tone number 3"]


def test_the_averaged_weights_are_heard(tmp_path):
    weights = WeightSeen()
    train(tmp_path, SampleTasks(tasks()), weights)
    assert not weights.seen.equal(weights.raw)


def test_the_sanity_check_shows_nothing_and_validations_are_counted(tmp_path):
    samples = SampleTasks({"captioned": ShowCaptioned(1)}, every_n_validations=2)
    train(tmp_path, samples, steps=8, num_sanity_val_steps=1)
    assert sorted(folder.name for folder in (tmp_path / "samples").iterdir()) == ["step-000004", "step-000008"]
    again = SampleTasks({}, every_n_validations=2)
    again.load_state_dict(samples.state_dict())
    assert again.validations == 4


def test_a_trial_run_does_the_tasks_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = []
    task = ShowCaptioned(1)
    monkeypatch.setattr(task, "show", lambda *args: shown.append(args) or [])
    train(tmp_path, SampleTasks({"captioned": task}), fast_dev_run=1)
    assert len(shown) == 1
    assert not list(tmp_path.rglob("samples*"))


def test_a_prompt_that_does_not_fit_is_refused_before_training(tmp_path):
    long = " ".join(["tone"] * 20)
    for task in (ShowGenerated([long]), ShowEdited([long])):
        with pytest.raises(ValueError, match="too long for the 7 that fit"):
            train(tmp_path, SampleTasks({"task": task}))
    assert not (tmp_path / "samples").exists()


def test_validations_are_counted_from_one():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        SampleTasks({}, every_n_validations=0)


@pytest.mark.parametrize(("count", "ranks"), [(5, 2), (1, 3), (4, 4), (0, 2)])
def test_processes_share_every_row_once(count, ranks):
    assert [row for rank in range(ranks) for row in share(count, rank, ranks)] == list(range(count))


@pytest.mark.parametrize("name", ["generated", "edited", "captioned"])
def test_a_sample_does_not_depend_on_who_makes_it(name, tiny_parts):
    task = {
        "generated": ShowGenerated(["a bell rings", "rain falls", "wind"], 0.5, Generate(Euler(2))),
        "edited": ShowEdited(["a bell rings", "rain falls", "wind"], task=Edit(SDEdit(0.5), Euler(2))),
        "captioned": ShowCaptioned(3),
    }[name]
    together = task.show(tiny_parts, Tones(5, broken=(1,)), range(3), 7)
    apart = [task.show(tiny_parts, Tones(5, broken=(1,)), range(row, row + 1), 7)[0] for row in range(3)]
    for one, other in zip(together, apart, strict=True):
        assert (one.text, one.truth) == (other.text, other.truth)
        torch.testing.assert_close(one.audio, other.audio, atol=1e-3, rtol=1e-3)


def test_unusable_clips_are_passed_over_and_missing_ones_missed():
    clips = Tones(4, broken=(0, 2))
    assert [clip.uid for clip in first_usable(clips, range(2))] == ["tone-1", "tone-3"]
    assert [clip.uid for clip in first_usable(clips, range(1, 5))] == ["tone-3"]


def test_long_clips_are_cut(tiny_parts: Parts):
    (sample,) = ShowCaptioned(1, longest=0.25).show(tiny_parts, Tones(1), range(1), 0)
    assert sample.audio.shape == (1, 4000)


@pytest.mark.parametrize("sample_rate", [16_000, 44_100])
def test_a_picture_shows_high_tones_above_low_ones(sample_rate):
    time = torch.arange(sample_rate) / sample_rate
    low, high = (picture(torch.sin(2 * torch.pi * pitch * time)[None], sample_rate) for pitch in (200, 5000))
    assert low.shape == (3, 80, high.shape[2])
    assert low.min() >= 0
    assert high.max() <= 1
    assert low.sum(0).mean(1).argmax() > high.sum(0).mean(1).argmax()


def test_a_picture_of_next_to_nothing(tiny_parts):
    assert picture(torch.zeros(1, 1), 16_000).isfinite().all()
