"""How likely the model finds the validation captions, given their audio."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from uat_lightning.callbacks.export import trained_text
from uat_lightning.callbacks.rank_seed import step_seed
from uat_lightning.callbacks.scored import metric_device
from uat_lightning.diffusion import MaskedAbsorbing, TextProcess, Uniform
from uat_lightning.metrics.likelihood import CaptionNELBO
from uat_lightning.types import Batch, Pair, Sequences

APART = 1 << 32  # more than a batch has rows


class CaptionLikelihood(Callback):
    """Logs the NELBO of captions after validation, ``validation/nelbo`` in nats per token, and that of a caption.

    It costs one evaluation of the captioning rows in each validation batch. Noise levels are uniform, the count of
    hidden tokens exact and the audio clean, whatever the training draws, so that the figure is a bound and compares
    between recipes with the same tokenizer. The same tokens are hidden every time. Of models that write from left to
    right the figure is the negative log-likelihood itself.

    Args:
        mask_id: The mask token; ``BytePairTokenizer`` has it at 2.
        seed: Seed of what is hidden.
    """

    def __init__(self, mask_id: int = 2, seed: int = 0) -> None:
        self.mask_id, self.seed, self.metric = mask_id, seed, CaptionNELBO()

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew, where the processes talk to each other."""
        self.metric.reset()
        self.metric.to(metric_device(pl_module))

    @torch.no_grad()
    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Hide tokens of the captioning rows and score what the model thinks of them."""
        rows = ~batch.generation  # maybe none; yet where weights are sharded, every process must take part
        audio, text = (side.take(rows) for side in batch.clean)
        process = trained_text(pl_module)
        asking: TextProcess = process.suited(MaskedAbsorbing(self.mask_id), process)
        noisy, hidden, t = self._hide(asking, text, step_seed(self.seed, trainer.global_rank, batch_idx))
        logits = pl_module.backbone(Pair(audio, noisy), Pair(0 * t, t)).text.logits()  # type: ignore[operator]
        place = batch_idx * trainer.world_size + trainer.global_rank  # no caption comes twice
        self.metric.update(logits, text.values, hidden, text.lengths, place * APART + torch.arange(len(text)))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the figures of all ranks."""
        nelbo = self.metric.compute()
        pl_module.log("validation/nelbo", nelbo["per_token"].float())
        pl_module.log("validation/nelbo_caption", nelbo["per_caption"].float())

    @staticmethod
    def _hide(process: TextProcess, text: Sequences, seed: int) -> tuple[Sequences, Tensor, Tensor]:
        with torch.random.fork_rng(devices=[]):  # training's random state stays as it was
            torch.manual_seed(seed)
            t = Uniform().sample(len(text), torch.device("cpu"))
            seen = process.corrupt(text.to("cpu"), t)
        device = text.values.device
        return seen.noisy.to(device), (seen.weight > 0).to(device), t.to(device)
