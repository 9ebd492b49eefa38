from __future__ import annotations

from pathlib import Path

import torch

from toy_training import ToneData, Trace, toy_module, toy_trainer
from uat_lightning.callbacks import RecomputeBlocks


def trained(folder: Path, *callbacks) -> tuple[list[float], dict[str, torch.Tensor]]:
    trace, module = Trace(), toy_module()
    toy_trainer(folder, 3, trace, *callbacks).fit(module, datamodule=ToneData(folder / "cache"))
    return trace.losses, module.state_dict()


def test_a_training_with_recomputed_blocks_is_the_same(tmp_path: Path):
    (plain, weights), (frugal, others) = trained(tmp_path), trained(tmp_path, RecomputeBlocks())
    assert frugal == plain
    assert list(others) == list(weights)
    for name, weight in weights.items():
        torch.testing.assert_close(others[name], weight, rtol=0, atol=1e-6)


def test_only_a_training_recomputes(tmp_path: Path):
    module = toy_module()
    RecomputeBlocks().setup(None, module, "validate")
    assert "forward" not in vars(module.backbone.blocks[0])
    RecomputeBlocks().setup(None, module, "fit")
    assert set(vars(module.backbone.blocks[0])) >= {"forward", "alone", "told"}
