"""The work behind `uat report`: a model to a page, a table of scores and a few lines for the terminal."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from uat_lightning.app.hearing import Ears
from uat_lightning.app.model import OpenModel
from uat_lightning.app.page import render
from uat_lightning.app.scores import Examination, Results, Settings, plain
from uat_lightning.app.tagger import TaggerRecipe, trained_tagger
from uat_lightning.app.unseen import unseen_clips, unseen_edits
from uat_lightning.data.soundscapes import Soundscapes
from uat_lightning.metrics.embedders.convolutional import ConvolutionalTagger
from uat_lightning.tasks.caption import CAPTIONS

LOWEST_RATE = 16_000  # Hz, below which Soundscapes cannot be rendered


def examine(
    model: OpenModel, settings: Settings, clips: range, recipe: TaggerRecipe | None = None
) -> tuple[str, str, list[str]]:
    """Put a model to the test on unseen Soundscapes.

    Args:
        model: The model.
        settings: How to sample.
        clips: Numbers of the test clips, and of the test edits.
        recipe: How the tagger that listens is trained.

    Returns:
        The page, the scores as JSON, and a summary of a few lines.

    Raises:
        ValueError: If the model's rate is too low for Soundscapes, or no test clip's caption fits its canvas.
    """
    rate, recipe = model.pipeline.sample_rate, recipe or TaggerRecipe()
    if rate < LOWEST_RATE:
        raise ValueError(f"the model works at {rate} Hz; Soundscapes, which test it, need at least {LOWEST_RATE} Hz")
    soundscapes = Soundscapes(sample_rate=rate)
    unseen, edits = unseen_clips(soundscapes, model.parts, clips), unseen_edits(soundscapes, model.parts, clips)
    if len(unseen) < 2 or not edits:
        raise ValueError(
            f"the captions of {len(clips)} test clips do not fit the canvas of {model.parts.tokenizer.canvas}"
        )
    clock = Results(unseen, edits)
    with clock.timed("tagger"):
        tagger, file = trained_tagger(soundscapes, recipe)
    results = Examination(model.parts, Ears(tagger), settings).run(unseen, edits)
    results.seconds |= clock.seconds
    record = {"protocol": _protocol(model, settings, clips, results), **_tagger(tagger, recipe, file, results)}
    record |= {"scores": plain(results.scores), "seconds": results.seconds}
    page = render(results, record, rate)
    return page, json.dumps(record, indent=2, allow_nan=False) + "\n", _summary(record)


def _protocol(model: OpenModel, settings: Settings, clips: range, results: Results) -> dict[str, Any]:
    """Say all that the scores depend on."""
    kept = {"clips": results.clips, "edits": results.edits}
    return {
        "data": "Soundscapes, seed 0, test split",
        "first": clips.start,
        "clips": len(results.clips),
        "edits": len(results.edits),
        "left_out_for_long_captions": {name: len(clips) - len(found) for name, found in kept.items()},
        "prompt": "first reference caption that fits the canvas, at the clip's true duration",
        "captions": f"best of {CAPTIONS} by log p(text | audio) + log p(audio | text); single_candidate is the first",
        "order": "by duration, then index; row i draws from seed + i",
        **asdict(settings),
        "model": model.identity,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in ("torch", "lightning")}},
    }


def _tagger(tagger: ConvolutionalTagger, recipe: TaggerRecipe, file: Path, results: Results) -> dict[str, Any]:
    """Say who listened, and how well it hears."""
    return {
        "tagger": {
            "trained_on": "real Soundscapes, train split",
            "recipe": asdict(recipe),
            "identity": tagger.identity,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "threshold": plain(float(tagger.threshold)),
            "on_true_clips": plain(results.scores["generation"]["true_clips"]["all"]),
            "on_codec_round_trips": plain(results.scores["generation"]["codec"]["all"]),
        }
    }


def _trained(editing: dict[str, Any]) -> dict[str, float | None]:
    """Return the figures of a model that was trained on edits; none for others."""
    methods = {
        "source_conditioned": "by instruction",
        "source_conditioned_single": "by instruction, not chosen of several",
        "instructed": "as said",
    }
    names = ("target_present", "untouched_kept", "deleted_gone")
    return {
        f"edits {how}: {name.replace('_', ' ')}": editing[method]["all"][name]
        for method, how in methods.items()
        if method in editing
        for name in names
    }


def _summary(record: dict[str, Any]) -> list[str]:
    captioning, generation, editing = (record["scores"][task] for task in ("captioning", "generation", "editing"))
    guided, plain_guidance = (generation[name]["all"]["event_f1"] for name in ("guided", "without_guidance"))
    bounds = (generation[name]["all"]["event_f1"] for name in ("true_clips", "codec"))
    figures = {
        "captions: event F1": captioning["all"]["event_f1"],
        "captions: order right": captioning["all"]["relations_right"],
        "captions, not chosen of several: event F1": captioning["single_candidate"]["event_f1"],
        "captions, not chosen of several: order right": captioning["single_candidate"]["relations_right"],
        "generated: event F1, guided": guided,
        "generated: event F1, without guidance": plain_guidance,
        **dict(zip(("true clips: event F1", "codec: event F1"), bounds, strict=True)),
        "edits: target present": editing["edited"]["all"]["target_present"],
        **_trained(editing),
    }
    return [f"{name:62}{'-' if value is None else f'{value:.3f}'}" for name, value in figures.items()]
