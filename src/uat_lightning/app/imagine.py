"""`uat imagine`: audio and its caption, from nothing."""

from __future__ import annotations

from uat_lightning.app.generate import LONGEST


def imagine(
    *,
    model: str = "runs/quickstart/model",
    out: str = "imagined.wav",
    count: int = 1,
    seconds: float = 4.0,
    seed: int = 0,
    steps: int = 50,
    batch_size: int = 8,
    device: str = "auto",
) -> None:
    """Make audio and its caption together, without being told anything.

    The model must have been trained where both are noisy: with Everywhere in place of Conditional. A model folder does
    not tell; other models make noise. Beside every sound file lies a .json file with its caption and what made it.
    Several results are numbered: imagined-1.wav, imagined-2.wav.

    Args:
        model: Model folder.
        out: Sound file to write: .wav, .flac, .ogg, .mp3 or .aiff.
        count: Results.
        seconds: Length of the audio, up to 600; models do best at the lengths they were trained on.
        seed: Seed of the first result; result i has seed + i, and comes out the same alone.
        steps: Equal steps from noise to clean, of audio and words alike.
        batch_size: Results made at once.
        device: cpu, cuda, cuda:1 and so on, or auto.

    Raises:
        ValueError: If an option cannot be used, before anything is written.
    """
    from uat_lightning.app.model import open_model
    from uat_lightning.app.output import audio_files, batches, check_numbers, progress, save_audio
    from uat_lightning.tasks import Imagine

    check_numbers(seed, seconds=seconds, count=count, batch_size=batch_size)
    if seconds > LONGEST:
        raise ValueError(f"seconds may be up to {LONGEST:g}, got {seconds:g}")
    task, settings = Imagine(steps), {"seconds": seconds, "steps": steps}
    files, opened = audio_files(out, count), open_model(model, device)
    for rows in progress(batches(count, batch_size)):
        sounds, captions = task.run(opened.parts, [seconds] * len(rows), seed, rows.start)
        for row, sound, caption in zip(rows, sounds, captions, strict=True):
            record = {"task": "imagine", "caption": caption, "seed": seed + row, "settings": settings}
            save_audio(files[row], sound, opened, record)
            print(f"{files[row]}\t{caption}")
