from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from uat_lightning.app.evaluation.caption_files import read_captions, read_references
from uat_lightning.app.evaluation.captions import matched
from uat_lightning.cli import main
from uat_lightning.metrics.captioning import caption_scores

TRUE = {"bell": ["a bell rings", "a chime"], "dog": ["a dog barks loudly"], "rain": ["soft rain falls", "rain"]}
MADE = {"rain.wav": "rain falls", "bell.wav": "a bell rings", "dog.wav": ""}
QUICK = ["--scorers+=CiderD", "--scorers+=Bleu", "--scorers+=RougeL"]
AUDIOCAPS = """audiocap_id,youtube_id,start_time,caption
11,rqfQRErjfk8,170,A crowd cheers
12,rqfQRErjfk8,170,People applaud
21,JTHMXLC9YRs,30,"A dog barks, twice"
"""
CLOTHO = """file_name,caption_1,caption_2,caption_3,caption_4,caption_5
Santa Motor.wav,a,b,c,d,e
rain 1.wav,f,g,h,i,
"""


def lines(file: str, rows: list[dict]) -> None:
    Path(file).write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lines("refs.jsonl", [{"id": clip, "captions": texts} for clip, texts in TRUE.items()])
    lines("mine.jsonl", [{"audio": clip, "caption": text} for clip, text in MADE.items()])
    return tmp_path


def evaluate(*args: str, captions: str = "mine.jsonl", out: str = "out") -> dict:
    main(["evaluate", "--captions", captions, "--references", "refs.jsonl", "--out", out, *QUICK, *args])
    return json.loads(Path(out, "scores.json").read_text())


def refused(capsys: pytest.CaptureFixture[str], *args: str, says: str) -> None:
    before = sorted(Path().rglob("*"))
    with pytest.raises(SystemExit) as left:
        main(["evaluate", *args])
    told = capsys.readouterr().err
    assert left.value.code == 2
    assert len(told.splitlines()) == 1 and told.startswith("uat: ")
    assert says in told
    assert sorted(Path().rglob("*")) == before


def test_scores_are_those_of_the_metric_and_every_clip_has_its_own(capsys):
    record = evaluate()
    expected = caption_scores(["a bell rings", "", "rain falls"], list(TRUE.values()))
    for name in ("bleu_1", "bleu_4", "rouge_l", "cider_d"):
        assert record["scores"][name] == pytest.approx(expected.scores[name])
        assert [clip["scores"][name] for clip in record["clips"]] == pytest.approx(expected.per_clip[name])
    assert [clip["id"] for clip in record["clips"]] == list(TRUE)
    assert record["clips"][1]["notes"] == {"caption": "", "references": TRUE["dog"]}
    assert "spice" in record["not_computed"] and "spice" not in record["scores"]
    low, high = record["intervals"]["rouge_l"]
    assert low < record["scores"]["rouge_l"] < high
    assert "An interval says" in Path("out/report.html").read_text()
    assert "report.html" in capsys.readouterr().out
    assert sorted(file.name for file in Path("out").iterdir()) == ["report.html", "scores.json"]
    assert not list(Path().glob(".out*"))


def test_the_protocol_says_what_the_scores_depend_on():
    protocol = evaluate()["protocol"]
    assert (protocol["data"]["clips"], protocol["data"]["references"]) == (3, 5)
    assert len(protocol["data"]["sha256"]) == 64
    assert protocol["method"]["words"]["class_path"].endswith("Treebank")
    assert len(protocol["method"]["scorers"]) == 3
    assert {"python", "torch", "pycocoevalcap"} <= protocol["versions"].keys()
    assert "java" not in protocol["versions"]
    assert protocol["system"]["caption_choice"] == "the only one of each clip"


def test_the_hash_is_of_what_the_references_say_and_not_of_their_order():
    first = evaluate()["protocol"]["data"]["sha256"]
    lines("refs.jsonl", [{"id": clip, "captions": TRUE[clip]} for clip in reversed(TRUE)])
    assert evaluate(out="again")["protocol"]["data"]["sha256"] == first
    lines("refs.jsonl", [{"id": clip, "captions": [*texts, "more"]} for clip, texts in TRUE.items()])
    assert evaluate(out="other")["protocol"]["data"]["sha256"] != first


def test_the_page_stands_alone_and_is_safe():
    lines("mine.jsonl", [{"id": clip, "caption": "<script>alert(1)</script>"} for clip in TRUE])
    evaluate()
    page = Path("out/report.html").read_text()
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
    assert "http://" not in page and "https://" not in page
    assert "aria-sort" in page and "Worst clips" in page


