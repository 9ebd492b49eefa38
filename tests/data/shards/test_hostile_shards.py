"""Tars and folders that mean harm, or are damaged: refused in one line, nothing executed, nothing written elsewhere."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import resource
import shutil
import struct
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from shard_making import make_shards

from toy_training import ToneData
from uat_lightning.cli import main
from uat_lightning.data.shards import index as index_file
from uat_lightning.data.shards.audio import ShardedAudio, ShardedCorpus
from uat_lightning.data.shards.foreign import index_tars
from uat_lightning.data.shards.store import ShardFolder, ShardStore

RATE = 16_000


def sound(seconds: float = 0.5, kind: str = "FLAC") -> bytes:
    stream = io.BytesIO()
    wave = 0.3 * np.sin(np.arange(int(seconds * RATE)) * 0.1)
    soundfile.write(stream, wave, RATE, format=kind)
    return stream.getvalue()


def member(name: str, content: bytes = b"", **changes: object) -> tuple[tarfile.TarInfo, bytes]:
    information = tarfile.TarInfo(name)
    information.size = len(content)
    for key, value in changes.items():
        setattr(information, key, value)
    return information, content


def write_tar(file: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, mode) as archive:
        for information, content in members:
            archive.addfile(information, io.BytesIO(content))
    return file


def pair(key: str, text: object = "a bell rings", kind: str = "flac", **audio: object):
    said = json.dumps({"text": text, "tag": ["x"]}).encode()
    return member(f"{key}.{kind}", sound(**audio)), member(f"{key}.json", said)


class Bomb:
    def __reduce__(self):
        return os.system, ("touch executed",)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UAT_CACHE", str(tmp_path_factory.mktemp("cache")))


# Tars of others, as they should be.


def test_tars_of_others_are_indexed_where_they_lie_and_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_tar(tmp_path / "laion" / "0.tar", *pair("0"), *pair("1", ["one", "two"]), member("notes.md", b"hi"))
    write_tar(tmp_path / "laion" / "valid" / "0.tar", *pair("a/0", "three", kind="wav"))
    main(["shards", "index", str(tmp_path / "laion")])
    assert "3 clips in 2 tars" in capsys.readouterr().out
    corpus = ShardedCorpus(str(tmp_path / "laion"), cache=str(tmp_path / "cache"))
    assert corpus.split_names == ("train", "validation")
    train, validation = (corpus.source(split, 8000, 2) for split in corpus.split_names)
    assert [clip.uid for clip in (train[0], train[1], validation[0])] == ["0/0", "0/1", "valid/0/a/0"]
    assert train[1].captions == ("one", "two")
    assert train[0].waveform.shape == (2, 4000)
    main(["shards", "verify", str(tmp_path / "laion")])


def test_a_folder_of_tars_trains_as_any_corpus_does(tmp_path: Path):
    from uat_lightning.data.audio_text import Share

    write_tar(tmp_path / "laion" / "0.tar", *pair("0"), *pair("1"), *pair("2"))
    write_tar(tmp_path / "laion" / "valid-0.tar", *pair("0"))
    index_tars(tmp_path / "laion")
    corpus = ShardedCorpus(str(tmp_path / "laion"), cache=str(tmp_path / "cache"))
    make_shards(tmp_path / "shards", ToneData(tmp_path / "cache", corpora={"laion": Share(corpus)}))
    assert ShardFolder(tmp_path / "shards", tmp_path / "cache").meta.splits["train"] == {"laion": 3}


# Tars of others, as they should not be.

HOSTILE = {
    "absolute": ([member("/etc/cron.d/x.flac", sound())], "leads out of the folder"),
    "parent": ([member("../../x.flac", sound())], "leads out of the folder"),
    "symbolic link": ([member("x.flac", type=tarfile.SYMTYPE, linkname="/etc/passwd")], "is a link"),
    "hard link": ([member("x.flac", type=tarfile.LNKTYPE, linkname="../y")], "is a link"),
    "device": ([member("x.flac", type=tarfile.CHRTYPE)], "a device"),
    "old sparse": ([member("x.flac", type=tarfile.GNUTYPE_SPARSE)], "sparse|no plain tar"),
    "new sparse": (
        [member("x.flac", b"0\n" + bytes(510), pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
         "GNU.sparse.name": "x.flac", "GNU.sparse.realsize": "10000000000"})],
        "sparse|no plain tar",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_members_that_are_no_plain_files_of_the_folder_are_refused(tmp_path: Path, case: str, capsys):
    members, words = HOSTILE[case]
    write_tar(tmp_path / "in" / "0.tar", *pair("good"), *members)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit):
        main(["shards", "index", str(tmp_path / "in")])
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert any(word in line for word in words.split("|")), line
    assert line.startswith("uat: ")
    assert sorted(tmp_path.rglob("*")) == before


def refuse(tmp_path: Path, words: str) -> None:
    """See that a folder of tars is refused, in these words and in little memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=words) as refused:
        index_tars(tmp_path)
    assert "\n" not in str(refused.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


def test_a_member_of_ten_gigabytes_of_nothing_is_not_read(tmp_path: Path):
    information = tarfile.TarInfo("x.flac")
    information.size = 10 * 2**30
    with (tmp_path / "0.tar").open("wb") as file:
        file.write(information.tobuf(tarfile.GNU_FORMAT))
        file.truncate(10 * 2**30 + 10240)
    refuse(tmp_path, "claims 10737418240 bytes")


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_a_header_of_gigabytes_is_not_read(tmp_path: Path, kind: bytes):
    information = tarfile.TarInfo("header")
    information.size, information.type = 4 * 2**30, kind
    with (tmp_path / "0.tar").open("wb") as file:
        file.write(information.tobuf(tarfile.GNU_FORMAT))
        file.truncate(5 * 2**30)
    refuse(tmp_path, "no plain tar, or it is damaged")


def test_headers_upon_headers_end(tmp_path: Path):
    record = b"11 path=ab\n"
    information = tarfile.TarInfo("header")
    information.size, information.type = len(record), b"x"
    (tmp_path / "0.tar").write_bytes((information.tobuf() + record.ljust(512, b"\0")) * 5000)
    refuse(tmp_path, "no plain tar, or it is damaged")


def test_a_negative_size_does_not_go_round_in_circles(tmp_path: Path):
    information = tarfile.TarInfo("x.flac")
    header = bytearray(information.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + struct.pack(">h", -512)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "0.tar").write_bytes(bytes(header) + bytes(10240))
    refuse(tmp_path, "no plain tar, or it is damaged")


def test_a_compressed_tar_is_not_unpacked(tmp_path: Path):
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        information = tarfile.TarInfo("x.flac")
        information.size = 50 << 20
        archive.addfile(information, io.BytesIO(bytes(50 << 20)))
    (tmp_path / "0.tar").write_bytes(gzip.compress(plain.getvalue(), 1))
    refuse(tmp_path, "no plain tar, or it is damaged")


@pytest.mark.parametrize("cut", [100, 512, 700, 2000])
def test_a_truncated_tar_is_said(tmp_path: Path, cut: int):
    os.truncate(write_tar(tmp_path / "0.tar", *pair("0"), *pair("1")), cut)
    refuse(tmp_path, "truncated")


def test_a_tar_cut_between_two_members_is_truncated_as_well(tmp_path: Path):
    with tarfile.open(write_tar(tmp_path / "0.tar", *pair("0"), *pair("1"))) as archive:
        third = archive.getmembers()[2].offset
    os.truncate(tmp_path / "0.tar", third)
    refuse(tmp_path, "truncated")


def test_pickles_are_passed_over_and_never_opened(tmp_path: Path, caplog, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    bomb = pickle.dumps(Bomb())
    names = ("0.pyd", "0.pkl", "0.pth", "0.npy", "1.pickle")
    write_tar(tmp_path / "in" / "0.tar", *pair("0"), *(member(name, bomb) for name in names))
    told = index_tars(tmp_path / "in")
    assert told.clips == 1
    assert "1 .npy, 1 .pickle, 1 .pkl, 1 .pth, 1 .pyd" in caplog.text
    write_tar(tmp_path / "only" / "0.tar", member("0.flac", bomb), member("0.json", bomb), member("1.pkl", bomb))
    with pytest.raises(ValueError, match="no usable clip"):
        index_tars(tmp_path / "only")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"\xff\xfe{", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"{}", "has no caption"),
        (b'{"text": [1, null, "  "]}', "has no caption"),
        (b" " * (2 << 20), "at most 1 MiB"),
    ],
)
def test_captions_that_are_none_leave_their_clip_out(tmp_path: Path, said: bytes, words: str, caplog):
    write_tar(tmp_path / "0.tar", *pair("good"), member("bad.flac", sound()), member("bad.json", said))
    told = index_tars(tmp_path)
    assert (told.clips, told.skipped) == (1, 1)
    assert words in caplog.text


