"""The shared backbone: dual-stream blocks with attention over both modalities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from uat_lightning.backbone.base import Backbone
from uat_lightning.backbone.blocks import DualStreamBlock, remember, remember_both, walk
from uat_lightning.backbone.coupling import Coupling, Joint
from uat_lightning.backbone.dictation import Cached, Dictation, Past
from uat_lightning.backbone.directions import Directions
from uat_lightning.backbone.heads import AudioHead, TextHead
from uat_lightning.backbone.modulation import TimeEmbedding
from uat_lightning.backbone.one_sided import OneSided, TextGivenAudio
from uat_lightning.backbone.prediction import Prediction, TextPrediction
from uat_lightning.backbone.remembered import Remembered
from uat_lightning.backbone.rotary import rotary_angles
from uat_lightning.backbone.sight import Sight, Whole, side_by_side
from uat_lightning.backbone.source import BesideSource, NoSource, SourceLatents, beside, blank_padding
from uat_lightning.backbone.stem import ConvolutionalStem
from uat_lightning.backbone.stream import Memory
from uat_lightning.backbone.warm_start import WarmStart
from uat_lightning.types import Pair, Sequences


class DualStreamTransformer(Backbone):
    """Attention over audio and text, adaptive layer norm with zero start, rotary positions on audio.

    Text has learned positions, as its canvas is short and fixed. The text stream is told only whether its canvas is
    noisy: the masked process is time-agnostic, since the number of masks can be seen.

    Args:
        latent_width: Channels of the audio latents.
        vocabulary_size: Token ids.
        canvas: Longest text, in tokens.
        width: Channels of either stream.
        depth: Blocks.
        heads: Attention heads; they divide the width.
        expansion: Feed-forward channels per stream channel.
        rotary_base: Base of the rotary frequencies.
        coupling: Which stream may read the other; ``Joint`` where None.
        stem_kernel: Frames that a convolution over the audio sees before the first block, odd; none where 0.
        modulation_rank: Rank of the modulation by time, which is a third of the weights where None (full).
        sight: What a token reads of its own text; ``Whole`` where None. ``Backwards`` needs a coupling that isolates:
            audio that reads the text would tell earlier tokens of later ones.
        source: Lets it see what the audio is to be an edit of; it takes no source where None. ``InContextSource`` needs
            a coupling that isolates.
        warm_start: A model to take the weights from; random weights where None.
    """

    def __init__(
        self,
        latent_width: int = 16,
        vocabulary_size: int = 512,
        canvas: int = 32,
        width: int = 128,
        depth: int = 4,
        heads: int = 4,
        expansion: float = 3.0,
        rotary_base: float = 10_000.0,
        coupling: Coupling | None = None,
        stem_kernel: int = 0,
        modulation_rank: int | None = None,
        sight: Sight | None = None,
        source: SourceLatents | None = None,
        warm_start: WarmStart | None = None,
    ) -> None:
        super().__init__()
        if width % (2 * heads):
            raise ValueError(f"width {width} must be a multiple of twice the heads ({heads})")
        self.latent_width, self.vocabulary_size, self.canvas = latent_width, vocabulary_size, canvas
        self.head_width, self.rotary_base, self.coupling = width // heads, rotary_base, coupling or Joint()
        self.sight = sight or Whole()
        self.causal = self.sight.causal
        if self.causal and not self.coupling.isolates:
            name = type(self.coupling).__name__
            raise ValueError(f"under the coupling {name} a text that reads backwards would hear of its future: isolate")
        self.source_in_context = source is not None and source.in_context
        if self.source_in_context and not self.coupling.isolates:
            name = type(self.coupling).__name__
            raise ValueError(f"under the coupling {name} a source in context would not stay the same: isolate")
        self.audio_in = nn.Linear(latent_width, width)
        self.audio_stem = ConvolutionalStem(width, stem_kernel) if stem_kernel else None
        self.text_in = nn.Embedding(vocabulary_size, width)
        self.text_positions = nn.Parameter(0.02 * torch.randn(canvas, width))
        self.audio_time, self.text_time = TimeEmbedding(width), TimeEmbedding(width)
        self.blocks: Sequence[DualStreamBlock] = nn.ModuleList(  # type: ignore[assignment]
            DualStreamBlock(width, heads, int(expansion * width), modulation_rank) for _ in range(depth)
        )
        self.audio_head, self.text_head = AudioHead(width, latent_width), TextHead(width, vocabulary_size)
        nn.init.normal_(self.text_in.weight, std=0.02 * width**0.5)
        self.source = source.layers(latent_width, width) if source else NoSource(latent_width)
        self.takes_source = source is not None
        if warm_start is not None:
            warm_start.load(self)
            self.init_args["warm_start"] = None  # a saved model has the weights

    def forward(self, noisy: Pair[Sequences], t: Pair[Tensor]) -> Prediction:
        """Predict velocity and words; shapes as in ``Backbone.forward``.

        Raises:
            ValueError: If a text is longer than the canvas, or a source that is read in context comes this way.
        """
        if self.source_in_context and noisy.audio.values.shape[-1] > self.latent_width:
            raise ValueError("a source in context is given with the text: train with PassPerDirection")
        x, condition, readable, angles = self._begun(noisy, t)
        for block in self.blocks:
            x, _ = block(x, condition, angles, readable)
        return Prediction(self._velocity(x.audio, noisy.audio, t.audio, condition.audio), self.text_head(x.text))

    def given_text(self, text: Sequences, t: Tensor, source: Sequences | None = None) -> OneSided[Tensor]:
        """Return the velocity under a text that stays; its stream is computed once where it cannot read the audio.

        So is that of a source in context.
        """
        if not self.coupling.isolates:
            return super().given_text(text, t, source)
        if source is None:
            return Remembered(self.audio_alone, text.mask, t, self._told_by_text(text, t))
        if not self.source_in_context:
            return BesideSource(self.given_text(text, t), source)
        memories = self._told_by_both(Pair(blank_padding(source), text), Pair(torch.zeros_like(t), t))
        return BesideSource(Remembered(self.audio_alone, text.mask, t, memories, source.mask), source)

    def given_audio(self, audio: Sequences, t: Tensor, captions: int = 1) -> OneSided[TextPrediction]:
        """Return the words under audio that stays; its stream is computed once where it cannot read the text."""
        if not self.coupling.isolates:
            return TextGivenAudio(self.words, audio.repeat(captions), t.repeat(captions))
        memories = [memory.repeat(captions) for memory in self._told_by_audio(audio, t)]
        return Remembered(self.text_alone, audio.mask.repeat(captions, 1), t.repeat(captions), memories)

    def both_directions(
        self, noisy: Pair[Sequences], t: Pair[Tensor], rows: Directions, source: Sequences | None = None
    ) -> Prediction:
        """Return the predictions of what is noisy, of all rows together where clean streams read no noisy ones."""
        if not self.coupling.isolates or self.source_in_context:
            return super().both_directions(noisy, t, rows, source)
        if source is not None:
            noisy = replace(noisy, audio=beside(noisy.audio, source.filled_up(len(noisy.audio))))
        return self.together(noisy, t, rows)

    def together(self, noisy: Pair[Sequences], t: Pair[Tensor], rows: Directions) -> Prediction:
        """Return the predictions of what is noisy; arguments as for ``both_directions``, a source beside the audio."""
        x, condition = Pair(self._hear(noisy.audio), self._embed(noisy.text.values)), self._conditions(t)
        angles, readable = self._angles(noisy.audio), self._readable_together(noisy, t, rows)
        for block in self.blocks[:-1]:
            x = block.directions(x, condition, angles, readable, rows)
        x = self.blocks[-1].directions(x, condition, angles, readable, rows, rows.noisy)
        first = rows.noisy.audio
        audio = self._velocity(x.audio, noisy.audio.take(first), t.audio[first], condition.audio[first])
        return Prediction(audio, self.text_head(x.text))

    def words(self, noisy: Pair[Sequences], t: Pair[Tensor]) -> TextPrediction:
        """Return the text's side of ``forward``, without what only the audio's side needs."""
        x, condition, readable, angles = self._begun(noisy, t)
        for block in self.blocks[:-1]:
            x, _ = block(x, condition, angles, readable)
        last, frames = self.blocks[-1], x.audio.shape[1]
        memory = last.told("audio", x.audio, condition.audio, angles)
        own_first = readable.text.roll(-frames, -1)
        out: TextPrediction = self.text_head(last.alone("text", x.text, condition.text, None, own_first, memory)[0])
        return out

    def audio_alone(self, audio: Sequences, t: Tensor, given: Remembered[Tensor]) -> Tensor:
        """Return the velocity beside a remembered text."""
        text_mask = given.mask & self.coupling.reads(Pair(t, given.t)).audio[:, None]
        readable = torch.cat([audio.mask, text_mask, *([] if given.source is None else [given.source])], dim=1)
        x, condition = self._hear(audio), self.audio_time(t)
        x, _ = walk(self.blocks, "audio", x, condition, self._angles(audio), readable, given.memories)
        return self._velocity(x, audio, t, condition)

    def text_alone(self, text: Sequences, t: Tensor, given: Remembered[TextPrediction]) -> TextPrediction:
        """Return the words beside remembered audio."""
        audio_mask = given.mask & self.coupling.reads(Pair(given.t, t)).text[:, None]
        readable = side_by_side(self.sight.reads(text.mask), audio_mask[:, None])
        x, condition = self._embed(text.values), self._text_condition(t)
        x, _ = walk(self.blocks, "text", x, condition, None, readable, given.memories)
        out: TextPrediction = self.text_head(x)
        return out

    def dictation(self, audio: Sequences, t: Tensor) -> Dictation:
        """Return the words for tokens that come one after another; each is computed once where none reads later ones.

        The keys and values of the tokens so far are kept beside those of the audio.
        """
        if not self.causal:
            return super().dictation(audio, t)
        read = self.coupling.reads(Pair(t, torch.ones_like(t))).text
        return Cached(self.text_after, Past(self._told_by_audio(audio, t), audio.mask & read[:, None]))

    def text_after(self, tokens: Tensor, past: Past) -> tuple[TextPrediction, list[Memory]]:
        """Return the words at further tokens (rows, more) of a noisy text, and the tokens' keys and values."""
        own = self.sight.reads(torch.ones_like(tokens, dtype=torch.bool))
        readable = side_by_side(own, past.mask[:, None])
        x, condition = self._embed(tokens, past.count), self._text_condition(torch.ones_like(tokens[:, 0]))
        x, memories = walk(self.blocks, "text", x, condition, None, readable, past.memories)
        return self.text_head(x), memories

    def _told_by_text(self, text: Sequences, t: Tensor) -> list[Memory]:
        embedded, condition = self._embed(text.values), self._text_condition(t)
        return remember(self.blocks, "text", embedded, condition, None, self.sight.reads(text.mask))

    def _told_by_both(self, clean: Pair[Sequences], t: Pair[Tensor]) -> list[Memory]:
        """Return what a text and then a source give to read, which read each other."""
        x, condition, readable, angles = self._begun(clean, t)
        # Where there is no source its frames read themselves, so that they are numbers; nobody reads them.
        own = torch.arange(readable.audio.shape[1], device=x.audio.device) < x.audio.shape[1]
        readable = replace(readable, audio=readable.audio | (own & (clean.audio.lengths == 0)[:, None]))
        told = remember_both(self.blocks, x, condition, angles, readable)
        return [memory.text.followed_by(memory.audio) for memory in told]

    def _told_by_audio(self, audio: Sequences, t: Tensor) -> list[Memory]:
        heard, condition = self._hear(audio), self.audio_time(t)
        return remember(self.blocks, "audio", heard, condition, self._angles(audio), audio.mask)

    def _begun(
        self, noisy: Pair[Sequences], t: Pair[Tensor]
    ) -> tuple[Pair[Tensor], Pair[Tensor], Pair[Tensor], Tensor]:
        """Return what the blocks take: states, conditions, what may be read of audio and then text, and angles."""
        reads = self.coupling.reads(t)
        readable = Pair(
            torch.cat([noisy.audio.mask, noisy.text.mask & reads.audio[:, None]], dim=1),
            side_by_side((noisy.audio.mask & reads.text[:, None])[:, None], self.sight.reads(noisy.text.mask)),
        )
        x = Pair(self._hear(noisy.audio), self._embed(noisy.text.values))
        return x, self._conditions(t), readable, self._angles(noisy.audio)

    def _readable_together(self, noisy: Pair[Sequences], t: Pair[Tensor], rows: Directions) -> Pair[Tensor]:
        """Return what rows and texts may read, of audio and then text."""
        own, heard = slice(len(noisy.audio)), rows.for_texts(noisy.audio.mask)
        audio = self.coupling.reads(Pair(t.audio, t.text[own])).audio
        text = self.coupling.reads(Pair(rows.for_texts(t.audio), t.text)).text
        return Pair(
            torch.cat([noisy.audio.mask, noisy.text.mask[own] & audio[:, None]], dim=1),
            side_by_side((heard & text[:, None])[:, None], self.sight.reads(noisy.text.mask)),
        )

    def _conditions(self, t: Pair[Tensor]) -> Pair[Tensor]:
        return Pair(self.audio_time(t.audio), self._text_condition(t.text))

    def _text_condition(self, t: Tensor) -> Tensor:
        embedded: Tensor = self.text_time((t > 0).float())
        return embedded

    def _angles(self, audio: Sequences) -> Tensor:
        return rotary_angles(audio.values.shape[1], self.head_width, self.rotary_base, audio.values.device)

    def _hear(self, audio: Sequences) -> Tensor:
        x: Tensor = self.source.enter(self.audio_in(audio.values[..., : self.latent_width]), audio.values)
        return x if self.audio_stem is None else self.audio_stem(x, audio.mask)

    def _velocity(self, x: Tensor, audio: Sequences, t: Tensor, condition: Tensor) -> Tensor:
        velocity: Tensor = self.source.leave(self.audio_head(x, condition), x, audio.values, t, condition)
        return velocity

    def _embed(self, tokens: Tensor, first: int = 0) -> Tensor:
        end = first + tokens.shape[1]
        if end > self.canvas:
            raise ValueError(f"a text of {end} tokens is longer than the backbone's canvas of {self.canvas}")
        embedded: Tensor = self.text_in(tokens) + self.text_positions[first:end]
        return embedded
