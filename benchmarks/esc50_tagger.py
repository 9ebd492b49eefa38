"""A tagger of real sounds for FAD and KL: train it on four folds of ESC-50, test it on the fifth, save it as a folder.

Run ``python benchmarks/esc50_tagger.py --esc50 DIR --out FOLDER`` where DIR holds ``esc50.csv`` and ``audio/``.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from lightning.pytorch import Trainer, seed_everything
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

from esc50 import Clip, read_clips
from uat_lightning.app.tagger_training import TaggerModule
from uat_lightning.data.audio import read_audio
from uat_lightning.metrics.embedders.augmentation import Augmentation
from uat_lightning.metrics.embedders.convolutional import ConvolutionalTagger
from uat_lightning.metrics.embedders.folder import save_listener

RATE = 16_000
SECONDS = 5.0


def heard(tagger: ConvolutionalTagger, clips: list[Clip], label: str) -> TensorDataset:
    """Return mel amplitudes (clips, bands, frames), half precision, and 1 for each clip's category (clips, classes)."""
    waveforms = (torch.from_numpy(read_audio(clip.file, RATE, 1))[0] for clip in tqdm(clips, desc=label, unit="clip"))
    amplitudes = torch.cat([tagger.amplitudes([waveform]).half() for waveform in waveforms])
    labels = torch.tensor([tagger.classes.index(clip.words) for clip in clips])
    return TensorDataset(amplitudes, torch.nn.functional.one_hot(labels, len(tagger.classes)).float())


@torch.no_grad()
def accuracy(tagger: ConvolutionalTagger, clips: TensorDataset) -> float:
    """Return the share of clips whose own category has the highest score."""
    amplitudes, labels = clips.tensors
    scores = torch.cat([tagger(tagger.features(some.float())) for some in amplitudes.split(100)])
    return float((scores.argmax(-1) == labels.argmax(-1)).float().mean())


def train(options: argparse.Namespace, clips: list[Clip]) -> tuple[ConvolutionalTagger, float]:
    """Return a trained tagger and its accuracy on the fold that was held out."""
    seed_everything(options.seed, verbose=False)
    tagger = ConvolutionalTagger(sorted({clip.words for clip in clips}), RATE, SECONDS, options.width)
    seen = heard(tagger, [clip for clip in clips if clip.fold != options.held_out], "Reading training clips")
    unseen = heard(tagger, [clip for clip in clips if clip.fold == options.held_out], "Reading held-out clips")
    trainer = Trainer(
        accelerator="cpu", max_epochs=options.epochs, logger=False, enable_checkpointing=False, limit_val_batches=0
    )
    module = TaggerModule(tagger, Augmentation(softened=0.25), options.learning_rate)
    trainer.fit(module, DataLoader(seen, options.batch_size, shuffle=True, drop_last=True))
    tagger.eval().requires_grad_(False)
    return tagger, accuracy(tagger, unseen)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--esc50", type=Path, required=True, help="folder with esc50.csv and audio/")
    parser.add_argument("--out", type=Path, required=True, help="new folder for the tagger")
    parser.add_argument("--held-out", default="5", help="fold that is not trained on")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=3e-3, help="peak of the one-cycle schedule")
    parser.add_argument("--width", type=int, default=16, help="channels of the first convolution")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Train, test and save."""
    options = arguments()
    began = time.process_time()
    tagger, share = train(options, read_clips(options.esc50))
    save_listener(tagger, options.out)
    minutes = round((time.process_time() - began) / 60, 1)
    record = {"held_out": options.held_out, "accuracy": share, "epochs": options.epochs, "cpu_minutes": minutes}
    (options.out / "accuracy.json").write_text(json.dumps({**record, "identity": tagger.identity}, indent=2) + "\n")
    print(f"{share:.1%} of fold {options.held_out}'s clips are given their category, after {minutes} CPU minutes")


if __name__ == "__main__":
    main()
