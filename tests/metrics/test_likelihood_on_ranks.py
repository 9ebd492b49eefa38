from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from uat_lightning.metrics.likelihood import CaptionNELBO

SPLITS = {"uneven": ([3, 2], [2, 0]), "nothing on one rank": ([4, 3], [])}  # rows of each rank's batches
SCRIPT = """
import os
import sys
from pathlib import Path

import torch
from torch.distributed import destroy_process_group, init_process_group
from test_likelihood_on_ranks import SPLITS, rows_of
from uat_lightning.metrics.likelihood import CaptionNELBO

if __name__ == "__main__":
    rank, folder = int(os.environ["RANK"]), Path(sys.argv[1])
    init_process_group("gloo")
    seen = {}
    for name, split in SPLITS.items():
        metric = CaptionNELBO()
        for batch in range(len(split[rank])):
            metric.update(*rows_of(split, rank, batch))
        seen[name] = metric.compute()
    torch.save(seen, folder / f"rank{rank}.pt")
    destroy_process_group()
"""


def everything() -> tuple[Tensor, ...]:
    """Return logits, tokens, what is hidden and lengths of seven captions."""
    source = torch.Generator().manual_seed(0)
    lengths = torch.tensor([6, 1, 3, 5, 2, 6, 4])
    hidden = torch.rand(7, 6, generator=source) < 0.5
    hidden[:, 0] = True
    return torch.randn(7, 6, 9, generator=source), torch.randint(0, 9, (7, 6), generator=source), hidden, lengths


def rows_of(split: tuple[list[int], list[int]], rank: int, batch: int) -> tuple[Tensor, ...]:
    first = sum(split[0]) * rank + sum(split[rank][:batch])
    return tuple(part[first : first + split[rank][batch]] for part in everything())


@pytest.mark.slow
def test_two_ranks_have_the_nelbo_of_one_process(tmp_path: Path):
    (tmp_path / "metric.py").write_text(SCRIPT)
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=0"]
    command += ["--rdzv_backend=c10d", "--rdzv_endpoint=localhost:0", str(tmp_path / "metric.py"), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    alone = CaptionNELBO()
    alone.update(*everything())
    for rank in range(2):
        seen = torch.load(tmp_path / f"rank{rank}.pt", weights_only=True)
        for name in SPLITS:
            assert seen[name] == {key: pytest.approx(float(value)) for key, value in alone.compute().items()}
