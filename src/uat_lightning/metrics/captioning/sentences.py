"""How alike two sentences are in meaning, by a language model on disk."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from uat_lightning.configurable import Configurable
from uat_lightning.metrics.captioning.ngrams import mean_of
from uat_lightning.metrics.captioning.scores import CaptionCorpus, CaptionScorer, NotComputable
from uat_lightning.metrics.corpus_scores import CorpusScores


class SentenceEmbedder(Configurable, ABC):
    """Places sentences in a space where meaning is direction."""

    @abstractmethod
    def embed(self, sentences: Sequence[str]) -> Tensor:
        """Return one vector of length 1 for each sentence, float32 (sentences, width), on the CPU.

        Raises:
            NotComputable: If its weights are absent.
        """


class SentenceTransformer(SentenceEmbedder):
    """Any model in the folder format of ``sentence-transformers`` that takes the mean over tokens.

    Nothing is fetched: the folder must be there.

    Args:
        folder: With the weights, the tokenizer, ``modules.json`` and the pooling's ``config.json``.
        device: Where it runs.
        batch_size: Sentences at once; they are sorted by length.
    """

    def __init__(self, folder: Path, device: str = "cpu", batch_size: int = 128) -> None:
        self.folder, self.device, self.batch_size = Path(folder), device, batch_size

    @torch.inference_mode()
    def embed(self, sentences: Sequence[str]) -> Tensor:
        """Return one vector for each sentence; equal sentences are embedded once."""
        different = sorted(set(sentences), key=lambda sentence: (len(sentence), sentence))
        starts = range(0, len(different), self.batch_size)
        vectors = torch.cat([self._mean(different[start : start + self.batch_size]) for start in starts])
        row = {sentence: place for place, sentence in enumerate(different)}
        vectors = torch.nn.functional.normalize(vectors)
        return vectors[torch.tensor([row[sentence] for sentence in sentences])]

    def _mean(self, sentences: Sequence[str]) -> Tensor:
        tokenizer, model, longest = self._model
        tokens = tokenizer(sentences, padding=True, truncation=True, max_length=longest, return_tensors="pt")
        tokens = tokens.to(self.device)
        weights = tokens["attention_mask"][..., None].float()
        hidden: Tensor = model(**tokens).last_hidden_state
        mean: Tensor = (hidden * weights).sum(1) / weights.sum(1)
        return mean.float().cpu()

    @cached_property
    def _model(self) -> tuple[Any, Any, int]:
        self._check_pooling()
        tokenizer, model = load_encoder(self.folder)
        limits = self._read("sentence_bert_config.json").get("max_seq_length")
        return tokenizer, model.to(self.device).eval(), int(limits or model.config.max_position_embeddings)

    def _check_pooling(self) -> None:
        kinds = [str(module["type"]).rpartition(".")[2] for module in self._read("modules.json") or ()]
        pooling = self._read("1_Pooling/config.json")
        modes = {name for name, chosen in pooling.items() if name.startswith("pooling_mode") and chosen is True}
        if not set(kinds) <= {"Transformer", "Pooling", "Normalize"} or modes != {"pooling_mode_mean_tokens"}:
            raise NotComputable(f"{self.folder} does not take the mean over tokens: {kinds}, {sorted(modes)}")

    def _read(self, name: str) -> Any:  # noqa: ANN401
        path = self.folder / name
        if not path.is_file():
            raise NotComputable(f"{path} is absent: give the folder of a sentence-transformers model")
        return json.loads(path.read_text(encoding="utf-8"))


def load_encoder(folder: Path) -> tuple[Any, Any]:
    """Return the tokenizer and the network of a Hugging Face folder, in float32.

    Raises:
        NotComputable: If the folder is absent or holds something else.
    """
    from transformers import AutoModel, AutoTokenizer  # slow to import

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return tokenizer, AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise NotComputable(
            f"{folder} is not a folder of a Hugging Face model: {str(error).splitlines()[0]}"
        ) from error


def sentence_similarity(
    candidates: Sequence[str], references: Sequence[Sequence[str]], embedder: SentenceEmbedder
) -> list[float]:
    """Return the cosine similarity of every caption to its references, the mean over them; -1 to 1.

    Args:
        candidates: Captions as they were written.
        references: The true captions of each clip as they were written.
        embedder: Places sentences.
    """
    vectors = embedder.embed([*candidates, *(text for texts in references for text in texts)]).double()
    said, true = vectors[: len(candidates)], vectors[len(candidates) :]
    each = torch.split(true, [len(texts) for texts in references])
    return [float((some @ one).mean()) for one, some in zip(said, each, strict=True)]


class SentenceSimilarity(CaptionScorer):
    """The mean of ``sentence_similarity``, as in FENSE (Zhou et al. 2022) with ``paraphrase-TinyBERT-L6-v2``.

    Args:
        embedder: Places sentences; None where there is none, and then the score is absent.
    """

    names = ("sentence_similarity",)

    def __init__(self, embedder: SentenceEmbedder | None = None) -> None:
        self.embedder = embedder

    def score(self, corpus: CaptionCorpus) -> CorpusScores:
        """Score a corpus."""
        if self.embedder is None:
            raise NotComputable("needs a sentence embedder: give the folder of a sentence-transformers model")
        return mean_of(
            "sentence_similarity",
            sentence_similarity(corpus.texts.candidates, corpus.texts.references, self.embedder),
        )
