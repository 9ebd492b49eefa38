from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from small_clap import save_clap
from uat_lightning.app.evaluation.listeners import open_listener
from uat_lightning.app.evaluation.recordings import find_sounds
from uat_lightning.cli import main
from uat_lightning.metrics.audio.frechet import frechet_distance
from uat_lightning.metrics.audio.moments import Moments
from uat_lightning.metrics.embedders import AudioEmbedder, AudioTagger, TextAudioEmbedder
from uat_lightning.metrics.embedders.convolutional import ConvolutionalTagger
from uat_lightning.metrics.embedders.folder import save_listener
from uat_lightning.metrics.embedders.mono import mono
from uat_lightning.metrics.embedders.vggish import VGGish

RATE, NAMES = 16_000, ("a", "b", "deep/c")


def tone(pitch: float, gain: float = 0.5, seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    return gain * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for folder in ("made/deep", "true/deep"):
        Path(folder).mkdir(parents=True)
    for row, name in enumerate(NAMES):
        soundfile.write(f"true/{name}.wav", tone(300 + 200 * row), RATE)
        soundfile.write(f"made/{name}.wav", tone(330 + 200 * row, 0.25), RATE)
    torch.manual_seed(0)
    save_listener(ConvolutionalTagger(["x", "y", "z"], seconds=0.5, width=4, hidden=8), "tagger")
    return tmp_path


def evaluate(*args: str, made: str = "made", out: str = "out") -> dict:
    main(["evaluate", "--sounds", made, "--out", out, "--device", "cpu", *args])
    return json.loads(Path(out, "scores.json").read_text())


def refused(capsys: pytest.CaptureFixture[str], *args: str, says: str) -> None:
    before = sorted(Path().rglob("*"))
    with pytest.raises(SystemExit) as left:
        main(["evaluate", "--device", "cpu", *args])
    lines = capsys.readouterr().err.splitlines()
    assert left.value.code == 2
    assert lines[-1].startswith("uat: ") and says in lines[-1]
    assert "Traceback" not in "".join(lines)
    assert sorted(Path().rglob("*")) == before


def test_sounds_alone_have_their_sanity_and_reasons_for_the_rest():
    record = evaluate()
    assert record["scores"]["clips"] == 3
    assert record["scores"]["rms_dbfs"] == pytest.approx(20 * math.log10(0.25 / math.sqrt(2)), abs=0.01)
    assert [clip["scores"]["seconds"] for clip in record["clips"]] == [0.5] * 3
    absent = record["not_computed"]
    assert absent["frechet_distance"] == absent["clap_score"] == "no embedder: name one with --embedder"
    assert absent["inception_score"] == "no tagger: name one with --tagger"
    assert absent["kl_reference_to_generated"] == "no true clips: name their folder with --against"
    assert not absent.keys() & record["scores"].keys()


def test_a_listener_and_true_clips_give_the_distribution_and_the_pairs():
    record = evaluate("--against", "true", "--embedder", "tagger", "--tagger", "tagger")
    tagger = open_listener("tagger", ConvolutionalTagger, torch.device("cpu"))
    sides = [
        [torch.from_numpy(soundfile.read(f"{folder}/{name}.wav", dtype="float32")[0]) for name in NAMES]
        for folder in ("true", "made")
    ]
    true, made = (Moments.of(torch.cat(tagger.embed(side))) for side in sides)
    assert record["scores"]["frechet_distance"] == pytest.approx(frechet_distance(true, made), rel=1e-6)
    p, q = (tagger.logits(side).double().softmax(-1) for side in sides)
    apart = (p * (p.log() - (q + 1e-6).log())).sum(-1)
    assert record["scores"]["kl_reference_to_generated"] == pytest.approx(float(apart.mean()), abs=1e-9)
    each = [clip["scores"]["kl_reference_to_generated"] for clip in record["clips"]]
    assert each == pytest.approx(apart.tolist(), abs=1e-9)
    assert record["scores"]["inception_score"] >= 1
    assert record["true_scores"]["rms_dbfs"] > record["scores"]["rms_dbfs"] + 5
    page = Path("out/report.html").read_text()
    assert page.count("<audio") == 6 and "https://" not in page


def test_a_tagger_of_soundscapes_finds_the_events_of_prompts(monkeypatch):
    tagger = ConvolutionalTagger(["bell", "dog", "rain", "wind"], seconds=0.5, width=4, hidden=8)
    tagger.threshold.fill_(-1e9)  # it hears all four
    monkeypatch.setattr("uat_lightning.app.evaluation.listeners.trained_tagger", lambda *_: (tagger, None))
    prompts = {"a": "a bell rings", "b": "rain falls while wind blows", "deep/c": "a dog barks"}
    rows = [json.dumps({"id": name, "caption": text}) + "\n" for name, text in prompts.items()]
    Path("prompts.jsonl").write_text("".join(rows))
    record = evaluate("--tagger", "soundscapes", "--references", "prompts.jsonl")
    found = record["scores"]
    assert (found["event_recall"], found["event_precision"]) == (1, pytest.approx(4 / 12))
    assert [clip["scores"]["event_precision"] for clip in record["clips"]] == [0.25, 0.5, 0.25]
    assert record["intervals"]["event_precision"][0] >= 0.25 and record["intervals"]["event_precision"][1] <= 0.5
    absent = evaluate("--tagger", "tagger", "--references", "prompts.jsonl", out="other")["not_computed"]
    assert absent["event_f1"] == "no tagger of the events: name --tagger soundscapes"
    absent = evaluate("--tagger", "soundscapes", out="third")["not_computed"]
    assert absent["event_f1"] == "no prompt names an event of Soundscapes"


def test_the_protocol_names_listeners_by_their_weights_and_says_rates_and_level():
    protocol = evaluate("--against", "true", "--embedder", "tagger", "--peak=-1")["protocol"]
    method = protocol["method"]
    identity = open_listener("tagger", AudioEmbedder, torch.device("cpu")).identity
    assert method["embedder"] == {"identity": identity, "sample_rate": RATE}
    assert (method["tagger"], method["level"], method["pair_rate"]) == (None, "peak at -1 dBFS", 16_000)
    assert protocol["data"]["true_clips"] == protocol["data"]["clips"] == 3
    soundfile.write("true/a.wav", tone(301), RATE)
    other = evaluate("--against", "true", "--embedder", "tagger", "--peak=-1", out="other")["protocol"]
    assert other["data"]["true_sha256"] != protocol["data"]["true_sha256"]


def test_the_level_is_what_listeners_hear_and_not_what_is_reported():
    as_is, turned = (
        evaluate("--against", "true", "--embedder", "tagger", *args, out=out)["scores"]
        for out, args in (("one", []), ("two", ["--peak=-1"]))
    )
    assert as_is["rms_dbfs"] == turned["rms_dbfs"]
    assert as_is["frechet_distance"] != turned["frechet_distance"]


def test_a_sound_is_at_no_distance_from_itself():
    scores = evaluate("--against", "made", "--embedder", "tagger", "--tagger", "tagger")["scores"]
    assert scores["frechet_distance"] < 1e-9
    assert scores["log_spectral_distance_db"] == 0
    assert scores["kl_reference_to_generated"] == pytest.approx(0, abs=1e-5)


def test_other_names_make_no_pairs_and_that_is_said():
    for row, name in enumerate(NAMES):
        Path(f"made/{name}.wav").rename(f"made/{row}.wav")
    record = evaluate("--against", "true", "--embedder", "tagger", "--tagger", "tagger")
    assert record["scores"]["frechet_distance"] > 0
    assert record["not_computed"]["kl_reference_to_generated"].startswith("no pairs")
    assert "names_sha256" not in record["protocol"]["data"]


def test_prompts_are_shown_and_need_a_clip_for_each():
    Path("prompts.jsonl").write_text(
        "".join(json.dumps({"id": name, "caption": f"tone {name}"}) + "\n" for name in NAMES)
    )
    record = evaluate("--references", "prompts.jsonl", "--embedder", "tagger")
    assert [clip["notes"]["prompt"] for clip in record["clips"]] == ["tone a", "tone b", "tone deep/c"]
    assert record["not_computed"]["clap_score"] == "ConvolutionalTagger knows no texts: name CLAP"
    assert record["protocol"]["data"]["prompt"] == "the first reference"


def test_a_clap_folder_gives_the_clap_score(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    clap = save_clap(Path("clap"), fused=False)
    said = ["a bell rings", "a bell", "rings"]
    rows = [json.dumps({"id": name, "caption": text}) for name, text in zip(NAMES, said, strict=True)]
    Path("prompts.jsonl").write_text("\n".join(rows))
    record = evaluate("--references", "prompts.jsonl", "--embedder", clap)
    listener = open_listener(clap, TextAudioEmbedder, torch.device("cpu"))
    heard = [torch.from_numpy(soundfile.read(f"made/{name}.wav", dtype="float32")[0])[None] for name in NAMES]
    audio = torch.cat(listener.embed([mono(waveform, RATE, listener.sample_rate) for waveform in heard]))
    expected = torch.nn.functional.cosine_similarity(audio, listener.embed_texts(said))
    assert [clip["scores"]["clap_score"] for clip in record["clips"]] == pytest.approx(expected.tolist(), abs=1e-5)
    assert record["scores"]["clap_score"] == pytest.approx(float(expected.mean()), abs=1e-5)
    assert "ClapEmbedder sha256" in record["protocol"]["method"]["embedder"]["identity"]


def test_rates_channels_and_lengths_may_differ():
    soundfile.write("made/a.wav", np.stack([tone(330, rate=44_100), tone(500, rate=44_100)], 1), 44_100)
    soundfile.write("made/b.wav", tone(330, seconds=0.7), RATE)
    record = evaluate("--against", "true", "--embedder", "tagger", "--tagger", "tagger")
    assert [clip["scores"]["seconds"] for clip in record["clips"]] == pytest.approx([0.5, 0.7, 0.5])
    assert all(math.isfinite(value) for value in record["scores"].values())


def test_a_line_to_infinitely_many_clips_is_drawn_on_request():
    for number in range(6):
        soundfile.write(f"made/more{number}.wav", tone(200 + 90 * number), RATE)
        soundfile.write(f"true/more{number}.wav", tone(220 + 70 * number), RATE)
    record = evaluate("--against", "true", "--embedder", "tagger", "--points", "5")
    assert "frechet_distance_at_infinity" in record["scores"]


def test_a_sound_that_cannot_be_used_is_refused_by_name(capsys):
    soundfile.write("made/a.wav", np.where(np.arange(8000) == 99, np.nan, tone(300)), RATE, subtype="FLOAT")
    refused(capsys, "--sounds", "made", says="made/a.wav holds NaN")


def test_some_sounds_without_a_true_one_are_refused(capsys):
    Path("true/b.wav").unlink()
    refused(
        capsys,
        "--sounds",
        "made",
        "--against",
        "true",
        says="1 of 3 sounds have no true one of their name, the first is b",
    )


def test_two_sounds_of_one_name_are_refused(capsys):
    soundfile.write("made/a.flac", tone(300), RATE)
    refused(capsys, "--sounds", "made", says="two sounds called a")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--sounds", "nowhere"], "no folder nowhere"),
        (["--sounds", "empty"], "empty holds no sound file"),
        (["--sounds", "made", "--against", "empty"], "empty holds no sound file"),
        (["--sounds", "made", "--embedder", "made"], "made holds no AudioEmbedder"),
        (["--sounds", "made", "--tagger", "nowhere"], "nowhere does not exist"),
        (["--sounds", "made", "--peak", "3"], "peak is a level in dBFS"),
        (["--sounds", "made", "--points", "1"], "points must be 0 or at least 2"),
        (["--sounds", "made", "--batch_size", "0"], "batch_size must be above 0"),
    ],
)
def test_wrong_input_is_refused_in_one_line(args, says, capsys):
    Path("empty").mkdir()
    refused(capsys, *args, says=says)


