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
logits         --                     --                  log p(x_0 | x_t)   the text target
=============  =====================  ==================  =================  ==================
"""

from uat_lightning.diffusion.base import Corrupted, Objective
from uat_lightning.diffusion.continuous import RectifiedFlow
from uat_lightning.diffusion.discrete import MaskedAbsorbing
from uat_lightning.diffusion.passes import OnePass, Passes, PassPerDirection
from uat_lightning.diffusion.square import Conditional, Draw, SquareSampler
from uat_lightning.diffusion.times import LogitNormal, TimeSampler, Uniform

__all__ = [
    "Conditional",
    "Corrupted",
    "Draw",
    "LogitNormal",
    "MaskedAbsorbing",
    "Objective",
    "OnePass",
    "PassPerDirection",
    "Passes",
    "RectifiedFlow",
    "SquareSampler",
    "TimeSampler",
    "Uniform",
]
