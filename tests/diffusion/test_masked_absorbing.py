from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from uat_lightning.backbone import TextPrediction
from uat_lightning.diffusion import MaskedAbsorbing
from uat_lightning.types import Sequences

PAD, END, MASK = 0, 1, 2
CANVAS = 9


def canvases(lengths: list[int], canvas: int = CANVAS) -> Sequences:
    ids = torch.randint(3, 20, (len(lengths), canvas), generator=torch.Generator().manual_seed(0))
    for row, length in enumerate(lengths):
        ids[row, length - 1], ids[row, length:] = END, PAD
    return Sequences(ids, torch.tensor(lengths))


def many(length: int, rows: int, canvas: int = CANVAS) -> Sequences:
    one = canvases([length], canvas)
    return Sequences(one.values.expand(rows, -1), one.lengths.expand(rows))


@pytest.mark.parametrize("length", [1, 2, 5, CANVAS])
def test_exactly_the_share_of_the_tokens_is_hidden(length: int):
    clean = many(length, 101)
    t = torch.linspace(0, 1, 101)
    hidden = MaskedAbsorbing().corrupt(clean, t).noisy.values == MASK
    expected = torch.ceil(t.double() * length - 1e-5)
    assert torch.equal((hidden & clean.mask).sum(-1).double(), expected)


@pytest.mark.parametrize("length", [3, 7, 24, 128])
def test_a_share_of_k_over_n_hides_k_despite_rounding(length: int):
    k = torch.arange(1, length + 1)
    clean = many(length, length, canvas=length)
    hidden = MaskedAbsorbing().corrupt(clean, k.float() / length).noisy.values == MASK
    assert torch.equal(hidden.sum(-1), k)


def test_the_least_noise_hides_one_token():
    clean = many(5, 200)
    hidden = MaskedAbsorbing().corrupt(clean, torch.full((200,), 1e-8)).noisy.values == MASK
    assert (hidden & clean.mask).sum(-1).tolist() == [1] * 200


def test_padding_is_hidden_with_the_end_and_shown_with_it():
    clean = canvases([1, 3, 5, CANVAS - 1] * 100)
    noisy = MaskedAbsorbing().corrupt(clean, torch.rand(400)).noisy
    end_hidden = noisy.values.gather(1, clean.lengths[:, None] - 1) == MASK
    tail = ~clean.mask
    assert end_hidden.any()
    assert not end_hidden.all()
    assert torch.equal((noisy.values == MASK) & tail, tail & end_hidden)
    assert (noisy.values[tail & ~end_hidden] == PAD).all()


def test_what_is_shown_is_unchanged_and_the_targets_are_the_clean_ids():
    clean = canvases([2, 6, CANVAS] * 20)
    corrupted = MaskedAbsorbing().corrupt(clean, torch.rand(60))
    shown = corrupted.noisy.values != MASK
    assert torch.equal(corrupted.noisy.values[shown], clean.values[shown])
    assert torch.equal(corrupted.target, clean.values)
    assert not (corrupted.target[corrupted.weight > 0] == MASK).any()


def test_at_time_zero_nothing_changes_and_the_length_is_told():
    clean = canvases([2, 6, CANVAS])
    corrupted = MaskedAbsorbing().corrupt(clean, torch.zeros(3))
    assert torch.equal(corrupted.noisy.values, clean.values)
    assert torch.equal(corrupted.noisy.lengths, clean.lengths)
    assert not corrupted.weight.any()


def test_a_noisy_canvas_does_not_tell_its_length():
    noisy = MaskedAbsorbing().corrupt(canvases([1, 4, 7]), torch.tensor([0.1, 0.5, 1.0])).noisy
    assert noisy.lengths.tolist() == [CANVAS] * 3


def test_at_time_one_canvases_of_all_lengths_look_alike():
    noisy = MaskedAbsorbing().corrupt(canvases([1, 4, CANVAS]), torch.ones(3)).noisy
    assert (noisy.values == MASK).all()


