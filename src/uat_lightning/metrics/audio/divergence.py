"""The Kullback-Leibler divergence of what a tagger hears in true and in generated clips."""

from __future__ import annotations

import torch
from torch import Tensor

from uat_lightning.metrics.clip_records import ClipMeans


def kullback_leibler(p: Tensor, q: Tensor, epsilon: float = 0.0) -> Tensor:
    """Return KL(p || q) of distributions over classes, in nats, one for each row.

    ``sum_c p_c (log p_c - log(q_c + epsilon))`` (Kullback & Leibler 1951, equation 2.2); classes with ``p_c = 0`` add
    nothing. ``audioldm_eval`` and ``audiocraft`` use an epsilon of 1e-6, ``av-benchmark`` none.

    Args:
        p: Probabilities (rows, classes) that sum to 1, such as a softmax.
        q: Probabilities of the same shape.
        epsilon: What is added within the logarithm of q.

    Returns:
        Float64 (rows,); infinite where q rules out what p holds and epsilon is 0.
    """
    _check_shapes(p, q)
    p, q = p.double(), q.double()
    divergence: Tensor = (torch.special.xlogy(p, p) - torch.special.xlogy(p, q + epsilon)).sum(-1)
    return divergence


def bernoulli_kullback_leibler(p: Tensor, q: Tensor, epsilon: float = 0.0) -> Tensor:
    """Return the sum over classes of KL(p || q) of "the class is there", in nats, one for each row.

    ``sum_c p_c log(p_c / q_c) + (1 - p_c) log((1 - p_c) / (1 - q_c))``: for a tagger with a sigmoid for each class,
    whose probabilities do not sum to 1. ``presence_divergence`` is what others report in its place.

    Args:
        p: Probabilities (rows, classes), each from 0 to 1.
        q: Probabilities of the same shape.
        epsilon: What is added within the logarithms of q.

    Returns:
        Float64 (rows,), at least 0 where epsilon is 0.
    """
    p, q = p.double(), q.double()
    return kullback_leibler(p, q, epsilon) + kullback_leibler(1 - p, 1 - q, epsilon)


def presence_divergence(p: Tensor, q: Tensor, epsilon: float = 1e-6) -> Tensor:
    """Return the sum over classes of ``p log((p + epsilon) / (q + epsilon))`` of sigmoids, one for each row.

    It is the "sigmoid" KL of ``audioldm_eval``, without the term of the classes' absence: no divergence, as it can be
    negative, but the figure that papers compare.

    Args:
        p: Probabilities (rows, classes), each from 0 to 1.
        q: Probabilities of the same shape.
        epsilon: What is added within both logarithms.

    Returns:
        Float64 (rows,).
    """
    _check_shapes(p, q)
    p, q = p.double(), q.double()
    divergence: Tensor = (torch.special.xlogy(p, p + epsilon) - torch.special.xlogy(p, q + epsilon)).sum(-1)
    return divergence


class KullbackLeibler(ClipMeans):
    """The mean Kullback-Leibler divergence of the softmax of a tagger's logits, in both directions.

    ``compute`` returns ``kl_reference_to_generated``, which is KL(reference || generated) as most papers report it,
    ``kl_generated_to_reference``, KL(generated || reference) as ``stable-audio-metrics`` does, ``clips`` and
    ``undefined``.

    Args:
        epsilon: What is added within the logarithm of the second distribution.
    """

    higher_is_better = False

    def __init__(self, epsilon: float = 1e-6) -> None:
        super().__init__("kl_reference_to_generated", "kl_generated_to_reference")
        self.epsilon = epsilon

    def update(self, reference: Tensor, generated: Tensor, ids: Tensor) -> None:
        """Add the logits (clips, classes) of true clips and of those generated for them, with their ids (clips,)."""
        p, q = (self.probabilities(logits.double()) for logits in (reference, generated))
        self.record(torch.stack([self.divergence(p, q), self.divergence(q, p)], -1), ids)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return what is compared."""
        return logits.softmax(-1)

    def divergence(self, p: Tensor, q: Tensor) -> Tensor:
        """Return the divergence of each row of q from p."""
        return kullback_leibler(p, q, self.epsilon)


class BernoulliKullbackLeibler(KullbackLeibler):
    """The same of a tagger with a sigmoid for each class, by ``bernoulli_kullback_leibler``.

    Args:
        epsilon: What is added within the logarithms of the second distribution.
    """

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return what is compared."""
        return logits.sigmoid()

    def divergence(self, p: Tensor, q: Tensor) -> Tensor:
        """Return the divergence of each row of q from p."""
        return bernoulli_kullback_leibler(p, q, self.epsilon)


def _check_shapes(p: Tensor, q: Tensor) -> None:
    if p.shape != q.shape:
        shapes = f"{tuple(p.shape)} and {tuple(q.shape)}"
        raise ValueError(f"probabilities of shapes {shapes} cannot be compared: give one tagger's for the same clips")
