"""Draws the pictures of docs/editing.md: every editing method on the same clip.

Run ``python docs/editing_pictures.py --model runs/quickstart/model --trained runs/edit/model``. The clip is an edit of
the validation split of Soundscapes. Methods for models that were trained on edits get the instruction alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from matplotlib.figure import Figure
from torch import Tensor

from uat_lightning.app.model import open_model
from uat_lightning.app.unseen import UnseenEdit, unseen_edits
from uat_lightning.callbacks.spectrogram import picture
from uat_lightning.data.soundscapes import Soundscapes
from uat_lightning.sampling import Euler
from uat_lightning.sampling.editing import (
    EditFriendlyInversion,
    EditingMethod,
    FlowEdit,
    Inpainting,
    Instructed,
    Interpolation,
    Inversion,
    RFInversion,
    SDEdit,
    SourceConditioned,
    SourceDifference,
    Variation,
)
from uat_lightning.tasks import Edit, Parts, Region, Source, Spans
from uat_lightning.text import Said

METHODS: tuple[EditingMethod, ...] = (
    FlowEdit(),
    SDEdit(),
    EditFriendlyInversion(),
    Inversion(),
    RFInversion(),
    Inpainting(),
    Variation(),
    Interpolation(),
)
TRAINED: tuple[EditingMethod, ...] = (SourceConditioned(), SourceDifference(), Instructed())


def main(arguments: Sequence[str] | None = None) -> None:
    """Edit the clip by every method and draw the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="runs/quickstart/model")
    parser.add_argument("--trained", default="runs/edit/model")
    parser.add_argument("--edit", type=int, default=0, help="number of the edit in the validation split")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "pictures")
    options = parser.parse_args(arguments)
    model, trained = open_model(options.model, "cpu"), open_model(options.trained, "cpu")
    soundscapes = Soundscapes(sample_rate=model.pipeline.sample_rate)
    (unseen,) = unseen_edits(soundscapes, model.parts, range(options.edit, options.edit + 1), "validation")
    print(f"{unseen.heard!r}: {unseen.edit.instruction!r}: {unseen.prompt!r}")
    sounds = {"source": unseen.source, "target": unseen.target}
    for parts, methods in ((model.parts, METHODS), (trained.parts, TRAINED)):
        for method in methods:
            sounds[type(method).__name__] = edited(parts, unseen, method, options.steps, options.seed)
    for name, sound in sounds.items():
        draw(sound, soundscapes.sample_rate, options.out / f"editing-{name}.png")


def edited(parts: Parts, unseen: UnseenEdit, method: EditingMethod, steps: int, seed: int) -> Tensor:
    """Return the source as a method edits it, at its own settings; within the changed stretch by inpainting."""
    region = changed(unseen, parts.codec.sample_rate) if isinstance(method, Inpainting) else None
    source = Source(unseen.source, unseen.prompt, unseen.heard, region)
    if method.follows_instructions:
        source = Source(unseen.source, Said(unseen.edit.instruction))
    return Edit(method, Euler(steps)).edit(parts, [source], seed)[0].audio


def changed(unseen: UnseenEdit, sample_rate: int) -> Region:
    """Return the stretch in which source and true target differ."""
    places = (unseen.target - unseen.source)[0].abs().gt(1e-3).nonzero()[:, 0]
    return Spans([(int(places[0]) / sample_rate, (int(places[-1]) + 1) / sample_rate)])


def draw(sound: Tensor, sample_rate: int, file: Path) -> None:
    """Write a spectrogram, all of it or nothing."""
    pixels, seconds = picture(sound, sample_rate), sound.shape[1] / sample_rate
    figure = Figure((3.2, 1.8), layout="constrained")
    axes = figure.subplots()
    axes.imshow(pixels.permute(1, 2, 0).numpy(), extent=(0, seconds, 0, pixels.shape[1]), aspect="auto")
    axes.set(xlabel="s", ylabel="mel band", yticks=[])
    file.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{file.name}-", dir=file.parent) as folder:
        figure.savefig(Path(folder) / file.name, dpi=90)
        (Path(folder) / file.name).replace(file)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
