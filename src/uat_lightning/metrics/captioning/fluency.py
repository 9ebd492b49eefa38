"""Which captions are not fluent, by a language model on disk."""

from __future__ import annotations

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
from uat_lightning.metrics.captioning.sentences import load_encoder
from uat_lightning.metrics.corpus_scores import CorpusScores

ENCODER, HEAD = "encoder.", "clf."


class ErrorDetector(Configurable, ABC):
    """Says how probable it is that a sentence has an error of fluency."""

    @abstractmethod
    def probabilities(self, sentences: Sequence[str]) -> list[float]:
        """Return the probability of an error for each sentence, 0 to 1.

        Raises:
            NotComputable: If its weights are absent.
        """


class FenseErrorDetector(ErrorDetector):
    """The detector of FENSE (Zhou et al. 2022): BERT and a linear layer on its first token, the last output counts.

    Nothing is fetched: both must be there.

    Args:
        checkpoint: ``echecker_clotho_audiocaps_base.ckpt`` or another with ``state_dict`` and ``num_classes``.
        encoder: Folder of the Hugging Face model that was trained, for its shape and tokenizer; the checkpoint has its
            name as ``model_type``.
        device: Where it runs.
        batch_size: Sentences at once.
        longest: Tokens of a sentence at most.
    """

    def __init__(
        self, checkpoint: Path, encoder: Path, device: str = "cpu", batch_size: int = 128, longest: int = 64
    ) -> None:
        self.checkpoint, self.encoder = Path(checkpoint), Path(encoder)
        self.device, self.batch_size, self.longest = device, batch_size, longest

    @torch.inference_mode()
    def probabilities(self, sentences: Sequence[str]) -> list[float]:
        """Return the probability of an error for each sentence."""
        starts = range(0, len(sentences), self.batch_size)
        logits = [self._logits(sentences[start : start + self.batch_size]) for start in starts]
        return [float(value) for value in torch.cat(logits)[:, -1].sigmoid()]

    def _logits(self, sentences: Sequence[str]) -> Tensor:
        tokenizer, model, head = self._model
        tokens = tokenizer(
            list(sentences), padding=True, truncation=True, max_length=self.longest, return_tensors="pt"
        ).to(self.device)
        first = model(tokens["input_ids"], tokens["attention_mask"]).last_hidden_state[:, 0]
        logits: Tensor = head(first).float().cpu()
        return logits

    @cached_property
    def _model(self) -> tuple[Any, Any, torch.nn.Linear]:
        state, classes = self._read()
        tokenizer, model = load_encoder(self.encoder)
        head = torch.nn.Linear(model.config.hidden_size, classes)
        try:
            # Older transformers kept the numbers of the positions as a weight.
            kept = {name: value for name, value in state.items() if not name.endswith("position_ids")}
            model.load_state_dict(_below(ENCODER, kept))
            head.load_state_dict(_below(HEAD, kept))
        except RuntimeError as error:
            last = str(error).splitlines()[-1].strip()
            raise NotComputable(f"{self.checkpoint} does not fit {self.encoder}: {last}") from error
        return tokenizer, model.to(self.device).eval(), head.to(self.device).eval()

    def _read(self) -> tuple[dict[str, Tensor], int]:
        try:
            read = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
            return dict(read["state_dict"]), int(read["num_classes"])
        except Exception as error:  # a damaged or foreign file fails in many ways
            reason = f"{type(error).__name__} {str(error).splitlines()[0] if str(error) else ''}"
            raise NotComputable(f"{self.checkpoint} is not a checkpoint of FENSE: {reason}") from error


def fluency_errors(candidates: Sequence[str], detector: ErrorDetector, threshold: float = 0.9) -> list[float]:
    """Return 1 for every caption with an error of fluency, else 0.

    Args:
        candidates: Captions as they were written.
        detector: Says how probable an error is.
        threshold: An error is what is more probable than this.
    """
    return [float(probability > threshold) for probability in detector.probabilities(candidates)]


class FluencyError(CaptionScorer):
    """The share of captions with an error of fluency; lower is better. FENSE and SPIDEr-FL are made with it.

    Args:
        detector: Says how probable an error is; None where there is none, and then the score is absent.
        threshold: An error is what is more probable than this.
    """

    names = ("fluency_error",)

    def __init__(self, detector: ErrorDetector | None = None, threshold: float = 0.9) -> None:
        self.detector, self.threshold = detector, threshold

    def score(self, corpus: CaptionCorpus) -> CorpusScores:
        """Score a corpus; references do not matter."""
        if self.detector is None:
            raise NotComputable("needs a detector of errors: give FENSE's checkpoint and its encoder's folder")
        return mean_of("fluency_error", fluency_errors(corpus.texts.candidates, self.detector, self.threshold))


def _below(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
