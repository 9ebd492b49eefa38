"""`uat edit` with a model that was trained on edits, and with one that was not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from conftest import BACKBONE
from uat_lightning.backbone import DualStreamTransformer, SourceLatents
from uat_lightning.cli import main
from uat_lightning.pipeline import UATPipeline
from uat_lightning.tasks import Parts


@pytest.fixture
def place(tiny_codec, tiny_tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for name, source in (("model", SourceLatents()), ("plain", None)):
            backbone = DualStreamTransformer(**BACKBONE, source=source)
            for weight in backbone.parameters():
                torch.nn.init.normal_(weight, std=0.1)
            UATPipeline(Parts(backbone, tiny_codec, tiny_tokenizer)).save_pretrained(tmp_path / name)
    write("a.wav", 1.0)
    return tmp_path


def write(name: str, seconds: float, rate: int = 16_000, channels: int = 1) -> None:
    noise = np.random.default_rng(0).standard_normal((round(seconds * rate), channels))
    soundfile.write(name, 0.2 * noise.clip(-3, 3), rate)


def edit(*args: str) -> None:
    main(["edit", "--model=model", "--steps=3", "--method=Instructed", *args])


def record(name: str) -> dict:
    return json.loads(Path(name).read_text())


def refused(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    with pytest.raises(SystemExit) as left:
        edit(*args)
    assert left.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_an_instruction_goes_to_the_model_as_it_is_said(place: Path):
    said = "kindly let there be rain instead"  # nothing that a parser reads
    edit("a.wav", f"--instruction={said}", "--out=b.wav")
    written = record("b.json")
    assert (written["targets"], written["source_texts"], written["instruction"]) == ([said], [], said)
    assert (written["settings"]["method"], written["settings"]["guidance"]) == ("Instructed", 4.0)
    assert soundfile.info("b.wav").frames == 16_000


def test_by_a_method_that_reads_captions_as_well_it_is_followed_alone_where_none_follows(place: Path):
    said = "kindly let there be rain instead"
    edit("a.wav", f"--instruction={said}", "--out=b.wav", "--method=SourceConditioned")
    written = record("b.json")
    assert (written["targets"], written["settings"]["method"]) == ([said], "SourceConditioned")
    assert "cannot read the instruction" in written["not_followed"][0]
    edit("a.wav", "--instruction=add a bell", "--source=rain falls", "--out=c.wav", "--method=SourceConditioned")
    assert (record("c.json")["targets"], record("c.json")["not_followed"]) == (["rain falls with a bell"], [])


def test_other_methods_still_have_to_read_it(place: Path, capsys):
    line = refused(capsys, "a.wav", "--instruction=kindly let there be rain", "--method=SDEdit")
    assert line.startswith("uat: cannot read the instruction")


def test_what_comes_out_depends_on_the_source_and_on_the_words(place: Path):
    soundfile.write("c.wav", 0.2 * np.sin(np.arange(16_000) * 0.2), 16_000)
    for source, said, out in (("a", "add rain", "1"), ("c", "add rain", "2"), ("a", "add a bell", "3")):
        edit(f"{source}.wav", f"--instruction={said}", f"--out={out}.wav", "--seed=0")
    first, other_source, other_words = (soundfile.read(f"{out}.wav")[0] for out in "123")
    assert not np.allclose(first, other_source, atol=1e-3)
    assert not np.allclose(first, other_words, atol=1e-3)


def test_a_target_caption_does_as_well(place: Path):
    edit("a.wav", "--target=rain falls", "--out=b.wav")
    assert record("b.json")["targets"] == ["rain falls"]


def test_guidance_on_the_source_is_heard_and_told(place: Path):
    edit("a.wav", "--instruction=add rain", "--out=b.wav")
    edit("a.wav", "--instruction=add rain", "--out=c.wav", "--source_guidance=2")
    assert not np.allclose(soundfile.read("b.wav")[0], soundfile.read("c.wav")[0], atol=1e-3)
    assert record("c.json")["settings"]["source_guidance"] == 2.0
    assert record("b.json")["evaluations"] == record("c.json")["evaluations"] == 3


def test_outside_of_a_region_a_file_stays_to_the_last_bit(place: Path):
    write("stereo.wav", 1.5, 44_100, 2)
    edit("stereo.wav", "--instruction=add rain", "--region=0.4:0.7", "--out=b.wav", "--window=0.6")
    before, after = (soundfile.read(name, dtype="int16")[0] for name in ("stereo.wav", "b.wav"))
    same = (before == after).all(1)
    assert same[: round(0.4 * 44_100)].all()
    assert same[round(0.7 * 44_100) :].all()
    assert not same.all()


def test_guidance_is_the_methods_usual_one_unless_it_is_given(place: Path):
    for name, options, wanted in (
        ("b", ["--method=SDEdit", "--target=rain falls"], 4.0),
        ("c", ["--method=SourceConditioned", "--instruction=add rain"], 5.0),
        ("d", ["--method=SourceConditioned", "--instruction=add rain", "--guidance=1.5"], 1.5),
    ):
        edit("a.wav", *options, f"--out={name}.wav")
        assert record(f"{name}.json")["settings"]["guidance"] == wanted


@pytest.mark.parametrize("method", ["SourceConditioned", "SourceDifference", "Instructed"])
def test_equal_channels_stay_equal(place: Path, method: str):
    """Channels are edited one by one, in the same words."""
    one = 0.2 * np.random.default_rng(0).standard_normal(24_000).clip(-3, 3)
    soundfile.write("twin.wav", np.stack([one, one], 1), 16_000, "FLOAT")
    edit(
        "twin.wav", f"--method={method}", "--instruction=add a bell", "--source=rain", "--region=0.4:0.9", "--out=b.wav"
    )
    after = soundfile.read("b.wav")[0]
    assert np.array_equal(after[:, 0], after[:, 1]) and not np.array_equal(after[:, 0], one)


def test_long_files_are_edited_in_windows_of_which_each_hears_its_own_source(place: Path):
    write("long.wav", 2.5)
    edit("long.wav", "--instruction=add rain", "--window=1", "--out=b.wav")
    assert record("b.json")["targets"] == ["add rain"] * 3
    assert soundfile.info("b.wav").frames == 40_000


def test_candidates_are_chosen_by_the_caption_that_follows(place: Path, capsys):
    edit("a.wav", "--instruction=add a bell", "--source=rain falls", "--candidates=2", "--out=b.wav")
    assert record("b.json")["targets"] == ["add a bell"]
    line = refused(capsys, "a.wav", "--instruction=kindly do", "--candidates=2", "--out=c.wav")
    assert line.startswith("uat: cannot read the instruction")
    assert not Path("c.wav").exists()


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["--model=plain", "--instruction=add rain"], "Instructed needs a model that was trained on edits"),
        (["--instruction=add rain", "--region=auto"], "a region is found from captions, and Instructed reads none"),
        (["--instruction= "], "the caption is empty"),
        ([f"--instruction={'add rain ' * 60}"], "tokens too long"),
        (["--instruction=add rain", "--method=SDEdit", "--source_guidance=2"], "SDEdit has no guidance on the source"),
        ([], "say what is to be heard in the end (--target), or what is to change (--instruction)"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line_before_anything_is_written(place: Path, capsys, args, line):
    assert line in refused(capsys, "a.wav", "--out=b.wav", *args)
    assert not Path("b.wav").exists()
