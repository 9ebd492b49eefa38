"""The doors: commands, help, shipped configs, and every config in training."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import soundfile
import torch
import yaml
from diffusers import AutoencoderOobleck
from safetensors.torch import save_file
from transformers import T5Config, T5EncoderModel, T5Tokenizer

from stable_audio_layout import LayoutSizes, random_weights
from uat_lightning.app.shipped import find_config, shipped_configs, with_configs
from uat_lightning.cli import fit, main
from uat_lightning.module import UATModule
from uat_lightning.pipeline import UATPipeline

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted(shipped_configs())
TINY = ["--model.init_args.backbone.init_args.width=32", "--model.init_args.backbone.init_args.depth=1"]
TINY += ["--model.init_args.backbone.init_args.heads=2", "--trainer.enable_model_summary=false"]
FEW = ["--trainer.max_steps=2", "--trainer.devices=1", "--data.init_args.batch_size=4", "--data.init_args.workers=0"]
SOUNDS = "{class_path: uat_lightning.data.corpora.Folder, init_args: {root: sounds}}"
MIXED = (
    "{class_path: uat_lightning.data.mixed_edits.MixedEdits, init_args: {train_clips: 6, validation_clips: 0, corpus: "
)
OWN = {
    "edit.yaml": [
        "--data.init_args.fit_clips=8",
        "--data.init_args.epoch_steps=2",
        *(
            f"--data.init_args.corpora.{name}.corpus.init_args.{split}_clips={count}"
            for name in ("soundscapes", "edits")
            for split, count in {"train": 8, "validation": 3, "test": 0}.items()
        ),
    ],
    "quickstart.yaml": [
        "--data.init_args.train_clips=12",
        "--data.init_args.validation_clips=3",
        "--data.init_args.test_clips=3",
        "--data.init_args.fit_clips=8",
        "--data.init_args.epoch_steps=2",
    ],
    "folder.yaml": ["--data.root=sounds", "--trainer.val_check_interval=2"],
    "joint_plus.yaml": [
        "--data.root=sounds",
        "--trainer.val_check_interval=2",
        "--data.init_args.codec.init_args.pretrained=oobleck",
        "--model.init_args.backbone.init_args.latent_width=2",
        *(
            f"--{part}={value}"
            for name, value in {"canvas": 32, "vocabulary_size": 512}.items()
            for part in (f"model.init_args.backbone.init_args.{name}", f"data.init_args.tokenizer.init_args.{name}")
        ),
    ],
    "joint.yaml": [
        f"--data.init_args.corpora={{sounds: {{corpus: {SOUNDS}}}}}",
        "--trainer.val_check_interval=2",
        "--data.init_args.codec.init_args.pretrained=oobleck",
        "--data.init_args.tokenizer.init_args={name: t5, canvas: 32}",
        "--model.init_args.text.init_args.mask_id=MASK",
        *(
            f"--model.init_args.backbone.init_args.{name}"
            for name in (
                "encoder.init_args={pretrained: t5, mask_id: MASK, start_id: 3, width: 16}",
                "latent_width=2",
                "vocabulary_size=ROWS",
                "canvas=32",
                "key_value_heads=1",
                "text_heads=2",
                "refiner_depth=1",
                "timing.init_args={text_width: 16, width: 32}",
                "warm_start.init_args.file=audiox.safetensors",
            )
        ),
    ],
}
OWN["joint_edit.yaml"] = [
    f"--data.init_args.corpora={{sounds: {{corpus: {SOUNDS}}}, edits: {{corpus: {MIXED}{SOUNDS}}}}}, captioning: 0}}}}",
    *OWN["joint.yaml"][1:],
]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clips: list) -> Path:
    """Work in a folder that has nothing but a few sounds with captions."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UAT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "sounds").mkdir()
    for index, clip in enumerate(clips):
        soundfile.write(tmp_path / f"sounds/{index}.wav", clip.audio, 16_000)
        (tmp_path / f"sounds/{index}.txt").write_text("\n".join(clip.captions))
    return tmp_path


UPON = {f"settle/{name}.yaml": "quickstart.yaml" for name in ("audio_only", "caption_only", "autoregressive")}


