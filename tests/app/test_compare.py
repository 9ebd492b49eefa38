from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from uat_lightning.app.evaluation.record import Evaluation
from uat_lightning.cli import main

TRUE = {
    "bell": ["a bell rings", "a chime"],
    "dog": ["a dog barks loudly", "a puppy yaps"],
    "rain": ["soft rain falls", "rain"],
    "wind": ["wind blows", "a gale howls outside"],
}
GOOD = ["a bell rings", "a dog barks", "rain falls", "wind blows"]
POOR = ["a bell", "a cat", "rain", "wind and rain"]


def report(name: str, captions: list[str], *args: str, true: dict[str, list[str]] = TRUE) -> None:
    Path("refs.jsonl").write_text("".join(json.dumps({"id": c, "captions": t}) + "\n" for c, t in true.items()))
    rows = zip(true, captions, strict=True)
    Path(f"{name}.jsonl").write_text("".join(json.dumps({"id": c, "caption": t}) + "\n" for c, t in rows))
    quick = [arg for arg in ("--scorers+=CiderD", "--scorers+=Bleu", "--scorers+=RougeL") if arg not in args]
    main(["evaluate", "--captions", f"{name}.jsonl", "--references", "refs.jsonl", "--out", name, *quick, *args])


def made(**changes: object) -> str:
    """Return a report as somebody may write it by hand; its clips have one id."""
    protocol: dict[str, dict] = {"data": {}, "method": {}}
    clips = [{"id": "x", "scores": {}}] * 2
    whole = {"format": 1, "kind": "captions", "protocol": protocol, "scores": {}, "not_computed": {}, "clips": clips}
    return json.dumps(whole | changes)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    report("good", GOOD)
    report("poor", POOR)
    capsys.readouterr()


def refused(capsys: pytest.CaptureFixture[str], *args: str, says: str) -> None:
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main(["compare", *args])
    told = capsys.readouterr()
    assert left.value.code == 2
    assert told.out == "" and len(told.err.splitlines()) == 1
    assert says in told.err


def test_a_table_has_every_score_with_its_interval_or_the_reason(capsys):
    main(["compare", "poor", "good", "--out", "apart.json", "--resamples", "2000"])
    table = capsys.readouterr().out.splitlines()
    assert table[0].split()[:4] == ["score", "poor", "good", "difference"]
    assert any(line.startswith("no interval for bleu_3, bleu_4: of all clips together") for line in table)
    record = json.loads(Path("apart.json").read_text())
    found = {row["score"]: row for row in record["others"][0]["differences"]}
    first, second = (Evaluation.read(name) for name in ("poor", "good"))
    apart = second.scores["cider_d"] - first.scores["cider_d"]
    interval = found["cider_d"]["interval"]
    assert interval["difference"] == pytest.approx(apart)
    assert interval["low"] <= apart <= interval["high"]
    assert interval["low"] > 0 and interval["clips"] == 4
    assert first.scores["bleu_4"] < 1e-4 and found["bleu_4"]["interval"] is None  # no four words are right
    bleu = found["bleu_1"]["interval"]
    assert bleu["difference"] == pytest.approx(second.scores["bleu_1"] - first.scores["bleu_1"])
    assert bleu["low"] < bleu["difference"] < bleu["high"]


def test_a_report_does_not_differ_from_itself(capsys):
    main(["compare", "good", "good/scores.json"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[3:] for row in rows if row[0] == "cider_d"] == [["+0.0000", "+0.0000", "to", "+0.0000", "1.0000"]]


def test_several_are_compared_with_the_first(capsys):
    main(["compare", "good", "poor", "good"])
    assert capsys.readouterr().out.count("difference") == 2


def test_other_references_are_refused(capsys):
    report("other", GOOD, true=TRUE | {"bell": ["a gong"]})
    refused(capsys, "good", "other", says="good and other do not compare: data.sha256 is")


def test_another_tokenizer_is_refused_and_other_versions_are_noted(capsys):
    report("split", GOOD, "--words", "AlreadySplit")
    refused(capsys, "good", "split", says="method.words.class_path is uat_lightning.metrics.captioning.words.Treebank")
    record = json.loads(Path("poor/scores.json").read_text())
    record["protocol"]["versions"]["torch"] = "1.0"
    Path("poor/scores.json").write_text(json.dumps(record))
    main(["compare", "good", "poor"])
    assert "note: versions.torch is" in capsys.readouterr().out


def test_a_scorer_of_one_side_alone_is_no_reason_to_refuse(capsys):
    report("more", POOR, "--scorers+=Variety")
    capsys.readouterr()
    main(["compare", "good", "more"])
    assert "vocabulary_size is in more alone; good: not there" in capsys.readouterr().out


def test_sounds_do_not_compare_with_captions(capsys):
    record = json.loads(Path("poor/scores.json").read_text()) | {"kind": "sounds"}
    Path("poor/scores.json").write_text(json.dumps(record))
    refused(capsys, "good", "poor", says="good scores captions, poor sounds")


def test_sounds_of_other_names_have_differences_without_intervals(capsys):
    for folder, names in (("one", "ab"), ("two", "cd"), ("true", "ef")):
        Path(folder).mkdir()
        for row, name in enumerate(names):
            soundfile.write(f"{folder}/{name}.wav", 0.1 * np.sin(np.arange(8000) * 0.05 * (row + 1)), 16_000)
    for folder in ("one", "two"):
        main(["evaluate", "--sounds", folder, "--against", "true", "--out", f"{folder}-scored", "--device", "cpu"])
    capsys.readouterr()
    main(["compare", "one-scored", "two-scored"])
    told = capsys.readouterr().out
    assert "rms_dbfs" in told and "the clips have other names on the other side" in told


def test_an_embedder_of_other_weights_is_refused(capsys):
    for name, weights in (("good", "0" * 64), ("poor", "1" * 64)):
        record = json.loads(Path(name, "scores.json").read_text())
        record["protocol"]["method"]["embedder"] = {"identity": f"VGGish sha256 {weights}", "sample_rate": 16_000}
        Path(name, "scores.json").write_text(json.dumps(record))
    refused(
        capsys, "good", "poor", says="method.embedder.identity is VGGish sha256 00000000 and VGGish sha256 11111111"
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read"),
        ("{", "is no report"),
        ("[]", "is no report"),
        ('{"format": 99}', "another format"),
        ('{"format": 1, "clips": [3]}', "is no report"),
        ('{"format": 1, "clips": [], "protocol": {}, "kind": "captions"}', "is no report"),
        (made(), "two clips have one id"),
        (made(scores={"a": "b"}), "a score is no number"),
        (made(scores=[1]), "a part of it is no object"),
        (made(scores={"a": None}), "absent without a reason"),
    ],
)
def test_what_is_no_report_is_refused(content, says, capsys):
    if content is not None:
        Path("odd.json").write_text(content)
    refused(capsys, "good", "odd.json", says=says)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["good"], "two reports or more"),
        (["good", "poor", "--confidence", "1"], "confidence must lie between 0 and 1"),
        (["good", "poor", "--resamples", "0"], "resamples must be above 0"),
        (["good", "poor", "--out", "x.txt"], "must end in .json"),
    ],
)
def test_wrong_options_are_refused(args, says, capsys):
    refused(capsys, *args, says=says)
