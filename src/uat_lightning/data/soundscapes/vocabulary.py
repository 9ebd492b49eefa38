"""The event classes: what each is called, what may be said about it and how it is synthesised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from . import impacts, noises, tones
from .performance import Performance, Samples

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "pitch": ("low", "high"),
    "level": ("quiet", "loud"),
    "reach": ("quiet", "loud", "distant"),
    "rate": ("slow", "fast"),
    "count": ("once", "twice", "three times"),
}
BEFORE_NOUN: dict[str, tuple[str, ...]] = {
    "low": ("low", "deep"),
    "high": ("high", "high pitched"),
    "quiet": ("quiet", "soft"),
    "loud": ("loud",),
    "distant": ("distant", "faraway"),
    "slow": ("slow",),
    "fast": ("fast", "rapid"),
}
AFTER_VERB: dict[str, tuple[str, ...]] = {
    "quiet": ("quietly", "softly"),
    "loud": ("loudly",),
    "distant": ("in the distance",),
    "slow": ("slowly",),
    "fast": ("rapidly", "quickly"),
    "once": ("once",),
    "twice": ("twice",),
    "three times": ("three times",),
}


@dataclass(frozen=True)
class Phrase:
    """One way to name a class: a noun that no other class uses, a verb that agrees, and whether it takes a or an."""

    noun: str
    verb: str
    article: bool = True


@dataclass(frozen=True)
class EventClass:
    """A kind of sound: name, phrases, kinds of attribute it may have, synthesiser and longest duration in seconds."""

    name: str
    phrases: tuple[Phrase, ...]
    kinds: tuple[str, ...]
    synthesise: Callable[[Generator, Performance], Samples]
    longest: float = 10.0

    @property
    def counted(self) -> bool:
        """Whether the sound is struck a countable number of times."""
        return "count" in self.kinds

    @property
    def attributes(self) -> tuple[str, ...]:
        """Every attribute the class may have."""
        return tuple(attribute for kind in self.kinds for attribute in ATTRIBUTES[kind])


def _phrases(*texts: str) -> tuple[Phrase, ...]:
    """Read phrases written as article, noun and verb separated by slashes, the article empty for none."""
    parts = [text.split("/") for text in texts]
    return tuple(Phrase(noun, verb, article != "") for article, noun, verb in parts)


_CLASSES = (
    EventClass(
        "rising glide", _phrases("a/rising glide/climbs", "an/upward slide/soars"), ("level",), tones.rising_glide, 2.0
    ),
    EventClass(
        "falling glide",
        _phrases("a/falling glide/descends", "a/downward slide/sinks"),
        ("level",),
        tones.falling_glide,
        2.0,
    ),
    EventClass("hiss", _phrases("a/hiss/lingers", "/steam/escapes"), ("level",), noises.hiss),
    EventClass("rumble", _phrases("a/rumble/shakes", "an/earthquake/rumbles"), ("level",), noises.rumble),
    EventClass("bell", _phrases("a/bell/rings", "a/chime/rings"), ("count", "pitch", "reach"), impacts.bell),
    EventClass("engine", _phrases("an/engine/runs", "a/motor/idles"), ("rate", "level"), tones.engine),
    EventClass("siren", _phrases("a/siren/wails", "an/ambulance/wails"), ("rate", "reach"), tones.siren),
    EventClass("clock", _phrases("a/clock/ticks", "a/metronome/clicks"), ("rate", "level"), impacts.clock),
    EventClass("birds", _phrases("a/bird/chirps", "/birds/sing"), ("level",), impacts.birds),
    EventClass("rain", _phrases("/rain/falls", "/rainfall/patters"), ("level",), noises.rain),
    EventClass("wind", _phrases("/wind/blows", "a/breeze/blows"), ("level",), noises.wind),
    EventClass("knock", _phrases("a/fist/knocks", "a/hammer/taps"), ("count", "level"), impacts.knock),
    EventClass("buzzer", _phrases("a/buzzer/buzzes", "a/shaver/buzzes"), ("pitch", "level"), tones.buzzer),
    EventClass("drum", _phrases("a/drum/booms", "a/tom/thumps"), ("count", "pitch", "level"), impacts.drum),
    EventClass("whistle", _phrases("a/whistle/wavers", "a/flute/plays"), ("pitch", "level"), tones.whistle),
    EventClass("bubbles", _phrases("/water/bubbles", "a/brook/gurgles"), ("rate", "level"), impacts.bubbles),
    EventClass(
        "helicopter",
        _phrases("a/helicopter/flies", "a/rotor/chops"),
        ("rate", "reach"),
        noises.helicopter,
    ),
    EventClass("footsteps", _phrases("/footsteps/tread", "/boots/march"), ("rate", "level"), impacts.footsteps),
    EventClass("thunder", _phrases("/thunder/cracks", "a/storm/crashes"), ("level",), noises.thunder, 2.5),
    EventClass("phone", _phrases("a/phone/warbles", "a/telephone/trills"), ("level",), tones.phone),
    EventClass("dog", _phrases("a/dog/barks", "a/puppy/yaps"), ("count", "pitch", "reach"), impacts.dog),
    EventClass("saw", _phrases("a/saw/cuts", "a/handsaw/rasps"), ("rate", "level"), noises.saw),
)

EVENTS: dict[str, EventClass] = {event_class.name: event_class for event_class in _CLASSES}
_NAMES = tuple(EVENTS)
_STRIDE = 5  # any stride below half the class count gives every class exactly two held-out partners
HELD_OUT_PAIRS: frozenset[frozenset[str]] = frozenset(
    frozenset((name, _NAMES[(place + _STRIDE) % len(_NAMES)])) for place, name in enumerate(_NAMES)
)
