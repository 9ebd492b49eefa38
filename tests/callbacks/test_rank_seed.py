from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace

import torch

from toy_training import ToneData, Trace, toy_module, toy_trainer
from uat_lightning.callbacks import RankSeed
from uat_lightning.callbacks.rank_seed import step_seed


def noise(seed: int, rank: int, step: int, validation: bool = False) -> float:
    trainer = SimpleNamespace(global_rank=rank, fit_loop=SimpleNamespace(total_batch_idx=step))
    callback = RankSeed(seed)
    start = callback.on_validation_batch_start if validation else callback.on_train_batch_start
    start(trainer, None, None, step)
    return float(torch.rand(()))


def test_seed_rank_step_and_stage_all_change_the_noise():
    places = list(itertools.product((0, 1), (0, 1, 2), (0, 1, 2), (False, True)))
    assert len({noise(*place) for place in places}) == len(places)


def test_the_same_place_gives_the_same_noise():
    assert noise(3, 1, 7) == noise(3, 1, 7)


def test_seeds_fit_the_generator():
    seeds = [step_seed(seed, 0, rank, 0) for seed in (0, 2**40) for rank in range(500)]
    assert len(set(seeds)) == 1000
    assert min(seeds) >= 0
    assert max(seeds) < 2**63


def test_validation_draws_the_same_noise_every_time(tmp_path: Path):
    trace = Trace()
    trainer = toy_trainer(tmp_path, 4, trace)
    trainer.fit(toy_module(learning_rate=0.0), datamodule=ToneData(tmp_path, epoch_steps=2))
    assert len(trace.validation) == 2
    assert trace.validation[0] == trace.validation[1]
    assert len(set(trace.losses)) == 4
