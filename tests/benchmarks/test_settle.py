"""The controls beside the joint model: rows, scores, intervals, and the whole comparison in small."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from settle.comparison import main  # noqa: E402
from settle.compute import Step, balanced, step_of  # noqa: E402
from settle.esc50_ground import ESC50Ground  # noqa: E402
from settle.grounds import SoundscapesGround  # noqa: E402
from settle.models import JOINT, MODELS, USUAL  # noqa: E402
from settle.options import ground_of, parsed  # noqa: E402
from settle.run import MADE, TRAINED, Run  # noqa: E402
from settle.scores import FRECHET, Distance, Ratio, caption_ratios, f1, scores_of  # noqa: E402
from settle.table import lines, markdown  # noqa: E402
from uat_lightning.app.shipped import shipped_configs  # noqa: E402
from uat_lightning.metrics.audio.frechet import frechet_distance  # noqa: E402
from uat_lightning.metrics.audio.moments import Moments  # noqa: E402

TINY = ["width=32", "depth=1", "heads=2"]
FEW = ["train_clips=12", "validation_clips=3", "test_clips=3", "fit_clips=8", "workers=0"]
MORE = [f"--model.init_args.backbone.init_args.{one}" for one in TINY] + [f"--data.init_args.{one}" for one in FEW]


def test_controls_differ_from_the_quickstart_in_what_they_are_named_for_only():
    for model in (MODELS[name] for name in USUAL if name != JOINT.name):
        control = yaml.safe_load(shipped_configs()[model.control].read_text())
        assert control["data"]["init_args"].keys() == {"batch_size", "generation_share"}
        assert control["data"]["init_args"]["generation_share"] == float(model.generates)
        assert ("model" in control) == (model.name == "autoregressive")
        assert control["trainer"].keys() == {"logger", "callbacks"}
    base = yaml.safe_load(shipped_configs()["quickstart.yaml"].read_text())["trainer"]["callbacks"]
    own = control["trainer"]["callbacks"]
    assert [one["class_path"] for one in base] == [one["class_path"] for one in own]


def test_rows_are_balanced_by_arithmetic_or_by_direction():
    joint = Step(9, 23, 900, 4600)
    sounds = balanced(MODELS["audio_only"], joint, Step(40, 0, 4000, 0))
    assert (sounds.rows, sounds.flops) == (55, 5500)
    words = balanced(MODELS["autoregressive"], joint, Step(0, 29, 0, 6380))
    assert (words.captioning_rows, words.flops) == (25, 5500)
    assert balanced(MODELS["audio_only_equal_rows"], joint, Step(40, 0, 4000, 0)).rows == 9
    assert balanced(MODELS["caption_only_equal_rows"], joint, Step(0, 30, 0, 6000)).rows == 23


@pytest.mark.slow
def test_the_configs_have_the_rows_that_balance_a_step_and_say_what_it_costs():
    joint = step_of(["--config", "quickstart.yaml"], 4.0)
    assert (joint.generation_rows, joint.captioning_rows) == (9, 23)
    for model in (MODELS[name] for name in USUAL if name != JOINT.name):
        own = step_of(["--config", "quickstart.yaml", "--config", model.control], 4.0)
        assert balanced(model, joint, own).rows == own.rows
        assert own.flops == pytest.approx(joint.flops, rel=0.02)
        told = shipped_configs()[model.control].read_text()
        for flops in (joint.flops, joint.generation, joint.captioning, own.flops):
            assert f" {flops / 1e9:.2f}" in told


def test_f1_is_counted_over_all_clips_drawn():
    found = f1([frozenset("ab"), frozenset("c"), frozenset()], [frozenset("a"), frozenset("d"), frozenset("e")])
    assert found(np.array([1, 1, 1])) == pytest.approx(2 / 6)
    assert found(np.array([2, 0, 1])) == pytest.approx(4 / 7)
    assert math.isnan(Ratio([1.0], [0.0])(np.array([1])))


def test_the_distance_draws_pairs_of_clips():
    torch.manual_seed(0)
    true, made = torch.randn(20, 3), torch.randn(20, 3)
    counts = np.array([2, 0, *[1] * 18])
    rows = [0, 0, *range(2, 20)]
    expected = frechet_distance(Moments.of(true[rows]), Moments.of(made[rows]))
    assert Distance(true, made)(counts) == pytest.approx(expected)
    assert Distance(true, true)(counts) == pytest.approx(0, abs=1e-9)


def test_captions_of_the_truth_are_right_and_those_of_other_clips_are_not(tiny_parts):
    ground = SoundscapesGround(first=0, count=12)
    clips, ones = ground.clips(tiny_parts), np.ones(12, np.int64)
    perfect = caption_ratios(ground, clips, [clip.references[0] for clip in clips])
    others = caption_ratios(ground, clips, [clips[row - 1].references[0] for row in range(12)])
    assert perfect["event F1 of captions"](ones) == perfect["relations right"](ones) == 1
    assert others["event F1 of captions"](ones) < 0.7
    assert others["CIDEr-D"](ones) < perfect["CIDEr-D"](ones) / 3


def test_the_table_says_how_far_controls_are_from_the_joint_model():
    random = np.random.default_rng(0)
    joint = [Ratio((random.normal(0.5, 0.1, 80)).tolist(), [1.0] * 80) for _ in range(3)]
    better = [Ratio((np.asarray(score.parts) + 0.2).tolist(), score.wholes) for score in joint]
    table = lines({"CIDEr-D": {"caption_only": better, "joint": joint}, FRECHET: {"audio_only": joint}}, 80, 200)
    assert [(line.score, line.model) for line in table] == [
        ("CIDEr-D", "joint"),
        ("CIDEr-D", "caption_only"),
        (FRECHET, "audio_only"),
    ]
    assert table[0].difference is table[2].difference is None
    assert table[1].difference == pytest.approx(0.2)
    assert table[1].clips == pytest.approx((0.2, 0.2))
    assert table[1].trainings[0] < 0.2 < table[1].trainings[1]
    text = markdown(table)
    assert len({line.count("|") for line in text.splitlines()}) == 1
    assert "| +0.200 | +0.200 to +0.200 |" in text


def run_of(folder: Path, **changes: object) -> Run:
    ground = SoundscapesGround(first=0, count=4, more=MORE)
    return replace(Run(JOINT, 0, Step(1, 2, 10, 20), 5, ground, folder), **changes)


def test_a_finished_model_is_kept_and_one_of_other_settings_is_an_error(tmp_path, monkeypatch):
    run = run_of(tmp_path)
    (run.folder / "model").mkdir(parents=True)
    (run.folder / "model/config.json").touch()
    (run.folder / TRAINED).write_text(json.dumps({"settings": run.settings()}))
    monkeypatch.setattr("settle.run.train", lambda args: pytest.fail("it trains again"))
    run.train()
    with pytest.raises(ValueError, match="holds a model of other settings"):
        run_of(tmp_path, steps=6).train()


def test_a_training_that_somebody_stopped_is_not_taken_for_a_finished_one(tmp_path, monkeypatch):
    stopped = SimpleNamespace(trainer=SimpleNamespace(global_step=3))
    monkeypatch.setattr("settle.run.train", lambda args: stopped)
    with pytest.raises(ValueError, match="was stopped at step 3 of 5: run again"):
        run_of(tmp_path).train()
    assert not run_of(tmp_path).trained()


def test_a_run_that_was_tested_on_other_clips_is_not_compared(tmp_path, tiny_parts):
    ground = SoundscapesGround(first=0, count=4)
    (tmp_path / MADE).write_text(json.dumps({"clips": ["test-7"]}))
    with pytest.raises(ValueError, match="was tested on other clips"):
        scores_of(tmp_path, ground, ground.clips(tiny_parts), torch.zeros(4, 2))


def test_esc50_names_categories_and_trains_on_four_folds(shared: Path, tmp_path: Path, tiny_parts):
    ground = ground_of(parsed(["--data=esc50", f"--root={shared / 'data/esc50'}", f"--work={tmp_path}"], None))
    assert isinstance(ground, ESC50Ground)
    ground.prepare()
    clips = ground.clips(tiny_parts)
    assert clips
    assert {clip.name.split("-")[0] for clip in clips} == {"5"}
    assert all(ground.read(clip.prompt).events == clip.events for clip in clips)
    assert ground.read("nothing of the kind").events == frozenset()
    trained = [json.loads(line)["audio"] for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert not {Path(file).stem for file in trained} & {clip.name for clip in clips}


def test_esc50_without_a_folder_is_refused():
    with pytest.raises(ValueError, match="--data esc50 needs --root"):
        ground_of(parsed(["--data=esc50"], None))


@pytest.mark.slow
def test_the_whole_comparison_trains_tests_and_tells_and_then_does_nothing_twice(tmp_path, monkeypatch, capsys):
    """Runs have processes of their own; here they share this one, to save what imports take."""
    options = ["--seeds", "0", "1", "--steps=2", "--clips=8", "--sampling-steps=1", "--resamples=20"]
    options += ["--tagger-clips=16", "--tagger-epochs=1", "--models", "joint", "autoregressive"]
    given = [*options, f"--work={tmp_path / 'work'}", f"--results={tmp_path / 'results'}", "--", *MORE]
    monkeypatch.setenv("UAT_CACHE", str(tmp_path / "cache"))
    started: list[str] = []

    def here(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        started.append(command[3])
        main(None, command[2:])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("settle.comparison.subprocess.run", here)
    with torch.random.fork_rng():
        main(None, given)
    assert started == ["prepare", "joint-0", "autoregressive-0", "joint-1", "autoregressive-1"]
    table = capsys.readouterr().out.split("| score |")[1]
    assert "| CIDEr-D | autoregressive |" in table
    assert table in (tmp_path / "results/settle-soundscapes.md").read_text()
    told = json.loads((tmp_path / "results/settle-soundscapes.json").read_text())
    assert set(told["protocol"]["runs"]) == set(started[1:])
    assert {line["model"] for line in told["table"]} == {"joint", "autoregressive"}
    assert len({run["weights"] for run in told["protocol"]["runs"].values()}) == 1
    assert len({run["weights_sha256"] for run in told["protocol"]["runs"].values()}) == 4
    assert "--work" not in told["protocol"]["command"]
    main(None, given)
    assert len(started) == 5
    assert capsys.readouterr().out.split("| score |")[1] == table
