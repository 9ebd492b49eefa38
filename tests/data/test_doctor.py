"""The doctor: what is planted is found, nothing else is, and no file stops the walk."""

from __future__ import annotations

import json
import os
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from uat_lightning.codec import MelCodec
from uat_lightning.data.audio.sound_file import EXTENSIONS as SOUNDS
from uat_lightning.data.audio_text import AudioTextDataModule, Share
from uat_lightning.data.corpora.folder import Folder
from uat_lightning.data.corpus import Corpus
from uat_lightning.data.doctor import Clips, Examination, Finding, Listed, examine, of_data, of_folder, of_manifests
from uat_lightning.data.doctor.captions import CaptionTally
from uat_lightning.data.doctor.measurement import measure
from uat_lightning.data.doctor.tally import histogram
from uat_lightning.data.manifest import make_entry
from uat_lightning.data.source import Source
from uat_lightning.text import BytePairTokenizer

RATE = 16_000


def noise(seed: int, seconds: float = 1.0, rate: int = RATE, channels: int = 1) -> np.ndarray:
    samples = 0.1 * np.random.default_rng(seed).normal(size=(round(rate * seconds), channels))
    return np.round(samples * 32768) / 32768  # what 16 bits hold, in whatever format


def add(root: Path, name: str, samples: np.ndarray, captions: str = "a sound", rate: int = RATE, **how: Any) -> Path:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, samples, rate, **how)
    file.with_suffix(".txt").write_text(captions)
    return file