def tiny(config: str, *more: str) -> list[str]:
    base = UPON.get(config, config)
    own = OWN[f"{Path(base).stem}.yaml"]
    if config == "edit.yaml" and "--data.parts_of=null" not in more:
        main(tiny("quickstart.yaml"))  # what it starts from
    if config.startswith("joint"):
        AutoencoderOobleck(4, [16, 128], [1, 2], 4, 2).save_pretrained("oobleck/vae")
    if config in ("joint.yaml", "joint_edit.yaml"):
        rows = small_t5(
            [line for file in sorted(Path("sounds").glob("*.txt")) for line in file.read_text().split("\n")]
        )
        own = [option.replace("MASK", str(rows - 1)).replace("ROWS", str(rows)) for option in own]
        save_file(random_weights(LayoutSizes(32, 2, 1, 1, 2, 16)), "audiox.safetensors")
    configs = [option for name in dict.fromkeys((base, config)) for option in ("--config", name)]
    return ["fit", *configs, *TINY, *FEW, *own, *more]


def small_t5(captions: list[str]) -> int:
    """Save a random T5 with a tokenizer of the captions' words in the folder ``t5``; return its rows with the mask."""
    words = sorted({f"▁{word}" for caption in captions for word in caption.split()})
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("<extra_id_0>", 0.0)]
    vocabulary = special + [(word, -2.0) for word in ["▁", *words]]
    T5Tokenizer(vocab=vocabulary, extra_ids=1).save_pretrained("t5")
    config = T5Config(vocab_size=len(vocabulary), d_model=16, num_layers=1, num_heads=2, d_kv=8, d_ff=16)
    T5EncoderModel(config).save_pretrained("t5")
    return len(vocabulary) + 1


def shown(config: str) -> set[str]:
    callbacks = yaml.safe_load(shipped_configs()[config].read_text())["trainer"]["callbacks"]
    (samples,) = [callback for callback in callbacks if callback["class_path"].endswith("SampleTasks")]
    return set(samples["init_args"]["tasks"])


@pytest.mark.parametrize("config", ["quickstart.yaml", "folder.yaml", "edit.yaml", "joint_plus.yaml"])
def test_a_backbone_has_the_sizes_of_the_tokenizer_beside_it(config: str) -> None:
    """What is made tiny below has other sizes."""
    settings = yaml.safe_load(shipped_configs()[config].read_text())
    backbone = settings["model"]["init_args"]["backbone"]["init_args"]
    tokenizer = settings["data"]["init_args"]["tokenizer"]["init_args"]
    assert {name: backbone[name] for name in tokenizer} == tokenizer


def test_every_shipped_config_has_a_test_here() -> None:
    assert set(CONFIGS) == set(OWN) | set(UPON)


@pytest.mark.parametrize("config", CONFIGS)
def test_a_config_trains_shows_saves_and_exports(config: str, elsewhere: Path) -> None:
    main(tiny(config))
    run = elsewhere / "runs" / Path(config).stem
    lines = (run / "samples/step-000002/samples.jsonl").read_text().splitlines()
    assert {json.loads(line)["audio"].split("-")[0] for line in lines} == shown(config)
    assert (run / "checkpoints/last.ckpt").exists()
    assert (run / "config.yaml").exists()
    assert UATPipeline.from_pretrained(run / "model").generate("a bell rings", 0.5)[0].isfinite().all()


def test_a_warm_start_can_be_left_out_from_the_command_line(elsewhere: Path) -> None:
    arguments = tiny("edit.yaml", "--model.backbone.warm_start=FromNothing", "--data.parts_of=null")
    main(arguments)
    assert not (elsewhere / "runs/quickstart").exists()
    assert UATPipeline.from_pretrained(elsewhere / "runs/edit/model").parts.backbone.takes_source


