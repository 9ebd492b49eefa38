"""Wrong input: one line that names it, exit code 2, and nothing left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import soundfile
from safetensors.torch import save_file

from uat_lightning.cli import main

Refused = Callable[..., None]
SINE = 0.1 * np.sin(np.arange(8000) * 0.1)


@pytest.fixture
def place(tiny_pipeline_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a model and sounds of all kinds."""
    folder = tiny_pipeline_folder.parent
    monkeypatch.chdir(folder)
    monkeypatch.delenv("UAT_DEBUG", raising=False)
    soundfile.write("good.wav", SINE, 16_000)
    soundfile.write("short.wav", SINE[:200], 16_000)
    Path("broken.jsonl").write_text("{audio: good.wav}\n")
    Path("odd.jsonl").write_text('{"audio": "good.wav"}\n\n{"audio": "good.wav", "targt": "rain"}\n')
    soundfile.write("nan.wav", np.where(np.arange(8000) == 99, np.nan, SINE), 16_000, subtype="FLOAT")
    Path("empty.wav").touch()
    Path("truncated.wav").write_bytes(Path("good.wav").read_bytes()[:5000])
    Path("text.wav").write_text("not a sound " * 50)
    Path("taken.json").mkdir()
    Path("latin.txt").write_bytes(b"caf\xe9\n")
    return folder


