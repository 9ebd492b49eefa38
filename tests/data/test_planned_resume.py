from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import pytest
import torch
from encoded_stores import EPOCH, KINDS, STEPS, AsksForSteps, Encoded, OneWeight, fitted
from lightning.pytorch import Callback

from processes import run
from uat_lightning.data.buckets import QuantileBuckets


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[str]]]:
    folder = tmp_path_factory.mktemp("whole")
    return folder, fitted(folder, Encoded(**KINDS["lanes"]), OneWeight(), max_steps=STEPS).rows


def test_fifty_steps_are_three_epochs_and_all_different(whole):
    _, rows = whole
    assert len(rows) == len({tuple(row) for row in rows}) == STEPS > 2 * EPOCH


@pytest.mark.slow
@pytest.mark.parametrize("stopped", range(1, STEPS))
def test_a_run_resumed_after_any_step_goes_on_with_the_next(whole, tmp_path: Path, stopped: int):
    folder, rows = whole
    data, checkpoint = Encoded(**KINDS["lanes"]), folder / f"step={stopped}.ckpt"
    assert fitted(tmp_path, data, OneWeight(), checkpoint, max_steps=STEPS).rows == rows[stopped:]


@pytest.mark.parametrize("stopped", [5, EPOCH, EPOCH + 1, 49])
@pytest.mark.parametrize("workers", [0, 2])
def test_resuming_survives_a_loader_that_is_asked_before_the_progress_is_back(whole, tmp_path: Path, stopped, workers):
    folder, rows = whole
    data, checkpoint = Encoded(loader_workers=workers, **KINDS["lanes"]), folder / f"step={stopped}.ckpt"
    again = fitted(tmp_path, data, AsksForSteps(), checkpoint, max_steps=STEPS, max_epochs=3)
    assert again.rows == rows[stopped:]


def test_with_accumulated_gradients_a_step_of_the_plan_is_a_batch(whole, tmp_path: Path):
    _, rows = whole
    three = {"accumulate_grad_batches": 3, "max_epochs": 3}
    assert fitted(tmp_path, Encoded(**KINDS["lanes"]), OneWeight(), **three).rows[:STEPS] == rows
    updates = len(list(tmp_path.glob("*.ckpt")))
    assert updates == 3 * -(-EPOCH // 3)  # the last update of an epoch is of what is left
    for update in (1, 5, 6, 7, updates - 1):
        saved = tmp_path / f"step={update}.ckpt"
        position = torch.load(saved, weights_only=True)["Encoded"]["position"]
        again = fitted(tmp_path, Encoded(**KINDS["lanes"]), AsksForSteps(), saved, **three)
        assert again.rows[: STEPS - position] == rows[position:]


class Fails(Callback):
    """Ends a run in the middle of a batch, as a full disk or a lost node does."""

    def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
        if trainer.global_step == 4:
            trainer.save_checkpoint(Path(trainer.default_root_dir, "failed.ckpt"))
            raise RuntimeError("a node was lost")


def test_a_batch_that_failed_half_way_is_taken_again(whole, tmp_path: Path):
    _, rows = whole
    with pytest.raises(RuntimeError, match="a node was lost"):
        fitted(tmp_path, Encoded(**KINDS["lanes"]), OneWeight(), callbacks=[Fails()], max_steps=STEPS)
    again = fitted(tmp_path, Encoded(**KINDS["lanes"]), OneWeight(), tmp_path / "failed.ckpt", max_steps=STEPS)
    assert again.rows[:20] == rows[4:24]


def test_a_datamodule_used_for_a_new_run_begins_anew(whole, tmp_path: Path):
    folder, rows = whole
    data = Encoded(**KINDS["lanes"])
    fitted(tmp_path, data, OneWeight(), folder / "step=49.ckpt", max_steps=STEPS)
    assert fitted(tmp_path, data, OneWeight(), max_steps=2).rows == rows[:2]


CHANGES = [
    ({"lanes": 2}, "lanes 4 -> 2"),
    ({"window": 3}, "window 2 -> 3"),
    ({"sharded": False}, "pools.few.shards 5 -> 1"),
    ({"buckets": QuantileBuckets(3)}, r"buckets\.class_path None -> "),
    ({"seed": 4}, "seed 3 -> 4"),
]


@pytest.mark.parametrize(("changes", "message"), CHANGES)
def test_a_changed_plan_is_refused_by_name(whole, changes: dict, message: str):
    folder, _ = whole
    state = torch.load(folder / "step=1.ckpt", weights_only=True)["Encoded"]
    assert (state["seed"], state["position"]) == (3, 1)
    data = Encoded(**{**KINDS["lanes"], **changes})
    data.setup("fit")
    with pytest.raises(ValueError, match=f"cannot resume, the data order changed: .*{message}"):
        data.load_state_dict(state)


def test_lightning_is_told_that_the_loader_can_go_on(whole, tmp_path: Path, recwarn):
    folder, _ = whole
    fitted(tmp_path, Encoded(**KINDS["lanes"]), OneWeight(), folder / "step=5.ckpt", max_steps=6)
    assert not [warning for warning in recwarn if "not resumable" in str(warning.message)]


# From two processes to one.

SCRIPT = """
import json, sys
from pathlib import Path
from encoded_stores import KINDS, Encoded, OneWeight, fitted

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    two = {"strategy": "ddp", "devices": 2, "max_steps": 20}
    module = OneWeight()
    seen = fitted(folder, Encoded(**KINDS["lanes"]), module, **two)
    (folder / f"rank{module.global_rank}.json").write_text(json.dumps(seen.rows))
"""


@pytest.mark.slow
def test_two_processes_take_what_one_would_and_one_goes_on_where_they_stopped(whole, tmp_path: Path):
    _, rows = whole
    (tmp_path / "train.py").write_text(SCRIPT)
    run(str(tmp_path / "train.py"), str(tmp_path), ranks=2)
    ranks = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2)]
    assert [list(chain(*shares)) for shares in zip(*ranks, strict=True)] == rows[:20]
    data, checkpoint = Encoded(**KINDS["lanes"]), tmp_path / "step=13.ckpt"
    assert fitted(tmp_path, data, AsksForSteps(), checkpoint, max_steps=STEPS, max_epochs=3).rows == rows[13:]
