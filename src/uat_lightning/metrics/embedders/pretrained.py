"""Reading parts of models that the transformers library knows."""

from __future__ import annotations

from typing import Any

import torch


def pretrained_model(role: Any, name: str) -> Any:  # noqa: ANN401
    """Return a frozen model of a ``transformers`` class in single precision.

    Args:
        role: The class.
        name: A folder, or a name on the Hugging Face hub; weights in safetensors.

    Raises:
        ValueError: If there is none.
    """
    model = pretrained_part(role, name, use_safetensors=True, dtype=torch.float32)
    return model.eval().requires_grad_(False)


def pretrained_part(role: Any, name: str, **options: object) -> Any:  # noqa: ANN401
    """Return what a ``transformers`` class reads from a folder or from the hub.

    Raises:
        ValueError: If there is none.
    """
    try:
        return role.from_pretrained(name, **options)
    except Exception as error:  # what a damaged file raises depends on the file
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{name} is missing or holds no {role.__name__}: {reason}") from error
