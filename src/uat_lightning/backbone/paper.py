"""The paper's backbone: a text-to-audio transformer, retrofitted with a light text stream (UAT, arXiv 2606.04939)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from uat_lightning.backbone.audio_block import AudioBlock
from uat_lightning.backbone.base import Backbone
from uat_lightning.backbone.feed_forward import start_at_zero
from uat_lightning.backbone.prediction import Prediction, TextPrediction
from uat_lightning.backbone.refiner import TextRefiner
from uat_lightning.backbone.rotary import rotary_angles
from uat_lightning.backbone.source import NoSource, SourceLatents
from uat_lightning.backbone.text_block import CausalBlock, TextBlock
from uat_lightning.backbone.timing import FourierTime, StableAudioTiming, Timing
from uat_lightning.backbone.warm_start import WarmStart
from uat_lightning.text_encoder import TextEncoder
from uat_lightning.types import Pair, Sequences


class PaperBackbone(Backbone):
    """Stable Audio's or AudioX's transformer on the audio side, a light text stream beside it.

    In every block the audio first reads the current text state, then the text reads the updated audio state. The text
    side writes nothing at the start, so that the text state stays what the encoder says and the audio prediction is
    the source model's. As in those models, a caption fills its canvas with zeros, which are read, and a text without
    any visible token is the null condition: zeros in place of the whole context. Audio may have any length.

    The defaults are the paper's sizes.

    Args:
        encoder: Turns token ids into the first text states; its width is the text stream's.
        latent_width: Channels of the audio latents.
        vocabulary_size: Token ids.
        canvas: Longest text, in tokens.
        width: Channels of the audio stream.
        depth: Blocks.
        heads: Attention heads of the audio stream.
        key_value_heads: Heads of keys and values where audio reads text.
        context_width: Channels of the text state as audio reads it; those of ``key_value_heads`` where None.
        text_heads: Attention heads of the text stream.
        refiner_depth: Blocks of self-attention before the vocabulary.
        expansion: Feed-forward channels per stream channel.
        frames_per_second: Latent frames per second of audio, which the timing is derived from.
        timing: Tells how long the audio is; Stable Audio Open's way where None.
        warm_start: A model to take the audio side's weights from; random weights where None.
        source: Lets it see what the audio is to be an edit of; it takes no source where None.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        latent_width: int = 64,
        vocabulary_size: int = 32_101,
        canvas: int = 128,
        width: int = 1536,
        depth: int = 24,
        heads: int = 24,
        key_value_heads: int = 12,
        context_width: int | None = None,
        text_heads: int = 12,
        refiner_depth: int = 3,
        expansion: float = 4.0,
        frames_per_second: float = 44_100 / 2048,
        timing: Timing | None = None,
        warm_start: WarmStart | None = None,
        source: SourceLatents | None = None,
    ) -> None:
        super().__init__()
        _check_heads(width, heads, key_value_heads, encoder.width, text_heads)
        self.latent_width, self.vocabulary_size, self.canvas = latent_width, vocabulary_size, canvas
        self.mask_id, self.frames_per_second = encoder.mask_id, frames_per_second
        self.rotary_widths = Pair(width // heads // 2, encoder.width // text_heads)
        text_width, context_width = encoder.width, context_width or key_value_heads * (width // heads)
        self.encoder, self.time = encoder, FourierTime(width)
        self.timing = timing or StableAudioTiming(text_width, width)
        self.latents_in, self.enter = _linear(latent_width, latent_width), _linear(latent_width, width)
        self.latents_out, self.leave = _linear(latent_width, latent_width), _linear(width, latent_width)
        start_at_zero(self.latents_in, self.latents_out)
        self.context = nn.Sequential(
            _linear(text_width, context_width), nn.SiLU(), _linear(context_width, context_width)
        )
        hidden = Pair(int(expansion * width), int(expansion * text_width))
        self.blocks = nn.ModuleList(
            CausalBlock(
                AudioBlock(width, context_width, heads, key_value_heads, hidden.audio),
                TextBlock(text_width, width, text_heads, hidden.text),
            )
            for _ in range(depth)
        )
        self.refiner = TextRefiner(text_width, text_heads, hidden.text, refiner_depth)
        self.vocabulary = nn.Linear(text_width, vocabulary_size)
        if source is not None and source.in_context:
            raise ValueError("this backbone has no clean stream in which to read a source: take SourceLatents")
        self.source = source.layers(latent_width, width) if source else NoSource(latent_width)
        self.takes_source = source is not None
        if warm_start is not None:
            warm_start.load(self)
            self.init_args["warm_start"] = None  # a saved model has the weights

    def inherited(self) -> set[str]:
        """Return the names of the weights that a warm start brings: those of the audio side."""
        new = [
            "encoder.",
            "refiner.",
            "vocabulary.",
            "source.",
            *([] if self.timing.inherited else ["timing."]),
        ]
        names = (name for name in self.state_dict() if not name.startswith(tuple(new)))
        return {name for name in names if not (name.startswith("blocks.") and name.split(".")[2] == "text")}

    def forward(self, noisy: Pair[Sequences], t: Pair[Tensor]) -> Prediction:
        """Predict velocity and words; shapes as in ``Backbone.forward``.

        The text's time is not looked at: how noisy a text is can be seen.

        Raises:
            ValueError: If a text is longer than the canvas.
        """
        signals = self.timing.signals(noisy.audio.lengths / self.frames_per_second)
        told = self.time(t.audio) + signals.prepended
        x = Pair(self._begin(noisy.audio.values, told), self.encoder.encode(self._checked(noisy.text)))
        valid = Pair(nn.functional.pad(noisy.audio.mask, (1, 0), value=True), noisy.text.mask)
        angles = self._angles(x)
        visible = (valid.text & (noisy.text.values != self.mask_id)).any(1)
        for block in self.blocks:
            x = block(x, self._context(x.text, signals.context, valid.text, visible), angles, valid)
        refined = self.refiner(x.text, angles.text, valid.text)
        return Prediction(
            self._end(x.audio[:, 1:], noisy.audio.values, t.audio, told), TextPrediction(refined, self.vocabulary)
        )

    def _begin(self, values: Tensor, told: Tensor) -> Tensor:
        """Return audio states (rows, 1 + frames, width): what the stream is told, then the latents."""
        latents = values[..., : self.latent_width]
        states = self.source.enter(self.enter(latents + self.latents_in(latents)), values)
        return torch.cat([told[:, None], states], dim=1)

    def _end(self, states: Tensor, values: Tensor, t: Tensor, told: Tensor) -> Tensor:
        velocity = self.leave(states)
        out: Tensor = self.source.leave(velocity + self.latents_out(velocity), states, values, t, told)
        return out

    def _angles(self, x: Pair[Tensor]) -> Pair[Tensor]:
        sides = zip(x, self.rotary_widths, strict=True)
        return Pair(*(rotary_angles(side.shape[1], width, 10_000.0, side.device) for side, width in sides))

    def _context(self, h: Tensor, timing: Tensor, valid: Tensor, visible: Tensor) -> Tensor:
        """Return the text as the audio reads it: (rows, canvas and timing tokens, context width), zero where null."""
        filled = nn.functional.pad(h.masked_fill(~valid[..., None], 0), (0, 0, 0, self.canvas - h.shape[1]))
        read = torch.cat([filled, timing.to(h.dtype)], dim=1)
        out: Tensor = self.context(read * visible[:, None, None])
        return out

    def _checked(self, tokens: Sequences) -> Sequences:
        if tokens.values.shape[1] > self.canvas:
            longest = tokens.values.shape[1]
            raise ValueError(f"a text of {longest} tokens is longer than the backbone's canvas of {self.canvas}")
        return tokens


def _linear(width_in: int, width_out: int) -> nn.Linear:
    return nn.Linear(width_in, width_out, bias=False)


def _check_heads(width: int, heads: int, key_value_heads: int, text_width: int, text_heads: int) -> None:
    if width % (4 * heads):
        raise ValueError(f"width {width} must be a multiple of four times the heads ({heads})")
    if heads % key_value_heads:
        raise ValueError(f"the {heads} heads must be a multiple of the key_value_heads ({key_value_heads})")
    if text_width % (2 * text_heads):
        raise ValueError(f"the encoder's width {text_width} must be a multiple of twice the text_heads ({text_heads})")
