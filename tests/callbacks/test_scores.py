from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from processes import run
from toy_training import ToneCorpus, ToneData, Tones, toy_module, toy_trainer
from uat_lightning.callbacks import ScoreCaptions, ScoredTask, ScoreGenerated, ScoreTasks
from uat_lightning.data.audio_text import Share
from uat_lightning.metrics.captioning import caption_scores
from uat_lightning.metrics.embedders.convolutional import ConvolutionalTagger
from uat_lightning.sampling import Euler
from uat_lightning.tasks import Caption, Generate

CLIPS = 5
SCRIPT = """
import json, sys
from pathlib import Path

from test_scores import scores_of, train
from uat_lightning.backbone.sharding import units
from uat_lightning.strategy import ShardedBlocks

if __name__ == "__main__":
    folder, way = Path(sys.argv[1]), sys.argv[2]
    strategies = {"ddp": "ddp", "sharded": ShardedBlocks()}
    trainer = train(folder, steps=0, strategy=strategies[way], devices=2)
    assert bool(units(trainer.lightning_module)) == (way == "sharded")
    (folder / f"{way}-{trainer.global_rank}.json").write_text(json.dumps(scores_of(trainer)))
"""


def tasks() -> dict[str, ScoredTask]:
    torch.manual_seed(3)
    tagger = ConvolutionalTagger(["x", "y"], seconds=0.5, width=2, hidden=4).eval()
    return {
        "captions": ScoreCaptions(CLIPS, batch_size=2),
        "one": ScoreCaptions(1),  # of two processes one has nothing to do
        "sounds": ScoreGenerated(CLIPS, 0.5, 2, Generate(Euler(2)), embedder=tagger, tagger=tagger),
    }


def train(folder: Path, steps: int = 2, scores: ScoreTasks | None = None, **settings) -> Trainer:
    trainer = toy_trainer(folder, max(steps, 1), scores or ScoreTasks(tasks()), **settings)
    data = ToneData(folder / "cache", epoch_steps=2)
    if steps:
        trainer.fit(toy_module(), datamodule=data)
    else:
        trainer.validate(toy_module(), datamodule=data, verbose=False)
    return trainer


def scores_of(trainer: Trainer) -> dict[str, float]:
    return {name: float(value) for name, value in trainer.callback_metrics.items() if name.count("/") == 2}


def logged(folder: Path) -> dict[int, dict[str, float]]:
    """Return the scores of each step in Lightning's plainest logger."""
    import csv

    (file,) = folder.rglob("metrics.csv")
    rows = list(csv.DictReader(file.open()))
    return {
        int(row["step"]): {name: float(value) for name, value in row.items() if name.count("/") == 2 and value}
        for row in rows
        if any(value for name, value in row.items() if name.count("/") == 2)
    }


def test_any_logger_gets_the_scores(tmp_path):
    train(tmp_path, logger=CSVLogger(tmp_path), log_every_n_steps=1)
    ((_, scores),) = logged(tmp_path).items()
    assert {"validation/captions/rouge_l", "validation/captions/cider_d"} <= scores.keys()
    assert scores["validation/sounds/sound_clips"] == scores["validation/sounds/frechet_generated_clips"] == CLIPS
    assert scores["validation/sounds/frechet_distance"] > 0
    assert scores["validation/sounds/divergence_kl_reference_to_generated"] > 0
    assert scores["validation/sounds/sound_seconds"] == pytest.approx(
        sum(min(8000, 6000 + 1000 * (row % 5)) for row in range(CLIPS)) / CLIPS / 16_000
    )


def test_scores_are_of_the_captions_that_the_averaged_weights_write(tmp_path):
    trainer = train(tmp_path, scores=ScoreTasks({"captions": ScoreCaptions(CLIPS, longest=0.5)}, seed=4))
    module, data = trainer.lightning_module, trainer.datamodule
    weights = {name: weight.detach().clone() for name, weight in module.named_parameters()}
    average = trainer.callbacks[1].average
    assert any(not torch.equal(average[name], weights[name]) for name in average)
    module.load_state_dict(average, strict=False)
    from uat_lightning.callbacks.export import trained_pipeline

    parts = trained_pipeline(trainer, module.eval()).parts
    clips = [Tones(CLIPS)[row] for row in range(CLIPS)]
    waveforms = [torch.from_numpy(clip.waveform[:, : data.codec.samples(0.5)]) for clip in clips]
    texts = Caption().run(parts, waveforms, seed=4)
    expected = caption_scores(texts, [clip.captions for clip in clips]).scores
    for name, value in expected.items():
        assert float(trainer.callback_metrics[f"validation/captions/{name}"]) == pytest.approx(value, abs=1e-6)


