"""One word after another."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from uat_lightning.sampling.canvas import Symbols, allowed_at
from uat_lightning.sampling.chance import draw
from uat_lightning.sampling.draft import Draft
from uat_lightning.sampling.evaluations import Logits, at
from uat_lightning.sampling.text_sampler import TextSampler, check_temperature


class LeftToRight(TextSampler):
    """Writes from the first position to the end, a token with every look: what autoregressive models are made for.

    Models of masked texts write so as well, though in no order that suits them. Finished rows are not looked at.

    Args:
        temperature: 0 writes the likeliest token; above 0 adds Gumbel noise (drawn in float64), 1 draws as the model
            thinks.
    """

    def __init__(self, temperature: float = 0.0) -> None:
        check_temperature(temperature)
        self.temperature = temperature

    def sample(self, logits: Logits, canvas: Tensor, symbols: Symbols, generators: Sequence[Generator]) -> Tensor:
        """Fill the masked positions of canvases (rows, positions).

        Raises:
            ValueError: If the network's logits are not numbers.
        """
        draft = Draft.of(canvas, symbols, generators)
        for position in range(canvas.shape[1]):
            if bool(draft.open[:, position].any()):
                draft = self._write(logits, draft, position)
        return draft.canvas

    def _write(self, logits: Logits, draft: Draft, position: int) -> Draft:
        rows = draft.open[:, position].nonzero()[:, 0]
        scores = allowed_at(at(logits, draft.canvas, position, rows), draft.canvas[rows], position, draft.symbols)
        if not bool(scores.amax(-1).isfinite().all()):
            raise ValueError("no token can be chosen: the network's logits are NaN or minus infinity")
        own = [draft.generators[row] for row in rows.tolist()]
        tokens, confidence = draw(scores, self.temperature, own, torch.ones_like(rows, dtype=torch.bool))
        chosen, said, sure = torch.zeros_like(draft.places), draft.canvas.clone(), draft.confidence.to(scores.dtype)
        chosen[rows, position], said[rows, position] = True, tokens
        return draft.write(chosen, said, sure.index_put((rows, torch.full_like(rows, position)), confidence))
