"""`uat generate`, `caption` and `edit` on a small model: files, sidecars, seeds, batches."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from uat_lightning.app.output import batches, check_place
from uat_lightning.app.sources import cut
from uat_lightning.cli import main


@pytest.fixture
def place(tiny_pipeline_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a model and a 44.1 kHz stereo file of 25 seconds."""
    monkeypatch.chdir(tiny_pipeline_folder.parent)
    time = np.arange(25 * 44_100) / 44_100
    stereo = 0.3 * np.stack([np.sin(2 * np.pi * 440 * time), np.sin(2 * np.pi * 554 * time)], axis=1)
    soundfile.write("long.flac", stereo, 44_100)
    soundfile.write("short.wav", stereo[: 2 * 44_100], 44_100)
    return tiny_pipeline_folder.parent


def generate(*args: str) -> None:
    main(["generate", "--model=model", "--seconds=1.3", "--steps=4", *args])


def test_generate_writes_sound_and_sidecar(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate("a bell rings twice, then rain", "--out=new/bell.wav", "--seed=7", "--solver=Heun", "--guidance=2")
    sound, record = soundfile.info("new/bell.wav"), json.loads(Path("new/bell.json").read_text())
    assert (sound.samplerate, sound.channels, sound.frames) == (16_000, 1, 20_800)
    assert record["caption"] == "a bell rings twice, then rain"
    way = {"seconds": 1.3, "steps": 4, "solver": "Heun", "schedule": "uniform"}
    others = {"guidance": 2.0, "guidance_rescale": 0.9, "negative": None, "candidates": 1, "clap": None}
    assert record["settings"] == {**way, **others}
    assert (record["task"], record["seed"], record["sample_rate"], record["seconds"]) == ("generate", 7, 16_000, 1.3)
    weights = Path("model/model.safetensors").read_bytes()
    assert record["model"]["weights_sha256"] == hashlib.sha256(weights).hexdigest()
    assert record["model"]["folder"] == str(place / "model")
    assert sorted(file.name for file in Path("new").iterdir()) == ["bell.json", "bell.wav"]
    assert capsys.readouterr().out.startswith("new/bell.wav\t1.3 s, peak ")


def test_the_sidecar_tells_the_loudness_of_the_file(place: Path) -> None:
    generate("rain", "--out=rain.wav")
    record, (samples, _) = json.loads(Path("rain.json").read_text()), soundfile.read("rain.wav")
    assert record["gain_db"] < 0  # the untrained model is far too loud
    assert record["peak_dbfs"] == pytest.approx(20 * np.log10(np.abs(samples).max()), abs=0.1)
    assert record["rms_dbfs"] == pytest.approx(10 * np.log10(np.square(samples).mean()), abs=0.1)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(place: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        generate("rain", f"--out={name}.wav", f"--seed={seed}")
    assert Path("a.wav").read_bytes() == Path("b.wav").read_bytes() != Path("c.wav").read_bytes()


def test_an_output_that_is_there_is_replaced(place: Path) -> None:
    Path("rain.wav").write_text("old")
    generate("rain", "--out=rain.wav")
    assert soundfile.info("rain.wav").frames == 20_800


def test_results_do_not_depend_on_the_batch(place: Path) -> None:
    Path("prompts.txt").write_text("rain falls\n\na bell rings once\n")
    generate("a siren", "--prompts=prompts.txt", "--count=2", "--out=all.flac", "--seed=5", "--batch_size=4")
    generate("a siren", "--prompts=prompts.txt", "--count=2", "--out=one.flac", "--seed=5", "--batch_size=1")
    generate("a bell rings once", "--out=alone.flac", "--seed=10")
    captions = ["a siren", "a siren", "rain falls", "rain falls", "a bell rings once", "a bell rings once"]
    for number, caption in enumerate(captions, 1):
        record = json.loads(Path(f"all-{number}.json").read_text())
        assert (record["caption"], record["seed"]) == (caption, 4 + number)
        assert correlation(f"all-{number}.flac", f"one-{number}.flac") > 0.999
    assert correlation("all-6.flac", "alone.flac") > 0.999
    assert correlation("all-5.flac", "all-6.flac") < 0.9


def correlation(first: str, second: str) -> float:
    return float(np.corrcoef(soundfile.read(first)[0], soundfile.read(second)[0])[0, 1])


def test_a_long_stereo_flac_is_captioned_span_by_span(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["caption", "long.flac", "short.wav", "--model=model", "--out=captions.jsonl"])
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    rows = [json.loads(line) for line in Path("captions.jsonl").read_text().splitlines()]
    assert [name for name, _ in lines][:2] == ["long.flac#t=0,3.571", "long.flac#t=3.571,7.143"]
    assert lines[-1][0] == "short.wav"
    assert [row["caption"] for row in rows] == [caption for _, caption in lines]
    assert [row["audio"] for row in rows] == ["long.flac"] * 7 + ["short.wav"]
    assert (rows[0]["start"], rows[6]["end"], rows[7]["end"]) == (0, 25, 2)
    assert all(first["end"] == second["start"] for first, second in pairwise(rows[:7]))
    assert json.loads(Path("captions.json").read_text())["settings"]["window"] == 4.0


def test_captions_do_not_depend_on_the_batch(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for size in (1, 3, 16):
        main(["caption", "long.flac", "--model=model", "--steps=4", f"--batch_size={size}"])
        told.append(capsys.readouterr().out)
    assert told[0] == told[1] == told[2]


def test_a_bad_file_does_not_keep_the_others_from_their_captions(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.wav").touch()
    with pytest.raises(SystemExit) as left:
        main(["caption", "bad.wav", "short.wav", "--model=model", "--out=captions.jsonl"])
    told = capsys.readouterr()
    assert left.value.code == 2
    assert told.out.startswith("short.wav\t")
    assert told.err.startswith("uat: 1 of 2 files have no caption. bad.wav is empty")
    assert len(Path("captions.jsonl").read_text().splitlines()) == 1
    assert len(json.loads(Path("captions.json").read_text())["left_out"]) == 1


def test_silence_and_a_single_sample_are_audio(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write("silent.wav", np.zeros(16_000), 16_000)
    soundfile.write("one.wav", np.array([0.5]), 16_000)
    main(["caption", "silent.wav", "one.wav", "--model=model"])
    told = capsys.readouterr()
    assert [line.split("\t")[0] for line in told.out.splitlines()] == ["silent.wav", "one.wav"]
    assert told.err == "uat: warning: silent.wav is silent\n"


def test_edit_keeps_the_length_and_says_what_it_did(place: Path) -> None:
    main(["edit", "short.wav", "--target=rain falls", "--model=model", "--steps=4", "--strength=0.5", "--out=wet.wav"])
    record, sound = json.loads(Path("wet.json").read_text()), soundfile.info("wet.wav")
    assert (sound.samplerate, sound.channels, sound.frames) == (16_000, 1, 32_000)
    assert (record["source"], record["target"], record["settings"]["strength"]) == ("short.wav", "rain falls", 0.5)


def test_strength_0_leaves_the_source_to_the_codec_and_strength_1_to_the_caption(place: Path) -> None:
    plain = ["--method=SDEdit", "--rendering=Decoded", "--model=model", "--steps=4"]
    for name, strength, target in (("a", 0, "rain"), ("b", 0, "a bell"), ("c", 1, "rain"), ("d", 1, "a bell")):
        edit = ["edit", "short.wav", f"--target={target}", f"--strength={strength}", f"--out={name}.wav"]
        main([*edit, *plain])
    assert Path("a.wav").read_bytes() == Path("b.wav").read_bytes()
    assert Path("c.wav").read_bytes() != Path("d.wav").read_bytes()
    soundfile.write("other.wav", 0.1 * np.random.default_rng(0).standard_normal(32_000), 16_000)
    main(["edit", "other.wav", "--target=rain", "--strength=1", "--out=e.wav", *plain])
    assert Path("c.wav").read_bytes() == Path("e.wav").read_bytes()


def test_several_files_are_edited_into_numbered_ones(place: Path) -> None:
    main(["edit", "short.wav", "long.flac", "--end=1", "--target=rain", "--model=model", "--steps=2", "--out=wet.wav"])
    assert [soundfile.info(f"wet-{number}.wav").frames for number in (1, 2)] == [16_000, 16_000]
    assert json.loads(Path("wet-2.json").read_text())["source"] == "long.flac"


@pytest.mark.parametrize(("seconds", "count"), [(0.5, 1), (4.0, 1), (4.01, 2), (25.0, 7)])
def test_spans_are_the_fewest_equal_ones(seconds: float, count: int) -> None:
    waveform = torch.arange(round(seconds * 100))[None]
    spans = cut("file", 2.0, waveform, 100, 4.0)
    assert len(spans) == count
    assert torch.cat([span.waveform for span in spans], dim=1).equal(waveform)
    assert max(span.waveform.shape[1] for span in spans) - min(span.waveform.shape[1] for span in spans) <= 1
    assert (spans[0].start, spans[-1].end) == (2.0, 2.0 + seconds)


def test_batches_hold_everything_once() -> None:
    assert [list(rows) for rows in batches(5, 2)] == [[0, 1], [2, 3], [4]]


def test_trying_a_place_leaves_nothing(tmp_path: Path) -> None:
    check_place(tmp_path / "new/folder/sound.wav", ".wav")
    assert not list(tmp_path.iterdir())


def test_solver_schedule_rescaling_and_a_negative_caption_are_options(place: Path) -> None:
    generate("rain", "--out=plain.wav")
    more = ["--guidance_rescale=0.7", "--negative=a siren", "--solver=DPMSolver3MSDE", "--schedule=polyexponential"]
    generate("rain", "--out=a.wav", *more)
    generate("rain", "--out=b.wav", *more)
    assert Path("a.wav").read_bytes() == Path("b.wav").read_bytes() != Path("plain.wav").read_bytes()
    settings = json.loads(Path("a.json").read_text())["settings"]
    assert (settings["guidance_rescale"], settings["negative"]) == (0.7, "a siren")
    assert (settings["solver"], settings["schedule"]) == ("DPMSolver3MSDE", "polyexponential")
    main(["edit", "short.wav", "--target=rain", "--method=SDEdit", "--model=model", "--steps=4", "--out=c.wav", *more])
    assert json.loads(Path("c.json").read_text())["settings"]["negative"] == "a siren"


@pytest.mark.parametrize("more", [["--negative= "], ["--negative=a bell", "--guidance=1"], ["--guidance_rescale=2"]])
def test_options_of_guidance_that_cannot_be_used_are_refused(place: Path, more: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        generate("rain", "--out=never.wav", *more)
    assert left.value.code == 2
    assert not Path("never.wav").exists()
