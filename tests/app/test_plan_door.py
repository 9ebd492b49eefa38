from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import BACKBONE
from test_resume import config
from uat_lightning.app.plan import parsed
from uat_lightning.app.planning.recipe import read_recipe
from uat_lightning.app.planning.rehearsal import hidden_share
from uat_lightning.backbone import DualStreamTransformer
from uat_lightning.cli import main

GIVEN = ["--devices=2", "--peak_teraflops=10", "--utilisation=0.5", "--seconds=1.0"]


@pytest.fixture
def tiny(tmp_path: Path) -> list[str]:
    return ["plan", "--config", str(config(tmp_path / "run", tmp_path / "cache", steps=1000))]


def told(tiny: list[str], *more: str) -> dict[str, Any]:
    out = Path(tiny[-1]).with_name("plan.json")
    main([*tiny, *GIVEN, f"--out={out}", *more])
    return dict(json.loads(out.read_text()))


def weights_of_the_model() -> int:
    return sum(weight.numel() for weight in DualStreamTransformer(**BACKBONE).parameters())


def test_the_weights_are_those_of_the_built_model(tiny: list[str], capsys: pytest.CaptureFixture[str]):
    plan, weights = told(tiny), weights_of_the_model()
    assert plan["parameters"]["total"]["trainable"] == weights
    assert {"blocks.audio", "blocks.text", "audio_head", "text_head"} <= set(plan["parameters"])
    stored = {"weights": 4, "gradients": 4, "optimizer state": 8, "moving average": 4}
    for kind, bytes_each in stored.items():
        assert plan["memory"]["DDP"][kind] == bytes_each * weights
        assert plan["memory"]["FSDP"][kind] == pytest.approx(bytes_each * weights / 2, abs=1)
    for way in plan["memory"].values():
        assert way["total"] == sum(bytes_ for kind, bytes_ in way.items() if kind != "total")
    printed = capsys.readouterr().out
    assert "assumed: 50% of 10 TFLOP/s each" in printed
    assert "hours to 1,000 steps" in printed


def test_time_is_arithmetic_over_speed(tiny: list[str]):
    plan = told(tiny)
    directions = [plan["step"][name] for name in ("generation", "captioning")]
    assert [direction["rows"] for direction in directions] == [2, 2]
    flops = sum(direction["forward"] + direction["backward"] for direction in directions)
    seconds = flops / (2 * 10e12 * 0.5)
    assert plan["time"]["kept"]["seconds_per_step"] == pytest.approx(seconds)
    assert plan["time"]["kept"]["hours"] == pytest.approx(1000 * seconds / 3600)
    assert plan["time"]["kept"]["samples_per_second"] == pytest.approx(4 / seconds)


def test_the_arithmetic_is_what_the_sizes_say(tiny: list[str]):
    """Two operations for each weight and position forward, and attention: written out for wide blocks."""
    width, depth, canvas, frames, vocabulary = 128, 3, BACKBONE["canvas"], 16, BACKBONE["vocabulary_size"]
    sizes = {"width": width, "depth": depth, "heads": 4}
    changes = [f"--model.init_args.backbone.init_args.{name}={value}" for name, value in sizes.items()]
    plan = told(tiny, *changes, "--model.init_args.square.init_args.drop_text=0.0")
    recipe = read_recipe(parsed([*tiny[1:], *changes]), 1.0)
    assert recipe.frames == frames
    hidden = 3 * width
    linear = (frames + canvas) * depth * (4 * width**2 + 3 * width * hidden)
    modulation = depth * 2 * 6 * width**2 + 2 * width**2
    attended = depth * 2 * (frames + canvas) ** 2 * width
    words = round(hidden_share(recipe, False) * canvas) * vocabulary * width
    generation = 2 * 2 * (linear + modulation + attended)
    assert plan["step"]["generation"]["forward"] == pytest.approx(generation, rel=0.05)
    assert plan["step"]["captioning"]["forward"] == pytest.approx(generation + 2 * 2 * words, rel=0.05)
    backward = plan["step"]["captioning"]["backward"] / plan["step"]["captioning"]["forward"]
    assert 1.9 < backward < 2.4  # the words' logits are computed twice


def test_recomputed_blocks_and_shares_take_less_memory(tiny: list[str]):
    plan = told(tiny, "--model.init_args.backbone.init_args.depth=6")
    memory = {way: kinds["activations"] for way, kinds in plan["memory"].items()}
    assert memory["DDP, recomputed"] < 0.5 * memory["DDP"]
    assert plan["memory"]["FSDP"]["weights"] < plan["memory"]["DDP"]["weights"]
    again = plan["step"]["all, recomputed"]
    kept = sum(plan["step"][name]["backward"] for name in ("generation", "captioning"))
    assert again["backward"] > 1.2 * kept
    assert plan["time"]["recomputed"]["hours"] > plan["time"]["kept"]["hours"]


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("--devices=3", "must be a multiple of the devices"),
        ("--utilisation=1.5", "utilisation is a share of the peak"),
        ("--trainer.max_steps=-1", "give --trainer.max_steps"),
        ("--trainer.precision=bf16-true", "bf16-true cannot be planned"),
        ("--out=plan.txt", "must end in .json"),
        ("--trainer.max_stepss=3", "max_stepss"),
    ],
)
def test_what_cannot_be_planned_is_refused_in_a_line(tiny, option: str, line: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as left:
        main([*tiny, *GIVEN, option])
    assert left.value.code == 2
    assert line in capsys.readouterr().err


@pytest.mark.slow
def test_the_papers_training_is_planned_without_weights_network_or_data(tmp_path: Path):
    main(["plan", "--config", "joint.yaml", "--devices=32", f"--out={tmp_path}/plan.json"])
    plan = json.loads((tmp_path / "plan.json").read_text())
    total = plan["parameters"]["total"]
    assert 1.6e9 < total["trainable"] + total["frozen"] < 1.8e9
    assert plan["step"]["generation"]["rows"] == plan["step"]["captioning"]["rows"] == 384
    # The audio side's 1.05 billion weights see 217 positions, the text side's 0.36 billion see 128 tokens.
    expected = 6 * 768 * (1.05e9 * 217 + 0.36e9 * 128)
    flops = sum(plan["step"][name][way] for name in ("generation", "captioning") for way in ("forward", "backward"))
    assert flops == pytest.approx(expected, rel=0.12)
    assert plan["memory"]["DDP, recomputed"]["total"] < 80 * 2**30
    assert plan["memory"]["FSDP"]["total"] < plan["memory"]["DDP"]["total"]
