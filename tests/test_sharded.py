from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from toy_training import ToneData, toy_module
from uat_lightning.data.batches import PlannedBatches
from uat_lightning.diffusion import Occasion
from uat_lightning.types import Batch, Pair

RANKS = 2
SCRIPT = """
import os
import sys
from pathlib import Path

import torch
from torch.distributed import destroy_process_group, init_process_group
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from test_sharded import batch_of, drawn
from toy_training import ToneData, toy_module

if __name__ == "__main__":
    rank, folder = int(os.environ["RANK"]), Path(sys.argv[1])
    init_process_group("gloo")
    module = toy_module()
    mesh = init_device_mesh("cpu", (2,))
    for block in module.backbone.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(module.backbone, mesh=mesh)
    drawn(module, batch_of(folder, rank, 2), rank).backward()
    whole = {name: weight.grad.full_tensor() for name, weight in module.named_parameters()}
    if rank == 0:
        torch.save(whole, folder / "gradients.pt")
    destroy_process_group()
"""


def batch_of(folder: Path, rank: int, ranks: int) -> Batch:
    data = ToneData(folder / "cache", epoch_steps=4)
    data.prepare_data()
    data.setup("fit")
    return PlannedBatches(data._stores["train"], data.plan("train"), data.tokenizer, rank, ranks)[0]


def drawn(module, batch: Batch, rank: int) -> torch.Tensor:
    """Return the loss with the noise of a rank."""
    torch.manual_seed(100 + rank)
    return module.losses(batch, Occasion(0, 0, rank, RANKS))["loss"]


@pytest.mark.slow
def test_two_sharded_ranks_have_the_gradient_of_one_process(tmp_path: Path):
    batch_of(tmp_path, 0, 1)  # encodes
    (tmp_path / "shard.py").write_text(SCRIPT)
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=0"]
    command += ["--rdzv_backend=c10d", "--rdzv_endpoint=localhost:0", str(tmp_path / "shard.py"), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    module = toy_module()
    for rank in range(RANKS):
        (drawn(module, batch_of(tmp_path, rank, RANKS), rank) / RANKS).backward()
    found = torch.load(tmp_path / "gradients.pt", weights_only=True)
    for name, weight in module.named_parameters():
        torch.testing.assert_close(found[name], weight.grad, rtol=1e-5, atol=1e-6)


def test_micro_batches_add_up_to_their_batch(tmp_path: Path):
    """Rows that all teach one direction: the batch's mean over rows is the mean of its quarters' means."""
    batch = batch_of(tmp_path, 0, 1)
    for generation in (True, False):
        rows = torch.full_like(batch.generation, generation)
        whole, parts = toy_module(), toy_module()
        fixed_noise(whole, Batch(batch.clean, rows)).backward()
        for some in torch.arange(len(rows)).chunk(4):
            clean = Pair(*(side.take(some) for side in batch.clean))
            (fixed_noise(parts, Batch(clean, rows[some])) / 4).backward()
        for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-5, atol=1e-6)


def fixed_noise(module, batch: Batch) -> torch.Tensor:
    """Return the loss where all audio is noise of ones and all text is masked: nothing depends on the grouping."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "randn", lambda shape, **_: torch.ones(shape))
        patch.setattr(module.square, "draw", AllNoisy().draw)
        return module.losses(batch)["loss"]


class AllNoisy:
    def draw(self, generation: torch.Tensor, occasion: Occasion):
        from uat_lightning.diffusion import Draw

        t = Pair(generation.float() * 0.5, (~generation).float())
        return Draw(t, Pair(generation, ~generation))
