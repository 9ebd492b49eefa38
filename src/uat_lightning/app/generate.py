"""`uat generate`: audio from captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from uat_lightning.app.way import ScheduleName, SolverName

LONGEST = 600.0  # seconds


def generate(
    *captions: str,
    model: str = "runs/quickstart/model",
    out: str = "generated.wav",
    prompts: str | None = None,
    count: int = 1,
    candidates: int = 1,
    clap: str | None = None,
    seconds: float = 4.0,
    seed: int = 0,
    steps: int = 50,
    guidance: float = 4.0,
    guidance_rescale: float = 0.9,
    negative: str | None = None,
    solver: SolverName = "Euler",
    schedule: ScheduleName = "uniform",
    batch_size: int = 8,
    device: str = "auto",
) -> None:
    """Make audio from captions.

    Beside every sound file lies a .json file with what made it. Several results are numbered: bell-1.wav, bell-2.wav.

    Args:
        *captions: What is to be heard; quote each.
        model: Model folder.
        out: Sound file to write: .wav, .flac, .ogg, .mp3 or .aiff.
        prompts: Text file of more captions, one in a line.
        count: Variants of each caption.
        candidates: Results to choose each from: the one that deserves its caption most in the model's own opinion,
            or in that of --clap.
        clap: Folder of a CLAP as transformers writes it, which chooses among the candidates in place of the model.
        seconds: Length of the audio, up to 600; models do best at the lengths they were trained on.
        seed: Seed of the first result; result i has seed + i, and comes out the same alone.
        steps: Steps of the solver.
        guidance: How strictly the caption is followed; 1 is as trained, 4 exaggerates.
        guidance_rescale: Takes back what guidance adds in level, 0 (none) to 1 (all of it).
        negative: Caption of what is not to be heard; guidance leads away from it.
        solver: Euler; Heun and Midpoint look twice at each step; the others once, and remember what they saw.
        schedule: Where the steps are; uniform ones, or more of them at low noise or at high noise.
        batch_size: Results made at once.
        device: cpu, cuda, cuda:1 and so on, or auto.

    Raises:
        ValueError: If an option cannot be used, before anything is written.
    """
    from uat_lightning.app.model import open_model
    from uat_lightning.app.output import audio_files, batches, check_numbers, progress, save_audio
    from uat_lightning.app.way import chosen_guidance, chosen_judge, chosen_solver
    from uat_lightning.tasks import ChosenGenerate, Generate

    check_numbers(seed, seconds=seconds, count=count, candidates=candidates, batch_size=batch_size)
    if seconds > LONGEST:
        raise ValueError(f"seconds may be up to {LONGEST:g}, got {seconds:g}")
    judge = chosen_judge(clap, candidates, device)
    settings: dict[str, object] = {"seconds": seconds, "steps": steps, "solver": solver, "schedule": schedule}
    settings |= {"guidance": guidance, "guidance_rescale": guidance_rescale, "negative": negative}
    settings |= {"candidates": candidates, "clap": None if judge is None else judge.embedder.identity}
    once = Generate(chosen_solver(solver, steps, schedule), chosen_guidance(guidance, guidance_rescale), negative)
    task = once if candidates == 1 else ChosenGenerate(once, judge, candidates)
    wanted = [caption for caption in _captions(captions, prompts) for _ in range(count)]
    files, opened = audio_files(out, len(wanted)), open_model(model, device)
    opened.parts.read([*wanted, *([negative] if negative is not None else [])])  # complains before any work is done
    for rows in progress(batches(len(wanted), batch_size)):
        some = [wanted[row] for row in rows]
        made = task.run(opened.parts, some, [seconds] * len(rows), seed, rows.start)
        for row, caption, waveform in zip(rows, some, made, strict=True):
            record = {"task": "generate", "caption": caption, "seed": seed + row, "settings": settings}
            save_audio(files[row], waveform, opened, record)


def _captions(captions: Sequence[str], prompts: str | None) -> list[str]:
    from uat_lightning.data.manifest_rows import read_text

    lines = read_text(Path(prompts)).splitlines() if prompts else []
    found = [*captions, *(line.strip() for line in lines if line.strip())]
    if not found:
        raise ValueError("nothing to generate: give captions, or --prompts FILE with one in a line")
    return found