def test_validations_and_epochs_gate_and_the_sanity_check_does_not_count(tmp_path):
    scores = ScoreTasks({"captions": ScoreCaptions(2)}, every_n_validations=2, from_epoch=2)
    train(tmp_path, 12, scores, logger=CSVLogger(tmp_path), log_every_n_steps=1, num_sanity_val_steps=1)
    assert scores.validations == 6
    assert len(logged(tmp_path)) == 2  # the validations 4 and 6; 2 was in epoch 1
    again = ScoreTasks({})
    again.load_state_dict(scores.state_dict())
    assert again.validations == 6


class Counting(ScoredTask):
    """Counts its rows: all that it needs of a module is that there is one."""

    count = 7

    def begin(self, trainer, module) -> None:
        self.rows: list[int] = []

    def add(self, trainer, module, rows, seed) -> None:
        self.rows += [row + seed for row in rows]

    def scores(self) -> dict[str, float]:
        return {"rows": len(self.rows), "first": self.rows[0]}


class Foreign(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        return self.layer(batch).square().mean()

    def validation_step(self, batch, batch_idx) -> None:
        return

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def test_any_module_in_any_trainer_can_be_scored(tmp_path):
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    trainer = Trainer(max_epochs=1, callbacks=[ScoreTasks({"mine": Counting()}, seed=5)], **quiet)
    trainer.fit(Foreign(), DataLoader(torch.zeros(4, 1)), DataLoader(torch.zeros(2, 1)))
    assert float(trainer.callback_metrics["validation/mine/rows"]) == 7
    assert float(trainer.callback_metrics["validation/mine/first"]) == 5


def test_a_task_of_ours_without_a_model_is_refused_before_training(tmp_path):
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    trainer = Trainer(max_epochs=1, callbacks=[ScoreTasks({"captions": ScoreCaptions(2)})], **quiet)
    with pytest.raises(ValueError, match="a pipeline needs a module with a backbone"):
        trainer.fit(Foreign(), DataLoader(torch.zeros(4, 1)), DataLoader(torch.zeros(2, 1)))


def test_impossible_numbers_are_refused():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        ScoreTasks({}, every_n_validations=0)
    with pytest.raises(ValueError, match="clips and batch_size must be at least 1"):
        ScoreCaptions(0)


class TestedTones(ToneCorpus):
    """Tones with others to test on."""

    def __init__(self) -> None:
        super().__init__()
        self.counts |= {"test": 3}


def test_a_test_scores_the_test_clips(tmp_path):
    trainer = toy_trainer(tmp_path, 1, ScoreTasks(tasks(), every_n_validations=5, from_epoch=9))
    trainer.test(toy_module(), datamodule=ToneData(tmp_path, corpora={"t": Share(TestedTones())}), verbose=False)
    scores = {name: float(value) for name, value in trainer.callback_metrics.items()}
    assert scores["test/sounds/sound_clips"] == 3
    assert {"test/loss", "test/captions/rouge_l"} <= scores.keys()
    assert not [name for name in scores if name.startswith("validation/")]


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> tuple[Path, dict[str, float]]:
    folder = tmp_path_factory.mktemp("ways")
    (folder / "score.py").write_text(SCRIPT)
    with torch.random.fork_rng():
        return folder, scores_of(train(folder, steps=0))


@pytest.mark.slow
@pytest.mark.parametrize("way", ["ddp", "sharded"])
def test_two_processes_give_what_one_gives(way, alone):
    folder, expected = alone
    assert expected["validation/sounds/sound_clips"] == CLIPS
    run(str(folder / "score.py"), str(folder), way, ranks=2)
    for rank in range(2):
        seen = json.loads((folder / f"{way}-{rank}.json").read_text())
        assert seen == pytest.approx(expected, rel=1e-4, abs=1e-5, nan_ok=True)
