"""Official lists that are damaged or hostile: one clear line, or counted; bounded memory and time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from uat_lightning.data.corpora import AudioCaps, AudioSetCaps, WavCaps
from uat_lightning.data.corpora.metadata import read_objects, read_table

HEADER = "id,caption\n"


def written(folder: Path, content: str | bytes, name: str = "list.csv") -> Path:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / name


def rows(file: Path) -> list[tuple[str, str]]:
    table, _ = read_table(file, ("id", "caption"))
    return list(zip(table["id"].to_pylist(), table["caption"].to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (",".join(f"c{n}" for n in range(1_000_000)) + "\n", "a first line of more than 65,536 bytes"),
        ("x" * 10_000_000, "a first line of more than 65,536 bytes"),
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("youtube_id,text\na,b\n", "has no column id, caption; its first line is: youtube_id, text"),
        (HEADER.encode() + b"a,gr\xfcn\n", "is not UTF-8: convert it"),
        (HEADER + 'a,"open\n' + "b,c\n" * 5_000_000, "a quote is opened and not closed"),
        (HEADER + 'a,"open\nb,"closed"\nc,d\n', "a quote is opened and not closed"),
        (HEADER + 'a,b\n"open,c\nd,e\n', "a quote is opened and not closed"),
        (b"\x80\x04\x95" + b"\x00" * 100, "has no column id, caption"),
    ],
    ids=["columns", "line", "nothing", "lines", "names", "latin", "quote", "inner", "first", "pickle"],
)
def test_tables_that_cannot_be_used_are_one_line(tmp_path, content, says):
    with pytest.raises(ValueError, match=says) as caught:
        rows(written(tmp_path, content))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400 and "list.csv" in str(caught.value)


def test_hostile_values_are_values(tmp_path):
    content = '\ufeffid,caption\r\n-rf,"two\r\nlines, ""quoted"""\r\n../../x,=cmd()\r\n-rf,\r\n'
    read = rows(written(tmp_path, content))
    assert read == [("-rf", 'two\r\nlines, "quoted"'), ("../../x", "=cmd()"), ("-rf", "")]


def test_rows_of_other_lengths_are_counted_and_named(tmp_path, caplog):
    table, malformed = read_table(
        written(tmp_path, HEADER + "a,b\nc\nd,e,f\n" + "x," * 9000 + "\ng,h\n"), ("id", "caption")
    )
    assert malformed == 3 and table["id"].to_pylist() == ["a", "g"]
    assert "left out 3 rows with too many fields or too few, the first: 'c'" in caplog.text


def test_columns_may_come_in_any_order_among_others(tmp_path):
    assert rows(written(tmp_path, "caption,more,id\nx,y,z\n")) == [("z", "x")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", 'no list named "data"'),
        ("[1, 2]", 'no list named "data"'),
        ('{"data": [{"id": "1"', "is cut short or damaged"),
        ('{"data": [{"id": "1"}, oops', "is cut short or damaged"),
        ('{"data": ' + "[" * 100_000, "is not the JSON that it should be"),
        (b'{"data": [{"id": "\xff"}]}', "is not the JSON that it should be"),
        ('{"data": [{"id": "' + "x" * 40_000_000 + '"}]}', "is cut short or damaged"),
    ],
    ids=["nothing", "list", "cut", "damaged", "deep", "latin", "bomb"],
)
def test_json_that_cannot_be_used_is_one_line(tmp_path, content, says):
    with pytest.raises(ValueError, match=says) as caught:
        read_objects(written(tmp_path, content, "x.json"), ("id", "caption"))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400 and "x.json" in str(caught.value)


def test_json_is_read_across_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("uat_lightning.data.corpora.metadata.PIECE", 64)
    data = [
        {"id": str(n), "caption": [f"é {n}", '"]}'], "tags": ["x"] * (n % 7), "n": {"data": []}} for n in range(200)
    ]
    file = written(tmp_path, json.dumps({"number": 1, "data": data}, indent=1), "x.json")
    table, malformed = read_objects(file, ("id", "caption"), ("file_name",))
    assert malformed == 0 and table["id"].to_pylist() == [str(n) for n in range(200) for _ in range(2)]
    assert table["caption"].to_pylist()[::2] == [f"é {n}" for n in range(200)]
    assert set(table["file_name"].to_pylist()) == {""}


def test_objects_without_id_or_caption_are_counted(tmp_path):
    data = [
        {"id": 5, "caption": "x\ud800"},
        {"id": "1"},
        {"id": None, "caption": "x"},
        [],
        "x",
        {"id": {}, "caption": 1},
    ]
    table, malformed = read_objects(written(tmp_path, json.dumps({"data": data}), "x.json"), ("id", "caption"))
    assert (table.to_pylist(), malformed) == ([{"id": "5", "caption": "x?"}], 5)


def test_ids_lead_nowhere_outside_the_folder(tmp_path):
    """Files are found by looking through the folder, never by opening what a list says."""
    root = tmp_path / "audio"
    root.mkdir()
    (root / "1.wav").touch()
    (tmp_path / "secret.wav").touch()
    data = [{"id": name, "caption": "x"} for name in ("../secret", str(tmp_path / "secret"), "1")]
    written(tmp_path, json.dumps({"data": data}), "sb_final.json")
    corpus = WavCaps(str(root), str(tmp_path))
    assert [entry.name for entry in corpus.splits["train"]] == ["1.wav"]


def test_one_clip_on_many_rows_is_one_clip(tmp_path):
    written(
        tmp_path,
        HEADER + "abcdefghijk_0_10,one\nabcdefghijl_0_10,two\nabcdefghijk_0_10,three\n",
        "YouTube-8M_AudioSetCaps_caption.csv",
    )
    for name in "kl":
        (tmp_path / f"abcdefghij{name}_0_10.wav").touch()
    corpus = AudioSetCaps(str(tmp_path), str(tmp_path))
    assert [entry.captions for entry in corpus.splits["train"]] == [("one", "three"), ("two",)]


def test_what_is_no_folder_of_lists_is_named(tmp_path):
    (tmp_path / "1.wav").touch()
    with pytest.raises(ValueError, match=r"holds no list of AudioCaps: name the folder"):
        _ = AudioCaps(str(tmp_path), str(tmp_path / "none")).splits
    with pytest.raises(ValueError, match=r"no file .*none.csv"):
        _ = AudioSetCaps(str(tmp_path), str(tmp_path / "none.csv")).splits
