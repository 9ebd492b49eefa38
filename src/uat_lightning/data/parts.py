"""Do the parts of a model fit each other."""

from __future__ import annotations

from uat_lightning.codec import Codec
from uat_lightning.text import Tokenizer


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
