"""The DataModule of all corpora: each is encoded once, into a cache of its own, and all are served as one mixture."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from uat_lightning.codec import CODEC, Codec
from uat_lightning.data.corpus import Corpus
from uat_lightning.data.encode import default_cache, encode, fingerprint, fit_parts, make_folder
from uat_lightning.data.leakage import EvaluationClips, screen
from uat_lightning.data.planned import PlannedDataModule, WeightedStore
from uat_lightning.data.source import Source
from uat_lightning.data.store import LatentStore
from uat_lightning.text import Tokenizer

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Share:
    """A corpus, and how often its clips are drawn.

    Weights are relative to those of the other corpora and kept to a thousandth; they may differ between directions.

    Args:
        corpus: The clips.
        generation: Weight in rows that teach audio from text; 0 leaves the corpus out there.
        captioning: Weight in rows that teach text from audio; 0 leaves the corpus out there.
    """

    corpus: Corpus
    generation: float = 1.0
    captioning: float = 1.0

    def __post_init__(self) -> None:
        """See that the weights are weights.

        Raises:
            ValueError: If one is below 0, or edits were to teach captioning.
        """
        if self.generation < 0 or self.captioning < 0:
            raise ValueError(f"weights of a corpus are 0 or more, got {self.generation} and {self.captioning}")
        if self.captioning and self.corpus.holds_edits:
            name = type(self.corpus).__name__
            raise ValueError(f"the instructions of {name} are no captions of what is heard: give it captioning: 0")


class AudioTextDataModule(PlannedDataModule):
    """Encodes corpora once, and serves latents and token ids of their mixture in a planned order.

    The first run fits the codec and the tokenizer where they need it, encodes every clip and keeps all of it in cache
    folders whose names depend on everything that shaped them. Each corpus has a folder of its own: another corpus, or
    another weight, leaves the others as they are, unless codec or tokenizer must be fitted anew.

    Args:
        codec: Turns waveforms into latents.
        tokenizer: Turns captions into token ids.
        corpora: What to train on, by names of your own.
        fit_clips: Training clips that codec and tokenizer are fitted to, of all corpora in proportion to their rows.
        workers: Processes that read and encode clips.
        cache: Folder of encoded data; ``$UAT_CACHE`` or the user's cache folder where None.
        evaluation: Clips never to train on, beside those that one of the corpora keeps for validation and test.
        parts_of: Folder of a saved model whose codec and tokenizer, described as those above, serve as they are; they
            are fitted to the training clips where None.
        settings: Those of ``PlannedDataModule``.
    """

    def __init__(
        self,
        codec: Codec,
        tokenizer: Tokenizer,
        corpora: dict[str, Share],
        fit_clips: int = 2000,
        workers: int = 2,
        cache: str | None = None,
        evaluation: EvaluationClips | None = None,
        parts_of: str | None = None,
        **settings: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(codec, tokenizer, **settings)
        screened = screen([share.corpus for share in corpora.values()], evaluation)
        shares = zip(corpora.items(), screened, strict=True)
        self.corpora = {name: replace(share, corpus=corpus) for (name, share), corpus in shares}
        self.fit_clips, self.workers = fit_clips, workers
        self.cache = Path(cache) if cache else default_cache()
        self.parts_of = Path(parts_of) if parts_of else None

    @property
    def split_names(self) -> tuple[str, ...]:
        """The splits that some corpus has."""
        there = {split for share in self.corpora.values() for split in share.corpus.split_names}
        return tuple(split for split in SPLITS if split in there)

    def source(self, split: str) -> Source:
        """Return the clips of a split of the first corpus that has it.

        Raises:
            ValueError: If none has.
        """
        for share in self.corpora.values():
            if split in share.corpus.split_names:
                return self._source(share.corpus, split)
        raise ValueError(f"no corpus has {split} clips: there are {', '.join(self.split_names) or 'none'}")

    def sources(self) -> dict[str, dict[str, Source]]:
        """Return the clips of each split, by the names of their corpora."""
        return {
            split: {
                name: self._source(share.corpus, split)
                for name, share in self.corpora.items()
                if split in share.corpus.split_names
            }
            for split in self.split_names
        }

    def _source(self, corpus: Corpus, split: str) -> Source:
        return corpus.source(split, self.codec.sample_rate, self.codec.channels)

    @functools.cached_property
    def folder(self) -> Path:
        """The cache folder of codec and tokenizer, as fitted; the encoded corpora lie in it."""
        parts: dict[str, Any] = {"codec": self.codec.describe(), "tokenizer": self.tokenizer.describe()}
        if self.parts_of is not None:
            parts["of"] = _digests(self.parts_of)
        elif not self._parts_are_given:
            parts["fit"] = [(corpus.description(), count) for corpus, count in self._fitted_on()]
        return self.cache / fingerprint(**parts)

    def folder_of(self, name: str) -> Path:
        """Return the cache folder of a corpus."""
        return self.folder / fingerprint(corpus=self.corpora[name].corpus.description())

    @functools.cached_property
    def _parts_are_given(self) -> bool:
        """Whether codec and tokenizer came fitted, before this object fitted or loaded them."""
        return self.codec.fitted and self.tokenizer.fitted

    def _fitted_on(self) -> list[tuple[Corpus, int]]:
        """Return the corpora that are trained on, and how many clips of each the parts are fitted to."""
        trained = [share for share in self.corpora.values() if "train" in share.corpus.split_names]
        rows = np.zeros(len(trained))
        for direction, part in (("generation", self.generation_share), ("captioning", 1 - self.generation_share)):
            weights = np.array([getattr(share, direction) for share in trained])
            rows += part * weights / max(weights.sum(), np.finfo(float).tiny)
        if not rows.any():
            raise ValueError("nothing to train on: no corpus has both clips of a split `train` and a weight above 0")
        counts = np.ceil(self.fit_clips * rows / rows.sum()).astype(int)
        return [(share.corpus, int(count)) for share, count in zip(trained, counts, strict=True) if count]

    def prepare_data(self) -> None:
        """Fit and encode, unless the cache has it; runs in one process.

        Raises:
            ValueError: If there is nothing to train on, or no clip of a split can be used.
        """
        if not self.folder.exists():
            with contextlib.contextmanager(make_folder)(self.folder) as folder:
                self.fit()
                self.codec.save(folder / CODEC)
                self.tokenizer.save(folder)
        missing = {name: share for name, share in self.corpora.items() if not self.folder_of(name).exists()}
        if missing:
            self._load_parts()
        for name, share in missing.items():
            self._encode(name, share.corpus)

    def fit(self) -> None:
        """Fit codec and tokenizer where they need it, or take those of the model that they are to come from.

        Raises:
            ValueError: If that model's are missing, damaged or others than the data's.
        """
        if self.parts_of is not None:
            self._take_parts(self.parts_of)
        elif not self._parts_are_given:
            sources = [(self._source(corpus, "train"), count) for corpus, count in self._fitted_on()]
            fit_parts(sources, self.codec, self.tokenizer, self.workers)

    def _encode(self, name: str, corpus: Corpus) -> None:
        with contextlib.contextmanager(make_folder)(self.folder_of(name)) as folder:
            for split in corpus.split_names:
                how = (self.codec, self.tokenizer, self.workers, f"Encoding {split} clips of {name}")
                encode(self._source(corpus, split), *how).save(folder / split)

    def _load_parts(self) -> None:
        self.codec.load(self.folder / CODEC)
        self.tokenizer.load(self.folder)

    def _take_parts(self, model: Path) -> None:
        described = _description(model)
        for name in ("codec", "tokenizer"):
            if not getattr(self, name).is_described_by(described.get(name)):
                raise ValueError(f"{model} has another {name} than data.{name}: give that what its config.json says")
        try:
            self.codec.load(model / CODEC)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise ValueError(f"{model / CODEC} is damaged: {str(error).splitlines()[0]}") from error
        self.tokenizer.load(model)

    def setup(self, stage: str) -> None:
        """Load codec and tokenizer as they were fitted, and open the cache on every rank; see ``PlannedDataModule``."""
        self._load_parts()
        super().setup(stage)

    def stores(self) -> dict[str, dict[str, WeightedStore]]:
        """Return the encoded corpora of each split."""
        return {split: self._stores_of(split) for split in self.split_names}

    def _stores_of(self, split: str) -> dict[str, WeightedStore]:
        return {
            name: WeightedStore(
                LatentStore.open(self.folder_of(name) / split),
                share.generation,
                share.captioning,
                f"{self.folder.name}/{self.folder_of(name).name}",
            )
            for name, share in self.corpora.items()
            if split in share.corpus.split_names
        }


def _description(model: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((model / "config.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{model / 'config.json'} is missing or not JSON: not a model folder") from error


def _digests(model: Path) -> dict[str, str]:
    """Return what tells one model's codec and tokenizer from another's: the digests of the files that may hold them.

    Raises:
        ValueError: If there is no codec.
    """
    if not (model / CODEC).is_file():
        raise ValueError(f"no {model / CODEC} to take: train that model first, or name another with --data.parts_of")
    files = [model / CODEC, *sorted(model.glob("*.json"))]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