def manifest(root: Path, rows: list[dict[str, Any]], name: str = "m.jsonl") -> Listed:
    (root / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return of_manifests([str(root / name)], None)


def titles(found: Examination) -> dict[str, Finding]:
    return {finding.title: finding for finding in found.findings}


@pytest.fixture
def healthy(tmp_path: Path) -> Path:
    for number in range(6):
        add(tmp_path, f"{number}.wav", noise(number, 1 + number / 10), f"sound number {number}")
    return tmp_path


def test_healthy_clips_have_no_findings(healthy):
    found = examine(of_folder(healthy), 0)
    assert found.findings == []
    split = found.record()["splits"][0]
    assert (split["clips"], split["unreadable"], split["sample_rates"], split["channels"]) == (
        6,
        0,
        {"16000": 6},
        {"1": 6},
    )
    assert split["seconds"] == {"min": 1.0, "median": 1.25, "mean": 1.25, "p95": 1.475, "max": 1.5}
    assert split["hours"] == pytest.approx(7.5 / 3600, abs=1e-4)
    assert split["rms_dbfs"]["median"] == pytest.approx(-20, abs=0.3)
    assert split["captions"]["words"]["max"] == 3 and split["captions"]["vocabulary"] == 8


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_change_nothing(healthy, workers):
    (healthy / "3.wav").write_text("no sound")
    records = [examine(of_folder(healthy), count).record() for count in (0, workers)]
    for record in records:
        del record["seconds_taken"], record["clips_per_second"]
    assert records[0] == records[1]


def test_the_measure_of_a_clip(tmp_path):
    samples = np.concatenate([np.zeros(RATE), np.full(RATE // 2, 0.5), np.tile([1.0, 1.0, -1.0, -1.0], RATE // 8)])
    file = add(tmp_path, "a.wav", samples, subtype="FLOAT")
    clip = measure(make_entry(file, tmp_path, ["x"]), 600)
    assert (clip.seconds, clip.sample_rate, clip.channels) == (2.0, RATE, 1)
    assert clip.peak_dbfs == 0 and clip.silence == pytest.approx(0.5, abs=0.01)
    assert clip.rms_dbfs == pytest.approx(10 * np.log10((0.25 / 2 + 1 / 2) / 2), abs=0.01)
    assert clip.clipped == pytest.approx(0.25, abs=1e-3)


def test_blocks_make_no_difference(tmp_path, monkeypatch):
    entry = make_entry(add(tmp_path, "a.flac", noise(0, 5.0, channels=2)), tmp_path, ["x"])
    whole = measure(entry, 600)
    monkeypatch.setattr("uat_lightning.data.audio.decoder.BLOCK", 10_000)
    parts = measure(entry, 600)
    assert parts.digest == whole.digest and parts.rms_dbfs == whole.rms_dbfs
    assert parts.bandwidth == pytest.approx(whole.bandwidth, rel=0.02)


def test_equal_samples_match_in_any_container(tmp_path):
    samples = noise(0)
    files = [add(tmp_path, f"a.{kind}", samples) for kind in ("wav", "flac", "aiff")]
    files.append(add(tmp_path, "float.wav", samples, subtype="FLOAT"))
    digests = [measure(make_entry(file, tmp_path, ["x"]), 600).digest for file in files]
    assert len(set(digests)) == 1
    others = [add(tmp_path, "slow.wav", samples, rate=8000), add(tmp_path, "two.wav", np.repeat(samples, 2, 1))]
    assert not {measure(make_entry(file, tmp_path, ["x"]), 600).digest for file in others} & set(digests)


def test_every_planted_fault_is_found_once(tmp_path):
    rows = [{"audio": "good.wav", "caption": "good", "split": "train"}]
    add(tmp_path, "good.wav", noise(0, 2.0))
    for name, samples in {
        "silent.wav": np.zeros(RATE),
        "padded.wav": np.concatenate([noise(1), np.zeros((3 * RATE, 1))]),
        "clipped.wav": np.clip(50 * noise(2), -1, 1),
        "dull.wav": soxr.resample(noise(3, rate=8000), 8000, RATE, "HQ"),
        "twin.flac": noise(4),
        "twin_of_it.wav": noise(4),
        "leak.wav": noise(5),
        "parts.wav": noise(6, 2.0),
    }.items():
        add(tmp_path, name, samples)
        rows.append({"audio": name, "caption": f"of {name}", "split": "train"})
    rows[-1] |= {"end": 1.0}
    add(tmp_path, "leaked.flac", noise(5))
    (tmp_path / "broken.wav").write_text("no sound")
    rows += [
        {"audio": "leaked.flac", "caption": "the same", "split": "test"},
        {"audio": "parts.wav", "caption": "the rest", "split": "test", "start": 1.0},
        {"audio": "broken.wav", "caption": "broken", "split": "train"},
        {"audio": "nowhere.wav", "caption": "missing", "split": "train"},
    ]
    found = titles(examine(manifest(tmp_path, rows), 0))
    counts = {title: (finding.hurts, finding.count) for title, finding in found.items()}
    assert counts == {
        "Rows or files left out of the list": (True, 1),
        "Clips that cannot be read": (True, 1),
        "Files with clips in more than one split": (True, 1),
        "Sounds in more than one split under different names": (True, 1),
        "Clips in which nothing is heard": (True, 1),
        "Sounds that a split holds several times": (False, 1),
        "Clips that are silent for more than half of their time": (False, 1),
        "Clips that sound clipped": (False, 1),
        "Clips whose sound ends below three quarters of the band": (False, 1),
    }
    examples = [finding.examples[0] for finding in found.values()]
    for place, name in enumerate(["nowhere", "broken", "parts", "leak", "silent", "twin", "padded", "clipped", "dull"]):
        assert name in examples[place]


def test_a_clip_of_one_source_in_the_test_split_of_another_is_found(tmp_path):
    add(tmp_path, "a/one.wav", noise(0))
    add(tmp_path, "b/other.flac", noise(0))
    for folder, name, split in (("a", "one.wav", "train"), ("b", "other.flac", "test")):
        (tmp_path / folder / "m.csv").write_text(f"audio,caption,split\n{name},x,{split}\n")
    listed = of_manifests([str(tmp_path / "a" / "m.csv"), str(tmp_path / "b" / "m.csv")], None)
    assert titles(examine(listed, 0))["Sounds in more than one split under different names"].hurts


def test_one_recording_in_several_splits_is_found_by_its_names(tmp_path):
    for name in ("Y-abcdefghij.wav", "_abcdefghij_30.flac", "other.wav"):
        add(tmp_path, name, noise(len(name)))
    splits = {"Y-abcdefghij.wav": "train", "_abcdefghij_30.flac": "test", "other.wav": "test"}
    rows = [{"audio": name, "caption": name, "split": split} for name, split in splits.items()]
    found = examine(manifest(tmp_path, rows), 0)
    assert [(each.title, each.count) for each in found.findings] == [
        ("Recordings in more than one split, by their names", 1)
    ]


class Unlisted(Corpus):
    """A corpus without files."""

    split_names = ("train",)

    def source(self, split: str, sample_rate: int, channels: int) -> Source:
        raise AssertionError("not to be read")

    def description(self) -> dict[str, Any]:
        return {}


def test_all_corpora_of_a_mixture_are_examined(healthy, tmp_path):
    add(tmp_path / "more", "5.wav", noise(5), "again")
    add(tmp_path / "more", "6.wav", noise(6), "sound number 6")
    corpora = {"a": Share(Folder(str(healthy))), "b": Share(Folder(str(tmp_path / "more"))), "c": Share(Unlisted())}
    listed = of_data(AudioTextDataModule(MelCodec(8000), BytePairTokenizer(), corpora))
    assert {(part.source, part.split) for part in listed.parts} == {
        (source, split) for source in "ab" for split in ("train", "validation")
    }
    assert listed.sample_rate == 8000 and len(listed.coverage) == 4
    assert "Sources that were not examined" in titles(examine(listed, 0))
    with pytest.raises(ValueError, match="lists no sound files"):
        of_data(AudioTextDataModule(MelCodec(8000), BytePairTokenizer(), {"c": corpora["c"]}))


def test_videos_are_told_of_where_nothing_reads_them(healthy, monkeypatch):
    (healthy / "film.mp4").write_bytes(b"0000ftypisom")
    (healthy / "film.txt").write_text("a film")
    monkeypatch.setattr("uat_lightning.data.corpora.folder.READABLE", SOUNDS)
    reasons = titles(examine(of_folder(healthy), 0))["Rows or files left out of the list"].examples
    assert len(reasons) == 1 and "film.mp4" in reasons[0] and "uat-lightning[video]" in reasons[0]


def test_a_bomb_of_silence_is_measured_or_refused_in_bounded_memory(tmp_path):
    soundfile.write(tmp_path / "bomb.flac", np.zeros(1000 * RATE, np.int16), RATE)  # 32 MB in 0.2 MB
    assert (tmp_path / "bomb.flac").stat().st_size < 1 << 18
    entry = make_entry(tmp_path / "bomb.flac", tmp_path, ["x"])
    assert "more than the 600 s" in measure(entry, 600).problem
    tracemalloc.start()
    clip = measure(entry, 1200)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert clip.silence == 1 and clip.seconds == 1000 and peak < 300 << 20


def test_what_captions_have_in_common():
    tally = CaptionTally()
    tally.add(["A dog barks", "a dog barks loudly"])
    tally.add(["A dog barks", "don't", "Grün", " "])
    assert tally.summary() == {
        "captions": 6,
        "per_clip": {"min": 2.0, "median": 3.0, "mean": 3.0, "p95": 3.9, "max": 4.0},
        "words": {"min": 0.0, "median": 2.0, "mean": 2.0, "p95": 3.75, "max": 4.0},
        "vocabulary": 6,
        "unique": 5,
        "repeated": 1,
        "empty": 1,
        "not_ascii": 1,
        "most_frequent": {"A dog barks": 2},
    }


def test_histograms_hold_every_number():
    for values in ([], [1.0], [3.0] * 9, [0.0, 1.0, 5.0]):
        assert sum(histogram(values)["counts"]) == len(values)
        assert sum(histogram(values, 0.0)["counts"]) == len(values)
        assert sum(histogram(values, 1.0, 2.0)["counts"]) == len(values)


def test_nothing_to_examine_is_one_line(tmp_path):
    (tmp_path / "m.csv").write_text("audio,caption\nnone.wav,x\n")
    with pytest.raises(ValueError, match=r"no clip to examine; .*none\.wav does not exist"):
        examine(of_manifests([str(tmp_path / "m.csv")], None), 0)


def test_memory_does_not_grow_with_the_clips(tmp_path):
    file = add(tmp_path, "a.wav", noise(0, 8.0))
    rows = [{"audio": file.name, "caption": "x", "start": start / 10, "end": 4 + start / 10} for start in range(40)]
    found = examine(manifest(tmp_path, rows), 0)
    assert len(pickle.dumps(found)) < 40 * 1000  # bytes; the samples of one clip take 256,000


def header(channels: int = 1, rate: int = RATE, data: int = 32_000) -> bytes:
    """Return a WAV header of 16-bit samples that claims what it is told to."""
    facts = [
        (16, 4),
        (1, 2),
        (channels, 2),
        (rate, 4),
        (rate * channels * 2 % 2**32, 4),
        (2 * channels % 2**16, 2),
        (16, 2),
    ]
    body = b"WAVEfmt " + b"".join(value.to_bytes(size, "little") for value, size in facts)
    return b"RIFF" + (36 + data).to_bytes(4, "little") + body + b"data" + data.to_bytes(4, "little")


def hostile(root: Path) -> dict[str, str]:
    """Write files that mean no good, and return what is to be said of each."""
    (root / "words.wav").write_text("this is no sound\n" * 50)
    (root / "-rf.wav").write_text("nor this")
    (root / "two\nlines.wav").write_text("nor this")
    (root / "nothing.wav").touch()
    os.mkfifo(root / "pipe.wav")
    (root / "mute.wav").write_bytes(header(channels=0) + bytes(32_000))
    (root / "still.wav").write_bytes(header(rate=0) + bytes(32_000))
    (root / "absurd.wav").write_bytes(header(rate=2**31 - 1) + bytes(32_000))
    with (root / "sparse.wav").open("wb") as stream:
        stream.write(header(data=0xFFFFFFFF - 100))
        stream.truncate(10 << 30)
    soundfile.write(root / "bomb.flac", np.zeros(16 * 44_100), 44_100)
    content = bytearray((root / "bomb.flac").read_bytes())
    content[21] |= 0x0F  # the 36 bits of the number of samples: 18 days
    content[22:26] = b"\xff" * 4
    (root / "bomb.flac").write_bytes(content)
    soundfile.write(root / "long.flac", np.zeros(700 * 8000), 8000)
    return {
        "words.wav": "convert it",
        "-rf.wav": "convert it",
        "two\\nlines.wav": "convert it",
        "nothing.wav": "empty",
        "pipe.wav": "not a regular file",
        "mute.wav": "",
        "still.wav": "",
        "absurd.wav": "claims a sample rate",
        "sparse.wav": "more than the 600 s",
        "bomb.flac": "more than the 600 s",
        "long.flac": "more than the 600 s",
    }


@pytest.mark.parametrize("workers", [0, 1])
def test_the_walk_survives_hostile_files_and_reports_each(tmp_path, workers):
    expected = hostile(tmp_path)
    add(tmp_path, "good.wav", noise(0))
    for file in tmp_path.iterdir():
        file.with_suffix(".txt").write_text("a sound")
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    (tmp_path / "loop.txt").write_text("a sound")
    (tmp_path / "round").symlink_to(tmp_path, target_is_directory=True)
    listed = of_folder(tmp_path)
    record = examine(listed, workers).record()
    assert record["clips"] == len(expected) + 1 and len(record["unreadable"]) == len(expected)
    reasons = [clip["reason"] for clip in record["unreadable"]]
    for name, words in expected.items():
        assert any(name in reason and words in reason and "\n" not in reason for reason in reasons), name
    assert len(record["left_out"]) == 1 and "loop.wav" in record["left_out"][0]


def test_parts_of_a_sparse_giant_are_read_where_they_are(tmp_path):
    hostile(tmp_path)
    listed = manifest(tmp_path, [{"audio": "sparse.wav", "caption": "x", "start": 60_000.0, "end": 60_001.0}])
    found = examine(listed, 0)
    assert titles(found)["Clips in which nothing is heard"].count == 1


def test_names_that_are_no_unicode(tmp_path):
    name = os.fsdecode(b"caf\xe9.wav")
    add(tmp_path, "a.wav", noise(0)).rename(tmp_path / name)
    (tmp_path / "a.txt").rename((tmp_path / name).with_suffix(".txt"))
    record = examine(of_folder(tmp_path), 0).record()
    json.dumps(record, ensure_ascii=False).encode()
    assert record["clips"] == 1


def test_esc50_is_known(shared):
    folder = shared / "data" / "esc50" / "audio"
    rows = [{"audio": str(file), "caption": file.stem} for file in sorted(folder.iterdir())[:24]]
    listed = Listed([Clips("esc50", "all", [make_entry(Path(r["audio"]), folder, [r["caption"]]) for r in rows])])
    split = examine(listed, 0).record()["splits"][0]
    assert split["unreadable"] == 0 and split["seconds"]["min"] == split["seconds"]["max"] == 5.0
    assert split["sample_rates"] == {"16000": 24} and 0 < split["mostly_silent"] < 12
