from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing
from torch.utils.data import DistributedSampler

from processes import METHOD
from uat_lightning.metrics.audio.divergence import BernoulliKullbackLeibler, KullbackLeibler
from uat_lightning.metrics.audio.frechet import FrechetDistance, FrechetDistanceAtInfinity
from uat_lightning.metrics.audio.inception_score import InceptionScore
from uat_lightning.metrics.audio.layered_distance import LayeredDistance
from uat_lightning.metrics.audio.moments import RunningMoments
from uat_lightning.metrics.audio.preservation import Preservation
from uat_lightning.metrics.audio.sanity import SanityStatistics
from uat_lightning.metrics.audio.similarity import ClapScore, DirectionalSimilarity
from uat_lightning.metrics.clip_records import ClipMeans
from uat_lightning.metrics.likelihood import CaptionNELBO

WIDTH, CLIPS = 4, 11
Shards = list[list[int]]


class Clip:
    """What embedders and taggers would say of a clip; it depends on its number alone."""

    def __init__(self, number: int) -> None:
        source = torch.Generator().manual_seed(number)
        self.reference = torch.randn(1 + number % 3, WIDTH, generator=source) + 5
        self.generated = torch.randn(1 + number % 4, WIDTH, generator=source) + 5
        self.logits = torch.randn(2, WIDTH, generator=source)
        self.waveforms = 0.3 * torch.randn(2, 1, 800 + 100 * (number % 3), generator=source)
        self.states = torch.randn(2, 2, 3, WIDTH, generator=source)  # side, layer, position, channel
        self.caption = torch.randn(6, 9, generator=source), torch.randint(0, 9, (6,), generator=source)
        self.hidden, self.length = torch.rand(6, generator=source).argsort() < 3, torch.tensor(4 + number % 3)
        self.directions = torch.randn(4, WIDTH, generator=source)


def scores(numbers: list[int], batch: int = 2) -> dict[str, float]:
    """Return every metric over some clips, by way of batches, with all other ranks' clips."""
    distance, infinity = FrechetDistance(WIDTH), FrechetDistanceAtInfinity(WIDTH, points=4)
    divergences = {"softmax": KullbackLeibler(), "sigmoid": BernoulliKullbackLeibler()}
    inception, clap = InceptionScore(WIDTH, splits=3), ClapScore()
    edits = {"kept": Preservation(8000), "layers": LayeredDistance(), "turned": DirectionalSimilarity()}
    sound, likelihood = SanityStatistics(8000), CaptionNELBO()
    for first in range(0, len(numbers), batch):
        ids = torch.tensor(numbers[first : first + batch])
        clips = [Clip(number) for number in ids.tolist()]
        reference, generated = torch.stack([clip.logits for clip in clips]).unbind(1)
        for metric in (distance, infinity):
            metric.update([clip.reference for clip in clips], [clip.generated for clip in clips], ids)
        for metric in (*divergences.values(), clap):
            metric.update(reference, generated, ids)
        inception.update(generated, ids)
        before, after = zip(*(clip.waveforms for clip in clips), strict=True)
        edits["kept"].update(after, before, ids)
        sound.update(after, ids)
        texts = [
            torch.stack(rows)
            for rows in zip(*((*clip.caption, clip.hidden, clip.length) for clip in clips), strict=True)
        ]
        likelihood.update(*texts, ids)
        sides = torch.stack([clip.states for clip in clips], 2)
        edits["layers"].update(*sides, ids)
        edits["turned"].update(*torch.stack([clip.directions for clip in clips], 1), ids)
    found = {"distance": distance, "infinity": infinity, "inception": inception, "clap": clap, **divergences}
    found |= {"sound": sound, "likelihood": likelihood, **edits}
    return {f"{name} {key}": float(v) for name, m in found.items() for key, v in m.compute().items()}


def padded(clips: int, ranks: int) -> Shards:
    return [list(DistributedSampler(range(clips), ranks, rank, shuffle=False)) for rank in range(ranks)]


CASES: dict[str, tuple[int, Shards]] = {
    "uneven": (2, [list(range(8)), list(range(8, CLIPS))]),
    "padded": (2, padded(CLIPS, 2)),
    "empty rank": (2, [[], list(range(CLIPS))]),
    "three uneven": (3, [list(range(0, CLIPS, 2)), list(range(1, 9, 2)), [9]]),
    "three padded": (3, padded(CLIPS, 3)),
    "three with an empty rank": (3, [list(range(5, CLIPS)), [], [0, 1, 2, 3, 4]]),
    "backwards": (3, [list(range(CLIPS))[::-1][rank::3] for rank in range(3)]),
}


def work(rank: int, ranks: int, port: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"tcp://localhost:{port}", world_size=ranks, rank=rank)
    found = {name: scores(shards[rank]) for name, (size, shards) in CASES.items() if size == ranks}
    (folder / f"{rank}.json").write_text(json.dumps(found))
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_give_what_one_process_gives(ranks, tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.start_processes(work, (ranks, port, tmp_path), ranks, start_method=METHOD)
    alone = scores(list(range(CLIPS)))
    for rank in range(ranks):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        assert found.keys() == {name for name, (size, _) in CASES.items() if size == ranks}
        for name, values in found.items():
            assert values == pytest.approx(alone, abs=1e-9, rel=1e-9, nan_ok=True), name


def test_batches_and_their_order_change_nothing():
    alone = scores(list(range(CLIPS)))
    assert scores(list(range(CLIPS))[::-1], batch=4) == pytest.approx(alone, abs=1e-9, nan_ok=True)
    assert alone["distance generated_clips"] == CLIPS
    assert alone["distance generated_rows"] == sum(len(Clip(number).generated) for number in range(CLIPS))


def test_a_repeated_last_clip_counts_once_and_any_other_repetition_is_refused_where_it_cannot_be_undone():
    moments = RunningMoments(WIDTH)
    for number in (0, 1, 2, 0):
        moments.update([Clip(number).generated], torch.tensor([number]))
    assert moments.compute()["clips"] == 3
    moments.update([Clip(3).generated], torch.tensor([3]))
    with pytest.raises(ValueError, match="clip 0 came twice"):
        moments.compute()


def test_forward_and_reset():
    moments, other = RunningMoments(WIDTH), RunningMoments(WIDTH)
    for number in range(5):
        moments([Clip(number).generated], torch.tensor([number]))
        other.update([Clip(number).generated], torch.tensor([number]))
    assert moments.compute()["clips"] == 5
    torch.testing.assert_close(moments.compute()["scatter"], other.compute()["scatter"])
    distance = FrechetDistance(WIDTH)
    distance.update([Clip(0).reference], [Clip(0).generated], torch.tensor([0]))
    distance.reset()
    assert distance.generated.compute()["clips"] == 0


def test_means_leave_out_and_count_what_is_undefined():
    class Lengths(ClipMeans):
        def __init__(self) -> None:
            super().__init__("seconds", "level")

        def update(self, rows: torch.Tensor, ids: torch.Tensor) -> None:
            self.record(rows, ids)

    lengths = Lengths()
    lengths.update(torch.tensor([[1.0, torch.nan], [3.0, 2.0]]), torch.tensor([7, 1]))
    lengths.update(torch.tensor([[1.0, torch.nan]]), torch.tensor([7]))
    found = {name: value.item() for name, value in lengths.compute().items()}
    assert found == {"seconds": 2, "level": 2, "clips": 2, "undefined": 1}
    lengths.reset()
    assert lengths.compute()["seconds"].isnan()
    with pytest.raises(ValueError, match="every clip"):
        lengths.update(torch.zeros(2, 2), torch.tensor([1]))
