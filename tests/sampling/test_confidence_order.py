from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from uat_lightning.sampling import ConfidenceOrder, Symbols

PAD, END, MASK, UNKNOWN = range(4)
VOCABULARY, CANVAS = 12, 8
SYMBOLS = Symbols(MASK, END, PAD, [PAD, MASK, UNKNOWN, 11])


def sources(rows: int, first: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(first + row) for row in range(rows)]


def masked(rows: int, canvas: int = CANVAS) -> Tensor:
    return torch.full((rows, canvas), MASK)


class Oracle:
    """Knows the texts, and counts how often it was asked and what it saw."""

    def __init__(self, texts: list[list[int]], canvas: int = CANVAS, sure: float = 8.0) -> None:
        self.texts = torch.tensor([[*text, END] + [PAD] * (canvas - len(text) - 1) for text in texts])
        self.sure, self.seen = sure, []

    def __call__(self, canvas: Tensor) -> Tensor:
        self.seen.append(canvas.clone())
        return (self.sure * torch.nn.functional.one_hot(self.texts, VOCABULARY).float()).log_softmax(-1)


class Stubborn:
    """Random log-probabilities that do not care for the canvas, some of them extreme."""

    def __init__(self, seed: int, rows: int, canvas: int, spread: float, boost: dict[int, float]) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.shape, self.spread, self.boost, self.seen = (rows, canvas, VOCABULARY), spread, boost, []

    def __call__(self, canvas: Tensor) -> Tensor:
        self.seen.append(canvas.clone())
        logits = self.spread * torch.randn(self.shape, generator=self.generator)
        for token, boost in self.boost.items():
            logits[..., token] += boost
        return logits.log_softmax(-1)


def check_well_formed(written: Tensor) -> None:
    for row in written.tolist():
        assert row.count(END) == 1, row
        words, tail = row[: row.index(END)], row[row.index(END) + 1 :]
        assert not {PAD, MASK, UNKNOWN, 11, END} & set(words), row
        assert set(tail) <= {PAD}, row


@pytest.mark.parametrize("steps", [1, 3, 64])
@pytest.mark.parametrize("temperature", [0.0, 0.1])
def test_an_oracle_returns_its_texts_in_any_number_of_steps(steps: int, temperature: float):
    oracle = Oracle([[4, 5, 6], [], [7], [4, 4, 4, 4, 5, 6, 7], [9, 8, 7, 6]], sure=40)
    sampler = ConfidenceOrder(steps, temperature)
    assert torch.equal(sampler.sample(oracle, masked(5), SYMBOLS, sources(5)), oracle.texts)
    assert len(oracle.seen) <= steps + CANVAS


def test_one_step_is_one_evaluation_and_many_are_one_token_each():
    oracle = Oracle([[4, 5, 6, 7, 8, 9, 10]])
    ConfidenceOrder(1).sample(oracle, masked(1), SYMBOLS, sources(1))
    assert len(oracle.seen) == 1
    oracle = Oracle([[4, 5, 6, 7, 8, 9, 10]])
    ConfidenceOrder(64).sample(oracle, masked(1), SYMBOLS, sources(1))
    assert len(oracle.seen) == CANVAS


def test_a_text_that_fills_the_canvas_is_returned_whole():
    oracle = Oracle([[4, 5, 6, 7, 8, 9, 10]])
    assert torch.equal(ConfidenceOrder(4).sample(oracle, masked(1), SYMBOLS, sources(1)), oracle.texts)


BOOSTS = {
    "plain": {},
    "loves the end": {END: 12.0},
    "hates the end": {END: -200.0},
    "loves padding": {PAD: 30.0},
    "loves the mask": {MASK: 30.0, UNKNOWN: 20.0},
    "loves what does not exist": {11: 40.0},
    "one word only": {4: 60.0},
}


@pytest.mark.parametrize("name", BOOSTS)
@pytest.mark.parametrize("steps", [1, 2, 5, 64])
@pytest.mark.parametrize("temperature", [0.0, 1.0, 5.0])
def test_whatever_the_network_says_the_canvas_becomes_a_well_formed_text(name: str, steps: int, temperature: float):
    for seed in range(6):
        rows, canvas = 4, (2, 3, CANVAS)[seed % 3]
        network = Stubborn(seed, rows, canvas, (1.0, 30.0)[seed % 2], BOOSTS[name])
        written = ConfidenceOrder(steps, temperature).sample(network, masked(rows, canvas), SYMBOLS, sources(rows))
        check_well_formed(written)
        check_progress([*network.seen, written])


def check_progress(canvases: list[Tensor]) -> None:
    for before, after in itertools.pairwise(canvases):
        left, right = (before == MASK).sum(-1), (after == MASK).sum(-1)
        assert ((right < left) | (left == 0)).all()
        words = (before != MASK) & (before != END) & (before != PAD)
        assert torch.equal(after[words], before[words])


