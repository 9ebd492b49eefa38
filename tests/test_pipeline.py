from __future__ import annotations

import dataclasses
import json
import os
import pickle
import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from uat_lightning.backbone import DualStreamTransformer
from uat_lightning.diffusion import RectifiedFlow, VPCosine
from uat_lightning.pipeline import UATPipeline
from uat_lightning.sampling import ConfidenceOrder, Euler, Guidance
from uat_lightning.sampling.editing import SDEdit
from uat_lightning.tasks import Caption, Edit, Generate, Parts

FILES = ["codec.safetensors", "config.json", "model.safetensors", "tokenizer.json"]


def outputs(pipeline: UATPipeline) -> list[object]:
    source = [torch.sin(torch.arange(9000) / 5)[None]]
    return [
        pipeline.generate(["a bell rings", "rain"], 0.5, seed=1, task=Generate(Euler(3), Guidance(2.0)))[1],
        pipeline.edit(source, ["rain"], seed=2, task=Edit(SDEdit(0.6), Euler(3)))[0],
        torch.tensor([ord(letter) for letter in pipeline.caption(source, task=Caption(ConfidenceOrder(4)))[0]]),
    ]


def test_a_saved_model_gives_the_same_output_bit_for_bit(tiny_parts: Parts, tiny_pipeline_folder: Path):
    loaded = UATPipeline.from_pretrained(tiny_pipeline_folder)
    assert sorted(file.name for file in tiny_pipeline_folder.iterdir()) == FILES
    for before, after in zip(outputs(UATPipeline(tiny_parts)), outputs(loaded), strict=True):
        assert torch.equal(before, after)


def test_a_loaded_model_is_whole_and_ready(tiny_parts: Parts, tiny_pipeline_folder: Path):
    loaded = UATPipeline.from_pretrained(tiny_pipeline_folder).parts
    assert not loaded.backbone.training
    for mine, theirs in zip((loaded.backbone, loaded.codec), (tiny_parts.backbone, tiny_parts.codec), strict=True):
        assert mine.describe() == theirs.describe()
        assert all(
            torch.equal(a, b) for a, b in zip(mine.state_dict().values(), theirs.state_dict().values(), strict=True)
        )


def test_saving_again_gives_the_same_files(tiny_pipeline_folder: Path, tmp_path: Path):
    UATPipeline.from_pretrained(tiny_pipeline_folder).save_pretrained(tmp_path / "again")
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (tiny_pipeline_folder / name).read_bytes()


def test_others_may_read_what_the_umask_lets_them(tiny_parts: Parts, tmp_path: Path):
    before = os.umask(0o022)
    try:
        UATPipeline(tiny_parts).save_pretrained(tmp_path / "model")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == 0o755


# What can be wrong with a folder. Every message names the file.


def refused(folder: Path, *words: str) -> str:
    with pytest.raises(ValueError) as caught:
        UATPipeline.from_pretrained(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in (str(folder), *words)), message
    return message


def test_a_missing_folder_is_named(tmp_path: Path):
    refused(tmp_path / "nothing")


def test_an_empty_folder_is_named(tmp_path: Path):
    refused(tmp_path, "config.json")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(tiny_pipeline_folder: Path, name: str):
    (tiny_pipeline_folder / name).unlink()
    refused(tiny_pipeline_folder, name)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["empty", "half", "noise", "pickle", "folder"])
