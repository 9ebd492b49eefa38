"""The datasets of the field: their lists parse to the published counts, and their files are found by any name."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
import soundfile
import yaml
from jsonargparse import ArgumentParser
from lightning.pytorch import LightningDataModule

from uat_lightning.data.audio import READABLE, read_audio
from uat_lightning.data.corpora import AudioCaps, AudioSetCaps, Clotho, VGGSound, WavCaps
from uat_lightning.data.corpora.audio_files import AudioFiles
from uat_lightning.data.corpora.official import OfficialCorpus, grouped

CAPTIONS = "file_name,caption_1,caption_2,caption_3,caption_4,caption_5\n"


def sounds(root: Path, *names: str) -> Path:
    """Make files that are found; nobody reads them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def lists(folder: Path, **texts: str | bytes) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name.replace("__", ".")).write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(folder)


def found(corpus: OfficialCorpus, split: str = "train") -> dict[str, str]:
    return {entry.uid: entry.name for entry in corpus.splits[split]}


def counts(corpus: OfficialCorpus) -> dict[str, tuple[int, int]]:
    """Return clips and captions of the lists, whether there are files or not."""
    clips = {f"{each.split}/{each.part}": grouped(each.captioned()) for each in corpus.lists()}
    return {name: (table.num_rows, len(pc.list_flatten(table["every_caption"]))) for name, table in clips.items()}


def test_published_counts(shared):
    metadata = shared / "data" / "metadata"

    def of(corpus: Callable[..., OfficialCorpus], name: str, **settings: str) -> dict[str, tuple[int, int]]:
        made = corpus("", str(metadata / name), **settings)
        assert all(each.malformed == 0 and each.rows["identity"].null_count == 0 for each in made.lists())
        return counts(made)

    evaluated = {"validation/validation": (495, 2_475), "test/test": (975, 4_875)}
    assert of(AudioCaps, "audiocaps/v1") == {"train/train": (49_838, 49_838), **evaluated}
    assert of(AudioCaps, "audiocaps/v1", train="train_fixed.csv") == {"train/train": (49_810, 49_810), **evaluated}
    assert of(AudioCaps, "audiocaps/v2") == evaluated
    assert of(Clotho, "clotho") == {
        "train/train": (3_839, 19_195),
        "validation/validation": (1_045, 5_225),
        "test/test": (1_045, 5_225),
    }
    assert of(VGGSound, "vggsound") == {"test/test": (15_446, 15_446)}
    assert of(WavCaps, "wavcaps") == {"train/SoundBible": (1_232, 1_232)}


AUDIOCAPS = """audiocap_id,youtube_id,start_time,caption
1,-abcdefghi_,30,one
2,-abcdefghi_,30,"two, and
a second line"
3,Yabcdefghij,0,three
4,ab_cd_ef_12,120,four
"""
NAMES = {  # what the three clips are called in each style
    "seconds": ("-abcdefghi__30.wav", "Yabcdefghij_0.flac", "ab_cd_ef_12_120.WAV"),
    "prefixed": ("Y-abcdefghi_.wav", "YYabcdefghij.wav", "Yab_cd_ef_12.wav"),
    "prefixed with seconds": ("Y-abcdefghi__30.wav", "YYabcdefghij_0.wav", "Yab_cd_ef_12_120.wav"),
    "alone": ("-abcdefghi_.mp3", "Yabcdefghij.mp3", "ab_cd_ef_12.mp3"),
    "numbers": ("2.wav", "3.wav", "4.wav"),
    "milliseconds": ("-abcdefghi__30000_40000.wav", "Yabcdefghij_0_10000.wav", "ab_cd_ef_12_120000_130000.wav"),
    "six digits": ("-abcdefghi__000030.wav", "Yabcdefghij_000000.wav", "ab_cd_ef_12_000120.wav"),
    "with length": ("-abcdefghi__30_10.wav", "Yabcdefghij_0_10.wav", "ab_cd_ef_12_120_10.wav"),
    "with end": ("-abcdefghi__30.000_40.000.ogg", "Yabcdefghij_0.000_10.000.ogg", "ab_cd_ef_12_120.000_130.000.ogg"),
    "no hyphen": ("_abcdefghi__30.wav", "Yabcdefghij_0.wav", "ab_cd_ef_12_120.wav"),
}
UIDS = ("yt:-abcdefghi_:30000", "yt:Yabcdefghij:0", "yt:ab_cd_ef_12:120000")


