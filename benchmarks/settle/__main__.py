"""The controls that would settle the paper's claim: what a joint model gains and loses beside models of one direction.

Run ``python benchmarks/settle --jobs 2``. Every model is trained with every seed, by the same code on the same data for
as many steps of as much arithmetic, and tested on the same clips, which no model was trained on:

- joint: captions and sounds, as the quickstart trains them
- audio_only: sounds from captions, no text loss
- caption_only: captions by masked diffusion, no audio loss
- autoregressive: captions word by word; the same audio stream, as many weights
- ..._equal_rows: the same with the joint model's rows of its own direction, in place of its arithmetic

What is finished in the folder of ``--work`` is not done again. What stands behind ``--`` goes to every ``uat fit``:
``-- --trainer.accelerator=gpu``.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from settle.comparison import main

if __name__ == "__main__":
    try:
        main(__doc__)
    except (ValueError, OSError) as error:
        sys.exit(f"settle: {error}")