def test_a_canvas_of_one_place_holds_the_end():
    written = ConfidenceOrder(3).sample(Stubborn(0, 2, 1, 1.0, {}), masked(2, 1), SYMBOLS, sources(2))
    assert written.tolist() == [[END], [END]]


def test_given_words_stay_and_the_end_comes_behind_them():
    canvas = masked(3)
    canvas[:, 4] = torch.tensor([7, 8, 9])
    network = Stubborn(3, 3, CANVAS, 1.0, {END: 9.0})
    written = ConfidenceOrder(4).sample(network, canvas, SYMBOLS, sources(3))
    assert written[:, 4].tolist() == [7, 8, 9]
    check_well_formed(written)


def test_a_full_canvas_costs_nothing():
    oracle = Oracle([[4, 5]])
    assert torch.equal(ConfidenceOrder(4).sample(oracle, oracle.texts, SYMBOLS, sources(1)), oracle.texts)
    assert not oracle.seen


def test_after_a_close_end_few_evaluations_are_needed():
    oracle = Oracle([[4]], canvas=64, sure=20)
    ConfidenceOrder(64).sample(oracle, masked(1, 64), SYMBOLS, sources(1))
    assert len(oracle.seen) <= 2


def test_the_surest_token_is_written_first():
    log_probabilities = torch.full((1, 4, VOCABULARY), -9.0)
    for place, (token, nats) in enumerate([(4, -0.9), (5, -0.1), (6, -0.5), (END, -0.7)]):
        log_probabilities[0, place, token] = nats
    seen: list[list[int]] = []
    ConfidenceOrder(64).sample(
        lambda canvas: seen.append(canvas[0].tolist()) or log_probabilities, masked(1, 4), SYMBOLS, sources(1)
    )
    assert [row.count(MASK) for row in seen] == [4, 3, 2, 1]
    assert seen[1] == [MASK, 5, MASK, MASK]
    assert seen[2] == [MASK, 5, 6, MASK]
    assert seen[3] == [MASK, 5, 6, END]


def rows_of(texts: int, first: int, temperature: float, seeds: list[torch.Generator]) -> Tensor:
    logits = torch.randn(8, CANVAS, VOCABULARY, generator=torch.Generator().manual_seed(5)).log_softmax(-1)
    part = logits[first : first + texts]
    return ConfidenceOrder(5, temperature).sample(lambda canvas: part, masked(texts), SYMBOLS, seeds)


def test_a_row_depends_on_its_own_generator_and_not_on_its_neighbours():
    together = rows_of(8, 0, 1.0, sources(8))
    alone = torch.cat([rows_of(1, row, 1.0, sources(1, first=row)) for row in range(8)])
    assert torch.equal(together, alone)
    assert torch.equal(together, rows_of(8, 0, 1.0, sources(8)))
    assert not torch.equal(together, rows_of(8, 0, 1.0, sources(8, first=50)))


def test_temperature_zero_writes_the_likeliest_word_and_draws_nothing():
    logits = torch.randn(4, CANVAS, VOCABULARY, generator=torch.Generator().manual_seed(2)).log_softmax(-1)
    logits[..., END] = -50.0
    written = ConfidenceOrder(3).sample(lambda canvas: logits, masked(4), SYMBOLS, [])
    words = logits.clone()
    words[..., SYMBOLS.banned] = -math.inf
    assert torch.equal(written[:, :-1], words.argmax(-1)[:, :-1])
    assert (written[:, -1] == END).all()


def test_a_very_low_temperature_is_temperature_zero():
    assert torch.equal(rows_of(8, 0, 1e-6, sources(8)), rows_of(8, 0, 0.0, sources(8)))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_a_single_word_is_drawn_from_the_tempered_distribution(temperature: float):
    rows = 4000
    logits = torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    logits[END] = -60.0
    both = logits.log_softmax(-1).expand(rows, 2, -1)
    written = ConfidenceOrder(1, temperature).sample(lambda canvas: both, masked(rows, 2), SYMBOLS, sources(rows))
    words = [token for token in range(VOCABULARY) if token not in (*SYMBOLS.banned, END)]
    expected = rows * (logits[words] / temperature).softmax(-1)
    counts = torch.tensor([(written[:, 0] == token).sum() for token in words])
    freedom = len(words) - 1
    assert float(((counts - expected) ** 2 / expected).sum()) < freedom + 5 * math.sqrt(2 * freedom)


@pytest.mark.parametrize("broken", [math.nan, -math.inf])
def test_a_network_that_says_nothing_usable_is_an_error_and_not_an_endless_loop(broken: float):
    with pytest.raises(ValueError, match="NaN"):
        ConfidenceOrder(4).sample(
            lambda canvas: torch.full((1, CANVAS, VOCABULARY), broken), masked(1), SYMBOLS, sources(1)
        )


@pytest.mark.parametrize(("settings", "message"), [({"steps": 0}, "steps"), ({"temperature": -1.0}, "temperature")])
def test_wrong_settings_are_refused(settings: dict[str, float], message: str):
    with pytest.raises(ValueError, match=message):
        ConfidenceOrder(**settings)
