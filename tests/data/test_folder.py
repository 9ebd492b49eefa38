"""A folder of one's own: pairs are found, splits are stable, and the DataModule trains from it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from uat_lightning.codec import MelCodec
from uat_lightning.data.corpora.folder import find_pairs
from uat_lightning.data.encode import lined_up
from uat_lightning.data.folder import FolderDataModule
from uat_lightning.data.leakage import EvaluationClips
from uat_lightning.data.manifest import Entry
from uat_lightning.data.source import CaptionedAudio
from uat_lightning.text import BytePairTokenizer

CODEC = {"latent_width": 4, "mel_bands": 16, "window": 512, "patch": 4}


def add(root: Path, name: str, captions: str | None = "a sound", seconds: float = 1.0) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(name))
    soundfile.write(file, rng.normal(0, 0.1, round(seconds * 8000)), 8000)
    if captions is not None:
        file.with_suffix(".txt").write_text(captions)


def module(root: Path, **settings: Any) -> FolderDataModule:
    cache = str(root.parent / "cache")
    tokenizer = BytePairTokenizer(canvas=8, vocabulary_size=64)
    return FolderDataModule(
        MelCodec(8000, **CODEC), tokenizer, str(root), **{"batch_size": 4, "workers": 0, "cache": cache, **settings}
    )


def splits_of(data: FolderDataModule) -> Mapping[str, Sequence[Entry]]:
    return data.corpora["folder"].corpus.splits


def described(data: FolderDataModule) -> dict[str, Any]:
    return data.corpora["folder"].corpus.description()


def names(data: FolderDataModule, split: str) -> set[str]:
    return {entry.name for entry in splits_of(data)[split]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "sounds"
    for number in range(12):
        add(folder, f"{number:02}.wav", f"sound {number}\n\nanother caption\n", 0.5 + 0.1 * number)
    return folder


def test_sounds_with_text_beside_them_are_found(tmp_path):
    add(tmp_path, "deep/er/a.FLAC", "\ufeffa bell\r\n\r\n  a second line  \n")
    add(tmp_path, "b.ogg", None)
    add(tmp_path, "c.wav", "\n")
    add(tmp_path, ".hidden/d.wav")
    add(tmp_path, "e.wav")
    (tmp_path / "e.txt").write_bytes("grün".encode("latin1"))
    (tmp_path / "notes.txt").write_text("nothing")
    listing = find_pairs(tmp_path)
    assert {uid: entry.captions for uid, entry in listing.clips.items()} == {
        "deep/er/a.FLAC": ("a bell", "a second line")
    }
    assert len(listing.reasons) == 3
    for reason in ("b.ogg has no b.txt", "c.wav has no caption", "e.txt is not UTF-8"):
        assert any(reason in line for line in listing.reasons)


def test_the_road_to_batches(root):
    data = module(root, longest_seconds=0.8)
    data.prepare_data()
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert len(batch) == 4 and batch.generation.sum() == 2
    assert batch.clean.audio.lengths.max() <= data.codec.frames(6400)
    assert sum(len(batch) for batch in data.val_dataloader()) == 2 * len(splits_of(data)["validation"])
    text = data.tokenizer.decode(batch.clean.text.values)
    assert all(caption == "another caption" or caption.startswith("sound ") for caption in text)


def test_corrupt_clips_are_left_out_and_named(root, caplog):
    (root / "03.wav").write_text("no sound")
    data = module(root)
    data.prepare_data()
    data.setup("fit")
    assert sum(len(store) for store in data._stores.values()) == 11
    assert "03.wav cannot be decoded" in caplog.text


def test_too_long_clips_are_left_out_and_named(root, caplog):
    data = module(root, longest_file=1.55, validation_share=0.4)
    data.prepare_data()
    assert "11.wav: 1.6 s are more than the 1.55 s" in caplog.text


def test_the_share_is_stable_and_never_empty(root):
    before = module(root, validation_share=0.3)
    assert names(before, "validation") and names(before, "train")
    for number in range(12, 40):
        add(root, f"{number:02}.wav")
    after = module(root, validation_share=0.3)
    assert names(before, "validation") <= names(after, "validation")
    assert names(before, "train") <= names(after, "train")
    assert len(names(module(root, validation_share=0.0), "validation")) == 1


def test_splits_do_not_depend_on_where_the_folder_is(root):
    before = module(root)
    kept = {split: names(before, split) for split in splits_of(before)}
    description = described(before)
    root.rename(root.parent / "moved")
    moved = module(root.parent / "moved")
    assert {split: names(moved, split) for split in splits_of(moved)} == kept and described(moved) == description


def test_parts_of_a_file_stay_on_one_side(root):
    rows = [
        {"audio": f"{n:02}.wav", "caption": "x", "start": start, "end": start + 0.2}
        for n in range(12)
        for start in (0, 0.2)
    ]
    (root / "m.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = module(root, manifest="m.jsonl", validation_share=0.4)
    assert not names(data, "train") & names(data, "validation")
    assert all(len(entries) == 2 * len(names(data, split)) for split, entries in splits_of(data).items())


def manifest_with(root: Path, column: str, values: list[str]) -> None:
    rows = [f"{n:02}.wav,x,{values[n % len(values)]}" for n in range(12)]
    (root / "m.csv").write_text(f"audio,caption,{column}\n" + "\n".join(rows) + "\n")


def test_named_splits(root):
    manifest_with(root, "split", ["Train", "val", "test"])
    data = module(root, manifest="m.csv")
    assert {split: len(clips) for split, clips in splits_of(data).items()} == {
        "train": 4,
        "validation": 4,
        "test": 4,
    }
    assert data.split_names == ("train", "validation", "test")
    assert not names(data, "test") & (names(data, "train") | names(data, "validation"))


def test_a_folder_without_test_clips_has_none(root):
    assert module(root).split_names == ("train", "validation")


def test_folds(root):
    manifest_with(root, "fold", ["1", "2", "3", "4"])
    data = module(root, manifest="m.csv", validation_split="4")
    assert [len(splits_of(data)[split]) for split in ("train", "validation")] == [9, 3]
    with pytest.raises(ValueError, match=r"split or fold '5'; there are: 1, 2, 3, 4"):
        _ = splits_of(module(root, manifest="m.csv", validation_split="5"))


def test_a_validation_manifest_takes_its_files_out_of_training(root):
    (root / "v.jsonl").write_text(json.dumps({"audio": "00.wav", "caption": "x"}))
    data = module(root, validation_manifest=str(root / "v.jsonl"))
    assert names(data, "validation") == {"00.wav"} and len(names(data, "train")) == 11


def test_the_description_follows_files_and_captions(root):
    first = described(module(root))
    assert described(module(root)) == first
    (root / "00.txt").write_text("other words")
    second = described(module(root))
    os.utime(root / "01.wav", ns=(1, 1))
    third = described(module(root))
    add(root, "99.wav")
    assert len({json.dumps(each) for each in (first, second, third, described(module(root)))}) == 4
    assert described(module(root, longest_file=9.0)) != described(module(root))


def test_wrong_folders_are_named(tmp_path, root):
    with pytest.raises(ValueError, match=r"--data\.root"):
        _ = splits_of(module(tmp_path / "none"))
    (tmp_path / "bare").mkdir()
    with pytest.raises(ValueError, match="no usable clip"):
        _ = splits_of(module(tmp_path / "bare"))
    add(tmp_path / "bare", "one.wav")
    with pytest.raises(ValueError, match="none is left to train on"):
        _ = splits_of(module(tmp_path / "bare"))
    with pytest.raises(ValueError, match="validation_share"):
        _ = splits_of(module(root, validation_share=1.5))


@pytest.mark.parametrize(("lengths", "shape"), [((5, 30, 9), (4, 2, 10)), ((3, 4), (1, 2, 7))])
def test_codecs_are_fitted_to_sound_without_padding(lengths, shape):
    clips = [CaptionedAudio("", np.full((2, length), length, np.float32), ("x",)) for length in lengths]
    rows = lined_up(clips, 10)
    assert tuple(rows.shape) == shape and (rows != 0).all()
    joined = np.concatenate([clip.waveform for clip in clips], 1)[:, : shape[0] * shape[2]]
    assert np.array_equal(np.concatenate(list(rows.numpy()), 1), joined)


def test_evaluation_clips_are_left_out(root, tmp_path):
    (tmp_path / "lists").mkdir()
    table = "audiocap_id,youtube_id,start_time,caption\n1,abcdefghijk,0,x\n"
    (tmp_path / "lists" / "test.csv").write_text(table)
    add(root, "Yabcdefghijk.wav")
    data = module(root, validation_share=0.0, evaluation=EvaluationClips(audiocaps=str(tmp_path / "lists")))
    assert "Yabcdefghijk.wav" not in names(data, "train") and len(names(data, "train")) == 11
    assert "Yabcdefghijk.wav" in names(module(root, validation_share=0.0), "train")
