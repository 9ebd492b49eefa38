"""`uat evaluate`: scores of anyone's captions or sounds, with all that they depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from uat_lightning.app.evaluation.record import FILE
from uat_lightning.data.soundscapes import scorer  # noqa: F401  so that --scorers may name its class
from uat_lightning.metrics.captioning import CaptionScorer, Words

PAGE, SOUNDS = "report.html", "sounds"


def evaluate(
    captions: str | None = None,
    references: str | None = None,
    sounds: str | None = None,
    against: str | None = None,
    model: str | None = None,
    data: str = "soundscapes",
    task: Literal["caption", "generate"] = "caption",
    out: str = "evaluation",
    name: str | None = None,
    audio: str | None = None,
    missing: int = 0,
    words: Words | None = None,
    scorers: list[CaptionScorer] | None = None,
    embedder: str | None = None,
    tagger: str | None = None,
    peak: float | None = None,
    points: int = 0,
    clips: int = 200,
    seed: int = 0,
    steps: int = 50,
    guidance: float | None = None,
    candidates: int = 1,
    batch_size: int = 16,
    device: str = "auto",
) -> None:
    """Score captions, sounds or a model, and write scores.json and a page, report.html, into a folder.

    Captions: --captions mine.jsonl --references refs.csv. Sounds: --sounds made --against true, pairs where the files'
    names are the same, with --references what was asked for. A model: --model runs/quickstart/model --task caption.
    No model of ours is needed for the first two. What cannot be computed is absent and says why.

    Args:
        captions: Captions to score, .jsonl, .csv or .tsv: id (or audio) and caption in each row.
        references: True captions, as above with one or more for a clip, or a list of AudioCaps or Clotho (.csv); for
            sounds, what was asked for.
        sounds: Folder of sounds to score.
        against: Folder of true sounds.
        model: Model folder, whose captions or sounds of --data are scored.
        data: What a model is scored on: soundscapes, a manifest, or a folder of sounds with captions in text files.
        task: What a model is to do.
        out: Folder to write into.
        name: What the scored system is called; after its file where not given.
        audio: Folder of the sounds that captions are of, to listen to on the page.
        missing: Clips of the references that may lack a caption or a sound.
        words: How captions are split into words: Treebank, JavaTreebank (as published scores do) or AlreadySplit;
            Treebank where not given.
        scorers: What is computed of captions, as in --scorers+=Bleu --scorers+=SoundscapesEvents; BLEU, ROUGE-L,
            CIDEr-D, variety and, where Java is there, METEOR where not given, and of a model on soundscapes its events.
        embedder: Who embeds sounds for the Frechet distance: a folder of an embedder, of CLAP or of the Audio
            Spectrogram Transformer, a file of VGGish's weights, or soundscapes: the built-in data's small tagger,
            trained once in a few minutes and kept in the cache.
        tagger: Who tells what is heard, for divergences and the Inception Score: a folder of a tagger, or soundscapes,
            which also finds the events of prompts.
        peak: Level in dBFS that every clip's peak is turned to before it is listened to; -1 is usual, none by default.
        points: Subsets for the Frechet distance at infinitely many clips; 15 is usual, none by default.
        clips: Most clips that a model is scored on.
        seed: Seed of the model's first result; result i has seed + i.
        steps: Steps of the model's solver or text sampler.
        guidance: The model's guidance scale; that of `uat caption` or `uat generate` where not given.
        candidates: Results of the model from which the best is kept.
        batch_size: Clips worked on at once.
        device: cpu, cuda, cuda:1 and so on, or auto.

    Raises:
        ValueError: If something given cannot be used; nothing is written then.
    """
    from uat_lightning.app.evaluation.listeners import listening
    from uat_lightning.app.evaluation.outcome import Draft
    from uat_lightning.app.evaluation.ways import CaptionScoring, ModelWork, of_captions, of_model, of_sounds
    from uat_lightning.app.output import check_numbers

    check_one({"--captions": captions, "--sounds": sounds, "--model": model})
    check_numbers(seed, clips=clips, steps=steps, candidates=candidates, batch_size=batch_size)
    scoring = CaptionScoring.of(words, scorers, missing, None if model is None else data)
    with Draft(Path(out), SOUNDS, FILE, PAGE) as draft:
        if captions is not None:
            outcome = of_captions(captions, references, audio, scoring, name)
        else:
            ears = listening(embedder, tagger, peak, points, batch_size, device)
            if sounds is not None:
                outcome = of_sounds(sounds, against, references, ears, missing, name)
            else:
                work = ModelWork(str(model), data, clips, seed, steps, guidance, candidates, batch_size, device)
                outcome = of_model(work, task, scoring, ears, draft.folder / SOUNDS, name)
        draft.keep(outcome)
    print(
        "\n".join([*outcome.lines(), f"{Path(out) / PAGE}: open it in a browser. {Path(out) / FILE} has all scores."])
    )


def check_one(ways: dict[str, str | None]) -> None:
    """See that exactly one thing to score is named.

    Raises:
        ValueError: If it is none or several.
    """
    given = [option for option, value in ways.items() if value is not None]
    if len(given) != 1:
        raise ValueError(f"name one of {', '.join(ways)} to score, got {' and '.join(given) or 'none'}")
