from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from processes import run
from test_resume import config, equal
from toy_training import CANVAS, VOCABULARY, WIDTH, ToneData, toy_module
from uat_lightning.backbone import DualStreamTransformer, Isolated
from uat_lightning.backbone.coupling import Coupling
from uat_lightning.data.batches import PlannedBatches
from uat_lightning.diffusion import Occasion, OnePass, Passes, PassPerDirection
from uat_lightning.module import UATModule
from uat_lightning.pipeline import UATPipeline
from uat_lightning.types import Batch, Pair

RANKS = 2
SCRIPT = """
import os
import sys
from pathlib import Path

import torch
from torch.distributed import destroy_process_group, init_process_group
from torch.distributed.device_mesh import init_device_mesh

from test_sharded import MODULES, batch_of, drawn
from uat_lightning.backbone.sharding import at_rest, gathered, shard
from uat_lightning.backbone.units import blocks_of, recompute

if __name__ == "__main__":
    rank, folder = int(os.environ["RANK"]), Path(sys.argv[1])
    init_process_group("gloo")
    mesh = init_device_mesh("cpu", (2,))
    for name, build in MODULES.items():
        module = build()
        if "recomputed" in name:
            for block in blocks_of(module.backbone):
                recompute(block)
        shard(module.backbone, mesh)
        drawn(module, batch_of(folder, rank, 2), rank).backward()
        at_rest(module)
        whole = {name: weight.grad.full_tensor() for name, weight in module.named_parameters()}
        with torch.no_grad(), gathered(module.backbone):
            if rank == 0:  # at its own pace: the other one does not take part
                alone = drawn(module, batch_of(folder, 0, 2), 0)
                torch.save({"gradients": whole, "alone": alone}, folder / f"{name}.pt")
    destroy_process_group()
"""


def deep_module(coupling: Coupling | None = None, passes: Passes | None = None) -> UATModule:
    """Return a module of several blocks whose every weight has a gradient."""
    module = toy_module()
    backbone = DualStreamTransformer(WIDTH, VOCABULARY, CANVAS, width=16, depth=3, heads=2, coupling=coupling)
    for weight in backbone.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    module.backbone, module.passes = backbone, passes or OnePass()
    return module


MODULES = {
    "joint": deep_module,
    "isolated": lambda: deep_module(Isolated(), PassPerDirection()),
    "joint, one direction after the other": lambda: deep_module(None, PassPerDirection()),
    "isolated and recomputed": lambda: deep_module(Isolated(), PassPerDirection()),
}


def batch_of(folder: Path, rank: int, ranks: int) -> Batch:
    data = ToneData(folder / "cache", epoch_steps=4)
    data.prepare_data()
    data.setup("fit")
    return PlannedBatches(data._stores["train"], data.plan("train"), data.tokenizer, rank, ranks)[0]