def test_the_worst_clips_can_be_listened_to_where_there_are_sounds():
    Path("sounds").mkdir()
    for clip in TRUE:
        soundfile.write(f"sounds/{clip}.wav", 0.1 * np.sin(np.arange(4000) * 0.1), 16_000)
    evaluate("--audio", "sounds")
    assert Path("out/report.html").read_text().count("<audio") == 3


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"id": "bell", "caption": "a"}], "2 of 3 clips of the references are missing, the first is dog"),
        ([{"id": "owl", "caption": "a"}], "owl is not among the 3 clips"),
        ([{"id": "bell", "caption": "a"}, {"id": "bell", "caption": "b"}], "line 2: a second caption of bell"),
        ([{"id": "bell", "caption": "a"}, {"id": "bell.wav", "caption": "b"}], "bell and bell.wav are both bell"),
        ([{"caption": "a"}], "line 1: no id (or audio)"),
        ([{"id": "bell", "text": "a"}], "line 1: no caption"),
        ([], "holds no caption"),
    ],
)
def test_captions_that_do_not_fit_are_refused_in_one_line(rows, says, capsys):
    lines("bad.jsonl", rows)
    refused(capsys, "--captions", "bad.jsonl", "--references", "refs.jsonl", *QUICK, says=says)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "name one of --captions, --sounds, --model to score, got none"),
        (["--captions", "mine.jsonl"], "--captions need --references"),
        (["--captions", "mine.jsonl", "--sounds", "x"], "got --captions and --sounds"),
        (["--captions", "mine.jsonl", "--references", "nowhere.jsonl"], "nowhere.jsonl cannot be read"),
        (["--captions", "mine.jsonl", "--references", "refs.jsonl", "--missing=-1"], "must not be negative"),
        (["--captions", "mine.jsonl", "--references", "refs.jsonl", "--out", "mine.jsonl"], "is a file"),
    ],
)
def test_wrong_options_are_refused_in_one_line(args, says, capsys):
    refused(capsys, *args, says=says)


def test_clips_may_be_missing_where_that_is_allowed_and_it_is_counted():
    lines("mine.jsonl", [{"id": clip, "caption": "rain"} for clip in ("bell", "rain")])
    protocol = evaluate("--missing", "1")["protocol"]
    assert protocol["data"]["clips"] == 2
    assert protocol["system"]["missing"] == 1


def test_of_several_captions_the_first_counts_and_that_is_said():
    lines("mine.jsonl", [{"id": clip, "captions": ["rain", "wind"]} for clip in TRUE])
    record = evaluate()
    assert {clip["notes"]["caption"] for clip in record["clips"]} == {"rain"}
    assert record["protocol"]["system"]["caption_choice"] == "the first of several for 3 clips"


@pytest.mark.parametrize("name", ["YrqfQRErjfk8.wav", "rqfQRErjfk8_170.wav", "rqfQRErjfk8", "11", "12.wav"])
def test_clips_of_the_audiocaps_list_are_known_by_any_name(name):
    Path("test.csv").write_text(AUDIOCAPS)
    references = read_references(Path("test.csv"))
    assert list(references.captions.values()) == [["A crowd cheers", "People applaud"], ["A dog barks, twice"]]
    assert references.find(name) == next(iter(references.captions))


def test_clips_of_the_clotho_list_are_known_with_and_without_extension():
    Path("clotho.csv").write_text(CLOTHO)
    references = read_references(Path("clotho.csv"))
    assert references.captions["rain 1.wav"] == ["f", "g", "h", "i"]
    assert references.find("Santa Motor") == references.find("Santa_Motor.flac") == "Santa Motor.wav"


def test_a_name_of_two_clips_is_refused():
    lines("refs.jsonl", [{"id": "a/one.wav", "caption": "x"}, {"id": "b/one.wav", "caption": "y"}])
    references = read_references(Path("refs.jsonl"))
    with pytest.raises(ValueError, match=r"one may be a/one\.wav or b/one\.wav"):
        matched({"one": "z"}, references)
    assert references.find("a/one.wav") == "a/one.wav"


def test_a_failure_half_way_leaves_nothing(monkeypatch):
    def broken(*args):
        raise OSError("disk full")

    monkeypatch.setattr("uat_lightning.app.evaluation.outcome.render", broken)
    with pytest.raises(SystemExit):
        evaluate(out="new/out")
    assert sorted(file.name for file in Path().iterdir()) == ["mine.jsonl", "refs.jsonl"]


def test_rows_that_an_official_list_has_in_vain_are_counted(capsys):
    Path("refs.csv").write_text(
        "file_name,caption_1,caption_2,caption_3,caption_4,caption_5\nbell.wav,a,b,c,d,e\n,,,,,\n"
    )
    lines("mine.jsonl", [{"id": "bell", "caption": "a"}])
    main(["evaluate", "--captions", "mine.jsonl", "--references", "refs.csv", "--out", "out", "--scorers+=RougeL"])
    assert "1 rows of the references make no sense and were left out" in capsys.readouterr().out
    assert json.loads(Path("out/scores.json").read_text())["protocol"]["system"]["malformed"] == 1


def test_a_manifest_as_a_training_has_it_makes_references():
    Path("list.csv").write_text("audio,caption\nbell.wav,a bell rings\nbell.wav,a chime\n")
    assert read_references(Path("list.csv")).captions == {"bell.wav": ["a bell rings", "a chime"]}


def test_published_scores_come_out_of_the_door(shared):
    import gzip

    case = json.loads(gzip.decompress((shared / "cases/coco_fakecap/data.json.gz").read_bytes()))
    rows = list(zip(map(str, case["ids"]), case["candidates"], case["references"], strict=True))
    lines("refs.jsonl", [{"id": clip, "captions": texts} for clip, _, texts in rows])
    lines("mine.jsonl", [{"id": clip, "caption": text} for clip, text, _ in rows])
    scores = evaluate()["scores"]
    assert scores["cider_d"] == pytest.approx(0.600, abs=5e-4)
    assert [scores[f"bleu_{n}"] for n in (1, 2, 3, 4)] == pytest.approx([0.579, 0.404, 0.279, 0.191], abs=6e-4)


def test_captions_of_the_caption_door_are_read():
    lines("made.jsonl", [{"audio": "bell.wav", "start": 0.0, "end": 4.0, "caption": "a bell"}])
    assert read_captions(Path("made.jsonl")).captions == {"bell.wav": "a bell"}
