from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from toy_training import ToneCorpus
from uat_lightning.data.audio_text import AudioTextDataModule, Share
from uat_lightning.data.corpora import Folder
from uat_lightning.data.corpus import Corpus
from uat_lightning.data.instructing import inside, together
from uat_lightning.data.leakage import EvaluationClips, screen
from uat_lightning.data.mixed_edits import MixedEdits, Mixing
from uat_lightning.data.mixing import LOUDEST, Placing, draw_placing, placed, under_common_gain
from uat_lightning.data.source import CaptionedAudio, Source
from uat_lightning.text import BytePairTokenizer, read_instruction

RATE, SAMPLES = 1000, 3000
WORDS = ("A dog barks.", "Rain falls", "TV plays")


class Noises(Source):
    """Three clips of noise, each with a spectrum and a caption of its own."""

    def __init__(self, silent: bool = False, samples: int = SAMPLES) -> None:
        self.silent, self.samples = silent, samples

    def __len__(self) -> int:
        return len(WORDS)

    def __getitem__(self, index: int) -> CaptionedAudio:
        random = np.random.default_rng(index)
        noise = 0.3 * random.standard_normal((2, self.samples + 500 * index))
        noise *= 0 if self.silent and index == 1 else 1
        return CaptionedAudio(f"noise-{index}", noise.astype(np.float32), (WORDS[index],))


class NoiseCorpus(Corpus):
    """The noises, to train on."""

    def __init__(self, silent: bool = False) -> None:
        self.silent = silent

    split_names = ("train",)

    def source(self, split: str, sample_rate: int, channels: int) -> Source:
        return Noises(self.silent)

    def description(self) -> dict[str, Any]:
        return {"silent": self.silent}


def edits(count: int = 60, silent: bool = False, **mixing: Any) -> Source:
    return MixedEdits(NoiseCorpus(silent), count, mixing=Mixing(**mixing)).source("train", RATE, 2)


def operation(clip: CaptionedAudio) -> str:
    first = clip.captions[0].split()[0]
    names = {"add": ("add", "insert", "mix", "put"), "replace": ("replace", "swap", "change", "turn")}
    return next((name for name, words in names.items() if first in words), "delete")


def heard(clip: CaptionedAudio, waveform: np.ndarray) -> set[int]:
    """Return which of the three noises a waveform holds, by correlation with each of them at any shift."""
    found = set()
    for index in range(3):
        noise = Noises()[index].waveform[0]
        size = len(noise) + waveform.shape[1]
        both = np.fft.rfft(waveform[0], size) * np.conj(np.fft.rfft(noise, size))
        peaks = np.abs(np.fft.irfft(both, size))
        if peaks.max() > 15 * np.median(peaks):
            found.add(index)
    return found


def test_an_edit_is_a_function_of_seed_split_and_number():
    first, again = edits(), edits()
    for index in (0, 7):
        assert np.array_equal(first[index].waveform, again[index].waveform)
        assert np.array_equal(first[index].source, again[index].source)
        assert first[index].captions == again[index].captions
    assert not np.array_equal(first[0].waveform, edits(seed=1)[0].waveform)
    assert len({first.uid(index) for index in range(60)}) == 60


def test_what_changes_is_what_the_instruction_says_and_the_rest_stays():
    source = edits(24)
    seen = set()
    for index in range(len(source)):
        clip = source[index]
        kind = operation(clip)
        seen.add(kind)
        before, after = heard(clip, clip.source), heard(clip, clip.waveform)
        named = {number for number, words in enumerate(WORDS) if inside(words) in clip.captions[0]}
        assert before ^ after == named
        assert {"add": after - before, "delete": before - after, "replace": named}[kind] == named
        assert len(before & after) == 1
    assert seen == {"add", "delete", "replace"}


def test_target_minus_source_is_the_added_clip_under_the_common_gain():
    source = edits()
    for index in range(20):
        clip = source[index]
        if operation(clip) == "replace":
            continue
        change = clip.waveform - clip.source
        sounding = np.flatnonzero(np.abs(change).max(0) > 1e-6)
        quiet = np.ones(SAMPLES + 1000, bool)
        quiet[sounding[0] : sounding[-1] + 1] = False
        kept = quiet[: clip.waveform.shape[1]]
        assert np.array_equal(clip.waveform[:, kept], clip.source[:, kept])


def test_both_sides_are_turned_down_by_one_gain_and_none_is_too_loud():
    loud, louder = np.full((1, 9), 1.5, np.float32), np.full((1, 9), -3.0, np.float32)
    one, other = under_common_gain(loud, louder)
    assert np.abs(other).max() == pytest.approx(LOUDEST)
    assert other[0, 0] / one[0, 0] == pytest.approx(-2.0)
    (same,) = under_common_gain(0.1 * loud)
    assert np.array_equal(same, np.float32(0.1) * loud)
    source = edits()
    for index in range(20):
        clip = source[index]
        assert max(np.abs(clip.waveform).max(), np.abs(clip.source).max()) <= LOUDEST + 1e-6


