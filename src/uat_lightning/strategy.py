"""A strategy that a yaml file can name: one model over many devices."""

from __future__ import annotations

import warnings

from lightning.pytorch.strategies import ModelParallelStrategy


class ShardedBlocks(ModelParallelStrategy):
    """FSDP2 over all devices of all nodes: each keeps a share of weights, gradients, optimizer state and average.

    Blocks are gathered one by one as they are run. Under ``precision: bf16-mixed`` they are gathered and computed in
    bfloat16, while the shares, which the optimizer steps, and the sums of gradients stay in float32; under
    ``32-true`` all is float32. ``bf16-true`` would keep no float32 weights, and is refused. Checkpoints are single
    files with whole weights, as every other strategy writes and reads them.

    In yaml, under ``trainer``: ``strategy: {class_path: uat_lightning.strategy.ShardedBlocks}``. It goes together with
    ``RecomputeBlocks``, and with gradient clipping by norm.
    """

    def __init__(self) -> None:
        super().__init__(tensor_parallel_size=1, save_distributed_checkpoint=False)

    def setup_environment(self) -> None:
        """Make a mesh of all devices; Lightning's own default is one share per node."""
        # What a block gives others to read is a view; nobody changes it in place.
        warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()
