from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch

import uat_lightning.app.tagger as tagger_training
from uat_lightning.app.editing_scores import edit_all, editing_scores, instructed, target_reached
from uat_lightning.app.examine import examine
from uat_lightning.app.media import sound
from uat_lightning.app.model import open_model
from uat_lightning.app.page import tags
from uat_lightning.app.report import report
from uat_lightning.app.scores import Settings, plain
from uat_lightning.app.tagger import TaggerRecipe, tagger_file, trained_tagger
from uat_lightning.app.unseen import batches, unseen_clips, unseen_edits
from uat_lightning.backbone import DualStreamTransformer, SourceLatents
from uat_lightning.data.soundscapes import EVENTS, Soundscapes
from uat_lightning.pipeline import UATPipeline
from uat_lightning.sampling import Euler
from uat_lightning.sampling.editing import SDEdit
from uat_lightning.tasks import Caption, Edit, Parts

RECIPE = TaggerRecipe(train_clips=12, validation_clips=4, epochs=1, batch_size=4, width=2)
SETTINGS = Settings(steps=2, curve=(0.5,), batch_size=3)
BACKBONE = {"latent_width": 4, "vocabulary_size": 256, "canvas": 32, "width": 32, "depth": 1, "heads": 2}
CLIPS = 4


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """One cache for all tests here, so that the tagger is trained once."""
    folder = tmp_path_factory.getbasetemp() / "tagger-cache"
    monkeypatch.setenv("UAT_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def examined(tiny_codec, tiny_tokenizer, tmp_path_factory) -> tuple[str, dict[str, Any], list[str]]:
    folder = tmp_path_factory.mktemp("examined") / "model"
    with torch.random.fork_rng(), pytest.MonkeyPatch.context() as patch:
        torch.manual_seed(0)
        UATPipeline(Parts(DualStreamTransformer(**BACKBONE), tiny_codec, tiny_tokenizer)).save_pretrained(folder)
        patch.setenv("UAT_CACHE", str(tmp_path_factory.getbasetemp() / "tagger-cache"))
        page, scores, lines = examine(open_model(str(folder), "cpu"), SETTINGS, range(CLIPS), RECIPE)
    return page, json.loads(scores), lines


class _Page(HTMLParser):
    VOID = ("meta", "img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.open += [] if tag in self.VOID else [tag]
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        self.ids += [value for name, value in attributes if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def numbers(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [number for item in value.values() for number in numbers(item)]
    if isinstance(value, list):
        return [number for item in value for number in numbers(item)]
    return [value]


def test_the_page_is_whole_and_needs_nothing_else(examined):
    page, record, _ = examined
    parsed = _Page()
    parsed.feed(page)
    assert parsed.open == []
    assert parsed.ids == ["generated", "captioned", "edited", "scores", "protocol"]
    assert not re.search(r"https?:|//[a-z]", re.sub(r"base64,[\w+/=]+", "", page))
    assert all(address.startswith(("data:", "#")) for address in parsed.addresses)
    players = len(re.findall(r"<audio ", page))
    edits = len(re.findall(r"true target</figcaption>", page))
    assert players == 2 * CLIPS + CLIPS + 3 * edits
    assert edits == min(CLIPS, record["protocol"]["edits"])
    assert "nan" not in re.sub(r"base64,[\w+/=]+", "", page).lower().replace("nanum", "")


def test_the_table_has_every_score(examined):
    _, record, lines = examined
    scores = record["scores"]
    captioning = {"event_f1", "relations_right", "attributes_right", "bleu_4", "rouge_l", "cider_d"}
    for part in ("all", "held_out_pairs"):
        assert captioning <= scores["captioning"][part].keys()
        for name in ("guided", "without_guidance", "codec", "true_clips"):
            assert {"event_precision", "event_recall", "event_f1"} <= scores["generation"][name][part].keys()
    assert scores["captioning"]["all"]["clips"] == CLIPS
    assert scores["generation"]["guided"]["sound"]["durations_right"] == 1
    true = scores["generation"]["true_clips"]
    assert true["distances"] == {"clips": CLIPS, "frechet_distance": 0, "kl_true_to_made": 0, "kl_made_to_true": 0}
    assert all(scores["generation"]["codec"]["distances"][name] > 0 for name in true["distances"])
    assert true["sound"]["median_loudness_lufs"] < 0
    assert scores["generation"]["codec"]["distance_to_true_db"] > 0
    assert scores["editing"]["edited"].keys() == {"all", "add", "delete", "replace"}
    assert [point["strength"] for point in scores["editing"]["curve"]] == [0.5, 0.8]
    assert all(value is None or isinstance(value, str) or math.isfinite(value) for value in numbers(record))
    for name in ("event_f1", "bleu_4", "rouge_l", "cider_d"):
        assert scores["captioning"]["all"][name] is not None
    assert any("event F1" in line for line in lines)


def test_the_protocol_says_what_the_scores_depend_on(examined):
    _, record, _ = examined
    protocol = record["protocol"]
    assert (protocol["clips"], protocol["seed"], protocol["steps"]) == (CLIPS, 0, 2)
    assert len(protocol["model"]["weights_sha256"]) == 64
    assert len(record["tagger"]["sha256"]) == 64
    assert record["tagger"]["recipe"]["train_clips"] == 12
    assert set(record["seconds"]) == {"tagger", "captioning", "generation", "listening", "editing"}


def test_the_same_seed_gives_the_same_scores_in_other_batches(tiny_pipeline_folder):
    model = open_model(str(tiny_pipeline_folder), "cpu")
    scores = [
        json.loads(examine(model, Settings(steps=2, curve=(), batch_size=size), range(CLIPS), RECIPE)[1])["scores"]
        for size in (1, 4)
    ]
    for one, other in zip(*map(numbers, scores), strict=True):
        assert one == other or one == pytest.approx(other, abs=2e-3, rel=1e-3)


def test_a_model_that_knows_nothing_makes_a_page_too(tiny_pipeline_folder):
    model = open_model(str(tiny_pipeline_folder), "cpu")
    for weight in model.parts.backbone.parameters():
        weight.data.zero_()
    page, scores, _ = examine(model, SETTINGS, range(CLIPS), RECIPE)
    assert json.loads(scores)["scores"]["captioning"]["all"]["bleu_4"] < 1e-3
    assert "Generated from a caption" in page


def test_report_writes_page_and_table(tiny_pipeline_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("uat_lightning.app.examine.TaggerRecipe", lambda: RECIPE)
    page = tmp_path / "new" / "report.html"
    report(str(tiny_pipeline_folder), str(page), clips=CLIPS, steps=1, device="cpu")
    assert {file.name for file in page.parent.iterdir()} == {"report.html", "scores.json"}
    assert json.loads((page.parent / "scores.json").read_text())["protocol"]["clips"] == CLIPS
    assert str(page) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"out": "report.pdf"}, "must end in"),
        ({"out": "file/report.html"}, "cannot write"),
        ({"clips": 1}, "at least 2"),
        ({"steps": 0}, "steps must be above 0"),
        ({"strength": 1.5}, "from 0 to 1"),
        ({"model": "nowhere"}, "nowhere"),
    ],
)
def test_wrong_options_are_refused_before_any_work(options, complaint, tiny_pipeline_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("uat_lightning.app.examine.trained_tagger", None)
    Path("file").touch()
    with pytest.raises(ValueError, match=complaint):
        report(**{"model": str(tiny_pipeline_folder), "out": "report.html", **options})
    assert not Path("report.html").exists()


def test_the_tagger_is_trained_once_and_found_again(tmp_path, monkeypatch):
    soundscapes = Soundscapes(shortest=1.0, longest=1.0)
    state = torch.random.get_rng_state()
    first, file = trained_tagger(soundscapes, RECIPE, tmp_path, workers=0)
    assert torch.equal(torch.random.get_rng_state(), state)
    monkeypatch.setattr(tagger_training, "train", None)
    again, same = trained_tagger(soundscapes, RECIPE, tmp_path)
    assert same == file
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))
    assert [place.name for place in tmp_path.iterdir()] == [file.name]