def test_a_damaged_file_is_named(tiny_pipeline_folder: Path, name: str, how: str):
    file = tiny_pipeline_folder / name
    whole = file.read_bytes()
    file.unlink()
    if how == "folder":
        file.mkdir()
    else:
        half, noise = whole[: len(whole) // 2], bytes(255 - byte for byte in whole)
        file.write_bytes({"empty": b"", "half": half, "noise": noise, "pickle": pickle.dumps({"a": 1})}[how])
    refused(tiny_pipeline_folder, name)


class Bomb:
    """Says so when it is unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "write", [lambda file: file.write_bytes(pickle.dumps(Bomb())), lambda file: torch.save(Bomb(), file)]
)
def test_nothing_is_ever_unpickled(tiny_pipeline_folder: Path, name: str, write):
    write(tiny_pipeline_folder / name)
    refused(tiny_pipeline_folder, name)


@pytest.mark.parametrize("name", ["model.safetensors", "codec.safetensors"])
@pytest.mark.parametrize("change", ["missing", "extra", "shape", "all"])
def test_tensors_of_another_model_are_refused(tiny_pipeline_folder: Path, name: str, change: str):
    file = tiny_pipeline_folder / name
    tensors = load_file(file)
    first = next(iter(tensors))
    if change == "missing":
        del tensors[first]
    elif change == "extra":
        tensors["foreign"] = torch.zeros(2)
    elif change == "shape":
        tensors[first] = torch.zeros(3, 3, 3)
    else:
        tensors = {"foreign": torch.zeros(2)}
    save_file(tensors, file)
    refused(tiny_pipeline_folder, name, "another model")


def configured(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.mark.parametrize(
    "content", ["[]", "3", "null", '"text"', "{}", '["format","backbone","codec","tokenizer"]', "[" * 100_000]
)
def test_a_config_that_is_none_is_refused(tiny_pipeline_folder: Path, content: str):
    (tiny_pipeline_folder / "config.json").write_text(content)
    refused(tiny_pipeline_folder, "config.json")


def test_a_config_of_another_format_is_refused(tiny_pipeline_folder: Path):
    configured(tiny_pipeline_folder, format=999)
    refused(tiny_pipeline_folder, "999", "format 1")


@pytest.mark.parametrize("part", ["backbone", "codec", "tokenizer"])
@pytest.mark.parametrize(
    "description",
    [
        None,
        "os.system",
        {"class_path": "os.system", "init_args": {"command": "false"}},
        {"class_path": "subprocess.Popen", "init_args": {"args": ["false"]}},
        {"class_path": "this.Object", "init_args": {}},
        {"class_path": "uat_lightning.diffusion.RectifiedFlow", "init_args": {}},
        {"class_path": "uat_lightning.codec.MelCodec", "init_args": {"sample_rate": "fast"}},
        {"class_path": "uat_lightning.nothing.Thing"},
    ],
)
def test_a_config_that_names_something_else_is_refused(tiny_pipeline_folder: Path, part: str, description: object):
    import sys

    configured(tiny_pipeline_folder, **{part: description})
    refused(tiny_pipeline_folder, "config.json")
    assert "this" not in sys.modules


@pytest.mark.parametrize("changed", ["latent_width", "vocabulary_size", "canvas"])
def test_a_backbone_that_does_not_fit_the_other_parts_is_refused(tiny_parts: Parts, tmp_path: Path, changed: str):
    settings = {**tiny_parts.backbone.init_args}
    settings[changed] += 1
    other = DualStreamTransformer(**settings)
    UATPipeline(Parts(other, tiny_parts.codec, tiny_parts.tokenizer)).save_pretrained(tmp_path / "model")
    refused(tmp_path / "model", changed)


# Saving is all or nothing.


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.mark.parametrize("exists", [True, False])
def test_a_save_that_fails_leaves_everything_as_it_was(tiny_parts: Parts, tmp_path: Path, exists: bool, monkeypatch):
    if exists:
        UATPipeline(tiny_parts).save_pretrained(tmp_path / "model")
    before = snapshot(tmp_path)

    def fail(folder: Path) -> None:
        (folder / "tokenizer.json").write_text("half of it")
        raise OSError("disk full")

    monkeypatch.setattr(tiny_parts.tokenizer, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        UATPipeline(tiny_parts).save_pretrained(tmp_path / "model")
    assert snapshot(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == (["model"] if exists else [])


def test_a_model_is_replaced_and_what_lies_beside_it_is_kept(tiny_parts: Parts, tiny_pipeline_folder: Path):
    (tiny_pipeline_folder / "README.md").write_text("notes")
    (tiny_pipeline_folder / "samples").mkdir()
    (tiny_pipeline_folder / "samples" / "one.txt").write_text("one")
    with torch.no_grad():
        next(tiny_parts.backbone.parameters()).add_(1)
    UATPipeline(tiny_parts).save_pretrained(tiny_pipeline_folder)
    loaded = UATPipeline.from_pretrained(tiny_pipeline_folder).parts.backbone
    assert torch.equal(next(loaded.parameters()), next(tiny_parts.backbone.parameters()))
    assert (tiny_pipeline_folder / "README.md").read_text() == "notes"
    assert (tiny_pipeline_folder / "samples" / "one.txt").read_text() == "one"
    assert [path.name for path in tiny_pipeline_folder.parent.iterdir()] == ["model"]


@pytest.mark.parametrize(
    "content", [{"notes.txt": "mine"}, {"config.json": '{"model_type": "bert"}', "weights.bin": "x"}]
)
def test_somebody_elses_folder_is_not_touched(tiny_parts: Parts, tmp_path: Path, content: dict[str, str]):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, text in content.items():
        (folder / name).write_text(text)
    with pytest.raises(ValueError, match="is not a model of uat-lightning"):
        UATPipeline(tiny_parts).save_pretrained(folder)
    assert snapshot(folder) == {name: text.encode() for name, text in content.items()}


def test_an_empty_folder_and_new_parents_are_welcome(tiny_parts: Parts, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "deep" / "er" / "model"):
        UATPipeline(tiny_parts).save_pretrained(folder)
        assert sorted(file.name for file in folder.iterdir()) == FILES


def test_one_caption_may_stand_alone(tiny_parts: Parts):
    (waveform,) = UATPipeline(tiny_parts).generate("rain", 0.25, task=Generate(Euler(2)))
    assert waveform.shape == (1, 4000)
    assert UATPipeline(tiny_parts).sample_rate == 16_000


def test_a_model_remembers_its_process(tiny_parts: Parts, tmp_path: Path):
    v_model = UATPipeline(dataclasses.replace(tiny_parts, process=VPCosine()))
    v_model.save_pretrained(tmp_path / "v")
    loaded = UATPipeline.from_pretrained(tmp_path / "v")
    assert type(loaded.parts.process) is VPCosine
    for before, after in zip(outputs(v_model), outputs(loaded), strict=True):
        assert torch.equal(before, after)
    assert not torch.equal(outputs(v_model)[0], outputs(UATPipeline(tiny_parts))[0])


def test_a_folder_from_before_there_was_a_choice_is_a_rectified_flow(tiny_parts: Parts, tiny_pipeline_folder: Path):
    config = json.loads((tiny_pipeline_folder / "config.json").read_text())
    del config["process"]
    (tiny_pipeline_folder / "config.json").write_text(json.dumps(config))
    loaded = UATPipeline.from_pretrained(tiny_pipeline_folder)
    assert type(loaded.parts.process) is RectifiedFlow
    assert torch.equal(outputs(loaded)[0], outputs(UATPipeline(tiny_parts))[0])


@pytest.mark.parametrize("process", [None, {"class_path": "uat_lightning.diffusion.MaskedAbsorbing", "init_args": {}}])
def test_a_process_that_is_none_is_refused(tiny_pipeline_folder: Path, process: object):
    configured(tiny_pipeline_folder, process=process)
    refused(tiny_pipeline_folder, "config.json")