def test_weights_of_vggish_make_an_embedder_and_no_tagger():
    torch.save(VGGish().state_dict(), "vggish.pth")
    assert open_listener("vggish.pth", AudioEmbedder, torch.device("cpu")).embedding_width == 128
    with pytest.raises(ValueError, match="holds a VGGish, which is no AudioTagger"):
        open_listener("vggish.pth", AudioTagger, torch.device("cpu"))


def test_hidden_files_are_no_sounds():
    soundfile.write("made/.hidden.wav", tone(300), RATE)
    assert list(find_sounds(Path("made"))) == list(NAMES)


@pytest.mark.parametrize("task", ["caption", "generate"])
def test_a_model_is_scored_on_built_in_data(task, tiny_pipeline_folder, monkeypatch):
    monkeypatch.chdir(tiny_pipeline_folder.parent)
    common = ["--clips", "3", "--steps", "1", "--batch_size", "2", "--device", "cpu", "--out", "own"]
    main(["evaluate", "--model", str(tiny_pipeline_folder), "--task", task, *common, "--scorers+=Bleu"])
    record = json.loads(Path("own/scores.json").read_text())
    assert record["kind"] == {"caption": "captions", "generate": "sounds"}[task]
    assert len(record["clips"]) == 3
    assert len(record["protocol"]["system"]["model"]["weights_sha256"]) == 64
    assert record["protocol"]["system"]["seed"] == 0
    made = {file.name for file in Path("own").rglob("*.wav")}
    assert made == ({f"{row:05}.wav" for row in range(3)} if task == "generate" else set())
    assert {clip["notes"].get("file") for clip in record["clips"]} - {None} == made
    assert "<audio" in Path("own/report.html").read_text()