@pytest.fixture
def refused(place: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    def check(*args: str, says: str) -> None:
        before = sorted(place.rglob("*"))
        with pytest.raises(SystemExit) as left:
            main(list(args))
        told = capsys.readouterr()
        assert left.value.code == 2
        assert told.err.startswith("uat: ")
        assert told.err.endswith("\n") and len(told.err.splitlines()) == 1
        assert says in told.err
        assert told.out == ""
        assert sorted(place.rglob("*")) == before

    return check


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["", "--steps=2"], "the caption is empty"),
        (["   ", "--steps=2"], "the caption is empty"),
        (["rain falls " * 40], "too long for the 31 that fit"),
        (["rain", "falls " * 40], "too long for the 31 that fit"),
        ([], "give captions"),
        (["rain", "--steps=0"], "steps must be at least 1, got 0"),
        (["rain", "--steps=many"], "steps: expected int, got many"),
        (["rain", "--solver=RK4"], "solver: expected ['Euler', 'Heun', 'Midpoint',"),
        (["rain", "--seconds=0"], "seconds must be above 0"),
        (["rain", "--seconds=-1"], "seconds must be above 0"),
        (["rain", "--seconds=nan"], "seconds: expected float, got nan"),
        (["rain", "--seconds=1e9"], "seconds may be up to 600"),
        (["rain", "--count=0"], "count must be above 0"),
        (["rain", "--batch_size=0"], "batch_size must be above 0"),
        (["rain", "--seed=-1"], "seed must be from 0"),
        (["rain", "--prompts=nowhere.txt"], "nowhere.txt"),
        (["rain", "--prompts=latin.txt"], "latin.txt is not UTF-8"),
        (["rain", "--device=abacus"], "no device 'abacus'"),
        (["rain", "--out=sound.xyz"], "cannot write sound.xyz: its name must end in"),
        (["rain", "--out=sound"], "cannot write sound: its name must end in"),
        (["rain", "--out=good.wav/sound.wav"], "cannot write good.wav/sound.wav"),
        (["rain", "--out=/dev/null/sound.wav"], "cannot write /dev/null/sound.wav"),
        (["rain", "--out=taken.wav"], "cannot write taken.json: it is a folder"),
        (["rain", "--model=nowhere"], "no model folder nowhere"),
        (["rain", "--nonsense=1"], "--nonsense"),
    ],
)
def test_generate_refuses(args: list[str], says: str, refused: Refused) -> None:
    refused("generate", "--model=model", *args, says=says)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "no sound file given"),
        (["nowhere.wav"], "nowhere.wav does not exist"),
        (["empty.wav"], "empty.wav is empty"),
        (["truncated.wav"], "truncated.wav is truncated"),
        (["nan.wav"], "nan.wav holds NaN"),
        (["text.wav"], "text.wav cannot be decoded"),
        (["model"], "model is a folder"),
        (["good.wav", "--start=9"], "good.wav lasts 0.50 s"),
        (["good.wav", "--window=0"], "window must be above 0"),
        (["good.wav", "--steps=0"], "steps must be at least 1"),
        (["good.wav", "--temperature=-1"], "temperature must not be negative"),
        (["good.wav", "--out=captions.txt"], "its name must end in .jsonl"),
        (["good.wav", "--out=good.wav/captions.jsonl"], "cannot write good.wav/captions.jsonl"),
        (["empty.wav", "text.wav", "--out=captions.jsonl"], "2 of 2 files have no caption"),
    ],
)
def test_caption_refuses(args: list[str], says: str, refused: Refused) -> None:
    refused("caption", "--model=model", *args, says=says)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--target=rain"], "no sound file given"),
        (["good.wav"], "say what is to be heard in the end (--target), or what is to change (--instruction)"),
        (["good.wav", "--target=rain", "--instruction=add rain"], "and not both"),
        (["good.wav", "--instruction=sing a song"], "cannot read the instruction 'sing a song': begin with add"),
        (["good.wav", "--instruction=remove the dog", "--source="], "'the dog' names nothing that is heard"),
        (["good.wav", "--target=rain", "--method=Magic"], "method: expected ['SDEdit', 'FlowEdit', 'Inversion',"),
        (
            ["good.wav", "--target=rain", "--region=0.2:0.9"],
            "0.2:0.9 reaches beyond good.wav, which lasts 0.50 s",
        ),
        (["good.wav", "--target=rain", "--region=0.3:0.2"], "region 0.3:0.2 is none"),
        (["good.wav", "--target=rain", "--region=0.1:0.3,0.2:0.4"], "regions overlap at 0.2 s"),
        (["good.wav", "--target=rain", "--region=here"], "cannot read region 'here': write seconds as in 2.0:5.5"),
        (["good.wav", "--target=rain", "--region=0.1:0.2", "--end=0.4"], "give one of the two"),
        (["good.wav", "--target=rain", "--region=0.1:0.2", "--out=x.mp3"], "MP3 cannot hold the samples of good.wav"),
        (["good.wav", "--target=rain", "--candidates=0"], "candidates must be at least 1"),
        (["good.wav", "--target=rain", "--window=0"], "window must be above 0"),
        (["short.wav", "--target=rain"], "short.wav lasts 12.5 ms, less than a latent frame of 64 ms"),
        (["--manifest=nowhere.jsonl", "--target=rain"], "nowhere.jsonl"),
        (["--manifest=broken.jsonl", "--target=rain"], "broken.jsonl, line 1 is no JSON"),
        (["--manifest=odd.jsonl", "--target=rain"], "odd.jsonl, line 3 must have audio, and may have target,"),
        (["good.wav", "--target="], "the caption is empty"),
        (["good.wav", "--target", "rain falls " * 40], "too long for the 31 that fit"),
        (["good.wav", "--target=rain", "--strength=1.5"], "from 0 to 1, got 1.5"),
        (["good.wav", "--target=rain", "--strength=-0.1"], "from 0 to 1, got -0.1"),
        (["good.wav", "--target=rain", "--steps=0"], "steps must be at least 1"),
        (["good.wav", "--target=rain", "--out=good.wav/x.wav"], "cannot write good.wav/x.wav"),
        (["text.wav", "--target=rain"], "text.wav cannot be decoded"),
        (["good.wav", "nan.wav", "--target=rain"], "nan.wav holds NaN"),
    ],
)
def test_edit_refuses(args: list[str], says: str, refused: Refused) -> None:
    refused("edit", "--model=model", *args, says=says)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "codec.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("content", [None, b"", b"something else"])
def test_a_model_folder_with_a_missing_or_foreign_file_is_refused(
    name: str, content: bytes | None, refused: Refused
) -> None:
    Path("model", name).unlink() if content is None else Path("model", name).write_bytes(content)
    refused("generate", "rain", "--model=model", says=name)