def test_sound_whose_header_lies_about_its_length_is_bounded(tmp_path: Path):
    bomb = bytearray(sound())
    bomb[21] |= 0x0F  # the 36 bits of the number of samples
    bomb[22:26] = b"\xff" * 4
    write_tar(tmp_path / "in" / "0.tar", member("0.flac", bytes(bomb)), member("0.txt", b"a bell\n\nrings"))
    assert index_tars(tmp_path / "in").clips == 1
    source = ShardedAudio(ShardFolder(tmp_path / "in", tmp_path / "cache"), "train", RATE, 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=r"0/0 in 0\.tar"):
        source[0]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


def test_a_long_silence_in_few_bytes_is_bounded(tmp_path: Path):
    stream = io.BytesIO()
    soundfile.write(stream, np.zeros(RATE * 1200, np.int16), RATE, format="FLAC")
    write_tar(tmp_path / "in" / "0.tar", member("0.flac", stream.getvalue()), member("0.txt", b"nothing"))
    index_tars(tmp_path / "in")
    with pytest.raises(ValueError, match="more than the 600 s read at once"):
        ShardedAudio(ShardFolder(tmp_path / "in", tmp_path / "cache"), "train", RATE, 1)[0]


# Folders of latents, damaged or replaced.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_shards(tmp_path / "shards", ToneData(tmp_path / "cache"))
    return tmp_path / "shards"


