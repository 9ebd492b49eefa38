"""The backbone's contract: one forward over both modalities."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from uat_lightning.backbone.dictation import Dictation, ReadAgain
from uat_lightning.backbone.directions import Directions
from uat_lightning.backbone.one_sided import AudioGivenText, OneSided, TextGivenAudio
from uat_lightning.backbone.prediction import Prediction, TextPrediction
from uat_lightning.backbone.source import BesideSource
from uat_lightning.configurable import Configurable
from uat_lightning.types import Pair, Sequences


class Backbone(Configurable, nn.Module, ABC):
    """Predicts what the objectives ask for, from noisy audio and noisy text together.

    A clean modality is the condition: it comes with ``t = 0``. A modality that is to be ignored comes with ``t = 1``
    (pure noise, or every token masked); this is the null condition, in training and in guidance alike.

    Attributes:
        latent_width: Channels of the audio latents.
        vocabulary_size: Token ids that the text logits cover.
        canvas: Longest text, in tokens.
        causal: Whether no token of a text reads a later one.
        takes_source: Whether it sees a source: latents that the audio is to be an edit of.
    """

    latent_width: int
    vocabulary_size: int
    canvas: int
    causal: bool = False
    takes_source: bool = False

    def inherited(self) -> set[str]:
        """Return the names of the weights that a warm start has to bring: all but those that only a source needs."""
        return {name for name in self.state_dict() if not name.startswith("source.")}

    @abstractmethod
    def forward(self, noisy: Pair[Sequences], t: Pair[Tensor]) -> Prediction:
        """Predict from rows whose modalities each have their own time.

        Args:
            noisy: Latents (rows, frames, latent_width), where it takes a source also (rows, frames, 2 latent_width + 1)
                as ``backbone.beside`` makes them, and token ids (rows, tokens).
            t: Noise levels of each row, (rows,) for either modality, in [0, 1]: 0 clean, 1 noise or all masked.

        Returns:
            The audio prediction (rows, frames, latent_width) and the text prediction, whose logits are (rows, tokens,
            vocabulary_size).
        """

    def given_text(self, text: Sequences, t: Tensor, source: Sequences | None = None) -> OneSided[Tensor]:
        """Return the audio prediction as a function of (noisy latents, their times) under a text that stays.

        A backbone whose text stream does not read the noisy audio computes it once here.

        Args:
            text: Token ids (rows, tokens).
            t: 0 for rows whose text is the condition, 1 for the null condition, (rows,).
            source: Latents that each row is to be an edit of, of length 0 where it is none; none at all where None.
        """
        given = AudioGivenText(self, text, t)
        return given if source is None else BesideSource(given, source)

    def given_audio(self, audio: Sequences, t: Tensor, captions: int = 1) -> OneSided[TextPrediction]:
        """Return the text prediction as a function of (noisy token ids, their times) under audio that stays.

        A backbone whose audio stream does not read the text computes it once here, for all captions and all calls.

        Args:
            audio: Latents (rows, frames, latent_width).
            t: 0 for rows whose audio is the condition, 1 for the null condition, (rows,).
            captions: Texts to each row of audio: the token ids have ``captions`` times as many rows, one text for
                every row first, then the next for every row.
        """
        return TextGivenAudio(self._words, audio.repeat(captions), t.repeat(captions))

    def both_directions(
        self, noisy: Pair[Sequences], t: Pair[Tensor], rows: Directions, source: Sequences | None = None
    ) -> Prediction:
        """Return the predictions of what is noisy, where each row has a clean side that stays.

        A backbone whose clean streams do not read noisy ones takes all rows through its blocks together.

        Args:
            noisy: Latents (rows, frames, latent_width) and token ids (texts, tokens), in the order of ``Directions``.
            t: Noise levels, (rows,) and (texts,): 0 for a condition, 1 for the null condition.
            rows: Which texts belong to which row of audio.
            source: Latents that the noisy audio is to be an edit of, as for ``given_text``.

        Returns:
            The audio prediction of the first ``rows.generation`` rows, and the text prediction of all other texts.
        """
        written, audio = noisy.text.take(rows.clean.text), noisy.audio.take(rows.noisy.audio)
        heard, text = noisy.audio.take(rows.clean.audio), noisy.text.take(rows.noisy.text)
        velocity = self.given_text(written, t.text[rows.clean.text], source)(audio, t.audio[rows.noisy.audio])
        words = self.given_audio(heard, t.audio[rows.clean.audio], rows.captions)(text, t.text[rows.noisy.text])
        return Prediction(velocity, words)

    def dictation(self, audio: Sequences, t: Tensor) -> Dictation:
        """Return the text prediction for tokens that come one after another, under audio that stays.

        A backbone whose tokens do not read later ones computes each of them once.

        Args:
            audio: Latents (rows, frames, latent_width).
            t: 0 for rows whose audio is the condition, 1 for the null condition, (rows,).
        """
        return ReadAgain(self.given_audio(audio, t), len(audio), audio.lengths.device)

    def _words(self, noisy: Pair[Sequences], t: Pair[Tensor]) -> TextPrediction:
        return self(noisy, t).text  # type: ignore[no-any-return]
