"""Samplers: the processes run backwards."""

from uat_lightning.sampling.ancestral import Ancestral
from uat_lightning.sampling.blockwise import Blockwise
from uat_lightning.sampling.canvas import Symbols
from uat_lightning.sampling.confidence_order import ConfidenceOrder
from uat_lightning.sampling.confidence_threshold import ConfidenceThreshold
from uat_lightning.sampling.dpm import DPMSolver2M, DPMSolver3MSDE
from uat_lightning.sampling.draft import Draft
from uat_lightning.sampling.dual_guidance import DualGuidance, EditVelocity
from uat_lightning.sampling.entropy_bound import EntropyBound
from uat_lightning.sampling.evaluations import Evaluations, Logits, RowLogits
from uat_lightning.sampling.first_hitting import FirstHitting
from uat_lightning.sampling.guidance import (
    AudioFirst,
    Guidance,
    GuidedVelocity,
    ProjectedGuidance,
    RescaledGuidance,
)
from uat_lightning.sampling.guided_logits import AudioLogits, GuidedLogits
from uat_lightning.sampling.left_to_right import LeftToRight
from uat_lightning.sampling.likelihood import ChainRule, ExactCount, Likelihood
from uat_lightning.sampling.next_token_logits import GuidedNextTokenLogits, NextTokenLogits
from uat_lightning.sampling.presence import PresencePenalty
from uat_lightning.sampling.remasking import Cap, Loop, Remasking, ReMDM, Rescale, Unsure
from uat_lightning.sampling.schedules import (
    CosineSchedule,
    PolyexponentialSchedule,
    Schedule,
    ShiftedSchedule,
    UniformSchedule,
)
from uat_lightning.sampling.solvers import AdamsBashforth, Euler, FixedPoint, Heun, Midpoint, ODESolver, Solver
from uat_lightning.sampling.text_sampler import StepwiseSampler, TextSampler
from uat_lightning.sampling.windows import Windows
from uat_lightning.sampling.writing import Writing

__all__ = [
    "AdamsBashforth",
    "Ancestral",
    "AudioFirst",
    "AudioLogits",
    "Blockwise",
    "Cap",
    "ChainRule",
    "ConfidenceOrder",
    "ConfidenceThreshold",
    "CosineSchedule",
    "DPMSolver2M",
    "DPMSolver3MSDE",
    "Draft",
    "DualGuidance",
    "EditVelocity",
    "EntropyBound",
    "Euler",
    "Evaluations",
    "ExactCount",
    "FirstHitting",
    "FixedPoint",
    "Guidance",
    "GuidedLogits",
    "GuidedNextTokenLogits",
    "GuidedVelocity",
    "Heun",
    "LeftToRight",
    "Likelihood",
    "Logits",
    "Loop",
    "Midpoint",
    "NextTokenLogits",
    "ODESolver",
    "PolyexponentialSchedule",
    "PresencePenalty",
    "ProjectedGuidance",
    "ReMDM",
    "Remasking",
    "Rescale",
    "RescaledGuidance",
    "RowLogits",
    "Schedule",
    "ShiftedSchedule",
    "Solver",
    "StepwiseSampler",
    "Symbols",
    "TextSampler",
    "UniformSchedule",
    "Unsure",
    "Windows",
    "Writing",
]
