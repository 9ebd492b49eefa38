"""What remembering the clean condition saves: a guided generation step and a caption step, remembered and not.

Run ``python benchmarks/isolation.py``: all variants take turns in one process, medians are compared.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from uat_lightning.backbone import Backbone, DualStreamTransformer, Isolated
from uat_lightning.types import Pair, Sequences

LATENTS, VOCABULARY, MASK = 64, 4096, 2
Step = Callable[[], torch.Tensor]


def condition(rows: int, frames: int, tokens: int) -> Pair[Sequences]:
    """Return random latents and token ids."""
    audio = Sequences(torch.randn(rows, frames, LATENTS), torch.full((rows,), frames))
    return Pair(audio, Sequences(torch.randint(3, VOCABULARY, (rows, tokens)), torch.full((rows,), tokens)))


def guided_steps(backbone: Backbone, both: Pair[Sequences]) -> dict[str, Step]:
    """Return a guided generation step, through the whole network and with the text remembered."""
    zeros = torch.zeros(len(both.audio))
    t_text, t_audio = torch.cat([zeros, zeros + 1]), torch.full((2 * len(zeros),), 0.5)
    audio, text = both.audio.repeat(2), both.text.repeat(2)
    remembered = backbone.given_text(text, t_text)
    return {
        "generation": lambda: backbone(Pair(audio, text), Pair(t_audio, t_text)).audio,
        "generation, remembered": lambda: remembered(audio, t_audio),
    }


def caption_steps(backbone: Backbone, both: Pair[Sequences]) -> dict[str, Step]:
    """Return a caption step, through the whole network and with the audio remembered."""
    zeros = torch.zeros(len(both.audio))
    remembered = backbone.given_audio(both.audio, zeros)
    return {
        "caption": lambda: backbone(both, Pair(zeros, zeros + 1)).text.logits(),
        "caption, remembered": lambda: remembered(both.text, zeros + 1).logits(),
    }


@torch.no_grad()
def measure(steps: dict[str, Step], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of every step, in rounds in which each has its turn."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 2):
        for name, step in steps.items():
            begun = time.perf_counter()
            step()
            if turn >= 2:  # the first ones warm up
                seconds[name].append(time.perf_counter() - begun)
    return seconds


@torch.no_grad()
def differences(steps: dict[str, Step]) -> dict[str, float]:
    """Return how far the remembered steps are from the whole network's, relative to its largest value."""
    return {
        name: float((steps[f"{name}, remembered"]() - steps[name]()).abs().amax() / steps[name]().abs().amax())
        for name in steps
        if "," not in name
    }


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--frames", type=int, default=215)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/isolation.json")
    options = parser.parse_args()
    torch.manual_seed(0)
    backbone = DualStreamTransformer(
        LATENTS, VOCABULARY, options.tokens, options.width, options.depth, options.width // 64, coupling=Isolated()
    ).eval()
    for weight in backbone.parameters():  # at its zero start a network would hide differences
        torch.nn.init.normal_(weight, std=0.03)
    both = condition(options.rows, options.frames, options.tokens)
    steps = {**guided_steps(backbone, both), **caption_steps(backbone, both)}
    apart, seconds = differences(steps), measure(steps, options.rounds)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    faster = {name: medians[name] / medians[f"{name}, remembered"] for name in apart}
    settings = {name: value for name, value in vars(options).items() if name != "out"}
    result = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} CPU cores ({platform.machine()}), {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "command": "python benchmarks/isolation.py",
        "settings": settings,
        "median_seconds": medians,
        "times_faster": faster,
        "largest_relative_difference": apart,
    }
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({key: result[key] for key in ("times_faster", "largest_relative_difference")}, indent=2))


if __name__ == "__main__":
    main()