def test_a_model_that_captions_built_in_data_is_scored_on_its_events(tiny_pipeline_folder, monkeypatch):
    monkeypatch.setenv("PATH", "")  # without Java, which takes its time
    common = ["--clips", "3", "--steps", "1", "--device", "cpu", "--out", "own"]
    main(["evaluate", "--model", str(tiny_pipeline_folder), "--task", "caption", *common])
    record = json.loads(Path("own/scores.json").read_text())
    assert record["scores"]["event_recall"] >= 0
    assert {"event_f1", "relations_right"} <= record["scores"].keys() | record["not_computed"].keys()
    assert record["clips"][0]["shares"].keys() >= {"event_recall"}


def test_a_model_is_scored_on_data_of_ones_own(tiny_pipeline_folder):
    Path("list.csv").write_text("audio,caption\nmade/a.wav,a bell rings\nmade/b.wav,rain falls\n")
    common = ["--steps", "1", "--device", "cpu", "--scorers+=RougeL"]
    main(["evaluate", "--model", str(tiny_pipeline_folder), "--data", "list.csv", "--out", "own", *common])
    record = json.loads(Path("own/scores.json").read_text())
    assert [clip["notes"]["references"] for clip in record["clips"]] == [["a bell rings"], ["rain falls"]]


def test_sounds_that_are_there_already_are_not_overwritten(tiny_pipeline_folder, capsys):
    Path("own/sounds").mkdir(parents=True)
    refused(capsys, "--model", str(tiny_pipeline_folder), "--task", "generate", "--out", "own", says="there already")
