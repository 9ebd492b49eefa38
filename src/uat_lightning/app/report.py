"""`uat report`: a page to hear and see what a model can do, and its scores."""

from __future__ import annotations


def report(
    model: str = "runs/quickstart/model",
    out: str = "runs/quickstart/report.html",
    clips: int = 200,
    first: int = 0,
    seed: int = 0,
    steps: int = 16,
    guidance: float = 4.0,
    guidance_rescale: float = 0.9,
    strength: float = 0.8,
    batch_size: int = 50,
    device: str = "auto",
) -> None:
    """Write a page to hear and see what a model can do, and its scores.

    The model captions, generates and edits unseen test clips of Soundscapes, the built-in data. A tagger, trained once
    on real Soundscapes and kept in the cache, listens to the results. Beside the page lies scores.json.

    Args:
        model: Model folder.
        out: Page to write, .html; it needs no other file and no network.
        clips: Test clips to caption and to generate anew, and test edits to make; at least 2.
        first: Number of the first test clip and edit.
        seed: Seed of the first result; result i has seed + i.
        steps: Steps of the solver, for generation and editing.
        guidance: How strictly captions are followed; generation is also scored without guidance.
        guidance_rescale: Takes back what guidance adds in level, 0 (none) to 1 (all of it).
        strength: Noise level from which edits start, 0 to 1.
        batch_size: Clips worked on at once.
        device: cpu, cuda, cuda:1 and so on, or auto.

    Raises:
        ValueError: If an option cannot be used, before any work is done.
    """
    from pathlib import Path

    from uat_lightning.app.examine import examine
    from uat_lightning.app.model import open_model
    from uat_lightning.app.output import check_numbers, check_place, save_text
    from uat_lightning.app.scores import Settings

    check_numbers(seed, clips=clips, steps=steps, batch_size=batch_size)
    if first < 0:
        raise ValueError(f"first must not be negative, got {first}")
    if clips < 2:
        raise ValueError(f"clips must be at least 2, got {clips}")
    if not 0 <= strength <= 1:
        raise ValueError(f"strength is a noise level from 0 to 1, got {strength}")
    page = Path(out)
    table = page.with_name("scores.json")
    check_place(page, ".html", ".htm")
    check_place(table, ".json")
    settings = Settings(seed, steps, guidance, guidance_rescale, strength, batch_size=batch_size)
    html, scores, lines = examine(open_model(model, device), settings, range(first, first + clips))
    save_text(table, scores)
    save_text(page, html)
    print("\n".join([*lines, f"{page}: open it in a browser. {table} has all scores."]))
