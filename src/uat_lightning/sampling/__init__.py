"""Samplers: the processes run backwards."""

from uat_lightning.sampling.dpm import DPMSolver2M, DPMSolver3MSDE
from uat_lightning.sampling.guidance import (
    Guidance,
    GuidedLogits,
    GuidedVelocity,
    ProjectedGuidance,
    RescaledGuidance,
)
from uat_lightning.sampling.schedules import (
    CosineSchedule,
    PolyexponentialSchedule,
    Schedule,
    ShiftedSchedule,
    UniformSchedule,
)
from uat_lightning.sampling.solvers import AdamsBashforth, Euler, Heun, Midpoint, ODESolver, Solver
from uat_lightning.sampling.unmasking import ConfidenceOrder, Symbols, TextSampler

__all__ = [
    "AdamsBashforth",
    "ConfidenceOrder",
    "CosineSchedule",
    "DPMSolver2M",
    "DPMSolver3MSDE",
    "Euler",
    "Guidance",
    "GuidedLogits",
    "GuidedVelocity",
    "Heun",
    "Midpoint",
    "ODESolver",
    "PolyexponentialSchedule",
    "ProjectedGuidance",
    "RescaledGuidance",
    "Schedule",
    "ShiftedSchedule",
    "Solver",
    "Symbols",
    "TextSampler",
    "UniformSchedule",
]
