"""Weights in shares: every process keeps a part of each, and gathers a block when the block is run (FSDP2)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from uat_lightning.backbone.base import Backbone
from uat_lightning.backbone.units import blocks_of, entrances
from uat_lightning.configurable import rebuild

# The ways into a backbone; where weights are read by another way, nobody would gather them.
ENTRANCES = ("forward", "given_text", "given_audio", "audio_alone", "text_alone", "together", "words")


def shard(backbone: Backbone, mesh: DeviceMesh, compute: torch.dtype | None = None) -> None:
    """Share a backbone's weights out, block by block.

    Args:
        backbone: The backbone; its weights become shares, in the precision that they have.
        mesh: The processes, in one dimension.
        compute: What blocks are gathered and computed in; what they are stored in where None. Gradients are summed
            in float32.
    """
    entered_by = [name for name in ENTRANCES if hasattr(backbone, name)]
    policy = MixedPrecisionPolicy(
        param_dtype=compute,
        reduce_dtype=torch.float32 if compute else None,
        cast_forward_inputs=False,  # a noise level in half precision would be another one
    )
    if compute is not None:  # whoever calls it: half-precision weights take no float32
        for name in entered_by:
            setattr(backbone, name, torch.autocast(mesh.device_type, compute)(getattr(backbone, name)))
    for block in blocks_of(backbone):
        fully_shard(block, mesh=mesh, mp_policy=policy)
        _gather_for(block, *entrances(block))
    fully_shard(backbone, mesh=mesh, mp_policy=policy)
    _gather_for(backbone, *entered_by)


def _gather_for(unit: nn.Module, *names: str) -> None:
    for name in names:
        if name != "forward":  # that one is known
            register_fsdp_forward_method(unit, name)


def units(network: nn.Module) -> list[FSDPModule]:
    """Return what is gathered together: the blocks, and the network with all the rest; nothing if it is not sharded."""
    return [module for module in network.modules() if isinstance(module, FSDPModule)]


def at_rest(network: nn.Module) -> None:
    """Let go of what is gathered, so that the weights that one sees are the shares."""
    for unit in units(network):
        unit.reshard()


@contextmanager
def gathered(network: nn.Module) -> Iterator[None]:
    """Hold all weights for a while, so that each process may use the network at its own pace, in ``no_grad``.

    All processes must ask. The weights may not change meanwhile.
    """
    held = units(network)
    for unit in held:
        unit.set_reshard_after_forward(False, recurse=False)
        unit.unshard()
    try:
        yield
    finally:
        for place, unit in enumerate(held):  # the outermost stays gathered, as FSDP2 has it
            unit.set_reshard_after_forward(place > 0, recurse=False)
            unit.reshard()


def unsharded(backbone: Backbone) -> Backbone:
    """Return a backbone itself, or where it is sharded a copy on the CPU, whole on the first process alone.

    All processes must ask.
    """
    if not units(backbone):
        return backbone
    weights = get_model_state_dict(backbone, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    kind = next(k for k in type(backbone).__mro__ if not issubclass(k, FSDPModule))  # torch made a subclass of it
    described = {**backbone.describe(), "class_path": f"{kind.__module__}.{kind.__qualname__}"}
    copy = rebuild(described, Backbone)  # type: ignore[type-abstract]
    if weights:
        copy.load_state_dict(weights)
    return copy


def whole(weight: Tensor) -> Tensor:
    """Return a weight as one tensor, on the CPU where it came from shares; all processes must ask."""
    return weight.full_tensor().cpu() if isinstance(weight, DTensor) else weight


def shared_out_like(value: Tensor, weight: Tensor) -> Tensor:
    """Return a whole value as a weight is: its shares, where it has any."""
    if not isinstance(weight, DTensor):
        return value
    return distribute_tensor(value.to(weight.device), weight.device_mesh, weight.placements)
