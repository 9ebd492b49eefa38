"""One walk over all clips, and all that is learnt from it."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import Any, TextIO

from uat_lightning.data.doctor.captions import CaptionTally
from uat_lightning.data.doctor.findings import Evidence, Finding, findings
from uat_lightning.data.doctor.listed import Listed
from uat_lightning.data.doctor.measurement import Measurement
from uat_lightning.data.doctor.overlap import Overlap, Place, named
from uat_lightning.data.doctor.reading import measurements
from uat_lightning.data.doctor.tally import CLIPPED, MOSTLY, Tally, histogram, is_narrow, is_silent
from uat_lightning.data.identity import key, keys_of_file
from uat_lightning.data.manifest import Entry

Key = tuple[str, str]  # source and split


@dataclass
class Examination:
    """What is known of the clips so far; nothing of it grows with their length.

    Args:
        listed: The clips.
        sounds: What the clips of each split have in common.
        captions: What their captions have in common.
        unreadable: The place of each clip that cannot be read, and the reason.
        marked: Places of clips by what is the matter with them.
        names: Clips by name.
        identities: Clips by the recording that they are part of, as far as their names tell.
        files: Clips by file.
        digests: Clips by their samples.
        seconds: Seconds that the walk took.
    """

    listed: Listed
    sounds: dict[Key, Tally] = field(default_factory=dict)
    captions: dict[Key, CaptionTally] = field(default_factory=lambda: defaultdict(CaptionTally))
    unreadable: list[tuple[Place, str]] = field(default_factory=list)
    marked: dict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))
    names: Overlap = field(default_factory=Overlap)
    identities: Overlap = field(default_factory=Overlap)
    files: Overlap = field(default_factory=Overlap)
    digests: Overlap = field(default_factory=Overlap)
    seconds: float = 0.0

    def add(self, source: str, split: str, entry: Entry, clip: Measurement) -> Place:
        """Take in a clip."""
        place, key = (source, split, printable(entry.uid)), (source, split)
        self.sounds.setdefault(key, Tally(self.listed.sample_rate)).add(clip)
        self.captions[key].add(entry.captions)
        self.names.add(entry.uid, place)
        self.files.add(str(entry.file), place)
        for each in recordings(entry):
            self.identities.add(each, place)
        if clip.problem:
            self.unreadable.append((place, clip.problem))
        elif is_silent(clip):
            self.marked["silent"].append(place)
        else:
            self.digests.add(clip.digest, place)
            self._mark(place, clip)
        return place

    def _mark(self, place: Place, clip: Measurement) -> None:
        told = {
            "mostly_silent": clip.silence > MOSTLY,
            "clipped": clip.clipped > CLIPPED,
            "narrow": is_narrow(clip, self.listed.sample_rate),
        }
        for name, true in told.items():
            if true:
                self.marked[name].append(place)

    @property
    def findings(self) -> list[Finding]:
        """What was found, what hurts first."""
        captions = [tally.summary() for tally in self.captions.values()]
        evidence = Evidence(
            left_out=self.listed.reasons,
            unreadable=[problem for _, problem in self.unreadable],
            overlap=self._overlapping(),
            repeated=self.digests.within(),
            marked=self.marked,
            missing=sum(lists.missing for lists in self.listed.coverage),
            unlisted=self.listed.unlisted,
            captions=sum(some["captions"] for some in captions),
            repeated_captions=sum(some["repeated"] for some in captions),
            empty_captions=sum(some["empty"] for some in captions),
        )
        return findings(evidence)

    def _overlapping(self) -> dict[str, list[list[Place]]]:
        """Return what lies in several splits, each group under the first of the reasons there are."""
        by_name, by_file = self.names.across(), self.files.across()
        same_name = [places for places in by_name if len({source for source, _, _ in places}) == 1]
        same_file = [places for places in by_file if places not in same_name]
        told = {place for places in (*same_name, *same_file) for place in places}
        same_sound = [places for places in self.digests.across() if not told.issuperset(places)]
        told.update(place for places in same_sound for place in places)
        recording = [places for places in self.identities.across() if not told.issuperset(places)]
        told.update(place for places in recording for place in places)
        shared = [places for places in by_name if not told.issuperset(places)]
        told_first = {"same_name": same_name, "same_file": same_file, "same_sound": same_sound}
        return {**told_first, "same_recording": recording, "shared_names": shared}

    def record(self) -> dict[str, Any]:
        """Return everything as plain values."""
        clips = sum(tally.summary()["clips"] for tally in self.sounds.values())
        return {
            "clips": clips,
            "seconds_taken": round(self.seconds, 2),
            "clips_per_second": round(clips / self.seconds, 1) if self.seconds else None,
            "longest_seconds": max(part.longest for part in self.listed.parts),
            "sample_rate": self.listed.sample_rate,
            "findings": [asdict(finding) for finding in self.findings],
            "splits": [
                {
                    "source": source,
                    "split": split,
                    **tally.summary(),
                    "captions": self.captions[source, split].summary(),
                }
                for (source, split), tally in self.sounds.items()
            ],
            "histograms": self._histograms(),
            "coverage": [{**asdict(lines), "line": str(lines)} for lines in self.listed.coverage],
            "not_examined": self.listed.unlisted,
            "left_out": [printable(reason) for reason in self.listed.reasons],
            "unreadable": [{**named([[place]])[0][0], "reason": printable(why)} for place, why in self.unreadable],
            "silent": [dict(each) for each in named([self.marked["silent"]])[0]],
            "overlap": self._overlaps(),
        }

    def _histograms(self) -> dict[str, Any]:
        tallies = self.sounds.values()
        return {
            "seconds": histogram([value for tally in tallies for value in tally.seconds], 0.0),
            "bandwidth_hz": histogram([value for tally in tallies for value in tally.bandwidths], 0.0),
            "rms_dbfs": histogram([value for tally in tallies for value in tally.levels], -80.0, 0.0),
            "silence_share": histogram([value for tally in tallies for value in tally.silences], 0.0, 1.0),
        }

    def _overlaps(self) -> dict[str, Any]:
        return {
            "recordings_in_several_splits": named(self.identities.across()),
            "names_in_several_splits": named(self.names.across()),
            "files_in_several_splits": named(self.files.across()),
            "sounds_in_several_splits": named(self.digests.across()),
            "sounds_in_several_sources": named(self.digests.between_sources()),
            "sounds_several_times_in_a_split": named(self.digests.within()),
        }


def examine(listed: Listed, workers: int, clips: TextIO | None = None) -> Examination:
    """Read every clip once.

    Args:
        listed: The clips.
        workers: Processes that read; 0 to read in this one.
        clips: Takes a line of JSON for each clip, with all that was measured of it.

    Raises:
        ValueError: If there is no clip.
    """
    if not len(listed):
        raise ValueError("; ".join(["no clip to examine", *listed.reasons[:3]]))
    found, began = Examination(listed), time.monotonic()
    for (source, split, entry), clip in zip(listed, measurements(listed, workers), strict=True):
        place = found.add(source, split, entry, clip)
        if clips:
            clips.write(json.dumps({**named([[place]])[0][0], **_measured(clip)}) + "\n")
    found.seconds = time.monotonic() - began
    return found


def recordings(entry: Entry) -> set[str]:
    """Return the recordings that a clip may be part of: videos of YouTube, sounds of Freesound and so on."""
    known = {key(entry.identity), *entry.aliases} if entry.identity else keys_of_file(entry.name)
    return {each for each in known if not each.startswith("name:")}


def printable(text: str) -> str:
    """Return a name as it can be written down: names of files may be no Unicode."""
    return text.encode("utf-8", "backslashreplace").decode()


def _measured(clip: Measurement) -> dict[str, Any]:
    return {"problem": printable(clip.problem)} if clip.problem else {**asdict(clip), "seconds": round(clip.seconds, 6)}
