"""How a model's texts are written and judged: what suits its process."""

from __future__ import annotations

from abc import ABC, abstractmethod

from uat_lightning.backbone import Backbone
from uat_lightning.diffusion import TextProcess
from uat_lightning.sampling.confidence_order import ConfidenceOrder
from uat_lightning.sampling.evaluations import RowLogits
from uat_lightning.sampling.guidance import AudioFirst, Guidance
from uat_lightning.sampling.guided_logits import AudioLogits, GuidedLogits
from uat_lightning.sampling.left_to_right import LeftToRight
from uat_lightning.sampling.likelihood import ChainRule, ExactCount, Likelihood
from uat_lightning.sampling.next_token_logits import GuidedNextTokenLogits, NextTokenLogits
from uat_lightning.sampling.presence import PresencePenalty
from uat_lightning.sampling.text_sampler import TextSampler
from uat_lightning.types import Sequences


class Writing(ABC):
    """The sampler, the guidance, the logits and the estimate of likelihood that suit a kind of text process."""

    @classmethod
    def of(cls, process: TextProcess) -> Writing:
        """Return what suits a process."""
        kinds: tuple[Writing, Writing] = InAnyOrder(), FromLeftToRight()
        return process.suited(*kinds)

    @abstractmethod
    def sampler(self, temperature: float = 0.0) -> TextSampler:
        """Return the usual sampler."""

    @abstractmethod
    def guidance(self, scale: float = 1.35) -> Guidance:
        """Return the usual guidance on the audio."""

    @abstractmethod
    def likelihood(self, strata: int = 16) -> Likelihood:
        """Return what tells how likely texts are; one that is exact does without strata."""

    @abstractmethod
    def logits(self, backbone: Backbone, audio: Sequences, mask: int, t: float = 0.0) -> RowLogits:
        """Return the log-probabilities of canvases beside audio.

        Args:
            backbone: The network.
            audio: Latents of each row.
            mask: The mask token.
            t: Noise level of the audio: 0 where it is clean, 1 where it is noise that says nothing.
        """

    @abstractmethod
    def guided(self, backbone: Backbone, audio: Sequences, null: Sequences, mask: int, guidance: Guidance) -> RowLogits:
        """Return the log-probabilities of canvases under guidance.

        Args:
            backbone: The network.
            audio: Latents of each row.
            null: Gaussian noise in their place, same shape.
            mask: The mask token.
            guidance: How those with and without the audio are mixed.
        """

    def check(self, sampler: TextSampler) -> None:  # noqa: B027  most go with any
        """See that a sampler can write such texts.

        Raises:
            ValueError: If it cannot.
        """

    def check_together(self) -> None:  # noqa: B027  most can
        """See that a text can be written while its audio is noisy still.

        Raises:
            ValueError: If it cannot.
        """


class InAnyOrder(Writing):
    """Suits masked texts: the surest tokens first, what the audio decides before all else."""

    def sampler(self, temperature: float = 0.0) -> TextSampler:
        """Return the most confident token first, one at a time."""
        return ConfidenceOrder(steps=64, temperature=temperature)

    def guidance(self, scale: float = 1.35) -> Guidance:
        """Return guidance by which what the audio decides comes first."""
        return AudioFirst(scale)

    def likelihood(self, strata: int = 16) -> Likelihood:
        """Return the estimate by exact counts."""
        return ExactCount(strata)

    def logits(self, backbone: Backbone, audio: Sequences, mask: int, t: float = 0.0) -> RowLogits:
        """Return the log-probabilities of hidden tokens."""
        return AudioLogits(backbone, audio, t)

    def guided(self, backbone: Backbone, audio: Sequences, null: Sequences, mask: int, guidance: Guidance) -> RowLogits:
        """Return those under guidance."""
        return GuidedLogits(backbone, audio, null, guidance)


class FromLeftToRight(Writing):
    """Suits models of the next token: word after word, likelihoods by the chain rule."""

    def sampler(self, temperature: float = 0.0) -> TextSampler:
        """Return the likeliest next token, or draws at a temperature."""
        return LeftToRight(temperature)

    def guidance(self, scale: float = 1.35) -> Guidance:
        """Return guidance that keeps distributions normalised."""
        return Guidance(scale)

    def likelihood(self, strata: int = 16) -> Likelihood:
        """Return the exact likelihood."""
        return ChainRule()

    def logits(self, backbone: Backbone, audio: Sequences, mask: int, t: float = 0.0) -> RowLogits:
        """Return the log-probabilities of every token given those before it."""
        return NextTokenLogits(backbone, audio, t, mask)

    def guided(self, backbone: Backbone, audio: Sequences, null: Sequences, mask: int, guidance: Guidance) -> RowLogits:
        """Return those under guidance."""
        heard, deaf = self.logits(backbone, audio, mask), self.logits(backbone, null, mask, t=1.0)
        return GuidedNextTokenLogits(heard, deaf, guidance)

    def check(self, sampler: TextSampler) -> None:
        """Accept ``LeftToRight`` only, with a penalty or without."""
        writes = sampler.sampler if isinstance(sampler, PresencePenalty) else sampler
        if not isinstance(writes, LeftToRight):
            raise ValueError(
                f"this model tells the next token only: {type(writes).__name__} cannot write with it, LeftToRight can"
            )

    def check_together(self) -> None:
        """Refuse: a text that is half written from left to right says nothing of the rest."""
        raise ValueError("this model writes captions from left to right: it cannot make audio and caption together")
