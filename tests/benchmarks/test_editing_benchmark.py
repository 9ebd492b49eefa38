"""The editing benchmark: its edits, what is kept of it, its comparisons, and the whole of it in small."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest
import soundfile
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from conftest import BACKBONE  # noqa: E402
from editing import table  # noqa: E402
from editing.comparison import Trial, against, at_adherence, recommended, relative  # noqa: E402
from editing.edits import drawn  # noqa: E402
from editing.entries import BASELINE, DEFAULT, ENTRIES, trials, true_source  # noqa: E402
from editing.kept import Kept, described  # noqa: E402
from editing.real import REGION, RealClips  # noqa: E402
from editing.run import main  # noqa: E402
from editing.trial import Bench  # noqa: E402
from uat_lightning.app.editing_scores import prompted  # noqa: E402
from uat_lightning.app.hearing import Ears  # noqa: E402
from uat_lightning.app.model import open_model  # noqa: E402
from uat_lightning.app.tagger import TaggerRecipe  # noqa: E402
from uat_lightning.backbone import DualStreamTransformer, SourceLatents  # noqa: E402
from uat_lightning.data.soundscapes import EVENTS, Soundscapes  # noqa: E402
from uat_lightning.metrics.embedders.convolutional import ConvolutionalTagger  # noqa: E402
from uat_lightning.pipeline import UATPipeline  # noqa: E402
from uat_lightning.sampling import Guidance  # noqa: E402
from uat_lightning.sampling.editing import FlowEdit  # noqa: E402
from uat_lightning.tasks import Edit, Parts  # noqa: E402

RECIPE = TaggerRecipe(train_clips=12, validation_clips=4, epochs=1, batch_size=4, width=2)
SHORT = Soundscapes(shortest=1.0, longest=1.2)


def rows(asked_for: list[float], distances: list[float], operation: str = "add") -> list[dict[str, object]]:
    pairs = zip(asked_for, distances, strict=True)
    return [
        {"operation": operation, "asked_for": asked, "to_target_db": far, "latents": far / 10, "kept": None}
        for asked, far in pairs
    ]


CURVE = [Trial("plain", 0.5, rows([0, 0, 0, 1], [8, 6, 4, 2])), Trial("plain", 0.9, rows([1, 1, 1, 0], [10, 8, 6, 4]))]


def test_equal_adherence_is_read_off_the_line_between_two_strengths():
    half, reached = at_adherence(CURVE, 0.5, "to_target_db")
    assert (half, reached) == ([9, 7, 5, 3], True)
    assert at_adherence(CURVE, 0.75, "to_target_db") == ([10, 8, 6, 4], True)
    assert at_adherence(CURVE, 0.9, "to_target_db") == ([10, 8, 6, 4], False)
    assert at_adherence(CURVE, 0.1, "to_target_db") == ([8, 6, 4, 2], False)


def test_a_trial_is_as_much_nearer_as_its_paired_difference_says():
    compared = against(CURVE, Trial("better", 1.0, rows([1, 1, 0, 0], [6, 4, 2, 0])))
    assert compared["reached"] and compared["asked_for"] == 0.5
    nearer = compared["to_target_db"]
    assert (nearer["theirs"], nearer["ours"], nearer["difference"]) == (6, 3, -3)
    assert [nearer[name] for name in ("share", "low_share", "high_share")] == pytest.approx([-0.5] * 3)
    noisy = relative([1.0, 2.0, 3.0, 4.0], [1.5, 1.0, 2.0, 4.5])
    assert relative([0.0], [1.0])["share"] != relative([0.0], [1.0])["share"]  # nothing to be a share of
    assert noisy["share"] == pytest.approx(-0.1) and noisy["low_share"] < -0.1 < noisy["high_share"]


def test_recommended_is_the_nearest_of_those_that_obey_as_often():
    obeys = Trial("obeys", 1.0, rows([1, 1, 1, 0], [6, 6, 6, 6]))
    near = Trial("near", 1.0, rows([1, 0, 0, 0], [1, 1, 1, 1]))
    assert recommended([*CURVE, obeys, near], CURVE[1], "add") is obeys
    assert recommended([*CURVE, obeys, near], CURVE[0], "add") is near
    assert recommended([CURVE[0], near], CURVE[1], "add", slack=0.6) is near


def test_the_baselines_curve_comes_first_then_each_methods_own_strength():
    order = trials(ENTRIES)
    assert order[: len(BASELINE.strengths)] == [(BASELINE, level) for level in BASELINE.strengths]
    assert order[len(BASELINE.strengths)] == (DEFAULT, DEFAULT.own)
    assert Counter(entry.name for entry, _ in order) == {entry.name: len(entry.strengths) for entry in ENTRIES}
    assert all(entry.own in entry.strengths for entry in ENTRIES)


def test_as_many_edits_of_each_operation_are_drawn_from_an_index_on(tiny_parts):
    edits = drawn(SHORT, tiny_parts, "validation", 7, 2)
    assert Counter(unseen.edit.operation for unseen in edits) == {"add": 2, "delete": 2, "replace": 2}
    assert min(unseen.index for unseen in edits) >= 7
    lengths = [unseen.source.shape[1] for unseen in edits]
    assert lengths == sorted(lengths)
    (known,), (unknown,) = (asks(tiny_parts, edits[:1], Edit()) for asks in (true_source, prompted))
    assert (known.text, unknown.text) == (edits[0].heard, None)
    assert known.target == unknown.target == edits[0].prompt


def test_results_are_kept_by_their_settings(tmp_path):
    made: list[float] = []

    def make(value: float):
        made.append(value)
        return {"rows": [value, float("nan")]}

    kept, other = Kept(tmp_path, {"steps": 2}), Kept(tmp_path, {"steps": 3})
    first = kept.result("a", 0.5, "m", FlowEdit(0.5), lambda: make(0.1))
    assert first == kept.result("a", 0.5, "m", FlowEdit(0.5), lambda: make(0.2))
    assert first["rows"] == [0.1, None] and (first["entry"], first["strength"]) == ("a", 0.5)
    kept.result("a", 0.5, "m", FlowEdit(0.5, draws=2), lambda: make(0.3))
    kept.result("a", 0.5, "m", FlowEdit(0.5, Guidance(2.0)), lambda: make(0.4))
    kept.result("a", 0.5, "n", FlowEdit(0.5), lambda: make(0.5))
    other.result("a", 0.5, "m", FlowEdit(0.5), lambda: make(0.6))
    assert made == [0.1, 0.3, 0.4, 0.5, 0.6]
    assert described(FlowEdit(0.5))["source_guidance"] == {"class": "Guidance", "scale": 1.0, "start": 1.0, "stop": 0.0}


def test_a_trial_scores_every_edit_as_its_result_deserves(tiny_pipeline_folder, tiny_parts):
    model = open_model(str(tiny_pipeline_folder), "cpu")
    torch.manual_seed(0)
    ears = Ears(ConvolutionalTagger(tuple(EVENTS), 16_000, 1.2, 2))
    bench = Bench(drawn(SHORT, tiny_parts, "validation", 0, 1), ears, 2)
    perfect = bench.scored(model, [unseen.target for unseen in bench.edits])
    assert [row["to_target_db"] for row in perfect] == [row["latents"] for row in perfect] == [0, 0, 0]
    assert all(row["to_source_db"] > 0 and row["si_sdr_db"] > 60 for row in perfect)
    tried = bench.tried(model, DEFAULT, 1.0)
    assert tried["evaluations"] == 2 * 2 * 2 and tried["seconds_each"] > 0
    assert [row["operation"] for row in tried["rows"]] == [unseen.edit.operation for unseen in bench.edits]
    assert all(row["to_target_db"] > 0 for row in tried["rows"])


def test_real_clips_keep_every_sample_outside_of_a_region(tiny_pipeline_folder, tmp_path):
    noise = torch.randn(40_000, generator=torch.Generator().manual_seed(0))
    soundfile.write(tmp_path / "a.wav", (0.1 * noise).numpy(), 16_000, subtype="FLOAT")
    model = open_model(str(tiny_pipeline_folder), "cpu")
    means = RealClips.of(tmp_path, model, 3.0).tried(model, BASELINE, 0.9, 2)["means"]
    assert (means["outside_db"], means["samples_kept"]) == (0, 1)
    assert means["inside_db"] > 0 and means["everywhere_db"] > 0 and REGION[1] <= 2.5
    with pytest.raises(ValueError, match="no sound file"):
        RealClips.of(tiny_pipeline_folder, model)


def test_tables_have_a_cell_for_each_column():
    own = rows([1, 0], [1.0, 2.0])
    for row in own:
        row |= {"to_source_db": 1.0, "si_sdr_db": None}
    filled = {
        table.HEAD: table.trial_line("a", "1", own, own, ("2", "0.1")),
        table.EQUAL: table.equal_lines([against(CURVE, CURVE[0])]),
        table.WRITTEN: table.written_lines({"latents": relative([1, 2], [2, 3])}),
        table.BEST: table.best_lines({"add": CURVE[0]}, CURVE[0]),
    }
    for text, lines in filled.items():
        assert lines.count("|") == len(table.COLUMNS[text].split(", ")) + 1


@pytest.fixture
def small(tiny_pipeline_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UAT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("editing.run.Soundscapes", lambda sample_rate: SHORT)
    return ["--model", str(tiny_pipeline_folder), "--each=1", "--steps=2", "--first=0", "--out=out", "--work=work"]


def test_the_whole_of_it_goes_on_where_it_stopped_and_writes_its_tables(small, tmp_path, monkeypatch, capsys):
    real = tmp_path / "real"
    real.mkdir()
    soundfile.write(real / "a.wav", 0.1 * torch.randn(40_000).numpy(), 16_000)
    only = ["--only", DEFAULT.name, "FlowEdit, source written"]
    main([*small, *only, f"--real={real}"], RECIPE)
    text, record = Path("out/editing.md").read_text(), json.loads(Path("out/editing.json").read_text())
    assert {"## At equal adherence", "## Recommended for each operation", "## Real clips"} <= set(text.splitlines())
    assert "9 of 9 trials" in text and "## Who says what the source is" in text
    assert [set(trial["scores"]) for trial in record["trials"]] == [{"all", "add", "delete", "replace"}] * 9
    assert record["trials"][5]["settings"][0]["method"]["draws"] == 2 and str(tmp_path) not in text
    assert Path("out/editing.png").read_bytes().startswith(b"\x89PNG")
    for kind in (Bench, RealClips):
        monkeypatch.setattr(kind, "tried", lambda *args: pytest.fail("what is finished is done again"))
    main([*small, *only, f"--real={real}"], RECIPE)
    assert json.loads(Path("out/editing.json").read_text())["trials"] == record["trials"]
    assert capsys.readouterr().out.count("# Editing methods on Soundscapes triplets") == 2


def test_methods_of_a_trained_editor_take_its_model_or_are_left_out(
    small, tmp_path, tiny_codec, tiny_tokenizer, capsys
):
    editor = DualStreamTransformer(**BACKBONE, source=SourceLatents())
    UATPipeline(Parts(editor, tiny_codec, tiny_tokenizer)).save_pretrained(tmp_path / "editor")
    names = [entry.name for entry in ENTRIES if entry.trained]
    main([*small, "--only", *names, "--trained=editor"], RECIPE)
    record = json.loads(Path("out/editing.json").read_text())
    tried = {trial["entry"]: trial for trial in record["trials"]}
    assert names == [
        "SourceConditioned",
        "SourceConditioned, by instruction",
        "SourceConditioned, by instruction, best of 4",
        "SourceDifference, by instruction",
        "Instructed, by instruction",
    ]
    assert {name: trial["evaluations"] for name, trial in tried.items()} == dict(
        zip([BASELINE.name, *names], [2, 4, 4, 16, 2, 2], strict=True)
    )
    assert tried[names[0]]["not_followed"] == tried[names[-1]]["not_followed"] == 0
    assert (
        record["protocol"]["trained"] != record["protocol"]["model"]
        and "--trained FOLDER" in Path("out/editing.md").read_text()
    )
    main([*small, "--only", *names], RECIPE)
    assert {trial["entry"] for trial in json.loads(Path("out/editing.json").read_text())["trials"]} == {BASELINE.name}
    assert "SourceConditioned is left out: name a model" in capsys.readouterr().err