def test_the_tagger_is_another_for_other_settings_and_trains_alike_for_the_same(tmp_path):
    soundscapes = Soundscapes(shortest=1.0, longest=1.0)
    files = {
        tagger_file(soundscapes, RECIPE, tmp_path),
        tagger_file(soundscapes, TaggerRecipe(seed=1), tmp_path),
        tagger_file(Soundscapes(seed=1, shortest=1.0, longest=1.0), RECIPE, tmp_path),
    }
    assert len(files) == 3
    twice = [tagger_training.train(soundscapes, RECIPE, workers=0).state_dict() for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(*(state.values() for state in twice), strict=True))


def test_a_damaged_tagger_is_trained_anew(tmp_path):
    soundscapes = Soundscapes(shortest=1.0, longest=1.0)
    file = tagger_file(soundscapes, RECIPE, tmp_path)
    file.write_bytes(b"not a safetensors file")
    trained_tagger(soundscapes, RECIPE, tmp_path, workers=0)
    assert file.stat().st_size > 1000


def test_true_targets_reach_the_target_and_sources_do_not(tiny_parts):
    edits = unseen_edits(Soundscapes(), tiny_parts, range(12))
    assert {unseen.edit.operation for unseen in edits} == {"add", "delete", "replace"}
    for unseen in edits:
        assert target_reached(unseen, unseen.after)
        assert not target_reached(unseen, unseen.before)


@pytest.fixture(scope="module")
def examined_editor(tiny_codec, tiny_tokenizer, tmp_path_factory) -> tuple[str, dict[str, Any], list[str]]:
    folder = tmp_path_factory.mktemp("instructed") / "model"
    with torch.random.fork_rng(), pytest.MonkeyPatch.context() as patch:
        backbone = DualStreamTransformer(**BACKBONE, source=SourceLatents())
        UATPipeline(Parts(backbone, tiny_codec, tiny_tokenizer)).save_pretrained(folder)
        patch.setenv("UAT_CACHE", str(tmp_path_factory.getbasetemp() / "tagger-cache"))
        page, scores, lines = examine(open_model(str(folder), "cpu"), SETTINGS, range(CLIPS), RECIPE)
    return page, json.loads(scores), lines