@pytest.mark.parametrize("pad_weight", [0.0, 1.0, 2.5])
def test_hidden_tokens_share_a_weight_of_one_and_the_tail_weighs_like_one_of_them(pad_weight: float):
    clean = canvases([1, 3, 6, CANVAS] * 50)
    corrupted = MaskedAbsorbing(pad_weight=pad_weight).corrupt(clean, torch.rand(200).clamp(min=0.01))
    hidden = corrupted.noisy.values == MASK
    words, tail = (corrupted.weight * clean.mask).sum(-1), (corrupted.weight * ~clean.mask).sum(-1)
    torch.testing.assert_close(words, torch.ones(200))
    count = (hidden & clean.mask).sum(-1)
    torch.testing.assert_close(tail, pad_weight * (hidden & ~clean.mask).any(-1) / count)
    assert not corrupted.weight[~hidden].any()


@pytest.mark.parametrize(("length", "count"), [(4, 1), (4, 2), (CANVAS, 5)])
def test_every_set_of_positions_is_hidden_equally_often(length: int, count: int):
    rows = 20_000
    hidden = MaskedAbsorbing().hidden(
        torch.full((rows,), length), torch.full((rows,), count / length), CANVAS, torch.Generator().manual_seed(0)
    )[:, :length]
    patterns = torch.unique(hidden.int() @ (2 ** torch.arange(length, dtype=torch.int32)), return_counts=True)[1]
    expected = rows / math.comb(length, count)
    assert len(patterns) == math.comb(length, count)
    freedom = len(patterns) - 1
    chi_square = float(((patterns - expected) ** 2 / expected).sum())
    assert chi_square < freedom + 5 * math.sqrt(2 * freedom)


def test_loss_is_the_mean_cross_entropy_of_the_hidden_tokens():
    process, clean = MaskedAbsorbing(pad_weight=0), canvases([3, 8])
    corrupted = process.corrupt(clean, torch.tensor([0.5, 0.7]))
    logits = torch.randn(2, CANVAS, 20)
    hidden = (corrupted.noisy.values == MASK) & clean.mask
    nats = -logits.log_softmax(-1).gather(-1, clean.values[..., None])[..., 0]
    expected = torch.stack([nats[row][hidden[row]].mean() for row in range(2)])
    torch.testing.assert_close(process.loss(TextPrediction.of(logits), corrupted), expected)


# A toy small enough to write down: every text, its probability, every set of hidden positions, the exact posterior.