@pytest.mark.parametrize("style", NAMES)
def test_audiocaps_in_every_style(tmp_path, style):
    names = [f"{folder}/{name}" for folder, name in zip(("train", "train/more", "x"), NAMES[style], strict=True)]
    corpus = AudioCaps(str(sounds(tmp_path / "audio", *names)), lists(tmp_path / "lists", train__csv=AUDIOCAPS))
    assert found(corpus) == dict(zip(UIDS, names, strict=True))
    assert corpus.splits["train"][0].captions == ("one", "two, and a second line")
    assert corpus.split_names == ("train",)


def test_a_name_is_not_another_clips(tmp_path):
    """Clips of other times, of ids that are nearly the same, and files that two clips might have."""
    table = "audiocap_id,youtube_id,start_time,caption\n1,abcdefghijk,10,x\n2,abcdefghijk,20,x\n3,_bcdefghijk,0,x\n"
    table += "4,-bcdefghijk,0,x\n"
    root = sounds(tmp_path / "audio", "abcdefghijk.wav", "abcdefghijk_30.wav", "_bcdefghijk_0.wav")
    corpus = AudioCaps(str(root), lists(tmp_path / "lists", train__csv=table))
    assert found(corpus) == {"yt:_bcdefghijk:0": "_bcdefghijk_0.wav"}


def test_coverage_counts_everything(tmp_path, caplog):
    table = AUDIOCAPS + "5,short,1,x\n6,abcdefghijk,soon,x\n7,abcdefghijl,1, \n8,abcdefghijm\n9,abcdefghijn,1,x,y\n"
    root = sounds(tmp_path / "audio", "-abcdefghi__30.m4a", "Yabcdefghij_0.wav", "other.wav")
    corpus = AudioCaps(str(root), lists(tmp_path / "lists", train__csv=table))
    with caplog.at_level("INFO"):
        (covered,) = corpus.coverage
    readable = ".m4a" in READABLE
    assert (covered.captions, covered.malformed, covered.listed, covered.missing) == (5, 4, 4, 2)
    assert (covered.found, covered.unreadable) == ((2, 0) if readable else (1, 1))
    assert str(covered) in caplog.text and "AudioCaps train: 4 clips with 5 captions, 4 rows malformed" in caplog.text


def test_wrong_folders_are_said(tmp_path):
    metadata = lists(tmp_path / "lists", train__csv=AUDIOCAPS)
    root = sounds(tmp_path / "audio", "a.wav")
    with pytest.raises(ValueError, match=r"of 3 clips listed in .*lists none is under .*audio, which holds 1 sound"):
        _ = AudioCaps(str(root), metadata).splits
    with pytest.raises(ValueError, match="no folder"):
        _ = AudioCaps(str(tmp_path / "none"), metadata).splits
    with pytest.raises(ValueError, match="holds no sound file"):
        _ = AudioCaps(metadata, metadata).splits
    with pytest.raises(ValueError, match=r"holds no list of Clotho"):
        _ = Clotho(str(root), metadata + "/..").splits


