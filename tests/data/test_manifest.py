"""Manifests: what people write is read, what cannot be used is counted, hostile rows stay outside."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from uat_lightning.data.manifest import Listing, ManifestSource, read_manifest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "sounds"
    (folder / "sub").mkdir(parents=True)
    for number, name in enumerate(["a.wav", "-b.wav", "sub/c d.flac", "ü#.wav"]):
        soundfile.write(folder / name, np.full((8000, 1), 0.1 * (number + 1)), 8000)
    soundfile.write(tmp_path / "outside.wav", np.zeros(8000), 8000)
    return folder


def listed(root: Path, content: str | bytes, name: str = "m.jsonl") -> Listing:
    content = content.encode() if isinstance(content, str) else content
    (root / name).write_bytes(content)
    return read_manifest(root / name, root)


def lines(*rows: object) -> str:
    return "\n".join(json.dumps(row) for row in rows)


def captions(listing: Listing) -> dict[str, tuple[str, ...]]:
    return {uid: entry.captions for uid, entry in listing.clips.items()}


def test_json_lines_with_every_field(root):
    row = {
        "audio": "a.wav",
        "captions": ["one", "two"],
        "caption": "three",
        "start": 0.25,
        "end": 0.75,
        "fold": 3,
        "x": {},
    }
    (entry,) = listed(root, lines(row)).clips.values()
    assert (entry.captions, entry.start, entry.end, entry.split) == (("one", "two", "three"), 0.25, 0.75, "3")
    assert entry.uid == "a.wav#0.25-0.75"


def test_a_table_with_quotes_newlines_and_a_byte_order_mark(root):
    text = '\ufeffAudio, Caption ,extra\r\na.wav,"a bell, then\r\n""rain""",1\r\n-b.wav,noise,\r\n"sub/c d.flac",x,\r\n'
    assert captions(listed(root, text, "m.csv")) == {
        "a.wav": ('a bell, then "rain"',),
        "-b.wav": ("noise",),
        "sub/c d.flac": ("x",),
    }


@pytest.mark.parametrize("separator", [";", "\t"])
def test_tables_of_other_separators(root, separator):
    text = f"audio{separator}caption_1{separator}caption_2\na.wav{separator}one, and more{separator}two\n"
    assert captions(listed(root, text, "m.csv")) == {"a.wav": ("one, and more", "two")}


def test_a_list_in_a_cell(root):
    text = 'audio,captions\na.wav,"[""one"", ""two""]"\n-b.wav,[unclear] speech\n'
    assert captions(listed(root, text, "m.csv")) == {"a.wav": ("one", "two"), "-b.wav": ("[unclear] speech",)}


def test_utf_16_as_spreadsheets_write_it(root):
    assert captions(listed(root, "audio\tcaption\nü#.wav\tgrün\n".encode("utf-16"), "m.tsv")) == {"ü#.wav": ("grün",)}


def test_other_encodings_are_named_with_their_line(root):
    with pytest.raises(ValueError, match=r"not UTF-8 \(line 2\)"):
        listed(root, "audio,caption\na.wav,grün\n".encode("latin1"), "m.csv")


def test_a_line_separator_inside_a_caption_is_no_line(root):
    row = json.dumps({"audio": "a.wav", "caption": "one\u2028two\x85three"}, ensure_ascii=False)
    assert captions(listed(root, row)) == {"a.wav": ("one two three",)}


def test_rows_of_one_clip_are_one_clip(root):
    rows = [{"audio": "a.wav", "caption": text} for text in ("one", "two", "one")]  # two people may say the same
    again = {"audio": str(root / "sub" / ".." / "a.wav"), "caption": "three"}
    listing = listed(root, lines(*rows, again))
    assert captions(listing) == {"a.wav": ("one", "two", "one", "three")} and not listing.reasons


def test_parts_of_one_file_are_clips_of_one_name(root):
    rows = [{"audio": "ü#.wav", "caption": "x", "start": start, "end": start + 0.5} for start in (0, 0.5)]
    entries = listed(root, lines(*rows)).clips
    assert len(entries) == 2 and {entry.name for entry in entries.values()} == {"ü#.wav"}


def test_one_clip_in_two_splits_is_refused(root):
    rows = [{"audio": "a.wav", "caption": "x", "split": split} for split in ("train", "test")]
    (reason,) = listed(root, lines(*rows)).reasons
    assert "line 2" in reason and "'train'" in reason


@pytest.mark.parametrize("audio", ["../outside.wav", "sub/../../outside.wav", "./sub/../../outside.wav"])
def test_relative_paths_do_not_lead_out(root, audio):
    listing = listed(root, lines({"audio": audio, "caption": "x"}))
    assert not listing.clips and "leads out" in listing.reasons[0]


def test_absolute_paths_are_meant(root):
    file = root.parent / "outside.wav"
    assert captions(listed(root, lines({"audio": str(file), "caption": "x"}))) == {str(file): ("x",)}


