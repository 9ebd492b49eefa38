"""A frozen T5 encoder (Raffel et al. 2020, arXiv 1910.10683), through transformers."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor, nn

from uat_lightning.text_encoder import TextEncoder
from uat_lightning.types import Sequences


class T5Encoder(TextEncoder):
    """States of a frozen T5 for captions whose hidden tokens are masked.

    Tokens are masked first and encoded then. The mask's embedding is the only thing that is learned: the frozen row of
    ``start_id``, and an offset from it. T5 itself is no registered part of the model: it is neither trained, averaged,
    sharded nor saved, and follows the offset from device to device. A checkpoint holds the offset; a description
    holds where T5 comes from and a digest of its weights, which must be the same when a model is loaded again.

    With a pretrained model the sizes below must be that model's.

    Args:
        pretrained: A folder or a name on the Hugging Face hub, such as ``google-t5/t5-base``; random weights where
            None.
        mask_id: The id that stands for a hidden token.
        start_id: Row of T5's table that the mask's embedding starts from; 32099 is ``<extra_id_0>``.
        table_rows: Rows of T5's table. Theirs is longer than their vocabulary.
        width: Channels of the states.
        depth: Layers.
        heads: Attention heads.
        head_width: Channels of a head.
        hidden: Channels inside the feed-forward networks.
        gate: Feed-forward network: ``relu`` in T5, ``gated-gelu`` in T5 1.1 and Flan-T5.
        seed: Seed of random weights, so that they are the same wherever they are made.
        digest: First digits of the SHA-256 of the weights; written by the encoder.
    """

    def __init__(
        self,
        pretrained: str | None = None,
        mask_id: int = 32_100,
        start_id: int = 32_099,
        table_rows: int = 32_128,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        head_width: int = 64,
        hidden: int = 3072,
        gate: str = "relu",
        seed: int = 0,
        digest: str | None = None,
    ) -> None:
        super().__init__()
        self.width, self.mask_id, self.start_id = width, mask_id, start_id
        self.mask_offset = nn.Parameter(torch.zeros(width))
        # In a tuple, torch does not take it for a part of the model.
        self._frozen = (self._load(),)
        if self.mask_offset.device.type != "meta":
            self._check(digest)

    @property
    def frozen(self) -> tuple[nn.Module, ...]:
        """T5."""
        return self._frozen

    @property
    def model(self) -> Any:  # noqa: ANN401
        """The frozen ``transformers.T5EncoderModel``, on the device of the mask's embedding."""
        (model,) = self._frozen
        return model if model.device == self.mask_offset.device else model.to(self.mask_offset.device)

    def mask_embedding(self) -> Tensor:
        """Return what stands in for a hidden token, (width,); the offset is in units of the row's root mean square."""
        row: Tensor = self.model.get_input_embeddings().weight[self.start_id]
        return row + row.square().mean().sqrt() * self.mask_offset

    def encode(self, tokens: Sequences) -> Tensor:
        """Encode token ids (rows, tokens), masked where hidden: (rows, tokens, width), zero at padding."""
        if not len(tokens):  # T5 cannot reshape nothing, which a rank may have in the last batch of a validation
            return self.mask_offset.expand(*tokens.values.shape, -1)
        model, hidden, valid = self.model, tokens.values == self.mask_id, tokens.mask
        embedded = model.get_input_embeddings()(tokens.values.masked_fill(hidden, self.start_id))
        embedded = torch.where(hidden[..., None], self.mask_embedding().to(embedded.dtype), embedded)
        states: Tensor = model(inputs_embeds=embedded, attention_mask=valid.long()).last_hidden_state
        return states.to(self.mask_offset.dtype).masked_fill(~valid[..., None], 0)

    def _load(self) -> Any:  # noqa: ANN401
        pretrained = self.init_args["pretrained"]
        model = _random(self.init_args) if pretrained is None else _pretrained(pretrained)
        return model.requires_grad_(False).eval()

    def _check(self, digest: str | None) -> None:
        (model,), source = self._frozen, self.init_args["pretrained"] or "random weights"
        if model.config.d_model != self.width:
            raise ValueError(f"the T5 of {source} has width {model.config.d_model}, not {self.width}: set width to it")
        if not 0 <= self.start_id < len(model.get_input_embeddings().weight):
            raise ValueError(f"the T5 of {source} has no row {self.start_id}: set start_id to one of its rows")
        found = _digest(model)
        if digest not in (None, found):
            raise ValueError(f"the T5 of {source} is not the one of training: its digest is {found}, not {digest}")
        self.init_args["digest"] = found


def _random(sizes: dict[str, Any]) -> Any:  # noqa: ANN401
    from transformers import T5Config, T5EncoderModel  # a heavy import, needed by those who name this encoder

    config = T5Config(
        vocab_size=sizes["table_rows"],
        d_model=sizes["width"],
        num_layers=sizes["depth"],
        num_heads=sizes["heads"],
        d_kv=sizes["head_width"],
        d_ff=sizes["hidden"],
        feed_forward_proj=sizes["gate"],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(sizes["seed"])
        return T5EncoderModel(config)


def _pretrained(name: str) -> Any:  # noqa: ANN401
    from transformers import T5EncoderModel

    try:
        return T5EncoderModel.from_pretrained(name, use_safetensors=True, dtype=torch.float32)
    except (OSError, ValueError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{name} is missing or holds no T5 encoder in safetensors: {reason}") from error


def _digest(model: nn.Module) -> str:
    """Return 16 hexadecimal digits of the weights."""
    digest = hashlib.sha256()
    for name, values in sorted(model.state_dict().items()):
        digest.update(name.encode() + values.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