def drawn(module, batch: Batch, rank: int) -> torch.Tensor:
    """Return the loss with the noise of a rank."""
    torch.manual_seed(100 + rank)
    return module.losses(batch, Occasion(0, 0, rank, RANKS))["loss"]


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sharded")
    batch_of(folder, 0, 1)  # encodes
    (folder / "shard.py").write_text(SCRIPT)
    run(str(folder / "shard.py"), str(folder), ranks=RANKS)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_two_sharded_ranks_have_the_gradient_of_one_process(sharded: Path, name: str):
    module = MODULES[name]()
    for rank in range(RANKS):
        (drawn(module, batch_of(sharded, rank, RANKS), rank) / RANKS).backward()
    found = torch.load(sharded / f"{name}.pt", weights_only=True)["gradients"]
    assert set(found) == {name for name, _ in module.named_parameters()}
    for name, weight in module.named_parameters():
        torch.testing.assert_close(found[name], weight.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_a_rank_uses_gathered_weights_alone(sharded: Path, name: str):
    expected = drawn(MODULES[name](), batch_of(sharded, 0, RANKS), 0)
    found = torch.load(sharded / f"{name}.pt", weights_only=True)["alone"]
    torch.testing.assert_close(found, expected.detach(), rtol=1e-5, atol=1e-6)


def sharded_config(folder: Path, cache: Path, steps: int) -> Path:
    """Return a config that trains sharded and recomputed blocks, averages, shows samples and exports."""
    file = config(folder, cache, steps=4)
    settings = yaml.safe_load(file.read_text())
    trainer, model = settings["trainer"], settings["model"]["init_args"]
    part = lambda name, **init_args: {"class_path": f"uat_lightning.{name}", "init_args": init_args}  # noqa: E731
    trainer |= {"devices": 2, "strategy": {"class_path": "uat_lightning.strategy.ShardedBlocks"}}
    trainer |= {"max_steps": steps, "gradient_clip_val": 1.0, "precision": "bf16-mixed"}
    trainer["callbacks"][2]["init_args"]["every_n_train_steps"] = 2
    solver = part("sampling.Euler", steps=2)
    shown = part("callbacks.ShowGenerated", prompts=["rain"], seconds=0.5, task=part("tasks.Generate", solver=solver))
    trainer["callbacks"][3:] = [
        part("callbacks.RecomputeBlocks"),
        part("callbacks.CaptionLikelihood"),
        part("callbacks.SampleTasks", tasks={"generated": shown}),
        part("callbacks.ExportPipeline", folder=str(folder / "model")),
    ]
    model |= {"passes": part("diffusion.PassPerDirection")}
    model["backbone"]["init_args"]["coupling"] = part("backbone.Isolated")
    settings["data"]["init_args"] |= {"epoch_steps": 3}
    file.write_text(yaml.safe_dump(settings))
    return file


@pytest.mark.slow
def test_a_sharded_training_is_named_in_yaml_resumes_and_is_exported(tmp_path: Path):
    whole, cut = (sharded_config(tmp_path / name, tmp_path / "cache", steps=4) for name in ("whole", "cut"))
    run("fit", "--config", str(whole), ranks=RANKS)
    run("fit", "--config", str(cut), "--trainer.max_steps=2", ranks=RANKS)
    run("fit", "--config", str(cut), "--ckpt_path=last", ranks=RANKS)
    ends = [torch.load(file.parent / "checkpoints" / "last.ckpt", weights_only=True) for file in (whole, cut)]
    assert ends[0]["global_step"] == ends[1]["global_step"] == 4
    assert not equal(ends[0]["raw_parameters"], ends[0]["state_dict"])
    for name in ("state_dict", "raw_parameters", "optimizer_states", "lr_schedulers"):
        assert equal(ends[0][name], ends[1][name]), name
    assert list(whole.parent.rglob("generated-0.wav"))
    exported = UATPipeline.from_pretrained(whole.parent / "model").parts.backbone
    for name, weight in exported.named_parameters():
        assert torch.equal(weight, ends[0]["state_dict"][f"backbone.{name}"]), name
    assert {weight.dtype for weight in exported.parameters()} == {torch.float32}


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


@pytest.mark.parametrize("passes", [OnePass(), PassPerDirection()])
def test_four_uneven_micro_batches_on_two_uneven_ranks_are_as_one_batch(tmp_path: Path, passes: Passes):
    """Rows of unequal length, and three of eight that teach generation: one rank has two of them, the other one."""
    data = ToneData(tmp_path / "cache", batch_size=8, generation_share=3 / 8)
    data.prepare_data()
    data.setup("fit")
    planned = [
        PlannedBatches(data._stores["train"], data.plan("train"), data.tokenizer, rank, ranks)
        for rank, ranks in ((0, 2), (1, 2), (0, 1))
    ]
    first, second = (ranked[0] for ranked in planned[:2])
    assert {first.generation_rows, second.generation_rows} == {1, 2}
    assert len(set(first.clean.audio.lengths.tolist() + second.clean.audio.lengths.tolist())) > 2
    parts, whole = deep_module(passes=passes), deep_module(passes=passes)
    for step in range(4):
        for ranked in planned[:2]:
            (fixed_noise(parts, ranked[step]) / (4 * RANKS)).backward()
    fixed_noise(whole, joined([planned[2][step] for step in range(4)])).backward()
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-5, atol=1e-6)


def joined(batches: list[Batch]) -> Batch:
    """Return the rows of several batches in one."""
    clean = list(batches[0].clean)
    for batch in batches[1:]:
        clean = [side.followed_by(more) for side, more in zip(clean, batch.clean, strict=True)]
    return Batch(Pair(*clean), torch.cat([batch.generation for batch in batches]))


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