class Toy:
    """Texts over two words on a canvas, with a probability for each."""

    def __init__(self, texts: list[tuple[int, ...]], canvas: int, seed: int = 0) -> None:
        rows = [[*text, END] for text in texts]
        self.lengths = torch.tensor([len(row) for row in rows])
        self.ids = torch.tensor([row + [PAD] * (canvas - len(row)) for row in rows])
        weights = torch.rand(len(rows), generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.1
        self.probability = weights / weights.sum()

    @property
    def entropy(self) -> float:
        return float(-(self.probability * self.probability.log()).sum())

    def masked(self, process: MaskedAbsorbing, text: int, count: int):
        """Return every way to hide ``count`` tokens of a text, each once."""
        length = int(self.lengths[text])
        rows = 60 * math.comb(length, count)
        clean = Sequences(self.ids[text].expand(rows, -1), self.lengths[text].expand(rows))
        corrupted = process.corrupt(clean, torch.full((rows,), count / length), torch.Generator().manual_seed(0))
        first = {tuple(ids): row for row, ids in enumerate(corrupted.noisy.values.tolist())}
        assert len(first) == math.comb(length, count)
        keep = list(first.values())
        noisy = Sequences(corrupted.noisy.values[keep], corrupted.noisy.lengths[keep])
        return type(corrupted)(noisy, corrupted.target[keep], corrupted.weight[keep])

    def canvas_probability(self, process: MaskedAbsorbing) -> dict[tuple[int, ...], Tensor]:
        """Return p(canvas | text) of every canvas that can be seen, over texts."""
        seen: dict[tuple[int, ...], Tensor] = {}
        for text, length in enumerate(self.lengths.tolist()):
            for count in range(1, length + 1):
                for ids in self.masked(process, text, count).noisy.values.tolist():
                    likelihood = seen.setdefault(tuple(ids), torch.zeros(len(self.ids), dtype=torch.float64))
                    likelihood[text] += 1 / (length * math.comb(length, count))
        return seen

    def posterior(self, weights: dict[tuple[int, ...], Tensor], canvases: Tensor) -> Tensor:
        """Return log p(token at each position | canvas)."""
        tokens = torch.nn.functional.one_hot(self.ids, 6).double()
        texts = torch.stack([weights[tuple(ids)] * self.probability for ids in canvases.tolist()])
        texts = texts / texts.sum(-1, keepdim=True)
        return torch.einsum("ct,tpv->cpv", texts, tokens).clamp(min=1e-300).log()


def all_texts(lengths: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [text for length in lengths for text in itertools.product((3, 4), repeat=length)]


def mean_loss(toy: Toy, process: MaskedAbsorbing, logits, text: int) -> float:
    """Return the loss of a text averaged over all its corruptions with t uniform."""
    length = int(toy.lengths[text])
    per_count = []
    for count in range(1, length + 1):
        corrupted = toy.masked(process, text, count)
        per_count.append(process.loss(TextPrediction.of(logits(corrupted.noisy.values)), corrupted).mean())
    return float(torch.stack(per_count).mean())


def test_nelbo_under_the_exact_posterior_is_the_log_likelihood_of_every_text():
    toy, process = Toy(all_texts((3,)), canvas=4), MaskedAbsorbing()
    seen = toy.canvas_probability(process)
    for text, length in enumerate(toy.lengths.tolist()):
        nelbo = length * mean_loss(toy, process, lambda canvases: toy.posterior(seen, canvases), text)
        assert nelbo == pytest.approx(-float(toy.probability[text].log()), abs=1e-6)


def test_nelbo_under_a_wrong_posterior_is_above_the_entropy():
    toy, process = Toy(all_texts((3,)), canvas=4), MaskedAbsorbing()
    other = Toy(all_texts((3,)), canvas=4, seed=5)
    seen = toy.canvas_probability(process)
    nelbo = sum(
        float(p) * 4 * mean_loss(toy, process, lambda canvases: other.posterior(seen, canvases), text)
        for text, p in enumerate(toy.probability)
    )
    assert nelbo > toy.entropy + 1e-3


def test_with_different_lengths_the_nelbo_of_the_exact_posterior_bounds_the_entropy():
    # A canvas does not tell its length; which of its places hold hidden words keeps the bound from being tight.
    toy, process = Toy(all_texts((0, 1, 2)), canvas=4), MaskedAbsorbing(pad_weight=0)
    seen = toy.canvas_probability(process)
    nelbo = sum(
        float(p) * length * mean_loss(toy, process, lambda canvases: toy.posterior(seen, canvases), text)
        for text, (p, length) in enumerate(zip(toy.probability, toy.lengths.tolist(), strict=True))
    )
    assert toy.entropy < nelbo < 1.5 * toy.entropy


def test_the_exact_posterior_minimises_the_loss_as_documented():
    # Every text's loss is a mean over its tokens: its canvases count by their probability over the words hidden.
    toy, process = Toy(all_texts((0, 1, 2)), canvas=4), MaskedAbsorbing()
    table = {ids: torch.zeros(4, 6, dtype=torch.float64) for ids in toy.canvas_probability(process)}
    for text, (p, length) in enumerate(zip(toy.probability, toy.lengths.tolist(), strict=True)):
        for count in range(1, length + 1):
            corrupted = toy.masked(process, text, count)
            for ids, weight in zip(corrupted.noisy.values.tolist(), corrupted.weight.double(), strict=True):
                share = p * weight / (length * math.comb(length, count))
                table[tuple(ids)] += share[:, None] * torch.nn.functional.one_hot(corrupted.target[0], 6)

    best = {ids: (counts / counts.sum(-1, keepdim=True).clamp(min=1e-30)) for ids, counts in table.items()}

    def total(logits_of) -> float:
        losses = [mean_loss(toy, process, logits_of, text) for text in range(len(toy.ids))]
        return float((toy.probability * torch.tensor(losses, dtype=torch.float64)).sum())

    def optimal(canvases: Tensor) -> Tensor:
        return torch.stack([best[tuple(ids)].clamp(min=1e-30).log() for ids in canvases.tolist()])

    floor = total(optimal)
    for seed in range(3):
        nudge = 0.3 * torch.randn(4, 6, generator=torch.Generator().manual_seed(seed))
        assert total(lambda canvases, nudge=nudge: optimal(canvases) + nudge) > floor
    for ids, rows in best.items():
        assert all(
            float(row.sum()) == pytest.approx(1, abs=1e-9) for row, i in zip(rows, ids, strict=True) if i == MASK
        )
