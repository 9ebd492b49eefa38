from __future__ import annotations

import pytest

from uat_lightning.data.soundscapes import Soundscapes
from uat_lightning.data.soundscapes.parse import parse
from uat_lightning.text import Applied, Phrases, Pointing, Said, read_instruction
from uat_lightning.text.phrases import stem, with_article


class SameClass(Pointing):
    """Knows which nouns of Soundscapes mean the same class: a chime is a bell."""

    def find(self, phrases: Phrases, description: str) -> int | None:
        (wanted,) = parse(description).mentions
        named = [[mention.name for mention in parse(phrase.words).mentions] for phrase in phrases.each]
        return next((number for number, names in enumerate(named) if wanted.name in names), None)


def test_captions_of_200_triplets_follow_their_own_instructions():
    """From any true caption of the source to the target's events in their order, its new attributes included."""
    for index in range(200):
        edit = Soundscapes().edit("train", index)
        scene = edit.target.scene
        for caption in edit.source.captions[:3]:
            told = parse(read_instruction(edit.instruction).apply(caption, SameClass()))
            what = (edit.instruction, caption, told)
            assert sorted(mention.name for mention in told.mentions) == sorted(event.name for event in scene.events), (
                what
            )
            true = {event.name: event.attributes for event in scene.events}
            assert all(mention.attributes <= true[mention.name] for mention in told.mentions), what
            located = any(word in edit.instruction.split() for word in ("over", "during", "after", "before"))
            if edit.operation != "add" or located:
                assert set(told.relations) == set(scene.relations), what


@pytest.mark.parametrize(
    ("caption", "instruction", "wanted"),
    [
        ("a bell rings, then rain falls", "replace the bell with a siren", "a siren, then rain falls"),
        ("a bell rings while rain falls", "swap the rain for wind", "a bell rings while wind"),
        ("A dog barks, then birds chirp.", "turn the bird into a flute", "A dog barks, then a flute"),
        ("after a bell rings, rain falls", "remove the rain", "a bell rings"),
        ("rain falls after a bell rings", "remove the rain", "a bell rings"),
        ("a dog barks while rain falls and wind blows", "get rid of the rain", "a dog barks and wind blows"),
        ("a bell rings then a dog barks while rain falls", "delete the dog", "a bell rings then rain falls"),
        ("a bell rings and then rain falls", "Please delete the barking rain.", "a bell rings"),
        ("a bell rings", "add rain", "a bell rings with rain"),
        ("a bell rings", "add a dog at the beginning", "a dog then a bell rings"),
        ("a bell rings, then rain falls", "add a dog at the end", "a bell rings, then rain falls followed by a dog"),
        (
            "a bell rings, then rain falls",
            "insert a dog after the bell",
            "a bell rings followed by a dog, then rain falls",
        ),
        ("a bell rings, then rain falls", "put in a dog before the rain", "a bell rings then a dog, then rain falls"),
        ("a bell rings, then rain falls", "mix in a dog over the rain", "a bell rings, then rain falls with a dog"),
        ("a soft bell rings", "make the bell louder", "a loud bell rings"),
        ("a bell rings in the distance", "make the bell louder", "a loud bell rings"),
        ("an engine runs slowly while rain falls", "speed up the engine", "a fast engine runs while rain falls"),
        ("rain falls loudly", "turn down the rain", "quiet rain falls"),
        ("rain falls loudly", "turn the rain down", "quiet rain falls"),
        ("the sound of a high pitched drum", "make the drum deeper", "the sound of a low drum"),
        ("a man speaks as a crowd cheers", "remove the crowd from the recording", "a man speaks"),
        ("a man speaks as well as a woman", "use a child instead of the woman", "a man speaks as well as a child"),
        ("a woman is speaking, birds chirp", "mute the woman speaking", "birds chirp"),
    ],
)
def test_free_captions_follow_instructions(caption: str, instruction: str, wanted: str):
    assert read_instruction(instruction).apply(caption) == wanted


@pytest.mark.parametrize(
    ("caption", "instruction", "says"),
    [
        ("a bell rings", "remove the dog", "'the dog' names nothing that is heard: the caption is 'a bell rings'"),
        ("a deep bell rings", "remove the deep drum", "names nothing that is heard"),
        ("", "remove the dog", "names nothing that is heard"),
        ("a bell rings", "add rain over the dog", "'the dog' names nothing that is heard"),
        ("a bell rings", "remove the bell", "nothing is left to hear without the bell"),
    ],
)
def test_an_instruction_that_cannot_be_followed_is_refused(caption: str, instruction: str, says: str):
    with pytest.raises(ValueError, match=says):
        read_instruction(instruction).apply(caption)


@pytest.mark.parametrize("text", ["", "sing a song", "the bell", "make the bell green", "add", "replace the bell"])
def test_what_is_no_instruction_is_refused(text: str):
    with pytest.raises(ValueError, match=r"cannot read the instruction .* begin with add, remove, replace or make"):
        read_instruction(text)


@pytest.mark.parametrize("split", ["train", "test"])
def test_captions_are_cut_into_their_sounds_and_joined_again(split: str):
    for index in range(60):
        clip = Soundscapes().clip(split, index)
        for caption in clip.captions:
            phrases = Phrases.of(caption)
            assert len(phrases.each) == len(clip.scene.events), caption
            assert parse(str(phrases)) == parse(caption)
            if not caption.startswith(("after", "while")):
                assert str(phrases) == caption


def test_words_are_compared_without_their_endings():
    assert stem("barking") == stem("barks") == stem("barked") == stem("bark")
    assert stem("engines") == stem("engine") and stem("hiss") == "hiss" and stem("cries") == stem("cry")


def test_what_is_named_is_introduced():
    assert with_article("the deep bell") == "a deep bell" and with_article("the engine") == "an engine"
    assert with_article("the birds") == "birds" and with_article("the rain") == "rain"


@pytest.mark.parametrize(
    ("words", "only_adds"),
    [
        ("add a bell after the rain", True),
        ("remove the rain", False),
        ("replace the bell with a siren", False),
        ("make the bell louder", False),
        ("make the bell more distant", False),
        ("sing about the rain", False),  # no rule reads it
    ],
)
def test_an_instruction_says_whether_it_only_adds(words: str, only_adds: bool):
    assert Said(words).only_adds is Applied(words, "a bell rings").only_adds is only_adds
    if only_adds:
        assert read_instruction(words).only_adds
