"""How the tagger learns: a LightningModule, and Soundscapes as spectrograms with labels."""

from __future__ import annotations

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset
from tqdm import tqdm

from uat_lightning.data.soundscapes import EVENTS, Scene, Soundscapes
from uat_lightning.metrics.embedders.augmentation import Augmentation
from uat_lightning.metrics.embedders.convolutional import ConvolutionalTagger, best_threshold

NAMES = tuple(EVENTS)
Labelled = tuple[Tensor, Tensor]


class TaggerModule(LightningModule):
    """Trains a tagger, and sets its threshold where the micro F1 on the validation clips is highest.

    Args:
        tagger: The network.
        augmentation: Makes more of each batch.
        learning_rate: Peak of the one-cycle schedule.
    """

    def __init__(self, tagger: ConvolutionalTagger, augmentation: Augmentation, learning_rate: float = 3e-3) -> None:
        super().__init__()
        self.tagger, self.augmentation, self.learning_rate = tagger, augmentation, learning_rate
        self._scored: list[Labelled] = []

    def training_step(self, batch: Labelled) -> Tensor:
        """Score mel amplitudes (rows, bands, frames), half precision, with labels (rows, classes)."""
        features, labels = self.augmentation(batch[0].float(), batch[1])
        return torch.nn.functional.binary_cross_entropy_with_logits(self.tagger(features), labels)

    def validation_step(self, batch: Labelled) -> None:
        """Keep the logits of unaltered clips."""
        self._scored.append((self.tagger(ConvolutionalTagger.features(batch[0].float())), batch[1]))

    def on_validation_epoch_end(self) -> None:
        """Choose the threshold and show the F1 that it reaches."""
        logits, labels = (torch.cat(parts) for parts in zip(*self._scored, strict=True))
        self._scored.clear()
        self.tagger.threshold.fill_(best_threshold(logits, labels.bool()))
        said = (logits > self.tagger.threshold).float()
        self.log("f1", 2 * (said * labels).sum() / (said.sum() + labels.sum()), prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Use AdamW with one cycle over the whole training."""
        optimizer = torch.optim.AdamW(self.tagger.parameters(), self.learning_rate, weight_decay=1e-2)
        steps = int(self.trainer.estimated_stepping_batches)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.learning_rate, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}


class _Rendered(Dataset[Labelled]):
    def __init__(self, tagger: ConvolutionalTagger, soundscapes: Soundscapes, split: str, count: int) -> None:
        self.tagger, self.soundscapes, self.split, self.count = tagger, soundscapes, split, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Labelled:
        clip = self.soundscapes.clip(self.split, index)
        return self.tagger.amplitudes([torch.from_numpy(clip.audio)])[0].half(), labels_of(clip.scene)


def labels_of(scene: Scene) -> Tensor:
    """Return 1 for every class in a scene and 0 for the others, float (classes,)."""
    present = {event.name for event in scene.events}
    return torch.tensor([float(name in present) for name in NAMES])


def labelled(
    tagger: ConvolutionalTagger, soundscapes: Soundscapes, split: str, count: int, workers: int
) -> TensorDataset:
    """Render the first clips of a split to mel amplitudes with labels, with a progress bar."""
    loader = DataLoader(_Rendered(tagger, soundscapes, split, count), batch_size=64, num_workers=workers)
    batches = list(tqdm(loader, desc=f"Rendering {split} clips for the tagger", unit="batch of 64", leave=False))
    return TensorDataset(*(torch.cat(parts) for parts in zip(*batches, strict=True)))
