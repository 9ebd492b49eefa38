from __future__ import annotations

import csv
import gzip
import json
import random
import time
from pathlib import Path

import pytest

from java_here import needs_java
from uat_lightning.metrics.captioning import Treebank
from uat_lightning.metrics.captioning.java_treebank import JavaTreebank
from uat_lightning.metrics.captioning.treebank import _split, treebank_words

BY_HAND = {
    "After a bell rings, RAIN falls -- loudly!": "after a bell rings rain falls loudly",
    "A dog's bark; the dogs' barks": "a dog 's bark the dogs barks",
    "It doesn't stop, can't stop, won't stop": "it does n't stop ca n't stop wo n't stop",
    "One cannot hear it, they're gonna shout": "one can not hear it they 're gon na shout",
    "a woman\u2019s voice": "a woman 's voice",
    "A high-pitched tick-tock": "a high-pitched tick-tock",
    "growling/whining and/or barking": "growling/whining and/or barking",
    "5 o'clock, ma'am": "5 o'clock ma'am",
    "rock 'n' roll from the '80s": "rock 'n' roll from the '80s",
    "over a P.A. system on Morgan Rd.": "over a p.a. system on morgan rd.",
    "fireplace, chairs, bookshelves, etc.": "fireplace chairs bookshelves etc.",
    "Mr. X at 1:20 and 10.5 kHz in the 50s": "mr. x at 1:20 and 10.5 khz in the 50s",
    "at a medium speed.and then (loudly) [noise]": "at a medium speed.and then -lrb- loudly -rrb- -lsb- noise -rsb-",
    "waits... what?! \u201cyes\u201d": "waits what ?! yes",
    "#25 & a caf\u00e9 \u2014 \u4e2d\u6587": "# 25 & a caf\u00e9 \u4e2d\u6587",
    "": "",
    " ... ": "",
}


@pytest.mark.parametrize("caption", BY_HAND)
def test_words_by_hand(caption):
    assert treebank_words(caption) == BY_HAND[caption]


def test_words_known_from_before_are_those_of_the_whole_caption():
    source, pieces = (
        random.Random(0),
        ["no.", "nos.", " ", "  ", "5", "<unk>", "can't", "cannot", ".", ",", "'s", "dog"],
    )
    pieces += [
        "etc.",
        "(",
        "\t",
        "--",
        "3.5",
        "o'clock",
        "'",
        "gonna",
        "!",
        "-",
        ":)",
        "u",
        "st.",
        "'t",
        "is",
        "y'",
        "all",
    ]
    for _ in range(3000):
        caption = "".join(source.choices(pieces, k=source.randint(1, 9)))
        assert treebank_words(caption) == _split(caption)


@needs_java
@pytest.mark.timeout(900)
def test_the_java_tokenizer_agrees_line_by_line_whatever_breaks_lines():
    captions = [*BY_HAND, "a\nb\u2028c\x0bd\x0ce\u2029f\r\ng", "a last\x85one"]
    assert JavaTreebank().split(captions) == Treebank().split(captions)


def captions_of(shared: Path, corpus: str) -> list[str]:
    if corpus == "coco":
        with gzip.open(shared / "cases" / "coco_fakecap" / "data.json.gz", "rt") as file:
            read = json.load(file)
        return [*read["candidates"], *(text for texts in read["references"] for text in texts)]
    columns = [f"caption_{number}" for number in range(1, 6)] if corpus == "clotho" else ["caption"]
    files = sorted((shared / "data" / "metadata" / corpus).rglob("*.csv"))
    rows = [row for path in files for row in csv.DictReader(path.open(newline=""))]
    return [row[column] for row in rows for column in columns]


@needs_java
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("corpus", "least"), [("coco", 6005), ("clotho", 29_645), ("audiocaps", 114_000)])
def test_all_real_captions_have_the_words_of_the_java_tokenizer(shared, corpus, least):
    captions = captions_of(shared, corpus)
    assert len(captions) >= least
    ours, theirs = Treebank().split(captions), JavaTreebank().split(captions)
    assert [row for row in zip(captions, ours, theirs, strict=True) if row[1] != row[2]] == []


@pytest.mark.parametrize("piece", ["a", "a-", "a.", "'", "1,", "<a"])
def test_a_long_line_of_anything_does_not_take_long(piece: str):
    start = time.process_time()
    words = treebank_words(piece * 10_000)
    assert time.process_time() - start < 5
    assert {*"".join(words)} - {" "} <= {*piece.lower(), *"`-lrb"}
