"""The trade-off as a picture: how often what was asked for is heard, against the distance to the true result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from editing.comparison import Trial
from editing.trial import Row, mean

MARKERS = "os^Dv<>P*"  # nine of them and ten colours: ninety pairs
NAMES = {"to_target_db": "log-spectral distance to the true result, dB", "latents": "latents' distance to its own"}


def draw(curves: Mapping[str, Sequence[Trial]], source: Sequence[Row], file: Path) -> None:
    """Write the curves of methods over their strengths, and where the source itself stands, as a picture."""
    figure = Figure((12, 5), layout="constrained")
    for axes, score in zip(figure.subplots(1, 2), NAMES, strict=True):
        for place, (name, trials) in enumerate(curves.items()):
            _curve(axes, name, trials, score, place)
        axes.axhline(mean(source, score), color="grey", linestyle=":", label="the source itself")
        axes.set(xlabel="asked for is heard (share of edits)", ylabel=NAMES[score])
        axes.grid(alpha=0.3)
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    file.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{file.name}-", dir=file.parent) as folder:
        figure.savefig(Path(folder) / file.name, dpi=90)
        (Path(folder) / file.name).replace(file)


def _curve(axes: Axes, name: str, trials: Sequence[Trial], score: str, place: int) -> None:
    ordered = sorted(trials, key=lambda trial: trial.strength)
    across, up = [trial.asked_for for trial in ordered], [mean(trial.rows, score) for trial in ordered]
    marker = MARKERS[place % len(MARKERS)]
    axes.plot(across, up, marker, linestyle="-", color=f"C{place % 10}", label=name, markersize=5)
    for trial, x, y in zip(ordered, across, up, strict=True):
        axes.annotate(f"{trial.strength:g}", (x, y), textcoords="offset points", xytext=(4, 4), fontsize=7)
