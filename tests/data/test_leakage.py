"""No evaluation clip is trained on, whatever it is called; no other clip is lost."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from uat_lightning.data.corpora import AudioCaps, AudioSetCaps, Clotho, Folder, VGGSound, WavCaps
from uat_lightning.data.corpus import ListedCorpus
from uat_lightning.data.identity import key, keys_of_file
from uat_lightning.data.leakage import EvaluationClips, Screened, screen

AUDIOCAPS_STYLES = {  # of a clip's video, its second and the number of its first caption
    "seconds": lambda video, start, number: f"plain/{video}_{start}.wav",
    "prefixed": lambda video, start, number: f"plain/Y{video}.wav",
    "number": lambda video, start, number: f"AudioCaps_raw/{number}.wav",
    "milliseconds": lambda video, start, number: f"plain/{video}_{start}000_{int(start) + 10}000.wav",
    "no hyphen": lambda video, start, number: f"plain/{'_' + video[1:] if video[0] == '-' else video}_{start}.wav",
    "dataset in front": lambda video, start, number: f"plain/audiocaps__{video}_{start}.wav",
}
CLOTHO_STYLES = {  # of a clip's name and its Freesound number
    "name": lambda name, number: f"plain/{name}.wav",
    "underscores": lambda name, number: f"plain/clotho__{name.replace(' ', '_')}.flac",
    "number": lambda name, number: f"freesound/{number}.flac",
    "downloaded": lambda name, number: f"plain/{number}__somebody__{name.lower().replace(' ', '-')}.wav",
}
CLOTHO = ("Santa Motor", "Radio Garble", "Blade Big", "toy rattle 2", "Radio Fuzz for Old Radio Broadcast FF233")


def folder(root: Path, names: Iterable[str]) -> Folder:
    """Make a folder with these clips to train on, and one to validate on."""
    root.mkdir(parents=True)
    rows = [{"audio": name, "caption": "x", "split": "train"} for name in names]
    rows.append({"audio": "validated.wav", "caption": "x", "split": "validation"})
    for row in rows:
        (root / row["audio"]).parent.mkdir(parents=True, exist_ok=True)
        (root / row["audio"]).touch()
    (root / "m.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return Folder(str(root), "m.jsonl")


def names(corpus: ListedCorpus) -> set[str]:
    return {entry.name for entry in corpus.splits["train"]}


def clips(file: Path) -> list[tuple[str, str, str]]:
    """Return video, second and first number of AudioCaps' clips."""
    with file.open(newline="") as stream:
        rows = {(row["youtube_id"], row["start_time"]): row["audiocap_id"] for row in csv.DictReader(stream)}
    return [(*clip, number) for clip, number in rows.items()]


@pytest.mark.parametrize("style", AUDIOCAPS_STYLES)
def test_all_of_audiocaps_test_goes_and_nothing_else(shared, tmp_path, style, caplog):
    lists = shared / "data/metadata/audiocaps/v1"
    planted = {AUDIOCAPS_STYLES[style](*clip) for clip in clips(lists / "test.csv")}
    innocent = {AUDIOCAPS_STYLES[style](*clip) for clip in clips(lists / "train.csv")[::50]}
    others = {"rain.wav", "100.wav", "Yes.wav", "2_10.wav", "loud music.wav", "a" * 11 + ".wav"}
    corpus = folder(tmp_path / "my" / "sounds", sorted(planted | innocent | others))
    assert len(planted) == 975 and len(innocent) == 997
    (screened,) = screen([corpus], EvaluationClips(audiocaps=str(lists)))
    assert names(screened) == innocent | others
    assert "Folder train: 975 evaluation clips left out: 975 of AudioCaps test" in caplog.text
    assert screened.coverage[0].filtered == 975
    assert len(screened.splits["validation"]) == 1 and screened.description() != corpus.description()


