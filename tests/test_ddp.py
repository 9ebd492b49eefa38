from __future__ import annotations

from pathlib import Path

import pytest
import torch

from processes import run
from toy_training import ToneData, toy_module
from uat_lightning.callbacks.rank_seed import step_seed
from uat_lightning.data.batches import PlannedBatches, WholeSplit
from uat_lightning.diffusion import Occasion

STEPS, RANKS = 4, 2
SCRIPT = """
import sys
from pathlib import Path

import torch
from lightning.pytorch import Callback
from toy_training import ToneData, Trace, toy_module, toy_trainer


class Noise(Callback):
    drawn = []

    def on_before_zero_grad(self, trainer, pl_module, optimizer):
        state = torch.get_rng_state()
        self.drawn.append(float(torch.rand(())))
        torch.set_rng_state(state)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    trace, module, noise = Trace(), toy_module(), Noise()
    trainer = toy_trainer(folder, int(sys.argv[2]), trace, noise, strategy="ddp", devices=2)
    trainer.fit(module, datamodule=ToneData(folder / "cache", epoch_steps=int(sys.argv[2])))
    average = trainer.callbacks[1].average
    seen = {"weights": dict(module.named_parameters()), "average": average, "noise": noise.drawn}
    seen |= {"losses": trace.losses, "rows": trace.rows, "validation": trace.validation}
    torch.save(seen, folder / f"rank{trainer.global_rank}.pt")
"""


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    folder = tmp_path_factory.mktemp("ddp")
    (folder / "train.py").write_text(SCRIPT)
    run(str(folder / "train.py"), str(folder), str(STEPS), ranks=RANKS)
    return folder, [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(RANKS)]


@pytest.mark.slow
def test_the_ranks_draw_different_noise_and_end_with_equal_weights(ranks):
    _, (first, second) = ranks
    assert len(first["noise"]) >= STEPS
    assert not set(first["noise"]) & set(second["noise"])
    assert not set(first["losses"]) & set(second["losses"])
    for name in ("weights", "average"):
        assert all(torch.equal(first[name][key], second[name][key]) for key in first[name])


@pytest.mark.slow
def test_two_ranks_train_as_one_process_that_averages_their_gradients(ranks):
    folder, seen = ranks
    data = ToneData(folder / "cache", epoch_steps=STEPS)
    data.prepare_data()
    data.setup("fit")
    module = toy_module()
    weights = list(module.parameters())
    chosen = module.configure_optimizers()
    optimizer, schedule = chosen["optimizer"], chosen["lr_scheduler"]["scheduler"]
    for step in range(STEPS):
        optimizer.zero_grad()
        for rank in range(RANKS):
            batch = PlannedBatches(data._stores["train"], data.plan("train"), data.tokenizer, rank, RANKS)[step]
            torch.manual_seed(step_seed(5, 0, rank, step))
            loss = module.losses(batch, Occasion(step, step, rank, RANKS))["loss"]
            assert float(loss.detach()) == pytest.approx(seen[rank]["losses"][step], abs=1e-5)
            (loss / RANKS).backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
    for name, weight in module.named_parameters():
        torch.testing.assert_close(weight, seen[0]["weights"][name], rtol=0, atol=1e-6)


@pytest.mark.slow
def test_validation_weighs_the_ranks_rows_though_the_last_batch_is_uneven(ranks):
    folder, seen = ranks
    data = ToneData(folder / "cache")
    data.prepare_data()
    data.setup("fit")
    module = toy_module()
    module.load_state_dict(seen[0]["average"], strict=False)
    module.eval()
    total = rows = 0.0
    sizes = []
    with torch.no_grad():
        for rank in range(RANKS):
            batches = WholeSplit(data._stores["validation"], data.plan("validation"), data.tokenizer, rank, RANKS)
            for step in range(len(batches)):
                batch = batches[step]
                torch.manual_seed(step_seed(5, 1, rank, step))
                where = Occasion(STEPS, step, rank, RANKS)
                total, rows = total + len(batch) * float(module.losses(batch, where)["loss"]), rows + len(batch)
                sizes.append(len(batch))
    assert sizes == [2, 2, 2, 2, 2, 0]
    assert seen[0]["validation"] == seen[1]["validation"] == [pytest.approx(total / rows, abs=1e-5)]
