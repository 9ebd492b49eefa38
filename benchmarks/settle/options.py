"""The options of the comparison."""

from __future__ import annotations

import argparse
from pathlib import Path

from settle.esc50_ground import ESC50Ground
from settle.grounds import Ground, SoundscapesGround
from settle.models import MODELS, USUAL
from settle.run import Sampling
from uat_lightning.app.tagger import TaggerRecipe

STEPS = {"soundscapes": 900, "esc50": 5000}


def parsed(arguments: list[str], text: str | None) -> argparse.Namespace:
    """Read the command line; what stands behind ``--`` goes to every ``uat fit``."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python benchmarks/settle", description=text, formatter_class=form)
    parser.add_argument("--data", choices=list(STEPS), default="soundscapes")
    parser.add_argument("--root", type=Path, help="folder of esc50.csv and audio/, for --data esc50")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(USUAL))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--base", help="config of the joint model: a shipped one or a file; that of the data else")
    parser.add_argument("--steps", type=int, help="training steps, the same for all; by default those of the data")
    parser.add_argument("--first", type=int, default=600, help="number of the first test clip (Soundscapes)")
    parser.add_argument("--clips", type=int, default=400, help="test clips")
    parser.add_argument("--sampling-steps", type=int, default=50, help="Euler steps of a sound")
    parser.add_argument("--resamples", type=int, default=1000, help="times that clips are drawn for an interval")
    parser.add_argument("--tagger-clips", type=int, default=8000, help="training clips of the listener (Soundscapes)")
    parser.add_argument("--tagger-epochs", type=int, help="its passes over them; by default those of the data")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--threads", type=int, default=1, help="threads of each")
    parser.add_argument("--device", default="cpu", help="where models are tested: cpu, cuda, ... or auto")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/settle"), help="folder of models; finished ones are kept"
    )
    parser.add_argument("--results", type=Path, default=Path(__file__).parents[1] / "results")
    parser.add_argument("--run", help=argparse.SUPPRESS)  # one run, in a process of its own
    parser.add_argument("more", nargs="*", help="options of uat fit, after --")
    options = parser.parse_args(arguments)
    options.given = arguments
    options.work, options.steps = options.work.absolute(), options.steps or STEPS[options.data]
    return options


def ground_of(options: argparse.Namespace) -> Ground:
    """Return what is trained and tested on.

    Raises:
        ValueError: If the folder of ESC-50 is not given.
    """
    if options.data == "soundscapes":
        epochs = options.tagger_epochs or TaggerRecipe().epochs
        listener = TaggerRecipe(options.tagger_clips, max(options.tagger_clips // 10, 8), epochs)
        base = options.base or SoundscapesGround.base
        return SoundscapesGround(options.first, options.clips, options.more, base, listener)
    if options.root is None:
        raise ValueError("--data esc50 needs --root DIR, which holds esc50.csv and audio/")
    shared = {"count": options.clips, "more": options.more, "base": options.base or ESC50Ground.base}
    return ESC50Ground(options.root, options.work, epochs=options.tagger_epochs or ESC50Ground.epochs, **shared)


def sampling_of(options: argparse.Namespace) -> Sampling:
    """Return how sounds and captions are made."""
    return Sampling(options.sampling_steps)