@pytest.mark.parametrize("style", CLOTHO_STYLES)
def test_clotho_goes_by_name_and_by_freesound_number(shared, tmp_path, style):
    lists = tmp_path / "clotho"
    lists.mkdir()
    (lists / "test.csv").symlink_to(shared / "data/metadata/clotho/test.csv")
    table = "file_name,keywords,sound_id\n" + "".join(f"{name}.wav,x,{7000 + n}\n" for n, name in enumerate(CLOTHO))
    (lists / "clotho_metadata_evaluation.csv").write_text(table)
    planted = {CLOTHO_STYLES[style](name, 7000 + n) for n, name in enumerate(CLOTHO)}
    others = {
        "Santa.wav",
        "freesound/8000.wav",
        "plain/7000.wav",
        "8000__x__santa-motor.wav",
    } - planted
    corpus = folder(tmp_path / "my" / "sounds", sorted(planted | others))
    (screened,) = screen([corpus], EvaluationClips(clotho=str(lists)))
    assert names(screened) == others


def test_audiocaps_goes_from_every_dataset(shared, tmp_path):
    lists, audio = tmp_path / "lists", tmp_path / "audio"
    tested = [clip[:2] for clip in clips(shared / "data/metadata/audiocaps/v1/test.csv")]
    trained = [clip[:2] for clip in clips(shared / "data/metadata/audiocaps/v1/train.csv")[:100]]
    lists.mkdir()
    audio.mkdir()
    everything = tested + trained
    tables = {
        "AudioSetCaps_caption.csv": [f"Y{video}" for video, _ in everything],
        "VGGSound_AudioSetCaps_caption.csv": [f"{video}_{int(start):06}" for video, start in everything],
        "YouTube-8M_AudioSetCaps_caption.csv": [f"{video}_{int(start) + 1}_10" for video, start in everything],
    }
    for name, ids in tables.items():
        (lists / name).write_text("id,caption\n" + "".join(f"{each},x\n" for each in ids))
    for each in (name for ids in tables.values() for name in ids):
        (audio / f"{each}.wav").touch()
    (lists / "vggsound.csv").write_text("".join(f"{video},{start},x,train\n" for video, start in everything))
    data = [{"id": f"Y{video}.wav", "caption": "x"} for video, _ in everything]
    (lists / "as_final.json").write_text(json.dumps({"data": data}))
    evaluation = EvaluationClips(audiocaps=str(shared / "data/metadata/audiocaps/v1"))
    for dataset, count in {AudioSetCaps: 3, VGGSound: 1, WavCaps: 1}.items():
        corpus = dataset(str(audio), str(lists))
        assert len(corpus.splits["train"]) == 1075 * count
        (screened,) = screen([corpus], evaluation)
        left = {key(entry.identity)[3:] for entry in screened.splits["train"]}
        assert left == {video for video, _ in trained} and len(screened.splits["train"]) == 100 * count
        assert [each.filtered for each in screened.coverage] == [975] * count


def test_corpora_trained_on_together_know_each_others_evaluation_clips(tmp_path):
    table = "audiocap_id,youtube_id,start_time,caption\n"
    (tmp_path / "train.csv").write_text(table + "1,aaaaaaaaaaa,0,x\n2,bbbbbbbbbbb,0,x\n")
    (tmp_path / "test.csv").write_text(table + "3,ccccccccccc,0,x\n")  # whose audio is not even there
    for video in "ab":
        (tmp_path / f"{video * 11}_0.wav").touch()
    corpora = [AudioCaps(str(tmp_path), str(tmp_path)), folder(tmp_path / "own", ["Yccccccccccc.wav", "x.wav"])]
    first, second = screen(corpora)
    assert names(first) == {"aaaaaaaaaaa_0.wav", "bbbbbbbbbbb_0.wav"} and names(second) == {"x.wav"}
    assert first.evaluation and names(screen(corpora[1:])[0]) == names(corpora[1])


