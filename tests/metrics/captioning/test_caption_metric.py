from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from java_here import GERMAN
from processes import run
from uat_lightning.data.soundscapes.scorer import SoundscapesEvents
from uat_lightning.metrics.captioning import CaptionMetric, Meteor, caption_scores, quick_scorers
from uat_lightning.metrics.corpus_scores import CorpusScores

CAPTIONS = [
    "a bell rings",
    "",
    "wind blows while a saw cuts",
    "rain",
    "a dog barks \u732b",
    "a bell rings then rain falls",
    "a cat",
]
REFERENCES = [
    ["a bell rings twice", "a chime"],
    ["a loud dog barks"],
    ["a saw cuts while wind blows", "wind blows as a handsaw rasps", "wind"],
    ["rain falls", "soft rain"],
    ["a dog barks once", "a puppy yaps"],
    ["rain falls after a bell rings"],
    ["a cat meows", "a kitten cries"],
]  # fmt: skip
SCRIPT = """
import json, os, sys
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed
from torch.utils.data import DistributedSampler

from test_caption_metric import CAPTIONS, REFERENCES
from uat_lightning.data.soundscapes.scorer import SoundscapesEvents
from uat_lightning.metrics.captioning import CaptionMetric, CaptionScorer, JavaTreebank

ALL = range(len(CAPTIONS))


class Breaks(CaptionScorer):
    names = ("nothing",)

    def score(self, corpus):
        raise RuntimeError("broken by intent")


def outcome(rank, shards, batch=2, scorers=None, words=None, shift=0):
    metric, rows = CaptionMetric(scorers, words), shards[rank]
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        metric.update([row - shift for row in some], [CAPTIONS[row] for row in some], [REFERENCES[row] for row in some])
    try:
        values = {name: float(value) for name, value in metric.compute().items()}
    except ValueError as error:
        return str(error)
    again = {name: float(value) for name, value in metric.compute().items()}
    assert again == values and metric.ids == [] or torch.cat(metric.ids).tolist() == list(rows)
    return {"scores": values, "per_clip": metric.result.per_clip, "not_computed": metric.result.not_computed}


def run(rank, world, folder, java):
    store = f"file://{folder}/store{world}"
    limit = timedelta(seconds=300)
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=world, timeout=limit)
    padded = [list(DistributedSampler(ALL, world, part, shuffle=False)) for part in range(world)]
    shuffled = [list(DistributedSampler(ALL, world, part, shuffle=True, seed=3)) for part in range(world)]
    uneven = [[6, 0, 1], [2, 3, 4, 5], []][:world] if world == 3 else [[5], [6, 0, 1, 2, 3, 4]]
    nobody = [[] for _ in range(world)]
    seen = {
        "padded": outcome(rank, padded), "shuffled": outcome(rank, shuffled), "uneven": outcome(rank, uneven),
        "empty first": outcome(rank, [[], list(reversed(ALL)), []][:world]), "nobody": outcome(rank, nobody),
        "events": outcome(rank, padded, scorers=[SoundscapesEvents()]),
        "events of uneven ranks": outcome(rank, uneven, scorers=[SoundscapesEvents()]),
        "broken": outcome(rank, uneven, scorers=[Breaks()]),
        "local ids": outcome(rank, [[0, 1], [2, 3], [4, 5]][:world], shift=2 * rank),
    }
    if java:
        seen["java"] = outcome(rank, padded, words=JavaTreebank())
    Path(folder, f"{world}-{rank}.json").write_text(json.dumps(seen))
    distributed.destroy_process_group()


if __name__ == "__main__":
    run(int(os.environ["RANK"]), int(sys.argv[1]), sys.argv[2], sys.argv[3] == "java")
"""


def spawned(folder: Path, world: int) -> list[dict]:
    (folder / "ranks.py").write_text(SCRIPT)
    words = "java" if shutil.which("java") else ""
    run(str(folder / "ranks.py"), str(world), str(folder), words, ranks=world, environment=GERMAN)
    return [json.loads((folder / f"{world}-{rank}.json").read_text()) for rank in range(world)]


def same(seen: dict, alone: CorpusScores) -> None:
    assert seen["scores"] == pytest.approx(alone.scores, abs=1e-9)
    assert seen["per_clip"].keys() == alone.per_clip.keys()
    for name, values in alone.per_clip.items():
        assert seen["per_clip"][name] == pytest.approx(values, abs=1e-9, nan_ok=True)
    assert seen["not_computed"] == alone.not_computed


@pytest.mark.slow
@pytest.mark.parametrize("world", [2, 3])
def test_ranks_give_what_one_process_gives(world, tmp_path):
    alone = caption_scores(CAPTIONS, REFERENCES)
    events = caption_scores(CAPTIONS, REFERENCES, [SoundscapesEvents()])
    for seen in spawned(tmp_path, world):
        for shards in ("padded", "shuffled", "uneven", "empty first", *({"java"} & seen.keys())):
            same(seen[shards], alone)
        for shards in ("events", "events of uneven ranks"):
            same(seen[shards], events)
        assert seen["nobody"] == {"scores": {}, "per_clip": {}, "not_computed": {}}
        assert "broken by intent" in seen["broken"]
        assert seen["local ids"] == "two clips have the id 0: give every clip its number in the whole data set"


def added(*order: int) -> CaptionMetric:
    metric = CaptionMetric()
    for row in order:
        metric.update(torch.tensor([row]), [CAPTIONS[row]], [REFERENCES[row]])
    return metric


def test_neither_order_nor_duplicates_matter():
    metric = added(3, 0, 6, 3, 1, 2, 5, 4, 0)
    values = {name: float(value) for name, value in metric.compute().items()}
    alone = caption_scores(CAPTIONS, REFERENCES)
    assert values == alone.scores
    assert metric.result == alone


def test_a_batch_is_only_stored(monkeypatch):
    metric = CaptionMetric([*quick_scorers(), Meteor()])
    monkeypatch.setattr("uat_lightning.metrics.captioning.metric.caption_scores", None)
    assert metric([0, 1], CAPTIONS[:2], REFERENCES[:2]) is None
    assert metric.rows("ids").tolist() == [0, 1]


def test_reset_forgets():
    metric = added(0, 1)
    assert metric.compute()["rouge_l"] > 0
    metric.reset()
    assert metric.result == CorpusScores()
    metric.update([], [], [])
    assert metric.compute() == {}


def test_texts_survive_as_they_were_written():
    odd = ["tab\tand\nline", "lone \ud800 surrogate", "", "caf\u00e9 \U0001f600"]
    metric = CaptionMetric()
    metric.update([0, 1], odd[:2], [odd[2:], odd[:1]])
    assert metric._texts() == [[odd[0], *odd[2:]], [odd[1], odd[0]]]


@pytest.mark.parametrize(
    ("ids", "captions", "references", "complaint"),
    [
        ([0], ["a", "b"], [["a"], ["b"]], "1 ids for 2 samples"),
        ([0, 1], ["a"], [["a"], ["b"]], "1 captions for 2 clips"),
        ([0, 1], ["a", "b"], [["a"], []], "clip 1 has no references"),
    ],
)
def test_what_does_not_fit_is_refused_when_it_is_added(ids, captions, references, complaint):
    with pytest.raises(ValueError, match=complaint):
        CaptionMetric().update(ids, captions, references)
