"""`uat caption`: text from audio files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def caption(
    *files: str,
    model: str = "runs/quickstart/model",
    out: str | None = None,
    window: float = 4.0,
    start: float = 0.0,
    end: float | None = None,
    seed: int = 0,
    steps: int = 64,
    temperature: float | None = None,
    guidance: float | None = None,
    sampler: Literal[
        "ConfidenceOrder", "ConfidenceThreshold", "EntropyBound", "FirstHitting", "Ancestral", "ReMDM", "LeftToRight"
    ]
    | None = None,
    presence_penalty: float = 1.0,
    candidates: int | None = None,
    choose: Literal["both", "bayes", "likelihood", "information"] = "both",
    given: str | None = None,
    batch_size: int = 16,
    device: str = "auto",
) -> None:
    """Write captions of audio files.

    Any rate, channels and length go in. A line comes out for each file: its name, a tab, its caption. A file longer
    than the window is cut into the fewest equal spans that fit, each with a caption of its own; its name then says the
    span in seconds, as in clip.flac#t=4,8. A file that cannot be used does not keep the others from their captions.

    Args:
        *files: Sound files.
        model: Model folder.
        out: File to write as well, .jsonl with audio, start, end and caption in each line; the data of a training.
        window: Longest audio that gets one caption, in seconds; take the longest that the model was trained on.
        start: Where to begin in each file, in seconds.
        end: Where to stop in each file, in seconds; its end where not given.
        seed: Seed; it matters only where something is drawn: by the sampler, or where guidance is not 1.
        steps: Steps to write a caption in, where the sampler has steps.
        temperature: 0 writes the likeliest words, 1 draws them; the sampler's own where not given.
        guidance: How much the audio counts; 1 is as trained. Where not given 1.35, and 1 for what is drawn beside the
            likeliest caption or fills in a given text.
        sampler: How words are written: the surest first, all that are sure enough, as many as are nearly independent;
            at random: one by one, in steps, in steps with second thoughts; or one after another from left to right.
            Where not given what suits the model: the surest first, or from left to right.
        presence_penalty: How much less likely words are that stand in the caption already, in nats; it counts for no
            word of a given text.
        candidates: Captions to choose the best from, the likeliest and others that are drawn; 1 is fastest. Where not
            given 16, and 1 of a given text or at temperature 0.
        choose: The best by both directions, being likely for the audio, and the audio for them as the model generates;
            by bayes, agreeing most with the others; by likelihood in the model's own opinion; or by information, where
            captions that are common whatever is heard count less. A model that was never trained to generate cannot
            choose by both.
        given: A half-written caption, "a ___ rings twice, then ___"; each blank takes one or more words.
        batch_size: Spans captioned at once.
        device: cpu, cuda, cuda:1 and so on, or auto.

    Raises:
        ValueError: If an option or a file cannot be used.
    """
    from uat_lightning.app.captioning import (
        Captioner,
        best_writer,
        how_many,
        infiller,
        save_captions,
        text_guidance,
        text_sampler,
    )
    from uat_lightning.app.model import open_model
    from uat_lightning.app.output import check_numbers, check_place
    from uat_lightning.app.sources import Part, check_given
    from uat_lightning.sampling import PresencePenalty
    from uat_lightning.sampling.text_sampler import check_steps
    from uat_lightning.tasks.blanks import Blanks

    check_given(files)
    check_numbers(seed, window=window, batch_size=batch_size)
    check_steps(steps)
    number = how_many(candidates, temperature, given)
    settings = {
        **{"window": window, "seed": seed, "guidance": guidance, "given": given},
        **{"sampler": sampler, "steps": steps, "temperature": temperature, "presence_penalty": presence_penalty},
        **{"candidates": number, "choose": choose},
    }
    if out is not None:
        check_place(Path(out), ".jsonl")
    opened = open_model(model, device)
    if given is not None:
        Blanks.read(given, opened.parts.tokenizer)  # complains before any work is done
    drawn = text_sampler(sampler, steps, temperature, number > 1, opened.parts.writing)
    way = None if guidance is None else text_guidance(guidance, drawn)
    if given is not None:
        write = infiller(drawn, way, given)
    else:
        likeliest = text_sampler(sampler, steps, 0.0, False, opened.parts.writing)
        each, first = (PresencePenalty(one, presence_penalty) for one in (drawn, likeliest))
        write = best_writer(each, first, way, number, choose)
    captioner = Captioner(opened, write, window, seed, batch_size)
    lines = []
    for span, text in captioner.run(files, Part(start, end)):
        print(f"{span.name}\t{text}", flush=True)
        lines.append((span, text))
    if out is not None and lines:
        record = {"task": "caption", "settings": settings, "left_out": captioner.failures}
        save_captions(Path(out), lines, record, captioner.model)
    captioner.complain(len(files))