def test_last_starts_anew_then_goes_on_and_its_checkpoint_can_be_loaded_alone(
    elsewhere: Path, recwarn: pytest.WarningsRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    last = elsewhere / "runs/quickstart/checkpoints/last.ckpt"
    main(tiny("quickstart", "--ckpt_path=last"))
    assert torch.load(last, weights_only=True)["global_step"] == 2
    main(tiny("quickstart", "--ckpt_path=last", "--trainer.max_steps=3"))
    assert torch.load(last, weights_only=True)["global_step"] == 3
    main(["validate", *tiny("quickstart")[1:], f"--ckpt_path={last}"])
    scored = "{mine: {class_path: ScoreCaptions, init_args: {clips: 2, scorers: [{class_path: SoundscapesEvents}]}}}"
    scores = ["--trainer.callbacks+=ScoreTasks", f"--trainer.callbacks.init_args.tasks={scored}"]
    main(["test", *tiny("quickstart")[1:], f"--ckpt_path={last}", *scores])
    told = capsys.readouterr().out
    assert "test/text" in told and "test/mine/event_recall" in told
    assert UATModule.load_from_checkpoint(last).backbone.init_args["width"] == 32
    with pytest.raises(SystemExit) as left:
        main(tiny("quickstart", "--ckpt_path=last", "--model.init_args.backbone.init_args.depth=2"))
    assert left.value.code == 2
    assert "uat: Error(s) in loading state_dict" in capsys.readouterr().err.splitlines()[-1]
    assert not [warning for warning in recwarn if "is an instance of `nn.Module`" in str(warning.message)]


@pytest.mark.slow
def test_the_papers_model_trains_goes_on_and_does_every_task(elsewhere: Path) -> None:
    run = elsewhere / "runs/joint"
    arguments = tiny("joint.yaml", "--trainer.val_check_interval=20")
    main([*arguments, "--trainer.max_steps=20"])
    checkpoint = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 20
    assert [name for name in checkpoint["state_dict"] if "encoder" in name] == ["backbone.encoder.mask_offset"]
    main([*arguments, "--trainer.max_steps=22", "--ckpt_path=last"])
    assert torch.load(run / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 22
    (elsewhere / "audiox.safetensors").unlink()
    pipeline = UATPipeline.from_pretrained(run / "model")
    (audio,) = pipeline.generate("a bell rings", seconds=0.01)
    (edited,) = pipeline.edit([audio], ["rain falls"])
    (caption,) = pipeline.caption([edited])
    assert audio.isfinite().all()
    assert edited.shape == audio.shape
    tokenizer = pipeline.parts.tokenizer
    assert not set(tokenizer.words([caption])[0]) & set(tokenizer.banned_ids)


def test_a_config_of_ones_own_comes_before_a_shipped_one(elsewhere: Path) -> None:
    assert find_config("quickstart") == find_config("quickstart.yaml") == str(shipped_configs()["quickstart.yaml"])
    Path("quickstart.yaml").write_text("seed_everything: 1")
    assert find_config("quickstart.yaml") == "quickstart.yaml"


def test_configs_are_found_wherever_the_option_stands() -> None:
    quickstart = str(shipped_configs()["quickstart.yaml"])
    given = ["fit", "--config", "quickstart", "--config=quickstart", "-c", "quickstart", "--x", "quickstart"]
    assert with_configs(given) == [
        "fit", "--config", quickstart, f"--config={quickstart}", "-c", quickstart, "--x", "quickstart"
    ]  # fmt: skip


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    overview = capsys.readouterr().out
    main(["--help"])
    assert overview == capsys.readouterr().out
    for command in (
        "fit",
        "validate",
        "test",
        "predict",
        "generate",
        "caption",
        "score",
        "imagine",
        "edit",
        "plan",
        "report",
    ):
        assert f"\n  {command} " in overview


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--version"])
    assert capsys.readouterr().out.startswith("uat-lightning ")


@pytest.mark.parametrize("command", ["generate", "caption", "score", "imagine", "edit"])
def test_help_documents_every_option(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert left.value.code == 0
    assert "Model folder. (type: str, default: runs/quickstart/model)" in told
    for name, parameter in inspect.signature(
        getattr(import_module(f"uat_lightning.app.{command}"), command)
    ).parameters.items():
        assert (f" {name} " if parameter.kind is parameter.VAR_POSITIONAL else f"--{name} ") in told


@pytest.mark.parametrize(
    "args", [["--help"], ["generate", "--help"], ["caption", "--help"], ["score", "--help"], ["edit", "--help"]]
)
def test_help_waits_for_nothing_heavy(args: list[str]) -> None:
    script = f"""
import sys
from uat_lightning.cli import main
try:
    main({args!r})
finally:
    heavy = {{"torch", "lightning", "numpy"}} & set(sys.modules)
    assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")})


def test_uat_fit_is_uat_with_fit(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["uat-fit", *tiny("quickstart", "--trainer.fast_dev_run=true")[1:]])
    fit()
    assert not list(elsewhere.rglob("model")), [f for f in elsewhere.rglob("*")]
