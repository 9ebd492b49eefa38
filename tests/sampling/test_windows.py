from __future__ import annotations

import pytest
import torch

from uat_lightning.sampling import Windows


def latents(*lengths: int) -> torch.Tensor:
    return torch.randn(len(lengths), max(lengths), 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(("longest", "overlap"), [(4, 1), (5, 2), (20, 5), (3, 0)])
def test_what_is_cut_is_joined_again(longest: int, overlap: int):
    lengths = torch.tensor([11, 4, 7])
    windows, whole = Windows.over(lengths, longest, overlap), latents(11, 4, 7)
    pieces = windows.cut(whole)
    assert pieces.lengths.max() <= longest
    joined = windows.join(pieces.values, whole)
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(joined[row, :length], whole[row, :length], rtol=0, atol=1e-12)


def test_windows_are_the_fewest_and_overlap_as_much_as_told():
    windows = Windows.over(torch.tensor([10, 4]), 4, 1)
    assert windows.rows.tolist() == [0, 0, 0, 1]
    assert windows.starts.tolist() == [0, 3, 6, 0]
    assert not windows.whole_rows
    assert Windows.over(torch.tensor([4, 2]), 4, 1).whole_rows


def test_one_window_fades_into_the_next_and_rows_stay_apart():
    windows = Windows.over(torch.tensor([10, 10]), 6, 2)
    values = torch.arange(4.0, dtype=torch.float64)[:, None, None].expand(4, 6, 1)
    joined = windows.join(values, torch.zeros(2, 10, 1, dtype=torch.float64))[..., 0]
    assert joined[0, :4].tolist() == [0] * 4 and joined[0, 6:].tolist() == [1] * 4
    assert 0 < joined[0, 4] < joined[0, 5] < 1
    assert joined[1, :4].tolist() == [2] * 4


def test_a_velocity_of_windows_is_one_of_the_whole():
    windows, whole = Windows.over(torch.tensor([9]), 4, 2), latents(9)
    torch.testing.assert_close(windows.velocity(lambda x, t: t * x)(whole, 0.5), 0.5 * whole)


def test_windows_that_are_all_overlap_are_refused():
    with pytest.raises(ValueError, match="windows of 3 frames cannot overlap by 3"):
        Windows.over(torch.tensor([9]), 3, 3)