def test_a_model_trained_on_edits_is_scored_by_instruction_beside_sdedit(examined_editor, examined):
    page, record, lines = examined_editor
    editing = record["scores"]["editing"]
    for method in ("source_conditioned", "source_conditioned_single", "instructed"):
        assert editing[method].keys() == editing["edited"].keys() == {"all", "add", "delete", "replace"}
        assert editing[method]["all"].keys() >= {"target_present", "untouched_kept", "deleted_gone"}
    assert "trained (SourceConditioned)" in page
    assert "trained (Instructed)" in page
    assert sum(line.startswith(("edits by instruction", "edits as said")) for line in lines) == 9
    assert record["protocol"]["candidates"] == 4 and "Of 4 results the one is kept" in page
    assert not {"source_conditioned", "instructed"} & set(examined[1]["scores"]["editing"])
    assert ", trained (" not in examined[0]


class Deaf(Caption):
    """Hears rain in everything."""

    def run(self, parts, waveforms, seed=0, first=0):
        return ["rain falls"] * len(waveforms)


def test_by_instruction_a_source_stays_where_what_is_named_was_not_heard(tiny_parts):
    edits = unseen_edits(Soundscapes(), tiny_parts, range(12))
    task = Edit(SDEdit(0.9), Euler(2), caption=Deaf())
    made = edit_all(tiny_parts, edits, task, 0, 5, "Editing", instructed)
    stays = [unseen for unseen, result in zip(edits, made, strict=True) if result is unseen.source]
    assert {unseen.edit.operation for unseen in stays} >= {"delete"}
    assert all(unseen in stays for unseen in edits if unseen.edit.operation == "delete")
    told = instructed(tiny_parts, edits, task)
    for unseen, source, result in zip(edits, told, made, strict=True):
        assert (source is None) == (result is unseen.source)
        if source is not None:
            row = edits.index(unseen)
            (alone,) = task.edit(tiny_parts, [source], 0, row)
            torch.testing.assert_close(alone.audio, result, rtol=1e-3, atol=1e-3)
            assert alone.targets != ["rain falls"]


def test_editing_scores_by_hand(tiny_parts):
    edits = unseen_edits(Soundscapes(), tiny_parts, range(12))
    perfect = editing_scores(edits, [u.target for u in edits], [u.after for u in edits], 16_000)["all"]
    assert (perfect["target_present"], perfect["untouched_kept"], perfect["distance_to_target_db"]) == (1, 1, 0)
    assert perfect["distance_to_source_db"] > 0
    deaf = editing_scores(edits, [u.source for u in edits], [frozenset()] * len(edits), 16_000)
    assert deaf["delete"]["target_present"] == deaf["delete"]["deleted_gone"] == deaf["replace"]["deleted_gone"] == 1
    idle = editing_scores(edits, [u.source for u in edits], [u.before for u in edits], 16_000)
    assert idle["delete"]["deleted_gone"] == idle["replace"]["deleted_gone"] == 0
    assert math.isnan(idle["add"]["deleted_gone"])
    assert deaf["add"]["target_present"] == deaf["all"]["untouched_kept"] == deaf["all"]["distance_to_source_db"] == 0


def test_clips_come_by_duration_and_prompts_fit(tiny_parts):
    clips = unseen_clips(Soundscapes(), tiny_parts, range(8))
    lengths = [unseen.waveform.shape[1] for unseen in clips]
    assert lengths == sorted(lengths)
    assert tiny_parts.tokenizer.overlong([unseen.prompt for unseen in clips]) == [0] * len(clips)
    assert all(unseen.events <= set(EVENTS) for unseen in clips)


def test_tags_compare_events():
    found = [(tag.name, tag.state) for tag in tags(["rain", "dog"], ["rain", "bell"])]
    assert found == [("rain", "right"), ("dog", "wrong"), ("bell", "missing")]


@pytest.mark.parametrize("rate", [16_000, 18_900])
def test_any_waveform_can_be_shown(rate):
    shown = sound(torch.tensor([[math.nan, 3.0, -2.0] * 400]), rate)
    assert shown.audio.startswith("data:audio/")
    assert shown.image.startswith("data:image/webp;base64,")
    assert shown.seconds == pytest.approx(1200 / rate)


def test_plain_scores_hold_no_nan():
    assert plain({"a": [math.nan, 1.23456789, 3], "b": {"c": math.inf}}) == {"a": [None, 1.23457, 3], "b": {"c": None}}


def test_batches_hold_one_length_and_every_row_once():
    waveforms = [torch.zeros(1, samples) for samples in (5, 5, 5, 6, 7, 7)]
    assert list(batches(waveforms, 2, "")) == [range(0, 2), range(2, 3), range(3, 4), range(4, 6)]
    assert list(batches([], 2, "")) == []
