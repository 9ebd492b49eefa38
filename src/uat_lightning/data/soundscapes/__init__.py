"""Soundscapes: synthesised sound scenes with captions, ground-truth stems and edit triplets."""

from __future__ import annotations

from .dataset import Clip, Edit, Soundscapes
from .parse import Mention, Parsed, parse
from .scene import Event, Scene
from .vocabulary import EVENTS, HELD_OUT_PAIRS, EventClass

__all__ = [
    "EVENTS",
    "HELD_OUT_PAIRS",
    "Clip",
    "Edit",
    "Event",
    "EventClass",
    "Mention",
    "Parsed",
    "Scene",
    "Soundscapes",
    "parse",
]
