from __future__ import annotations

import pytest
import torch

from uat_lightning.learning_rate import InverseDecay


def test_the_inverse_decay_warms_up_then_falls_as_a_power():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2.0)
    schedule = InverseDecay(optimizer, scale=100.0, power=0.5, warmup=0.9)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.2)
    assert schedule.share(300) == pytest.approx(0.5, abs=1e-6)
    assert max(range(300), key=schedule.share) in range(20, 60)
    assert 0.97 < InverseDecay(optimizer).share(60_000) < 0.98
