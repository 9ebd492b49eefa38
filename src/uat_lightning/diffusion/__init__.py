"""The two processes: what noise does to latents and to tokens, and what the backbone is asked for.

Words and their symbols elsewhere. Time ``t`` runs from 0 (clean) to 1 (noise, or all masked) for both modalities.

=============  =====================  ==================  =================  ==================
here           flow matching papers   Stable Audio, UAT   masked diffusion   meaning
=============  =====================  ==================  =================  ==================
clean          x_1                    z_0                 x_0, y             data
noise          x_0                    eps                 M (mask)           prior
noisy          x_s with s = 1 - t     z_t                 x_t, y_tau         what the model sees
t              1 - s                  t                   t, tau             noise level
velocity       -u = x_0 - x_1         v                   --                 the audio target
alpha, sigma   s, 1 - s               cos, sin(pi t / 2)  --                 shares of clean and noise in noisy
logits         --                     --                  log p(x_0 | x_t)   the text target
=============  =====================  ==================  =================  ==================
"""

from uat_lightning.diffusion.base import Corrupted, Objective
from uat_lightning.diffusion.continuous import ContinuousProcess, RectifiedFlow, VPCosine
from uat_lightning.diffusion.conversion import Converted, converted, rescaled, same_level
from uat_lightning.diffusion.discrete import MaskedAbsorbing, MaskedBernoulli
from uat_lightning.diffusion.next_token import NextToken, one_late
from uat_lightning.diffusion.occasion import Occasion
from uat_lightning.diffusion.passes import OnePass, Passes, PassPerDirection
from uat_lightning.diffusion.spread import Annealed, Antithetic, Independent, ShiftedByLength
from uat_lightning.diffusion.square import Conditional, Draw, Everywhere, SquareSampler
from uat_lightning.diffusion.text_process import AnyOrderProcess, TextProcess
from uat_lightning.diffusion.times import LogitNormal, TimeSampler, Uniform

__all__ = [
    "Annealed",
    "Antithetic",
    "AnyOrderProcess",
    "Conditional",
    "ContinuousProcess",
    "Converted",
    "Corrupted",
    "Draw",
    "Everywhere",
    "Independent",
    "LogitNormal",
    "MaskedAbsorbing",
    "MaskedBernoulli",
    "NextToken",
    "Objective",
    "Occasion",
    "OnePass",
    "PassPerDirection",
    "Passes",
    "RectifiedFlow",
    "ShiftedByLength",
    "SquareSampler",
    "TextProcess",
    "TimeSampler",
    "Uniform",
    "VPCosine",
    "converted",
    "one_late",
    "rescaled",
    "same_level",
]