def test_paths_may_be_relative_to_the_manifest(root):
    (root.parent / "lists").mkdir()
    soundfile.write(root.parent / "lists" / "e.wav", np.zeros(9), 8000)
    manifest = root.parent / "lists" / "m.jsonl"
    manifest.write_text(lines({"audio": "e.wav", "caption": "x"}, {"audio": "a.wav", "caption": "y"}))
    assert [entry.file.name for entry in read_manifest(manifest, root).clips.values()] == ["e.wav", "a.wav"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"caption": "x"}', "no audio among the fields caption"),
        ('{"audio": 5, "caption": "x"}', "no audio"),
        ('{"audio": "a.wav"}', "no caption"),
        ('{"audio": "a.wav", "caption": " \\n "}', "no caption"),
        ('{"audio": "a.wav", "captions": [null, 3]}', "no caption"),
        ('{"audio": "none.wav", "caption": "x"}', "none.wav does not exist in"),
        ('{"audio": "sub", "caption": "x"}', "sub does not exist in"),
        ('{"audio": "a\\u0000.wav", "caption": "x"}', ""),
        ('{"audio": "' + "a" * 5000 + '.wav", "caption": "x"}', ""),
        ('{"audio": "a.wav", "caption": "x", "start": "soon"}', "start is not a number of seconds"),
        ('{"audio": "a.wav", "caption": "x", "end": 1' + "0" * 400 + "}", "end is not a number of seconds"),
        ('{"audio": "a.wav", "caption": "x", "start": NaN}', "start must be 0 or more"),
        ('{"audio": "a.wav", "caption": "x", "start": 2, "end": 1}', "end above it"),
    ],
)
def test_unusable_rows_are_counted_and_the_rest_is_kept(root, row, reason):
    listing = listed(root, row + "\n\n" + lines({"audio": "-b.wav", "caption": "fine"}) + "\n")
    assert captions(listing) == {"-b.wav": ("fine",)}
    assert len(listing.reasons) == 1 and listing.reasons[0].startswith("line 1: ") and reason in listing.reasons[0]


def test_an_unquoted_separator_does_not_cut_a_caption(root):
    listing = listed(root, "audio,caption\na.wav,a bell, then rain\n-b.wav,fine,\n", "m.csv")
    assert captions(listing) == {"-b.wav": ("fine",)} and "quotes" in listing.reasons[0]


def test_lone_surrogates_do_not_reach_the_tokenizer(root):
    (caption,) = captions(listed(root, '{"audio": "a.wav", "caption": "x \\ud800"}'))["a.wav"]
    assert caption.encode() == b"x ?"


def test_missing_columns_are_named(root):
    with pytest.raises(ValueError, match=r"columns file, text: audio and caption"):
        listed(root, "file,text\na.wav,x\n", "m.csv")
    with pytest.raises(ValueError, match=r"\(none\)"):
        listed(root, "", "m.csv")


def test_a_quote_left_open_is_found(root):
    with pytest.raises(ValueError, match="see to the quotes"):
        listed(root, 'audio,caption\na.wav,"open\n-b.wav,x\n', "m.csv")
    with pytest.raises(ValueError, match="see to the quotes"):
        listed(root, 'audio,caption\na.wav,"' + "x\n" * 100_000 + '"\n', "m.csv")


def test_a_million_columns_are_no_manifest(root):
    wide = "audio,caption," + ",".join(f"c{n}" for n in range(1_000_000))
    with pytest.raises(ValueError, match="has 1000002 columns, more than 4096: it is no manifest") as caught:
        listed(root, wide + "\na.wav,x\n", "m.csv")
    assert len(str(caught.value)) < 300
    fields = {"audio": "a.wav", "caption": "x", **{f"c{n}": n for n in range(100_000)}}
    (reason,) = listed(root, lines(fields)).reasons
    assert reason == "line 1: 100002 fields, more than 4096"


def test_other_files_are_no_manifests(root):
    with pytest.raises(ValueError, match=r"ends in \.jsonl, \.csv, \.tsv"):
        listed(root, "x", "m.txt")
    with pytest.raises(ValueError, match="cannot be read"):
        read_manifest(root / "none.csv", root)


def test_nothing_usable_is_an_error_with_the_first_reasons(root):
    listing = listed(root, lines(*[{"audio": f"{n}.wav", "caption": "x"} for n in range(9)]))
    with pytest.raises(ValueError, match=r"no usable clip. 9 left out: line 1: 0.wav does not exist") as caught:
        listing.report("m.jsonl")
    assert "\n" not in str(caught.value)


def test_what_was_left_out_is_said(root, caplog):
    listed(root, lines({"audio": "none.wav", "caption": "x"}, {"audio": "a.wav", "caption": "x"})).report("m.jsonl")
    assert "left out 1, kept 1 clips. line 1: none.wav" in caplog.text


def test_the_source_reads_the_part(root):
    entries = list(listed(root, lines({"audio": "-b.wav", "captions": ["x"], "start": 0.5})).clips.values())
    clip = ManifestSource(entries, 8000, 2)[0]
    assert clip.uid == "-b.wav#0.5-" and clip.captions == ("x",) and clip.waveform.shape == (2, 4000)
    assert np.allclose(clip.waveform, 0.2, atol=1e-3)
    with pytest.raises(ValueError, match=r"-b\.wav"):
        ManifestSource(entries, 8000, 2, longest=0.1)[0]


def test_the_real_pairs(shared):
    root = shared / "data"
    listing = read_manifest(root / "pairs" / "manifest.jsonl", root)
    assert len(listing.clips) == 25 and not listing.reasons
    assert sum(len(entry.captions) for entry in listing.clips.values()) == 18 * 5 + 5 * 5 + 2
