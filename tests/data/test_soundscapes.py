"""Soundscapes is deterministic, truthful, parseable and fast."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import subprocess
import sys
import time
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest

import uat_lightning.data.soundscapes as package
from uat_lightning.data.soundscapes import EVENTS, HELD_OUT_PAIRS, Event, Scene, Soundscapes, parse
from uat_lightning.data.soundscapes.edits import draw_change
from uat_lightning.data.soundscapes.performance import COUNTS, Samples
from uat_lightning.data.soundscapes.render import active_level, render_event
from uat_lightning.data.soundscapes.vocabulary import AFTER_VERB, ATTRIBUTES, BEFORE_NOUN

RATE = 16000
DIGEST = """
import hashlib
from uat_lightning.data.soundscapes import Soundscapes
data = Soundscapes()
clip, edit = data.clip("test", 7), data.edit("train", 3)
text = repr((clip.captions, edit.instruction, edit.target.captions)).encode()
print(hashlib.sha256(clip.audio.tobytes() + edit.target.stems.tobytes() + text).hexdigest())
"""


@pytest.fixture(scope="module")
def data() -> Soundscapes:
    return Soundscapes()


@pytest.fixture(scope="module")
def sentences(data: Soundscapes) -> list[tuple[Scene, str]]:
    rng = np.random.default_rng(0)
    scenes = [data.scene(split, index) for split in ("train", "test") for index in range(600)]
    return [(scene, text) for scene in scenes for text in data.captions(scene, 5, rng)]


def sound(name: str, *attributes: str, seed: int = 0, duration: float = 1.6) -> Samples:
    counted = {"once"} if EVENTS[name].counted and not COUNTS.keys() & set(attributes) else set()
    return render_event(Event(name, frozenset(attributes) | counted, 0.0, duration, seed), RATE)


def centroid(audio: Samples) -> float:
    power = np.abs(np.fft.rfft(audio)) ** 2
    return float((np.fft.rfftfreq(len(audio), 1.0 / RATE) * power).sum() / power.sum())


def test_the_same_bytes_in_every_process() -> None:
    def digest(hash_seed: str) -> str:
        source = str(Path(package.__file__).parents[3])
        paths = os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": paths}
        return subprocess.check_output([sys.executable, "-c", DIGEST], env=environment, text=True)

    assert digest("1") == digest("2")


def test_order_and_pickling_do_not_matter(data: Soundscapes) -> None:
    forwards = [data.clip("train", index) for index in range(5)]
    copy = pickle.loads(pickle.dumps(data))
    backwards = [copy.clip("train", index) for index in reversed(range(5))][::-1]
    for first, second in zip(forwards, backwards, strict=True):
        assert first.audio.tobytes() == second.audio.tobytes()
        assert (first.uid, first.scene, first.captions) == (second.uid, second.scene, second.captions)


def test_clips_have_the_promised_shape(data: Soundscapes) -> None:
    for index in range(60):
        clip = data.clip("validation", index)
        assert clip.audio.dtype == clip.stems.dtype == np.float32
        assert clip.stems.shape == (len(clip.scene.events), round(clip.scene.duration * RATE))
        assert np.array_equal(clip.audio, clip.stems.sum(0))
        assert np.isfinite(clip.audio).all()
        assert np.abs(clip.audio).max() < 0.95
        assert 3.0 <= clip.scene.duration <= 4.0
        assert len(clip.captions) == 5
    assert clip.uid == "soundscapes/validation/00059"
    assert len(data.clip("train", 0).captions) == 8


def test_an_unknown_split_names_the_known_ones(data: Soundscapes) -> None:
    for method in (data.clip, data.edit, data.scene):
        with pytest.raises(ValueError, match="train, validation, test"):
            method("valid", 0)


def test_splits_and_seeds_are_disjoint(data: Soundscapes) -> None:
    seen = {
        hashlib.sha256(dataset.clip(split, index).audio.tobytes()).hexdigest()
        for dataset in (data, Soundscapes(seed=1))
        for split in ("train", "validation", "test")
        for index in range(20)
    }
    assert len(seen) == 120


def test_scenes_follow_their_relations(data: Soundscapes) -> None:
    sizes = np.zeros(4)
    for index in range(1000):
        scene = data.scene("train", index)
        sizes[len(scene.events)] += 1
        assert len({event.name for event in scene.events}) == len(scene.events)
        assert all(event.onset >= 0.0 and event.end <= scene.duration for event in scene.events)
        assert all(0 <= len(event.attributes) <= 2 for event in scene.events)
        assert follows_its_groups(scene)
    assert np.allclose(sizes[1:] / 1000, [0.35, 0.50, 0.15], atol=0.05)


def follows_its_groups(scene: Scene) -> bool:
    """Whether groups come one after another and the shorter event of a pair lies within the longer one."""
    apart = all(
        min(event.onset for event in after) >= max(event.end for event in before)
        for before, after in pairwise(scene.groups)
    )
    pairs = [sorted(group, key=lambda event: event.duration) for group in scene.groups if len(group) == 2]
    within = all(long.onset - 0.002 <= short.onset and short.end <= long.end + 0.002 for short, long in pairs)
    return apart and within


def test_held_out_pairs_meet_only_in_test(data: Soundscapes) -> None:
    assert {name for pair in HELD_OUT_PAIRS for name in pair} == set(EVENTS)
    assert 0.06 < len(HELD_OUT_PAIRS) / (len(EVENTS) * (len(EVENTS) - 1) / 2) < 0.10
    assert not any(data.scene("train", index).held_out for index in range(3000))
    assert not any(data.scene("validation", index).held_out for index in range(500))
    several = [scene for scene in (data.scene("test", index) for index in range(800)) if len(scene.events) > 1]
    assert 0.4 < np.mean([scene.held_out for scene in several]) < 0.6
    for index in range(500):
        change = draw_change(np.random.default_rng(index), 3.0, 4.0, may_hold_out=False)
        assert not change.source.held_out
        assert not change.target.held_out


def test_parse_inverts_the_grammar(sentences: list[tuple[Scene, str]]) -> None:
    for scene, text in sentences:
        parsed = parse(text)
        truth = {event.name: event.attributes for event in scene.events}
        assert sorted(mention.name for mention in parsed.mentions) == sorted(truth), text
        assert parsed.relations == scene.relations, text
        assert all(mention.attributes <= truth[mention.name] for mention in parsed.mentions), text


def test_captions_are_short_and_use_few_words(sentences: list[tuple[Scene, str]]) -> None:
    words = {word for _, text in sentences for word in re.findall(r"[a-z]+", text)}
    assert max(len(text.split()) for _, text in sentences) <= 24
    assert len(words) < 220
    assert all(re.fullmatch(r"[a-z, ]+", text) and "  " not in text for _, text in sentences)
    assert all("a a" not in text and not re.search(r"\ba [aeiou]|\ban [^aeiou]", text) for _, text in sentences)


def test_captions_are_distinct_and_name_every_attribute(data: Soundscapes, sentences: list[tuple[Scene, str]]) -> None:
    distinct = [len(set(data.clip("train", index).captions)) for index in range(100)]
    assert np.mean(distinct) > 7.0
    named = {attribute for _, text in sentences for mention in parse(text).mentions for attribute in mention.attributes}
    assert named == {attribute for kind in ATTRIBUTES.values() for attribute in kind}
    assert named == BEFORE_NOUN.keys() | AFTER_VERB.keys()


def test_words_belong_to_one_class() -> None:
    words = {
        name: {part for phrase in kind.phrases for part in (phrase.noun, phrase.verb)} for name, kind in EVENTS.items()
    }
    for first, second in combinations(words, 2):
        assert not words[first] & words[second]


@pytest.mark.parametrize(
    "text", ["", ",", ", , after", "twice", "while", "a bell then", "Ünïcode 42 !?", "and and bell bell"]
)
def test_parse_accepts_any_text(text: str) -> None:
    read = parse(text)
    said = {mention.name for mention in read.mentions}
    assert said <= set(EVENTS)
    assert {name for first, _, second in read.relations for name in (first, second)} <= said


def test_parse_orders_before_and_after() -> None:
    expected = (("rain", "then", "bell"),)
    for text in ("A bell after rain.", "after the rain, a bell", "rain before a bell", "rain followed by a bell"):
        assert parse(text).relations == expected
    assert parse("rain while a bell rings").relations == parse("a bell with rain").relations
    assert parse("a deep bell rings twice in the distance").mentions[0].attributes == {"low", "twice", "distant"}


@pytest.mark.parametrize("name", EVENTS)
def test_every_class_is_audible_and_bounded(name: str) -> None:
    for seed, duration in enumerate((0.5, 0.9, 2.0, 3.7)):
        audio = sound(name, seed=seed, duration=duration)
        assert audio.dtype == np.float32
        assert len(audio) == round(duration * RATE)
        assert np.isfinite(audio).all()
        assert np.abs(audio).max() < 0.475
        assert abs(audio[0]) < 1e-3
        assert abs(audio[-1]) < 1e-3
        assert active_level(audio, RATE) > 10 ** (-27 / 20)


@pytest.mark.parametrize("name", [name for name, kind in EVENTS.items() if "pitch" in kind.kinds])
def test_high_sounds_higher_than_low(name: str) -> None:
    for seed in range(3):
        assert centroid(sound(name, "high", seed=seed)) > 1.4 * centroid(sound(name, "low", seed=seed))


@pytest.mark.parametrize("name", EVENTS)
def test_loud_is_well_above_quiet_and_quiet_is_audible(name: str) -> None:
    for seed in range(3):
        loud, quiet = (active_level(sound(name, word, seed=seed), RATE) for word in ("loud", "quiet"))
        assert 8.0 < 20.0 * np.log10(loud / quiet) < 14.0


@pytest.mark.parametrize("name", [name for name, kind in EVENTS.items() if "reach" in kind.kinds])
def test_distant_is_duller_and_quieter(name: str) -> None:
    near, far = sound(name), sound(name, "distant")
    assert centroid(far) < centroid(near)
    assert active_level(far, RATE) < active_level(near, RATE)


@pytest.mark.parametrize("name", ["knock", "drum", "dog"])
@pytest.mark.parametrize("word", COUNTS)
def test_counts_can_be_counted(name: str, word: str) -> None:
    audio = sound(name, word, duration=0.2 + 0.38 * COUNTS[word])
    frames = np.sqrt(np.square(audio[: len(audio) // 320 * 320].reshape(-1, 320)).mean(1))
    sounding = np.concatenate([[False], frames > 0.25 * frames.max()])
    assert int((sounding[1:] & ~sounding[:-1]).sum()) == COUNTS[word]


def test_edits_change_one_event_and_keep_the_others(data: Soundscapes) -> None:
    operations = set()
    for index in range(90):
        edit = data.edit("train", index)
        operations.add(edit.operation)
        source = dict(zip(edit.source.scene.events, edit.source.stems, strict=True))
        target = dict(zip(edit.target.scene.events, edit.target.stems, strict=True))
        kept = source.keys() & target.keys()
        gone, new = [sorted(event.name for event in stems.keys() - kept) for stems in (source, target)]
        assert (len(gone), len(new)) == {"add": (0, 1), "delete": (1, 0), "replace": (1, 1)}[edit.operation]
        assert all(source[event].tobytes() == target[event].tobytes() for event in kept)
        named = [mention.name for mention in parse(edit.instruction).mentions]
        assert named[: len(gone + new)] == gone + new
        assert {*named} <= {event.name for event in source} | {event.name for event in target}
    assert operations == {"add", "delete", "replace"}


def test_edited_scenes_are_as_valid_as_drawn_ones() -> None:
    for index in range(600):
        change = draw_change(np.random.default_rng([5, index]), 3.0, 4.0, may_hold_out=True)
        for scene in (change.source, change.target):
            assert follows_its_groups(scene)
            assert all(event.onset >= 0.0 and event.end <= scene.duration for event in scene.events)
            assert all(event.duration > 0.4 for event in scene.events)
        truth = {event.name: event.attributes for event in (*change.source.events, *change.target.events)}
        assert all(mention.attributes <= truth[mention.name] for mention in parse(change.instruction).mentions)


def test_two_hundred_clips_take_little_time(data: Soundscapes) -> None:
    longest = replace(data, shortest=4.0)
    start = time.process_time()
    for index in range(200):
        longest.clip("train", index)
    assert 200.0 / (time.process_time() - start) > 150.0
