"""Samplers: the processes run backwards."""

from uat_lightning.sampling.guidance import Guidance, GuidedLogits, GuidedVelocity
from uat_lightning.sampling.ode import Euler, Heun, ODESolver
from uat_lightning.sampling.unmasking import ConfidenceOrder, Symbols, TextSampler

__all__ = [
    "ConfidenceOrder",
    "Euler",
    "Guidance",
    "GuidedLogits",
    "GuidedVelocity",
    "Heun",
    "ODESolver",
    "Symbols",
    "TextSampler",
]
