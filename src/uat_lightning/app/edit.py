"""`uat edit`: other audio from audio and a caption."""

from __future__ import annotations

from uat_lightning.app.way import ScheduleName, SolverName


def edit(
    *files: str,
    target: str,
    model: str = "runs/quickstart/model",
    out: str = "edited.wav",
    strength: float = 0.8,
    start: float = 0.0,
    end: float | None = None,
    seed: int = 0,
    steps: int = 50,
    guidance: float = 4.0,
    guidance_rescale: float = 0.9,
    negative: str | None = None,
    solver: SolverName = "Euler",
    schedule: ScheduleName = "uniform",
    device: str = "auto",
) -> None:
    """Change audio files so that they deserve another caption.

    The source is noised part of the way and denoised under the target caption (SDEdit). Any rate, channels and length
    go in; out comes the model's rate. Beside every sound file lies a .json file with what made it.

    Args:
        *files: Sound files to edit; several results are numbered: edited-1.wav, edited-2.wav.
        target: What is to be heard in the end, the things that stay included.
        model: Model folder.
        out: Sound file to write: .wav, .flac, .ogg, .mp3 or .aiff.
        strength: Noise level to start from, 0 to 1: 0 only passes the source through the codec, 1 ignores it.
        start: Where to begin in each file, in seconds.
        end: Where to stop in each file, in seconds; its end where not given.
        seed: Seed of the first result; result i has seed + i.
        steps: Steps from pure noise to clean; an edit takes its share of them.
        guidance: How strictly the caption is followed; 1 is as trained, 4 exaggerates.
        guidance_rescale: Takes back what guidance adds in level, 0 (none) to 1 (all of it).
        negative: Caption of what is not to be heard; guidance leads away from it.
        solver: Euler; Heun and Midpoint look twice at each step; the others once, and remember what they saw.
        schedule: Where the steps are; uniform ones, or more of them at low noise or at high noise.
        device: cpu, cuda, cuda:1 and so on, or auto.

    Raises:
        ValueError: If an option or a file cannot be used; nothing is written then.
    """
    from uat_lightning.app.model import open_model
    from uat_lightning.app.output import audio_files, batches, check_numbers, progress, save_audio
    from uat_lightning.app.sources import Part, check_given, read_source
    from uat_lightning.app.way import chosen_guidance, chosen_solver
    from uat_lightning.sampling.editing import SDEdit
    from uat_lightning.tasks import Edit

    check_given(files)
    check_numbers(seed)
    way = chosen_solver(solver, steps, schedule)
    task = Edit(SDEdit(strength), way, chosen_guidance(guidance, guidance_rescale), negative)
    settings: dict[str, object] = {"strength": strength, "start": start, "end": end}
    settings |= {"steps": steps, "solver": solver, "schedule": schedule}
    settings |= {"guidance": guidance, "guidance_rescale": guidance_rescale, "negative": negative}
    places, opened = audio_files(out, len(files)), open_model(model, device)
    opened.parts.read([caption for caption in (target, negative) if caption is not None])  # complains before the work
    waveforms = [read_source(file, Part(start, end), opened) for file in files]
    for rows in progress(batches(len(files), 1)):
        (edited,) = task.run(opened.parts, [waveforms[rows.start]], [target], seed, rows.start)
        record = {"task": "edit", "source": files[rows.start], "target": target, "seed": seed + rows.start}
        save_audio(places[rows.start], edited, opened, {**record, "settings": settings})