def test_splits_and_links(tmp_path):
    metadata = lists(
        tmp_path / "lists",
        train__csv=AUDIOCAPS,
        val__csv="audiocap_id,youtube_id,start_time,caption\n9,abcdefghijk,5,x\n",
    )
    elsewhere = sounds(tmp_path / "elsewhere", "Yabcdefghijk.wav", "Yab_cd_ef_12.wav")
    root = sounds(tmp_path / "audio", "Yab_cd_ef_12.txt", ".hidden/Yabcdefghij.wav")
    (root / "linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(root)
    corpus = AudioCaps(str(root), metadata)
    assert corpus.split_names == ("train", "validation")
    assert found(corpus) == {"yt:ab_cd_ef_12:120000": "linked/Yab_cd_ef_12.wav"}
    assert corpus.splits["validation"][0].file.samefile(elsewhere / "Yabcdefghijk.wav")


def test_large_folders_are_looked_through_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("uat_lightning.data.corpora.audio_files.AT_ONCE", 7)
    files = AudioFiles.under(sounds(tmp_path, *(f"{number % 5}/{number:03}.WAV" for number in range(100)), "x.mp4x"))
    assert sorted(files.stems.to_pylist()) == [f"{number:03}" for number in range(100)] and files.readable == 100


def test_the_description_follows_lists_and_files(tmp_path):
    root, metadata = sounds(tmp_path / "audio", *NAMES["seconds"]), lists(tmp_path / "lists", train__csv=AUDIOCAPS)
    first = AudioCaps(str(root), metadata).description()
    assert AudioCaps(str(root.rename(tmp_path / "moved")), metadata).description() == first
    (tmp_path / "moved" / NAMES["seconds"][0]).write_bytes(b"other sound")
    second = AudioCaps(str(tmp_path / "moved"), metadata).description()
    lists(tmp_path / "lists", train__csv=AUDIOCAPS.replace("four", "4"))
    assert (
        len({json.dumps(each) for each in (first, second, AudioCaps(str(tmp_path / "moved"), metadata).description())})
        == 3
    )


def test_clotho_names(tmp_path):
    names = [" a \"b\" 'c'.wav", "été: Wald.wav", "Rain.wav", "rain.wav", "plain.wav"]
    quoted = "\n".join(
        '"{}",{}'.format(name.replace('"', '""'), ",".join(f"c{n}" for n in range(1, 6))) for name in names
    )
    numbers = "file_name,keywords,sound_id,start_end_samples\nplain.wav,caf\xe9,123,[0 1]\nRain.wav,x,Not found,NA\n"
    metadata = lists(
        tmp_path / "lists",
        clotho_captions_development__csv=CAPTIONS + quoted + "\n",
        clotho_metadata_development__csv=numbers.encode("latin1"),
        clotho_captions_evaluation__csv=CAPTIONS + "Rain.wav,1,2,3,4,5\n",
    )
    files = ["_a__b__c_.wav", "été_ Wald.wav", "Rain.wav", "rain.wav", "plain.flac"]
    root = sounds(tmp_path / "audio", *(f"development/{name}" for name in files), "evaluation/Rain.flac")
    corpus = Clotho(str(root), metadata)
    assert [entry.file.name for entry in corpus.splits["train"]] == files
    assert all(entry.captions == ("c1", "c2", "c3", "c4", "c5") for entry in corpus.splits["train"])
    assert corpus.splits["train"][4].aliases == ("fs:123",) and corpus.splits["train"][2].aliases == ()
    assert found(corpus, "test") == {"clotho:Rain": "evaluation/Rain.flac"}


def test_audiosetcaps_ids_are_read_by_the_pattern_of_their_list(tmp_path):
    metadata = lists(
        tmp_path / "lists",
        AudioSetCaps_caption__csv="id,caption\nY---1_cCGK4M,a\nYYabcdefghij,b\nno,c\n",
        VGGSound_AudioSetCaps_caption__csv="id,caption\nYabcdefgh_1_000883,d\n",
    )
    Path(metadata, "YouTube-8M_AudioSetCaps_caption.csv").write_text(
        "id,caption\nYabcdefgh_1_883_10,e\n-TL8Mp3xcUM_0_10,f\n"
    )
    files = ["Y---1_cCGK4M.wav", "Yabcdefghij_30.wav", "v/Yabcdefgh_1_000883.wav", "y/-TL8Mp3xcUM_0_10.mp3"]
    root = str(sounds(tmp_path / "audio", *files))
    corpus = AudioSetCaps(root, metadata)
    assert {entry.uid: (entry.name, entry.captions) for entry in corpus.splits["train"]} == {
        "yt:---1_cCGK4M:-": (files[0], ("a",)),
        "yt:Yabcdefgh_1:883000": (files[2], ("d", "e")),  # in two lists
        "yt:-TL8Mp3xcUM:0": (files[3], ("f",)),
    }
    assert [(each.part, each.listed, each.found, each.malformed) for each in corpus.coverage] == [
        ("AudioSet", 2, 1, 1),
        ("VGGSound", 1, 1, 0),
        ("YouTube-8M", 2, 2, 0),
    ]
    segments = lists(tmp_path / "audioset", balanced_train_segments__csv=SEGMENTS)
    timed = AudioSetCaps(root, metadata, segments)
    assert found(timed)["yt:Yabcdefghij:30000"] == files[1] and found(timed)["yt:---1_cCGK4M:0"] == files[0]


SEGMENTS = """# Segments csv created Sun Mar  5 10:54:31 2017
# num_ytids=2, num_segs=2, num_unique_labels=3, num_positive_labels=4
# YTID, start_seconds, end_seconds, positive_labels
---1_cCGK4M, 0.000, 10.000, "/m/01g50p,/m/0284vy3"
Yabcdefghij, 30.000, 40.000, "/m/09x0r"
"""


def test_wavcaps_collections(tmp_path):
    def made(*rows: dict[str, object]) -> str:
        return json.dumps({"num_captions_per_audio": 1, "data": rows})

    metadata = tmp_path / "json_files"
    lists(metadata / "AudioSet_SL", as_final__json=made({"id": "Y-abcdefghij.wav", "caption": "a", "duration": 10}))
    freesound = [{"id": "17", "caption": "b", "file_name": "Santa Motor.wav", "tags": ["x"]}, {"id": 18}, 5]
    lists(metadata / "FreeSound", fsd_final__json=made(*freesound))
    lists(metadata / "SoundBible", sb_final__json=made({"id": "17", "caption": "c", "title": "t"}))
    lists(metadata / "blacklist", blacklist_exclude_all_ac__json="{}")
    root = sounds(
        tmp_path / "audio", "AudioSet_SL/Y-abcdefghij.flac", "SoundBible_flac/17.flac", "mnt/FreeSound_flac/17.flac"
    )
    corpus = WavCaps(str(root), str(metadata), first_seconds=30.0)
    clips = {entry.uid: entry for entry in corpus.splits["train"]}
    assert {uid: (clip.name, clip.captions) for uid, clip in clips.items()} == {
        "yt:-abcdefghij:-": ("AudioSet_SL/Y-abcdefghij.flac", ("a",)),
        "fs:17": ("mnt/FreeSound_flac/17.flac", ("b",)),
        "soundbible:17": ("SoundBible_flac/17.flac", ("c",)),
    }
    assert clips["fs:17"].aliases == ("clotho:Santa Motor",)
    assert all((clip.start, clip.end) == (0.0, 30.0) for clip in clips.values())
    assert {each.part: each.malformed for each in corpus.coverage} == {"AudioSet": 0, "FreeSound": 2, "SoundBible": 0}


def test_long_sounds_are_read_from_their_beginning(tmp_path):
    ramp = np.linspace(0, 0.5, 8000 * 4)
    (tmp_path / "SoundBible").mkdir()
    soundfile.write(tmp_path / "SoundBible" / "1.wav", ramp, 8000, subtype="FLOAT")
    metadata = lists(tmp_path / "lists", sb_final__json='{"data": [{"id": "1", "caption": "x"}]}')
    clip = WavCaps(str(tmp_path), metadata, first_seconds=1.0).source("train", 8000, 1)[0]
    assert np.allclose(clip.waveform, ramp[None, :8000], atol=1e-6)


def test_vggsound_labels_hold_commas(tmp_path):
    root = str(sounds(tmp_path / "audio", "abcdefghijk_000030.mp4", "abcdefghijk_000030.wav", "Ybcdefghijk_000001.wav"))
    whole = 'abcdefghijk,30,"bird chirping, tweeting",train\nYbcdefghijk,1,wind noise,test\n'
    split = 'abcdefghijk_000030.mp4,"bird chirping, tweeting"\n'
    for corpus in (
        VGGSound(root, lists(tmp_path / "one", vggsound__csv=whole)),
        VGGSound(root, str(tmp_path / "one" / "vggsound.csv")),
        VGGSound(root, lists(tmp_path / "two", train__csv=split, test__csv="Ybcdefghijk_000001.mp4,wind noise\n")),
    ):
        (train,), (test,) = corpus.splits["train"], corpus.splits["test"]
        assert (train.name, train.captions) == ("abcdefghijk_000030.wav", ("bird chirping, tweeting",))
        assert (test.uid, test.captions) == ("yt:Ybcdefghijk:1000", ("wind noise",))


STYLES = ("{0}_{1}", "Y{0}", "{2}", "{0}_{1}000_{3}000", "Y{0}_{1:0>6}")


def test_the_real_pairs(shared, tmp_path):
    rows = [json.loads(line) for line in (shared / "data/pairs/manifest.jsonl").read_text().splitlines()]
    metadata = shared / "data" / "metadata"
    numbers = {}
    with (metadata / "audiocaps/v1/test.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            numbers.setdefault(f"{row['youtube_id']}_{row['start_time']}", row["audiocap_id"])
    files: dict[str, dict[str, object]] = {"audiocaps": {}, "clotho": {}, "audiosetcaps_yt8m": {}}
    for place, row in enumerate(rows):
        name = row.get("file_name", row["id"]).removesuffix(".wav")
        if row["dataset"] == "audiocaps":
            video, start = row["id"][:11], row["id"][12:]
            name = STYLES[place % 5].format(video, start, numbers[row["id"]], int(start) + 10)
        source = shared / "data" / row["audio"]
        link = tmp_path / row["dataset"] / f"test{place % 2}" / f"{name}{source.suffix}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(source)
        files[row["dataset"]][link.name] = row
    (tmp_path / "lists").mkdir()
    with (tmp_path / "lists" / "YouTube-8M_AudioSetCaps_caption.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("id", "caption"))
        writer.writerows((row["id"], row["captions"][0]) for row in rows if row["dataset"] == "audiosetcaps_yt8m")
    loaded = {
        "audiocaps": (AudioCaps, metadata / "audiocaps/v1", "test", 18),
        "clotho": (Clotho, metadata / "clotho", "test", 5),
        "audiosetcaps_yt8m": (AudioSetCaps, tmp_path / "lists", "train", 2),
    }
    for dataset, (corpus, where, split, count) in loaded.items():
        made = corpus(str(tmp_path / dataset), str(where))
        source = made.source(split, 16_000, 1)
        assert len(source) == len(files[dataset]) == count
        for index, entry in enumerate(made.splits[split]):
            clip, row = source[index], files[dataset][entry.file.name]
            assert sorted(clip.captions) == sorted(row["captions"])
            assert np.array_equal(clip.waveform, read_audio(shared / "data" / row["audio"], 16_000, 1))
            assert clip.waveform.shape[1] / 16_000 == pytest.approx(row["duration"], abs=0.06)


def test_a_mixture_is_named_in_yaml(tmp_path):
    """Every dataset by its dotted path, as ``docs/data.md`` shows it, down to a batch."""
    tone = np.sin(np.arange(8000) / 9) / 4
    for name in ("audiocaps/Yabcdefghij_0.wav", "audiocaps/ab_cd_ef_12_120.wav", "wavcaps/1.wav", "wavcaps/2.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, tone, 8000)
    row = "audiocap_id,youtube_id,start_time,caption\n4,ab_cd_ef_12,120,four\n"
    captions = lists(tmp_path / "audiocaps", train__csv=AUDIOCAPS, val__csv=row)
    collected = [{"id": str(number), "caption": "rain"} for number in (1, 2)]
    lists(tmp_path / "wavcaps", sb_final__json=json.dumps({"data": collected}))
    path = "uat_lightning.data.corpora"
    data = f"""
      data:
        class_path: uat_lightning.data.audio_text.AudioTextDataModule
        init_args:
          codec:
            class_path: uat_lightning.codec.MelCodec
            init_args: {{sample_rate: 8000, latent_width: 4, mel_bands: 16, window: 512, patch: 4}}
          tokenizer: {{class_path: uat_lightning.text.BytePairTokenizer, init_args: {{canvas: 8, vocabulary_size: 64}}}}
          corpora:
            first:
              corpus: {{class_path: {path}.AudioCaps, init_args: {{audio: {captions}, metadata: {captions}}}}}
              generation: 15
              captioning: 60
            second:
              corpus:
                class_path: {path}.WavCaps
                init_args: {{audio: {tmp_path}/wavcaps, metadata: {tmp_path}/wavcaps, first_seconds: 0.5}}
          evaluation:
            class_path: uat_lightning.data.leakage.EvaluationClips
            init_args: {{audiocaps: {captions}}}
          batch_size: 4
          workers: 0
          cache: {tmp_path}/cache
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(LightningDataModule, "data")
    made = parser.instantiate_classes(parser.parse_object(yaml.safe_load(data))).data
    made.prepare_data()
    made.setup("fit")
    trained = {name: len(share.corpus.splits["train"]) for name, share in made.corpora.items()}
    assert trained == {"first": 1, "second": 2}  # one of the two found is on the validation list
    assert len(next(iter(made.train_dataloader()))) == 4
