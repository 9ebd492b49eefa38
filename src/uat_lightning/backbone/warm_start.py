"""Taking over the weights of a trained model: every tensor has its place, or is named."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from uat_lightning.configurable import Configurable

if TYPE_CHECKING:
    from uat_lightning.backbone.base import Backbone

log = logging.getLogger(__name__)
NAMED = 12  # names that a message lists before it only counts


class WarmStart(Configurable, ABC):
    """Reads a trained model's weights into a backbone: those that it says it inherits, and others of its names.

    Args:
        partial: Whether to load what fits where the source lacks weights or has others; they are named either way.
    """

    def __init__(self, partial: bool = False) -> None:
        self.partial = partial

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Return the source's tensors by the backbone's names; those without a place keep their own.

        Raises:
            ValueError: If the source is missing, damaged or of another kind.
        """

    def load(self, backbone: Backbone) -> None:
        """Load the weights.

        Raises:
            ValueError: If names or shapes do not fit; names may where ``partial`` is set.
        """
        place(self.tensors(), backbone, self.partial)


class FromNothing(WarmStart):
    """No warm start: random weights, where a config names a model to start from and one does not want it.

    The command line cannot say null in a class's place.
    """

    def __init__(self) -> None:
        super().__init__()

    def tensors(self) -> dict[str, Tensor]:
        """Return nothing."""
        return {}

    def load(self, backbone: Backbone) -> None:
        """Leave the weights as they are."""


class SavedStart(WarmStart):
    """Starts from a model of one's own, of the same kind and size: what trains on is to have learned something more.

    Codec and tokenizer have to be that model's as well: see ``parts_of`` of ``AudioTextDataModule``.

    Args:
        file: ``model.safetensors`` of a saved model.
        partial: Whether to load what fits where names differ.
    """

    def __init__(self, file: str, partial: bool = False) -> None:
        super().__init__(partial)
        self.file = file

    def tensors(self) -> dict[str, Tensor]:
        """Read the weights.

        Raises:
            ValueError: If the file is missing or damaged.
        """
        try:
            return read_tensors(Path(self.file))
        except ValueError as error:
            remedy = "train the model to start from first, or name another with --model.backbone.warm_start.file"
            raise ValueError(f"{error}: {remedy}") from error


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Read a file of tensors; nothing but tensors is ever unpickled.

    Raises:
        ValueError: If the file is missing, damaged, or holds more than tensors.
    """
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        held = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, SafetensorError, UnpicklingError, EOFError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{file} is missing, damaged, or holds more than tensors: {reason}") from error
    state = held.get("state_dict", held) if isinstance(held, dict) else {}
    return {str(name): value for name, value in state.items() if isinstance(value, Tensor)}


def place(tensors: Mapping[str, Tensor], backbone: Backbone, partial: bool = False) -> None:
    """Copy tensors into a backbone.

    Args:
        tensors: By the backbone's names.
        backbone: Where to.
        partial: Whether to load what fits where names differ.

    Raises:
        ValueError: If a shape differs, or a name and ``partial`` is not set.
    """
    own = backbone.state_dict()
    _check_names(backbone.inherited() - set(tensors), set(tensors) - set(own), partial)
    fitting = {name: tensor for name, tensor in tensors.items() if name in own}
    _check_shapes({n: (tuple(v.shape), tuple(own[n].shape)) for n, v in fitting.items() if v.shape != own[n].shape})
    backbone.load_state_dict(fitting, strict=False)


def _check_names(missing: Collection[str], unexpected: Collection[str], partial: bool) -> None:
    found = [("lacks", missing), ("has no place for", unexpected)]
    complaint = "; ".join(f"the warm start {what} {_listed(names)}" for what, names in found if names)
    if complaint and not partial:
        raise ValueError(f"{complaint}: make the sizes agree, or set partial to load the rest")
    if complaint:
        log.warning("%s", complaint)


def _check_shapes(differing: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]) -> None:
    if differing:
        told = _listed([f"{name} {source}, not {own}" for name, (source, own) in differing.items()])
        raise ValueError(f"the warm start has other shapes: {told}: make the backbone's sizes agree with it")


def _listed(names: Collection[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(sorted(names)[:NAMED]) + more