def test_a_model_folder_with_other_tensors_or_classes_is_refused(refused: Refused, tiny_codec: object) -> None:
    described = json.loads(Path("model/config.json").read_text())
    described["backbone"]["class_path"] = "os.path.join"
    Path("model/config.json").write_text(json.dumps(described))
    refused("generate", "rain", "--model=model", says="os.path.join is not a Backbone")
    described["backbone"]["class_path"] = "antigravity.Backbone"
    Path("model/config.json").write_text(json.dumps(described))
    refused("generate", "rain", "--model=model", says="import antigravity first, if you trust it")


def test_weights_of_another_model_are_refused(refused: Refused, tiny_codec: object) -> None:
    save_file(dict(tiny_codec.state_dict()), "model/model.safetensors")
    refused("generate", "rain", "--model=model", says="model/model.safetensors holds another model's tensors")


@pytest.mark.parametrize("command", ["nonsense", "--nonsense", "Fit"])
def test_an_unknown_command_is_refused(command: str, refused: Refused) -> None:
    refused(command, says="choose among fit, validate")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--config=nowhere.yaml"], "no config nowhere.yaml: neither a file nor one of the shipped"),
        ([], "missing --data, --model; a config has them: --config quickstart.yaml"),
        (["--config=text.wav"], "text.wav is no config"),
        (["--config=broken.yaml"], "broken.yaml is not YAML, line 2"),
        (["--config=quickstart", "--model.init_args.backbone.init_args.widht=32"], "did you mean 'width'?"),
        (["--config=quickstart", "--model.init_args.backbone.init_args.width=wide"], "backbone.width: expected int"),
        (["--config=quickstart", "--data.init_args.codec.init_args.ptch=3"], "did you mean 'patch'?"),
        (
            ["--config=quickstart", "--model.init_args.backbone.class_path=nowhere.Net"],
            "model.backbone: No module named 'nowhere'",
        ),
        (["--config=quickstart", "--trainer.max_stpes=3"], "--trainer.max_stpes"),
        (["--config=quickstart", "--ckpt_path=nowhere.ckpt"], "no checkpoint nowhere.ckpt"),
        (["--config=quickstart", "--ckpt_path=text.wav"], "text.wav is not a checkpoint"),
        (["--config=quickstart", "--ckpt_path=zip.ckpt"], "zip.ckpt is not a checkpoint"),
        (["--config=callbacks.yaml"], "has no option 'decya'; did you mean 'decay'?"),
    ],
)
def test_fit_refuses(args: list[str], says: str, refused: Refused) -> None:
    with ZipFile("zip.ckpt", "w") as archive:
        archive.writestr("photo.jpg", b"not a tensor")
    Path("broken.yaml").write_text("model: [\n")
    Path("callbacks.yaml").write_text(
        "trainer: {callbacks: [{class_path: uat_lightning.callbacks.EMA, init_args: {decya: 0.9}}]}"
    )
    refused("fit", *args, says=says)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--model.init_args.backbone.init_args.width=33", "width 33 must be a multiple of twice the heads (4)"),
        ("--model.init_args.backbone.init_args.canvas=21", "the backbone's canvas is 21, the data's is 2"),
        ("--trainer.accelerator=abacus", "abacus"),
        ("--trainer.callbacks.init_args.folder=good.wav/model", "cannot write a model to good.wav/model"),
    ],
)
def test_what_comes_up_inside_fit_ends_it_with_one_line(
    option: str, says: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["train_clips=12", "validation_clips=3", "test_clips=2", "fit_clips=8", "workers=0", f"cache={place}"]
    few = [f"--data.init_args.{setting}" for setting in data]
    with pytest.raises(SystemExit) as left:
        main(["fit", "--config=quickstart", *few, "--trainer.max_steps=1", option])
    last = capsys.readouterr().err.splitlines()[-1]
    assert left.value.code == 2
    assert last.startswith("uat: ")
    assert says in last
    assert not (place / "runs/quickstart/model").exists()


def test_debugging_shows_where_it_came_from(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UAT_DEBUG", "1")
    with pytest.raises(ValueError, match="no command"):
        main(["nonsense"])
