"""`uat score`: how well texts fit audio files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal


def score(
    *files: str,
    text: str | None = None,
    texts: str | None = None,
    model: str = "runs/quickstart/model",
    measure: Literal[
        "Score", "PerToken", "PointwiseInformation", "AudioLikelihood", "BothDirections"
    ] = "PointwiseInformation",
    start: float = 0.0,
    end: float | None = None,
    seed: int = 0,
    strata: int = 16,
    batch_size: int = 32,
    device: str = "auto",
) -> None:
    """Tell how well texts fit audio files, in the model's own opinion.

    A line comes out for each file and text, the best text of a file first: the file, a tab, the score in nats, a tab,
    the text. Scores compare texts of one file, and files of one text.

    Args:
        *files: Sound files.
        text: What may be heard; quote it.
        texts: Text file of more texts, one in a line.
        model: Model folder.
        measure: Score is log p(text | audio), PerToken its mean over the tokens, PointwiseInformation how much
            likelier the audio makes the text. AudioLikelihood is log p(audio | text), but for a constant of each file,
            and BothDirections its sum with Score: these two compare texts of one file only.
        start: Where to begin in each file, in seconds.
        end: Where to stop in each file, in seconds; its end where not given.
        seed: Seed of the estimate.
        strata: Looks at each pair; more are more exact and take longer.
        batch_size: Pairs scored at once.
        device: cpu, cuda, cuda:1 and so on, or auto.

    Raises:
        ValueError: If an option, a text or a file cannot be used.
    """
    from uat_lightning import tasks
    from uat_lightning.app.model import open_model
    from uat_lightning.app.output import check_numbers
    from uat_lightning.app.sources import Part, check_given, read_source

    check_given(files)
    check_numbers(seed, strata=strata, batch_size=batch_size)
    wanted, task = _texts(text, texts), getattr(tasks, measure)(strata, batch_size)
    opened = open_model(model, device)
    opened.parts.read(wanted)  # complains of a text before any work is done
    waveforms = [read_source(file, Part(start, end), opened) for file in files]
    for file, waveform in zip(files, waveforms, strict=True):
        scores = task.matrix(opened.parts, [waveform], wanted, seed)[0].tolist()
        for value, line in sorted(zip(scores, wanted, strict=True), key=lambda scored: -scored[0]):
            print(f"{file}\t{value:.3f}\t{line}", flush=True)


def _texts(text: str | None, texts: str | None) -> Sequence[str]:
    from uat_lightning.data.manifest_rows import read_text

    lines = read_text(Path(texts)).splitlines() if texts else []
    found = [*([] if text is None else [text]), *(line.strip() for line in lines if line.strip())]
    if not found:
        raise ValueError("nothing to score: give --text, or --texts FILE with one in a line")
    return found
