"""The tagger that judges what is generated: trained once per machine, on real Soundscapes only."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.utilities.seed import isolate_rng
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader

from uat_lightning.app.tagger_training import NAMES, TaggerModule, labelled
from uat_lightning.data.encode import default_cache, fingerprint
from uat_lightning.data.soundscapes import Soundscapes
from uat_lightning.metrics.embedders.augmentation import Augmentation
from uat_lightning.metrics.embedders.convolutional import ConvolutionalTagger

FORMAT = 1  # raise when the tagger or its training change


@dataclass(frozen=True)
class TaggerRecipe:
    """How a tagger is trained.

    Args:
        train_clips: Training clips of Soundscapes.
        validation_clips: Validation clips, for the threshold.
        epochs: Passes over the training clips.
        batch_size: Clips of a step.
        learning_rate: Peak of the one-cycle schedule.
        width: Channels of the tagger's first convolution.
        augmentation: What happens to the clips.
        seed: Seed of weights, order and augmentation.
    """

    train_clips: int = 6000
    validation_clips: int = 800
    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 3e-3
    width: int = 16
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0


def trained_tagger(
    soundscapes: Soundscapes, recipe: TaggerRecipe, cache: Path | None = None, workers: int = 2
) -> tuple[ConvolutionalTagger, Path]:
    """Return the tagger of a recipe and the file it is kept in; train it where there is none yet.

    Args:
        soundscapes: The collection; training and validation splits are used, never the test split.
        recipe: How to train.
        cache: Folder to keep it in; ``$UAT_CACHE`` or the user's cache folder where None.
        workers: Processes that render clips.
    """
    file = tagger_file(soundscapes, recipe, cache or default_cache())
    with isolate_rng():
        tagger = ConvolutionalTagger(NAMES, soundscapes.sample_rate, soundscapes.longest, recipe.width)
    try:
        tagger.load_state_dict(load_file(file))
    except (OSError, SafetensorError):  # not there yet, or damaged
        tagger = train(soundscapes, recipe, workers)
        _save(tagger, file)
    return tagger.eval().requires_grad_(False), file


def tagger_file(soundscapes: Soundscapes, recipe: TaggerRecipe, cache: Path) -> Path:
    """Return a name that changes with every setting, and with the sounds themselves."""
    sounds = [soundscapes.clip("train", index) for index in range(8)]
    heard = [clip.audio.round(3).tobytes().hex() for clip in sounds]
    settings = {"soundscapes": asdict(soundscapes), "recipe": asdict(recipe), "classes": NAMES}
    return cache / f"tagger-{fingerprint(tagger=FORMAT, sounds=heard, **settings)}.safetensors"


def train(soundscapes: Soundscapes, recipe: TaggerRecipe, workers: int = 2) -> ConvolutionalTagger:
    """Train a tagger on the CPU; the caller's random numbers go on as if nothing had happened."""
    with isolate_rng(), _quiet():
        seed_everything(recipe.seed, verbose=False)
        tagger = ConvolutionalTagger(NAMES, soundscapes.sample_rate, soundscapes.longest, recipe.width)
        clips = labelled(tagger, soundscapes, "train", recipe.train_clips, workers)
        unseen = labelled(tagger, soundscapes, "validation", recipe.validation_clips, workers)
        module = TaggerModule(tagger, recipe.augmentation, recipe.learning_rate)
        _trainer(recipe.epochs).fit(
            module,
            DataLoader(clips, recipe.batch_size, shuffle=True, drop_last=len(clips) >= recipe.batch_size),
            DataLoader(unseen, 256),
        )
    return tagger


def _trainer(epochs: int) -> Trainer:
    return Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def _save(tagger: ConvolutionalTagger, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}-{secrets.token_hex(4)}")
    try:
        # Copies, as torchaudio's window is a view into a longer one, which safetensors refuses.
        save_file({name: tensor.clone() for name, tensor in tagger.state_dict().items()}, temporary)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what the Trainer says of devices and of workers: the data are in memory already."""
    logger = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
