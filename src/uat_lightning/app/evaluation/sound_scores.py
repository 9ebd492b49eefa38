"""What embeddings and tags of sounds say of them: scores of distributions, of pairs and of prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from uat_lightning.data.soundscapes import EVENTS
from uat_lightning.data.soundscapes.scorer import told
from uat_lightning.metrics.audio.clip_shares import frechet_shares, inception_shares
from uat_lightning.metrics.audio.divergence import bernoulli_kullback_leibler, kullback_leibler
from uat_lightning.metrics.audio.frechet import frechet_distance, frechet_distance_at_infinity
from uat_lightning.metrics.audio.inception_score import inception_score
from uat_lightning.metrics.audio.moments import Moments
from uat_lightning.metrics.audio.sanity import Sanity
from uat_lightning.metrics.audio.similarity import clap_score
from uat_lightning.metrics.corpus_scores import CorpusScores
from uat_lightning.metrics.embedders import AudioEmbedder, AudioTagger, TextAudioEmbedder
from uat_lightning.metrics.embedders.convolutional import ConvolutionalTagger
from uat_lightning.metrics.events import agreement
from uat_lightning.metrics.scenes import SCORES

EPSILON = 1e-6  # within the logarithm of the second distribution, as audioldm_eval and audiocraft have it
LEAST = 8  # clips from which a line towards infinitely many is drawn
NO_EMBEDDER, NO_TAGGER = "no embedder: name one with --embedder", "no tagger: name one with --tagger"
NO_TRUE, NO_PAIRS = "no true clips: name their folder with --against", "no pairs: no sound has the name of a true clip"
DIVERGENCES = (
    "kl_reference_to_generated",
    "kl_generated_to_reference",
    "bernoulli_kl_reference_to_generated",
    "bernoulli_kl_generated_to_reference",
)


@dataclass
class Heard:
    """What was heard of sounds, in their order.

    Args:
        looks: Level, silence, clipping and so on of each.
        embeddings: The vectors (frames, width) of each; empty without an embedder.
        logits: A tagger's scores in batches (clips, classes); empty without one.
    """

    looks: list[Sanity] = field(default_factory=list)
    embeddings: list[Tensor] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)

    @property
    def tags(self) -> Tensor:
        """The tagger's scores (clips, classes)."""
        return torch.cat(self.logits).cpu().double()


def distribution_scores(made: Heard, true: Heard, points: int) -> CorpusScores:
    """Return the Frechet distance, that at infinitely many clips, and the Inception Score.

    Args:
        made: The sounds.
        true: The true ones.
        points: Subsets that the line towards infinitely many clips goes through; no line where 0.
    """
    return _frechet(made, true) | _at_infinity(made, true, points) | _inception(made)


def pair_scores(made: Heard, true: Heard, places: Sequence[int], apart: Sequence[float]) -> CorpusScores:
    """Return the scores of sounds beside the true ones of their names.

    Args:
        made: The sounds.
        true: The true ones.
        places: Where the true one of each sound is; none where there are no pairs.
        apart: The log-spectral distance of each pair in dB.
    """
    if not places:
        reason = NO_PAIRS if true.looks else NO_TRUE
        return CorpusScores(not_computed=dict.fromkeys(("log_spectral_distance_db", *DIVERGENCES), reason))
    found = {"log_spectral_distance_db": list(apart)}
    if not made.logits:
        return _averaged(found) | CorpusScores(not_computed=dict.fromkeys(DIVERGENCES, NO_TAGGER))
    p, q = true.tags[list(places)], made.tags
    values = [kullback_leibler(a.softmax(-1), b.softmax(-1), EPSILON) for a, b in ((p, q), (q, p))]
    values += [bernoulli_kullback_leibler(a.sigmoid(), b.sigmoid(), EPSILON) for a, b in ((p, q), (q, p))]
    return _averaged({**found, **{name: row.tolist() for name, row in zip(DIVERGENCES, values, strict=True)}})