def first_latents(folder: Path) -> None:
    data = ToneData(folder.parent / "cache")
    data.tokenizer.load(folder / "parts")
    store = ShardStore(ShardFolder(folder, folder.parent / "fresh"), "train", data.tokenizer)
    store.latents_of(np.arange(10), np.zeros(10))


def test_one_changed_byte_is_found_on_request(folder: Path, capsys: pytest.CaptureFixture[str]):
    main(["shards", "verify", str(folder)])
    assert "15 clips in 5 shards are as they were written" in capsys.readouterr().out
    file = folder / "train-tones-000001.tar"
    content = bytearray(file.read_bytes())
    content[512 + 130] ^= 1
    file.write_bytes(content)
    with pytest.raises(SystemExit):
        main(["shards", "verify", str(folder)])
    assert "1 of 15 clips are damaged. tone-4: train-tones-000001.tar holds other bytes" in capsys.readouterr().err


def test_a_truncated_or_missing_shard_is_named(folder: Path):
    file = folder / "train-tones-000001.tar"
    os.truncate(file, 3000)
    with pytest.raises(ValueError, match=r"train-tones-000001\.tar has 3000 bytes instead of 10240: fetch or encode"):
        first_latents(folder)
    file.unlink()
    with pytest.raises(ValueError, match=r"no file .*train-tones-000001\.tar"):
        first_latents(folder)


def test_a_pickle_where_latents_are_expected_is_not_opened(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder.parent)
    stream = io.BytesIO()
    np.save(stream, np.array([Bomb()], dtype=object), allow_pickle=True)
    for content in (stream.getvalue(), pickle.dumps(Bomb())):
        with (folder / "train-tones-000000.tar").open("r+b") as file:
            file.seek(512)
            file.write(content[:500])
        with pytest.raises(ValueError, match=r"tone-0 in train-tones-0{6}\.tar is not the latents that the index says"):
            first_latents(folder)
    assert not (folder.parent / "executed").exists()


def rewrite_index(folder: Path, **changes: object) -> None:
    rows = pq.read_table(folder / "index.parquet").to_pylist()
    rows[3].update(changes)
    pq.write_table(pa.Table.from_pylist(rows, index_file.SCHEMA), folder / "index.parquet")
    told = json.loads((folder / "meta.json").read_text())
    told["index"] = index_file.digest_of(folder / "index.parquet")
    (folder / "meta.json").write_text(json.dumps(told))


@pytest.mark.parametrize(
    "changes",
    [
        {"shard": 5},
        {"shard": -1},
        {"offset": 2**62},
        {"offset": -1},
        {"size": 2**62},
        {"frames": 2**40},
        {"frames": -3, "size": 128 - 24},
    ],
)
def test_an_index_that_lies_is_refused(folder: Path, changes: dict[str, int]):
    rewrite_index(folder, **changes)
    with pytest.raises(ValueError, match=r"the index and meta\.json disagree|no latents of width"):
        first_latents(folder)


def test_other_files_in_place_of_index_and_meta_are_refused(folder: Path):
    told = json.loads((folder / "meta.json").read_text())
    told["shards"][0]["name"] = "../../../etc/passwd"
    (folder / "meta.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match="leads out of the folder"):
        first_latents(folder)
    for text in ("[" * 10**5, "[]", "{}", '{"version": 1, "shards": 3}', "\ud800".encode("utf-8", "surrogatepass")):
        (folder / "meta.json").write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(ValueError, match=r"is damaged, or not of a shard folder|holds no finished shards"):
            first_latents(folder)


def test_an_index_of_other_content_is_refused(folder: Path):
    shutil.copy(folder / "meta.json", folder / "index.parquet")
    with pytest.raises(ValueError, match=r"not the index that meta\.json describes"):
        first_latents(folder)
    told = json.loads((folder / "meta.json").read_text())
    told["index"] = index_file.digest_of(folder / "index.parquet")
    (folder / "meta.json").write_text(json.dumps(told))
    shutil.copy(folder / "meta.json", folder / "index.parquet")
    told["index"] = index_file.digest_of(folder / "index.parquet")
    (folder / "meta.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match="is damaged"):
        first_latents(folder)
