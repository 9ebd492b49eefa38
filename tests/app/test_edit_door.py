"""`uat edit`: regions in a file's own samples, instructions, manifests, methods."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import soundfile
import torch

from small_clap import save_clap
from uat_lightning import tasks
from uat_lightning.app.own_samples import Patch
from uat_lightning.app.way import MethodName, RenderingName
from uat_lightning.cli import main
from uat_lightning.metrics.embedders.clap import ClapEmbedder
from uat_lightning.pipeline import UATPipeline
from uat_lightning.sampling import editing

METHODS = get_args(MethodName)
TRAINED = ("SourceConditioned", "SourceDifference", "Instructed")  # for models of another kind


def test_the_door_names_every_method_there_is() -> None:
    kinds = {name: getattr(editing, name) for name in editing.__all__}
    methods = {name for name, kind in kinds.items() if issubclass(kind, editing.EditingMethod)}
    assert methods - {"EditingMethod"} == set(METHODS)


def test_the_door_names_every_rendering_there_is() -> None:
    named = {name for name in tasks.__all__ if issubclass(getattr(tasks, name), tasks.Rendering)}
    assert named - {"Rendering"} == set(get_args(RenderingName))


@pytest.fixture
def place(tiny_pipeline_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tiny_pipeline_folder.parent)
    return tiny_pipeline_folder.parent


def sound(seconds: float, rate: int, channels: int) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal((round(seconds * rate), channels))
    return 0.2 * noise.clip(-3, 3)


def edit(*args: str) -> None:
    main(["edit", "--model=model", "--steps=3", *args])


@pytest.mark.parametrize(
    ("name", "subtype", "rate", "channels"),
    [
        ("a.wav", "PCM_16", 44_100, 2),
        ("b.wav", "PCM_24", 48_000, 1),
        ("c.wav", "PCM_U8", 8_000, 1),
        ("d.wav", "FLOAT", 22_050, 3),
        ("e.flac", "PCM_16", 16_000, 2),
        ("f.aiff", "PCM_16", 32_000, 1),
        ("g.wav", "DOUBLE", 16_000, 1),
    ],
)
def test_outside_of_a_region_a_file_stays_to_the_last_bit(
    place: Path, name: str, subtype: str, rate: int, channels: int
) -> None:
    soundfile.write(name, sound(1.5, rate, channels), rate, subtype)
    edit(name, "--target=rain", "--region=0.4:0.7,1.0:1.2", f"--out=new-{name}", "--window=0.6")
    before, after = soundfile.info(name), soundfile.info(f"new-{name}")
    assert (after.samplerate, after.channels, after.frames) == (rate, channels, before.frames)
    assert (after.subtype, after.format) == (before.subtype, before.format)
    kind = "float64" if subtype in ("FLOAT", "DOUBLE") else "int32"
    old, new = (soundfile.read(file, dtype=kind, always_2d=True)[0] for file in (name, f"new-{name}"))
    time = np.arange(len(old)) / rate
    inside = ((time >= 0.4) & (time < 0.7)) | ((time >= 1.0) & (time < 1.2))
    assert np.array_equal(old[~inside], new[~inside])
    assert (old[inside] != new[inside]).mean() > 0.8
    record = json.loads(Path(f"new-{name}").with_suffix(".json").read_text())
    assert record["region"] == "0.4:0.7,1.0:1.2"
    assert record["changed_seconds"] == pytest.approx(0.5, abs=0.01)


def test_nothing_changed_is_the_source_itself_unless_the_codec_is_to_be_heard(place: Path) -> None:
    soundfile.write("a.wav", sound(1.0, 16_000, 1), 16_000, subtype="FLOAT")
    for rendering in get_args(RenderingName):
        edit("a.wav", "--target=rain", "--strength=0", f"--rendering={rendering}", f"--out={rendering}.wav")
    source, own, codec = (soundfile.read(name)[0] for name in ("a.wav", "ChangedBins.wav", "Decoded.wav"))
    np.testing.assert_allclose(own, source, rtol=0, atol=1e-4)
    assert np.abs(codec - source).max() > 0.05
    assert json.loads(Path("Decoded.json").read_text())["settings"]["rendering"] == "Decoded"


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_lossy_files_keep_their_decoded_samples_in_a_wav(place: Path, name: str) -> None:
    soundfile.write(name, sound(8.0, 44_100, 2), 44_100)
    edit(name, "--target=rain", "--region=0.4:0.6", "--out=a.wav")
    old, new = (soundfile.read(file, dtype="float32")[0] for file in (name, "a.wav"))
    assert np.array_equal(old[:17_640], new[:17_640]) and np.array_equal(old[26_460:], new[26_460:])
    assert soundfile.info("a.wav").subtype == "FLOAT"


def test_both_ends_of_a_file_are_changed_without_a_fade_beyond_them(place: Path) -> None:
    soundfile.write("a.wav", sound(1.0, 16_000, 1), 16_000)
    edit("a.wav", "--target=rain", "--region=0:1.0", "--out=b.wav")
    old, new = (soundfile.read(file)[0] for file in ("a.wav", "b.wav"))
    assert old[0] != new[0] and old[-1] != new[-1]


def test_equal_channels_stay_equal_and_different_ones_keep_their_own(place: Path) -> None:
    mono = sound(1.0, 16_000, 1)
    soundfile.write("same.wav", np.repeat(mono, 2, 1), 16_000)
    soundfile.write("other.wav", np.concatenate([mono, 0.3 * mono[::-1]], 1), 16_000)
    for name in ("same", "other"):
        edit(f"{name}.wav", "--target=rain", "--method=FlowEdit", "--region=0.2:0.8", f"--out={name}-new.wav")
    same, other = (soundfile.read(f"{name}-new.wav")[0] for name in ("same", "other"))
    assert np.array_equal(same[:, 0], same[:, 1])
    assert not np.array_equal(other[:, 0], other[:, 1])


def test_a_region_is_found_where_none_is_known(place: Path) -> None:
    soundfile.write("a.wav", sound(1.5, 44_100, 2), 44_100)
    edit("a.wav", "--target=rain", "--source=a bell rings", "--region=auto", "--out=b.wav")
    old, new = (soundfile.read(file, dtype="int16")[0] for file in ("a.wav", "b.wav"))
    record = json.loads(Path("b.json").read_text())
    changed = (old != new).any(1)
    assert changed.any() and changed.mean() <= record["changed_seconds"] / 1.5 + 0.01


@pytest.mark.parametrize("method", [method for method in METHODS if method not in TRAINED])
def test_every_method_edits_any_length_and_says_how(place: Path, method: str) -> None:
    soundfile.write("a.wav", sound(2.5, 16_000, 1), 16_000)
    edit("a.wav", "--target=rain", f"--method={method}", "--window=1", "--strength=0.9", "--out=b.wav")
    record = json.loads(Path("b.json").read_text())
    assert soundfile.info("b.wav").frames == 40_000
    assert (record["settings"]["method"], record["settings"]["strength"]) == (method, 0.9)
    assert record["targets"] == ["rain"] * 3
    assert len(record["source_texts"]) == (3 if method not in ("SDEdit", "Inpainting") else 0)
    assert record["evaluations"] >= 3


def test_an_instruction_is_applied_to_what_is_heard(place: Path) -> None:
    soundfile.write("a.wav", sound(1.0, 16_000, 1), 16_000)
    told = "--source=a bell rings then rain falls"
    edit("a.wav", "--instruction=Replace the bell with a siren.", told, "--method=FlowEdit", "--out=b.wav")
    edit("a.wav", "--target=a siren then rain falls", told, "--method=FlowEdit", "--out=c.wav")
    record = json.loads(Path("b.json").read_text())
    assert record["instruction"] == "Replace the bell with a siren."
    assert record["source_texts"] == ["a bell rings then rain falls"]
    assert record["targets"] == ["a siren then rain falls"]
    assert Path("b.wav").read_bytes() == Path("c.wav").read_bytes()


def test_a_manifest_says_what_differs_from_line_to_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("list").mkdir()
    soundfile.write("list/a.wav", sound(1.0, 16_000, 1), 16_000)
    soundfile.write("list/b.wav", sound(0.8, 16_000, 1), 16_000)
    lines = [
        {"audio": "a.wav"},
        {"audio": "b.wav", "instruction": "remove the dog", "source": ""},
        {"audio": "b.wav", "instruction": "remove the rain", "source": "a bell with rain", "region": "0.1:0.5"},
        {"audio": "a.wav", "target": "a siren", "out": "new/siren.wav"},
    ]
    Path("list/edits.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(SystemExit):
        edit("--manifest=list/edits.jsonl", "--target=wind blows", "--out=made.wav")
    told = capsys.readouterr().err
    assert told.startswith("uat: 1 of 4 edits failed. list/b.wav: 'the dog' names nothing that is heard")
    records = [json.loads(Path(name).read_text()) for name in ("made-1.json", "made-3.json", "list/new/siren.json")]
    assert [record["targets"] for record in records] == [["wind blows"], ["a bell"], ["a siren"]]
    assert [record["seed"] for record in records] == [0, 2, 3]
    assert not Path("made-2.wav").exists()


def test_of_several_candidates_one_is_kept_that_can_be_made_again(place: Path) -> None:
    soundfile.write("a.wav", sound(1.0, 16_000, 1), 16_000)
    edit("a.wav", "--target=rain", "--candidates=3", "--out=b.wav")
    record = json.loads(Path("b.json").read_text())
    (heard,) = record["source_texts"]  # written once, for all candidates
    edit("a.wav", "--target=rain", f"--source={heard}", f"--seed={record['noise_seed']}", "--out=c.wav")
    assert Path("b.wav").read_bytes() == Path("c.wav").read_bytes()


def test_a_patch_that_is_too_loud_is_turned_down_and_the_rest_is_not(place: Path) -> None:
    loud = Patch(1, np.array([[2.0], [-1.0]]), np.array([1.0, 1.0]))
    block = np.array([[7], [7], [7], [7]], dtype=np.int16)
    assert loud.limited.over(block, 0)[:, 0].tolist() == [7, round(0.99 * 32768), round(-0.495 * 32768), 7]
    assert loud.over(block, 3) is block


@pytest.mark.slow
def test_a_long_stereo_file_is_changed_in_one_region_only(place: Path) -> None:
    soundfile.write("long.wav", sound(180, 44_100, 2), 44_100)
    edit("long.wav", "--target=rain", "--method=FlowEdit", "--region=61.5:66", "--out=new.wav")
    old, new = (soundfile.read(file, dtype="int16")[0] for file in ("long.wav", "new.wav"))
    first, last = round(61.5 * 44_100), 66 * 44_100
    assert np.array_equal(old[:first], new[:first]) and np.array_equal(old[last:], new[last:])
    assert (old[first:last] != new[first:last]).mean() > 0.9


def test_clap_chooses_among_candidates_where_it_is_given(place: Path) -> None:
    soundfile.write("a.wav", sound(1.0, 16_000, 1), 16_000)
    folder = save_clap(place / "clap", fused=False)
    edit("a.wav", "--target=a bell rings", "--candidates=4", f"--clap={folder}", "--out=b.wav")
    record = json.loads(Path("b.json").read_text())
    assert record["settings"]["clap"].startswith("uat_lightning.metrics.embedders.clap.ClapEmbedder sha256 ")
    made, (heard,) = [], record["source_texts"]
    for number in range(4):
        seed = f"--seed={1_000_003 * number}"
        edit("a.wav", "--target=a bell rings", f"--source={heard}", seed, f"--out={number}.wav")
        made.append(torch.from_numpy(soundfile.read(f"{number}.wav", dtype="float32", always_2d=True)[0].T))
    judge = tasks.TextAudioSimilarity(ClapEmbedder(folder))
    scores = judge.run(UATPipeline.from_pretrained(place / "model").parts, made, ["a bell rings"] * 4)
    assert record["noise_seed"] == 1_000_003 * int(scores.argmax())

    main(
        ["generate", "a bell rings", "--model=model", "--steps=2", "--candidates=2", f"--clap={folder}", "--out=g.wav"]
    )
    assert json.loads(Path("g.json").read_text())["settings"]["clap"] == record["settings"]["clap"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--clap=clap"], "clap chooses among candidates, got 1: give --candidates 8"),
        (["--clap=absent", "--candidates=2"], "absent does not exist"),
        (["--clap=model", "--candidates=2"], "model holds no TextAudioEmbedder"),
    ],
)
def test_a_clap_of_no_use_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str], args: list[str], said: str
) -> None:
    soundfile.write("a.wav", sound(0.5, 16_000, 1), 16_000)
    with pytest.raises(SystemExit):
        edit("a.wav", "--target=a bell rings", "--out=b.wav", *args)
    line = capsys.readouterr().err
    assert said in line and line.count("\n") == 1 and not Path("b.wav").exists()