def test_an_event_has_the_level_and_the_place_that_were_drawn():
    clip, event = Noises()[0].waveform, Noises()[2].waveform
    added = placed(event, clip, Placing(500, 1000, 0.5), 0)
    assert not added[:, :500].any()
    assert not added[:, 1500:].any()
    level = np.sqrt(np.square(added[:, 500:1500]).mean() / np.square(clip).mean())
    assert level == pytest.approx(0.5, rel=1e-3)
    short = placed(event[:, :200], clip, Placing(500, 1000, 1.0), 0)
    assert np.flatnonzero(short.any(0)).tolist() == list(range(500, 700))


def test_of_a_long_event_the_loudest_stretch_sounds():
    event = np.full((1, 900), 0.01, np.float32)
    event[:, 600:700] = 1.0
    added = placed(event, np.ones((1, 300), np.float32), Placing(0, 100, 1.0), 0)
    assert np.allclose(added[:, :100], 1.0)


def test_places_lie_within_the_clip_and_their_words_are_true():
    random = np.random.default_rng(0)
    ends = set()
    for _ in range(300):
        placing = draw_placing(random, 1000, 0.3, 6.0)
        assert 0 <= placing.start <= placing.start + placing.count <= 1000
        assert placing.count >= 300
        assert 10 ** (-6 / 20) <= placing.level <= 10 ** (6 / 20)
        end = placing.end(1000)
        ends.add(end)
        assert end != "beginning" or (placing.start <= 150 and placing.start + placing.count <= 600)
        assert end != "end" or (placing.start >= 400 and placing.start + placing.count >= 850)
    assert ends == {"beginning", "end", ""}


def test_instructions_are_sentences_that_untrained_methods_read_too():
    source = edits(200)
    texts = [text for index in range(200) for text in source[index].captions[:3]]
    assert all(read_instruction(text) for text in texts)
    assert not [text for text in texts if "." in text or "A dog" in text]
    assert any(text.endswith("at the end") for text in texts)
    assert any("TV plays" in text for text in texts)
    assert together("A dog barks.", "I speak") == "a dog barks and I speak"


def test_the_targets_caption_stands_beside_the_instructions():
    clip = next(clip for clip in (edits()[index] for index in range(60)) if operation(clip) == "delete")
    kept = next(index for index in heard(clip, clip.waveform))
    assert clip.captions[3:] == (inside(WORDS[kept]),)
    assert len(edits(instructions=2, targets=0)[0].captions) == 2


def test_edits_of_silent_clips_are_left_out_and_counted(tmp_path: Path, tiny_codec, caplog):
    data = data_of(tmp_path, tiny_codec, Share(MixedEdits(NoiseCorpus(silent=True), 20, 0), captioning=0))
    data.prepare_data()
    data.setup("fit")
    store = data._served["train"]["edits"].store
    assert 0 < len(store) < 20
    assert f"left out {20 - len(store)} of 20 clips. noise-1 is silent" in caplog.text


def data_of(folder: Path, codec, share: Share) -> AudioTextDataModule:
    return AudioTextDataModule(
        codec, BytePairTokenizer(32, 200), {"edits": share, "tones": Share(ToneCorpus())}, workers=0, cache=str(folder)
    )


def test_edits_are_no_captions():
    with pytest.raises(ValueError, match="instructions of MixedEdits are no captions of what is heard"):
        Share(MixedEdits(ToneCorpus()))


def test_three_clips_are_needed():
    with pytest.raises(ValueError, match="mixed from three clips, and the validation split has 2"):
        MixedEdits(ToneCorpus(10, 2)).source("validation", RATE, 1)


@pytest.mark.parametrize("wrong", [{"instructions": 0}, {"shortest": 0.0}, {"decibels": -1.0}, {"longest": 0.0}])
def test_mixing_that_makes_no_edit_is_refused(wrong: dict[str, Any]):
    with pytest.raises(ValueError, match=r"needs an instruction|is a share above 0"):
        Mixing(**wrong)


def test_evaluation_clips_are_in_no_edit(tmp_path: Path):
    names = ("kept", "also", "more", "123456__somebody__held", "last")
    for name in names:
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * np.random.default_rng(0).standard_normal(4000), 16_000)
    rows = [{"audio": f"{name}.wav", "caption": f"{name} sounds", "split": "train"} for name in names[:-1]]
    rows.append({"audio": "last.wav", "caption": "last sounds", "split": "validation"})
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "list.csv").write_text("id\n123456\n")
    mixed = MixedEdits(Folder(str(tmp_path), "m.jsonl"), 30, 0)
    (screened,) = screen([mixed], EvaluationClips(further=[str(tmp_path / "list.csv")]))
    source = screened.source("train", RATE, 1)
    assert len(source.clips) == 3
    assert not any("held" in source[index].captions[0] for index in range(30))
    assert "held" in " ".join(mixed.source("train", RATE, 1)[index].captions[0] for index in range(30))