def prompt_scores(made: Heard, prompts: Sequence[str], embedder: AudioEmbedder | None) -> CorpusScores:
    """Return how near sounds are to what was asked for.

    Args:
        made: The sounds; of one that was heard in several windows the mean vector counts.
        prompts: What was asked for, of all sounds or of none.
        embedder: What heard them.
    """
    if not isinstance(embedder, TextAudioEmbedder):
        reason = NO_EMBEDDER if embedder is None else f"{type(embedder).__name__} knows no texts: name CLAP"
        return CorpusScores(not_computed={"clap_score": reason})
    if not prompts:
        return CorpusScores(not_computed={"clap_score": "no prompts: name a file of them with --references"})
    audio = torch.stack([vectors.mean(0) for vectors in made.embeddings])
    return _averaged({"clap_score": clap_score(audio, embedder.embed_texts(prompts).to(audio.device)).tolist()})


def event_scores(made: Heard, prompts: Sequence[str], tagger: AudioTagger | None) -> CorpusScores:
    """Return whether the events of prompts are heard: precision, recall and F1 over all sounds together.

    Args:
        made: The sounds.
        prompts: What was asked for, of all sounds or of none.
        tagger: What heard them; one of the events of Soundscapes, which prompts are read for.
    """
    if not isinstance(tagger, ConvolutionalTagger) or not set(tagger.classes) <= EVENTS.keys():
        return CorpusScores(
            not_computed=dict.fromkeys(SCORES[:3], "no tagger of the events: name --tagger soundscapes")
        )
    asked = [told([prompt]).events.keys() for prompt in prompts]
    if not any(asked):
        return CorpusScores(not_computed=dict.fromkeys(SCORES[:3], "no prompt names an event of Soundscapes"))
    loud = made.tags > tagger.threshold.cpu()
    heard = [{tagger.classes[place] for place in row.nonzero()[:, 0].tolist()} for row in loud]
    found = agreement(heard, asked)
    known = dict(zip(SCORES[:3], (found.precision, found.recall, found.f1), strict=True))
    return CorpusScores(
        {name: ratio.value for name, ratio in known.items()},
        {name: ratio.each for name, ratio in known.items()},
        shares={name: ratio.shares for name, ratio in known.items()},
    )


def _averaged(per_clip: dict[str, list[float]]) -> CorpusScores:
    return CorpusScores({name: float(torch.tensor(row).double().nanmean()) for name, row in per_clip.items()}, per_clip)


def _frechet(made: Heard, true: Heard) -> CorpusScores:
    if not made.embeddings or not true.embeddings:
        return CorpusScores(not_computed={"frechet_distance": NO_TRUE if made.embeddings else NO_EMBEDDER})
    sides = [Moments.of(torch.cat(side.embeddings)) for side in (true, made)]
    rows = dict(zip(("true_embeddings", "embeddings"), (float(side.count) for side in sides), strict=True))
    shares = frechet_shares(sides[0], made.embeddings).tolist()
    return CorpusScores(
        {"frechet_distance": frechet_distance(*sides), **rows}, shares=_named("frechet_distance", shares)
    )


def _at_infinity(made: Heard, true: Heard, points: int) -> CorpusScores:
    name = "frechet_distance_at_infinity"
    if not points or not true.embeddings:
        return CorpusScores(not_computed={name: "not asked for: give --points 15" if not points else NO_TRUE})
    if len(made.embeddings) < LEAST:
        return CorpusScores(
            not_computed={name: f"needs an embedder and {LEAST} clips, there are {len(made.embeddings)}"}
        )
    line = frechet_distance_at_infinity(Moments.of(torch.cat(true.embeddings)), made.embeddings, points)
    return CorpusScores({name: line.distance, f"{name}_fit": line.fit})


def _inception(made: Heard) -> CorpusScores:
    if not made.logits:
        return CorpusScores(not_computed={"inception_score": NO_TAGGER})
    score = inception_score(made.tags)
    shares = _named("inception_score", inception_shares(made.tags).tolist())
    return CorpusScores({"inception_score": score.mean, "inception_score_deviation": score.deviation}, shares=shares)


def _named(name: str, shares: list[float]) -> dict[str, list[float]]:
    return {name: shares} if shares else {}
