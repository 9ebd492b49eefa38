"""What of an examination hurts a training, and what is good to know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from uat_lightning.data.doctor.overlap import Place

EXAMPLES = 5
MANY_REPEATED = 0.1  # share of captions that are there already, from which it is worth telling


@dataclass(frozen=True)
class Finding:
    """Something found in the data.

    Args:
        hurts: Whether a training suffers from it; else it is good to know.
        title: What was found, in the plural.
        count: How many clips, rows or groups of clips.
        advice: What it means and what can be done.
        examples: The first of them.
    """

    hurts: bool
    title: str
    count: int
    advice: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """What findings are drawn from: clips and groups of clips by what is the matter with them.

    Args:
        left_out: A line for each row or file left out before any was read.
        unreadable: A line for each clip that cannot be read.
        overlap: Groups of clips in several splits: of one name in one source ("same_name") or in several
            ("shared_names"), from one file ("same_file"), of the same sound ("same_sound"), of one recording by their
            names ("same_recording").
        missing: Clips of official lists that have no sound file.
        unlisted: Sources that could not be examined.
        repeated: Clips of the same sound in one split.
        marked: Clips that are "silent", "mostly_silent" (for more than half of their time), "clipped", or "narrow"
            (their sound ends far below what their rate can hold).
        captions: Number of all captions.
        repeated_captions: Captions that are there already.
        empty_captions: Captions without a word.
    """

    left_out: Sequence[str]
    unreadable: Sequence[str]
    overlap: Mapping[str, Sequence[Sequence[Place]]]
    missing: int
    unlisted: Sequence[str]
    repeated: Sequence[Sequence[Place]]
    marked: Mapping[str, Sequence[Place]]
    captions: int
    repeated_captions: int
    empty_captions: int


def findings(evidence: Evidence) -> list[Finding]:
    """Return what was found, what hurts first."""
    found = [*_of_files(evidence), *_of_splits(evidence), *_of_sound(evidence), *_of_captions(evidence)]
    return sorted((finding for finding in found if finding.count), key=lambda finding: not finding.hurts)


def _of_files(evidence: Evidence) -> Iterator[Finding]:
    yield _lines(evidence.left_out, "Rows or files left out of the list", "Training never sees them.")
    advice = "Scores on a part of a test split compare with nothing: say how many clips there were."
    yield Finding(False, "Clips of official lists without a sound file", evidence.missing, advice)
    advice = "Their clips are no files that could be read one by one."
    yield Finding(False, "Sources that were not examined", len(evidence.unlisted), advice, tuple(evidence.unlisted))
    yield _lines(evidence.unreadable, "Clips that cannot be read", "Training leaves them out. Fetch or cut them anew.")


def _of_splits(evidence: Evidence) -> Iterator[Finding]:
    remedy = "Scores on clips that were trained on say nothing: take them out of one split."
    yield _groups(True, evidence.overlap["same_name"], "Names in more than one split", remedy)
    yield _groups(True, evidence.overlap["same_recording"], "Recordings in more than one split, by their names", remedy)
    advice = "Where names are ids, a clip is trained on in one source and scored in another."
    yield _groups(False, evidence.overlap["shared_names"], "Names in other splits of other sources", advice)
    yield _groups(True, evidence.overlap["same_file"], "Files with clips in more than one split", remedy)
    yield _groups(True, evidence.overlap["same_sound"], "Sounds in more than one split under different names", remedy)
    yield _groups(
        False, evidence.repeated, "Sounds that a split holds several times", "They weigh more than others in training."
    )


def _of_sound(evidence: Evidence) -> Iterator[Finding]:
    yield _clips(
        True, evidence.marked["silent"], "Clips in which nothing is heard", "Their captions teach silence: remove them."
    )
    yield _clips(
        False,
        evidence.marked["mostly_silent"],
        "Clips that are silent for more than half of their time",
        "Padded ones are better cut to their sound. Loudness and similarity scores suffer from silence.",
    )
    yield _clips(False, evidence.marked["clipped"], "Clips that sound clipped", "A generator learns the distortion.")
    yield _clips(
        False,
        evidence.marked["narrow"],
        "Clips whose sound ends below three quarters of the band",
        "Resampled from a lower rate, strongly compressed, or low by nature. A generator learns the missing treble.",
    )


def _of_captions(evidence: Evidence) -> Iterator[Finding]:
    advice = "A caption without a word teaches nothing: write one, or remove the clip."
    yield Finding(True, "Captions without a word", evidence.empty_captions, advice)
    many = evidence.repeated_captions > MANY_REPEATED * evidence.captions
    advice = "Fine for labels; of written captions it is a sign that rows were joined wrongly."
    yield Finding(False, "Captions that other clips have too", evidence.repeated_captions if many else 0, advice)


def _lines(lines: Sequence[str], title: str, advice: str) -> Finding:
    return Finding(True, title, len(lines), advice, tuple(lines[:EXAMPLES]))


def _clips(hurts: bool, clips: Sequence[Place], title: str, advice: str) -> Finding:
    return Finding(hurts, title, len(clips), advice, tuple(map(_name, clips[:EXAMPLES])))


def _groups(hurts: bool, groups: Sequence[Sequence[Place]], title: str, advice: str) -> Finding:
    examples = tuple(" = ".join(map(_name, places[:4])) for places in groups[:EXAMPLES])
    return Finding(hurts, title, len(groups), advice, examples)


def _name(place: Place) -> str:
    return f"{place[2]} ({place[1]})"
