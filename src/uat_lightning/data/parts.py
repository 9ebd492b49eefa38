"""Do the parts of a training fit each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from uat_lightning.codec import Codec
from uat_lightning.text import Tokenizer

if TYPE_CHECKING:  # what generates does not wait for what trains
    from lightning.pytorch import Trainer


def check_parts(backbone: object, codec: Codec, tokenizer: Tokenizer) -> None:
    """See that a backbone takes this codec's latents and this tokenizer's ids.

    Raises:
        ValueError: With both numbers, where they disagree.
    """
    wanted = {
        "latent_width": codec.latent_width,
        "vocabulary_size": tokenizer.vocabulary_size,
        "canvas": tokenizer.canvas,
        "mask_id": tokenizer.mask_id,
    }
    for name, value in wanted.items():
        has = getattr(backbone, name, value)
        if has != value:
            raise ValueError(f"the backbone's {name} is {has}, the data's is {value}: make them agree in the config")


def check_edits(backbone: object, names: Sequence[str]) -> None:
    """See that a backbone takes the sources of edits, where there are any.

    Args:
        backbone: The backbone; what is none is not asked.
        names: The corpora that hold edits.

    Raises:
        ValueError: With their names, where it does not.
    """
    if names and not getattr(backbone, "takes_source", True):
        remedy = "give it source: {class_path: uat_lightning.backbone.SourceLatents}, or leave them out"
        raise ValueError(f"{', '.join(names)} hold edits, and the backbone takes no source: {remedy}")


def check_trainer(trainer: Trainer, batch_size: int, lanes: int) -> None:
    """See that a Trainer's processes share out the planned batches evenly, and nobody shares them out again.

    Raises:
        ValueError: With the numbers, where they do not divide; or where the Trainer has a sampler of its own.
    """
    ranks = trainer.world_size
    if batch_size % ranks:
        raise ValueError(f"batch_size {batch_size} must be a multiple of {ranks} ranks")
    if lanes > 1 and lanes % ranks:
        raise ValueError(f"lanes {lanes} must be a multiple of {ranks} ranks")
    if ranks > 1 and getattr(getattr(trainer, "_accelerator_connector", None), "use_distributed_sampler", False):
        raise ValueError("give the Trainer use_distributed_sampler=False: the data order is planned over all ranks")