def test_freesound_clips_of_wavcaps_go_by_clothos_name(tmp_path):
    (tmp_path / "test.csv").write_text(
        f"file_name,{','.join(f'caption_{n}' for n in range(1, 6))}\nA b.wav,1,2,3,4,5\n"
    )
    data = [{"id": "1", "caption": "x", "file_name": "A b.wav"}, {"id": "2", "caption": "x", "file_name": "A c.wav"}]
    (tmp_path / "fsd_final.json").write_text(json.dumps({"data": data}))
    for number in (1, 2):
        (tmp_path / f"{number}.flac").touch()
    (screened,) = screen([WavCaps(str(tmp_path), str(tmp_path))], EvaluationClips(clotho=str(tmp_path)))
    assert names(screened) == {"2.flac"}


def test_blacklists(shared, tmp_path):
    lists = shared / "data/metadata/wavcaps"
    further = [
        lists / "blacklist_audiocaps_full.csv",
        lists / "blacklist_clotho_full_v2.csv",
        lists / "json_files/blacklist/blacklist_exclude_all_ac.json",
    ]
    read = EvaluationClips(further=[str(file) for file in further]).lists
    videos = {name: {each for each in keys if each.startswith("yt:")} for name, keys in read.items()}
    tested = {f"yt:{video}" for video, *_ in clips(shared / "data/metadata/audiocaps/v1/test.csv")}
    assert len(tested & videos["blacklist_audiocaps_full.csv"]) == 975
    assert len(tested & videos["blacklist_exclude_all_ac.json"]) == 957  # which is why it is not the default
    assert {"fs:117790", "fs:204046"} <= read["blacklist_clotho_full_v2.csv"] & read["blacklist_exclude_all_ac.json"]


def test_nothing_left_is_an_error(tmp_path):
    corpus = folder(tmp_path / "own", ["Yccccccccccc.wav"])
    (tmp_path / "mine").write_text("index,id\n0,Yccccccccccc.wav\n")
    with pytest.raises(ValueError, match=r"Folder: all 1 training clips are evaluation clips \(1 of mine\)"):
        _ = Screened(corpus, evaluation=EvaluationClips(further=[str(tmp_path / "mine")])).splits


def test_missing_lists_are_errors(tmp_path):
    with pytest.raises(ValueError, match="holds no validation or test list of AudioCaps"):
        _ = EvaluationClips(audiocaps=str(tmp_path)).lists
    (tmp_path / "b.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="is no list of evaluation clips") as caught:
        _ = EvaluationClips(further=[str(tmp_path / "b.json")]).lists
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("Yabcdefghij_30.wav", {"yt:Yabcdefghij"}),
        ("YYabcdefghij.wav", {"yt:Yabcdefghij"}),
        ("ab_cd_ef_12_7.wav", {"yt:ab_cd_ef_12"}),
        ("_bcdefghijk.wav", {"yt:_bcdefghijk", "yt:-bcdefghijk"}),
        ("abcdefghij.wav", set()),
        ("abcdefghijk_x.wav", set()),
        ("12345.wav", set()),
        ("FSD50K.dev_audio/12345.wav", {"fs:12345"}),
        ("esc/1-100032-A-0.wav", {"fs:100032"}),
    ],
)
def test_keys_of_file_names(path, keys):
    assert {each for each in keys_of_file(path) if not each.startswith("name:")} == keys


def test_clothos_own_training_clips_stay(shared, tmp_path):
    lists = shared / "data/metadata/clotho"
    corpus = Clotho(str(tmp_path), str(lists))
    with (lists / "train.csv").open(newline="", encoding="utf-8") as stream:
        trained = [row["file_name"] for row in csv.DictReader(stream)]
    (tmp_path / "development").mkdir()
    for name in trained:
        (tmp_path / "development" / name).touch()
    (screened,) = screen([corpus])
    # Two names are on the lists of both development and validation.
    assert {entry.file.name for entry in corpus.splits["train"]} - {e.file.name for e in screened.splits["train"]} == {
        "City Ambience w_ Car Passing_1-2.wav",
        "FREEZER_DOOR_OPEN_CLOSE.wav",
    }
    assert len(screened.splits["train"]) == 3837
