"""Embedders and taggers that a user names by a path."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from uat_lightning.app.evaluation.sounds import Listening
from uat_lightning.app.model import find_device
from uat_lightning.app.tagger import TaggerRecipe, trained_tagger
from uat_lightning.data.soundscapes import Soundscapes
from uat_lightning.metrics.embedders import AudioEmbedder, AudioTagger, Listener
from uat_lightning.metrics.embedders.clap import ClapEmbedder
from uat_lightning.metrics.embedders.folder import CONFIG, load_listener
from uat_lightning.metrics.embedders.spectrogram_transformer import SpectrogramTransformer
from uat_lightning.metrics.embedders.vggish import VGGish

T = TypeVar("T", bound=Listener)
SOUNDSCAPES = "soundscapes"
# Folders as `transformers` writes them say what they hold.
PRETRAINED: dict[str, Callable[[str], Listener]] = {
    "clap": ClapEmbedder,
    "audio-spectrogram-transformer": SpectrogramTransformer,
}


def open_listener(place: str, role: type[T], device: torch.device) -> T:
    """Return the listener that a path holds, frozen.

    Args:
        place: ``soundscapes`` for the tagger of the built-in data, which is trained the first time and kept in the
            cache; a folder of ``save_listener``, a folder of CLAP or of the Audio Spectrogram Transformer as
            ``transformers`` writes it, or a file of VGGish's weights (.pth or .safetensors).
        role: What it must be, such as ``AudioTagger``.
        device: Where it listens.

    Raises:
        ValueError: If it holds none, or one of another role.
    """
    path = Path(place)
    if place == SOUNDSCAPES:
        listener: Listener = trained_tagger(Soundscapes(), TaggerRecipe())[0]
    elif not path.exists():
        raise ValueError(f"{place} does not exist: name a folder of an {role.__name__}, or {SOUNDSCAPES}")
    elif path.is_file():
        listener = VGGish(place)
    elif made := PRETRAINED.get(_model_type(path / CONFIG)):
        listener = made(place)
    else:
        listener = load_listener(path, role)
    if not isinstance(listener, role):
        raise ValueError(f"{place} holds a {type(listener).__name__}, which is no {role.__name__}")
    return listener.eval().requires_grad_(False).to(device)


def _model_type(file: Path) -> str:
    try:
        return str(json.loads(file.read_text(encoding="utf-8")).get("model_type", ""))
    except (OSError, ValueError, AttributeError):  # whoever reads it next says what is wrong with it
        return ""


def listening(
    embedder: str | None, tagger: str | None, peak: float | None, points: int, batch_size: int, device: str
) -> Listening:
    """Return how to listen to sounds.

    Args:
        embedder: Path of an embedder.
        tagger: Path of a tagger.
        peak: Level in dBFS of every clip's peak, at most 0.
        points: Subsets for the distance at infinitely many clips, 0 or at least 2.
        batch_size: Clips at once.
        device: Where the networks are.

    Raises:
        ValueError: If a number is out of range or a path holds nothing of use.
    """
    if peak is not None and not -100 <= peak <= 0:
        raise ValueError(f"peak is a level in dBFS from -100 to 0, got {peak}")
    if points < 0 or points == 1:
        raise ValueError(f"points must be 0 or at least 2, got {points}")
    place = find_device(device)
    hears = None if embedder is None else open_listener(embedder, AudioEmbedder, place)  # type: ignore[type-abstract]
    tags = None if tagger is None else open_listener(tagger, AudioTagger, place)  # type: ignore[type-abstract]
    return Listening(hears, tags, peak, points, batch_size)
