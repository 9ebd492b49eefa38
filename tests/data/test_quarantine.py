"""Unusable clips: the same substitute everywhere, each written down once, and an end where they are too many."""

from __future__ import annotations

import json
import logging
import re
import traceback
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from torch.utils.data import DataLoader

from uat_lightning.callbacks import NameUnusable
from uat_lightning.data.manifest import ManifestSource, make_entry
from uat_lightning.data.quarantine import Quarantine, Replacing, TooManyUnusable
from uat_lightning.data.source import CaptionedAudio, Source

BAD = frozenset({3, 4, 11, 19})


class Numbers(Source):
    """Twenty clips that are their own numbers; some cannot be read."""

    def __init__(self, bad: frozenset[int] = BAD) -> None:
        self.bad, self.tried = bad, []

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> CaptionedAudio:
        self.tried.append(index)
        if index in self.bad:
            raise ValueError(f"clip {index} is\nbroken")
        return CaptionedAudio(str(index), np.full((1, 4), index, np.float32), ("x",))


def replacing(folder: Path, source: Source | None = None, share: float = 0.5) -> Replacing:
    source = source or Numbers()
    return Replacing(source, Quarantine(folder / "quarantine.jsonl", len(source), share))


def written(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "quarantine.jsonl").read_text().splitlines()]


def loaded(source: Replacing, workers: int, order: list[int]) -> list[str]:
    loader = DataLoader(source, batch_size=3, sampler=order, num_workers=workers, collate_fn=list)
    return [clip.uid for clips in loader for clip in clips]


def test_the_next_usable_clip_stands_in(tmp_path):
    source = replacing(tmp_path)
    assert [source[index].uid for index in range(20)] == [
        str({3: 5, 4: 5, 11: 12, 19: 0}.get(index, index)) for index in range(20)
    ]
    assert source.quarantine.replaced == 4 and len(source) == 20
    assert written(tmp_path)[0] == {"clip": 3, "uid": "3", "reason": "clip 3 is broken"}
    assert sorted(row["clip"] for row in written(tmp_path)) == sorted(BAD)


def test_without_unusable_clips_nothing_is_written(tmp_path):
    source = replacing(tmp_path, Numbers(frozenset()))
    assert [source[index].uid for index in range(20)] == [str(index) for index in range(20)]
    assert not list(tmp_path.iterdir()) and source.quarantine.tell() == ""


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_find_the_same_substitutes_and_lose_nothing(tmp_path, workers):
    order = np.random.default_rng(0).permutation(np.tile(np.arange(20), 2)).tolist()
    alone, together = replacing(tmp_path / "alone"), replacing(tmp_path / "together")
    assert loaded(together, workers, order) == loaded(alone, 0, order)
    assert together.quarantine.replaced == alone.quarantine.replaced == 8
    together.quarantine.read()
    assert together.quarantine.reasons == alone.quarantine.reasons and set(alone.quarantine.reasons) == BAD


def test_the_next_run_does_not_try_them_again(tmp_path):
    first = replacing(tmp_path)
    heard = [first[index].uid for index in range(20)]
    later = Numbers()
    second = replacing(tmp_path, later)
    assert [second[index].uid for index in range(20)] == heard
    assert not BAD & set(later.tried) and len(written(tmp_path)) == len(BAD)


def test_half_a_line_of_a_killed_process_is_passed_over(tmp_path):
    replacing(tmp_path)[3]
    with (tmp_path / "quarantine.jsonl").open("ab") as stream:
        stream.write(b'{"clip": 11, "uid": "1\n[]\n\xff\n')
    source = replacing(tmp_path)
    assert set(source.quarantine.reasons) == {3, 4} and source[11].uid == "12"


@pytest.mark.parametrize("workers", [0, 2])
def test_too_many_end_the_run_with_the_list(tmp_path, workers):
    source = replacing(tmp_path, share=0.1)
    with pytest.raises(TooManyUnusable) as caught:
        loaded(source, workers, list(range(20)))
    # An iterator that only the garbage collector frees waits five seconds for each of its workers.
    traceback.clear_frames(caught.tb)
    text = str(caught.value)
    # Two workers may each find one more before either has stopped.
    assert re.match(r"[34] of 20 clips cannot be used, 2 are tolerated\. Mend or remove them", text)
    assert "clip 3 is broken; clip 4 is broken; clip" in text and "\n" not in text and "quarantine.jsonl" in text


def test_a_source_without_a_usable_clip_ends_at_once(tmp_path):
    with pytest.raises(TooManyUnusable, match="20 of 20"):
        replacing(tmp_path, Numbers(frozenset(range(20))), share=1.0)[7]


def test_a_single_bad_clip_never_ends_a_small_run(tmp_path):
    assert replacing(tmp_path, Numbers(frozenset({0})), share=0.0)[0].uid == "1"


def test_news_are_told_once(tmp_path):
    source = replacing(tmp_path)
    source[3]
    assert source.quarantine.tell() == (
        "2 of 20 clips cannot be used, others took their place 1 times: clip 3 is broken; clip 4 is broken"
    )
    assert source.quarantine.tell() == ""
    source[11]
    assert "clip 11" in source.quarantine.tell()


def test_files_are_named_by_their_uid(tmp_path):
    (tmp_path / "a.wav").write_text("no sound")
    soundfile.write(tmp_path / "b.wav", np.zeros(800), 8000)
    entries = [make_entry(tmp_path / name, tmp_path, ["x"]) for name in ("a.wav", "b.wav")]
    source = replacing(tmp_path / "run", ManifestSource(entries, 8000, 1))
    assert source[0].uid == "b.wav"
    assert written(tmp_path / "run")[0]["uid"] == "a.wav"


class OnTheFly(LightningDataModule):
    """Serves clips read while training."""

    def __init__(self, source: Replacing, workers: int) -> None:
        super().__init__()
        self.source, self.workers, self.quarantines = source, workers, {"train": source.quarantine}

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.source, 5, num_workers=self.workers, collate_fn=self.stacked)

    @staticmethod
    def stacked(clips: list[CaptionedAudio]) -> torch.Tensor:
        return torch.stack([torch.from_numpy(clip.waveform) for clip in clips])


class Sum(LightningModule):
    """Learns nothing, remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.seen = torch.nn.Parameter(torch.zeros(())), []

    def training_step(self, batch: torch.Tensor) -> torch.Tensor:
        self.seen += batch[:, 0, 0].tolist()
        return self.weight * batch.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.0)


def fitted(data: OnTheFly, module: Sum, epochs: int = 2) -> None:
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        callbacks=[NameUnusable()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, datamodule=data)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_training_goes_on_and_names_them_at_the_end_of_the_epoch(tmp_path, caplog, workers):
    data, module = OnTheFly(replacing(tmp_path), workers), Sum()
    with caplog.at_level(logging.WARNING, "uat_lightning"):
        fitted(data, module)
    expected = [{3: 5, 4: 5, 11: 12, 19: 0}.get(index, index) for index in range(20)]
    assert module.seen == expected * 2
    told = [record.getMessage() for record in caplog.records if "cannot be used" in record.getMessage()]
    assert len(told) == 1 and told[0].startswith("train: 4 of 20 clips cannot be used, others took their place 4 times")


def test_a_training_ends_where_they_are_too_many_and_names_them(tmp_path, caplog):
    with pytest.raises(TooManyUnusable, match="3 of 20"), caplog.at_level(logging.WARNING, "uat_lightning"):
        fitted(OnTheFly(replacing(tmp_path, share=0.1), 0), Sum())
    assert "train: 3 of 20" in caplog.text
