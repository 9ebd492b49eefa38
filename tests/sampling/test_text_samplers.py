"""What every text sampler promises, and the distribution of those that are exact."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor

from uat_lightning.sampling import (
    Ancestral,
    Blockwise,
    Cap,
    ConfidenceOrder,
    ConfidenceThreshold,
    Draft,
    EntropyBound,
    Evaluations,
    FirstHitting,
    LeftToRight,
    Loop,
    PresencePenalty,
    ReMDM,
    Rescale,
    RowLogits,
    Symbols,
    TextSampler,
    Unsure,
)

PAD, END, MASK = range(3)
WORDS = (3, 4, 5)
SYMBOLS = Symbols(MASK, END, PAD, [PAD, MASK])
VOCABULARY = 6
NEVER = -1e4

SAMPLERS: dict[str, TextSampler] = {
    "confidence": ConfidenceOrder(4, 1.0),
    "confidence, cold": ConfidenceOrder(4),
    "threshold": ConfidenceThreshold(0.5, 1.0),
    "threshold, cold": ConfidenceThreshold(0.5),
    "entropy": EntropyBound(0.5, 1.0),
    "entropy, cold": EntropyBound(0.5),
    "first hitting": FirstHitting(),
    "left to right": LeftToRight(1.0),
    "left to right, cold": LeftToRight(),
    "first hitting, cold": FirstHitting(0.0),
    "ancestral": Ancestral(5),
    "ancestral, cold": Ancestral(5, 0.0),
    "remasking, capped": ReMDM(8, remasking=Cap(0.3)),
    "remasking, rescaled": ReMDM(8, remasking=Rescale(0.5)),
    "remasking, unsure": ReMDM(8, 0.7, Unsure()),
    "remasking, loop": ReMDM(12, remasking=Loop(0.3)),
    "penalty": PresencePenalty(ConfidenceOrder(4)),
    "penalty, in blocks, warm": PresencePenalty(Blockwise(ConfidenceOrder(2, 1.0), 2)),
    "blocks, first hitting": Blockwise(FirstHitting(), 3),
    "blocks, remasking": Blockwise(ReMDM(5, remasking=Cap(0.3)), 3),
    "blocks, confidence": Blockwise(ConfidenceOrder(2, 1.0), 2),
}
named = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)


def sources(rows: int, first: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(first + row) for row in range(rows)]


def masked(rows: int, canvas: int) -> Tensor:
    return torch.full((rows, canvas), MASK)


class Posterior:
    """The optimal denoiser of a list of texts: exact conditional probabilities of each position.

    A text weighs in as often as the process comes by the canvas with it: of a text of n tokens a canvas shows one of
    binom(n, j) equally likely sets of j, and each of the n - j hidden ones is next alike.
    """

    def __init__(self, texts: Iterable[tuple[int, ...]], canvas: int, seed: int = 0) -> None:
        self.texts = list(texts)
        self.canvases = torch.tensor([[*text, END, *[PAD] * (canvas - len(text) - 1)] for text in self.texts])
        generator = torch.Generator().manual_seed(seed)
        self.probability = (1.5 * torch.randn(len(self.texts), generator=generator, dtype=torch.float64)).softmax(0)
        self.known: dict[tuple[int, ...], Tensor] = {}

    def __call__(self, canvas: Tensor) -> Tensor:
        return torch.stack([self._of(tuple(row)) for row in canvas.tolist()])

    def _of(self, row: tuple[int, ...]) -> Tensor:
        if row not in self.known:
            shown = torch.tensor([token != MASK for token in row])
            fits = ((self.canvases == torch.tensor(row)) | ~shown).all(-1)
            # The padding is shown with its end: a canvas without end is none of a text whose end is shown.
            tokens = torch.tensor([len(text) + 1 for text in self.texts])
            count = int(sum(token not in (MASK, PAD) for token in row))
            ways = torch.tensor([math.comb(int(n), count) * max(int(n) - count, 1) for n in tokens])
            weight = torch.where(fits, self.probability / ways.clamp(min=1), 0.0)
            share = torch.nn.functional.one_hot(self.canvases, VOCABULARY).double().mul(weight[:, None, None]).sum(0)
            self.known[row] = (share / share.sum(-1, keepdim=True)).log().clamp(min=NEVER)
        return self.known[row]

    def surprise(self, written: Tensor) -> float:
        """Return the chi-square p value of written canvases."""
        found = {tuple(row): number for number, row in enumerate(self.canvases.tolist())}
        counts = torch.bincount(torch.tensor([found[tuple(row)] for row in written.tolist()]), minlength=len(found))
        expected = len(written) * self.probability
        rare = expected < 5  # one cell for all of these, as the test wants five or so in each
        pooled = [torch.cat([x[~rare], x[rare].sum()[None]]) if rare.any() else x for x in (counts.double(), expected)]
        statistic = ((pooled[0] - pooled[1]) ** 2 / pooled[1]).sum()
        return float(torch.special.gammaincc(torch.tensor((len(pooled[0]) - 1) / 2.0).double(), statistic / 2))


THREE_WORDS = Posterior(itertools.product(WORDS, repeat=3), canvas=4)
UP_TO_THREE = Posterior((text for n in range(4) for text in itertools.product(WORDS, repeat=n)), canvas=5, seed=1)
EXACT: dict[str, TextSampler] = {
    "first hitting": FirstHitting(),
    "left to right": LeftToRight(1.0),
    "first hitting in blocks": Blockwise(FirstHitting(), 2),
    "ancestral": Ancestral(150),
    "remasking, capped": ReMDM(150, remasking=Cap(0.02)),
    "remasking, rescaled": ReMDM(150, remasking=Rescale(0.02)),
    "remasking, loop": ReMDM(150, remasking=Loop(0.02)),
}


@pytest.mark.parametrize("sampler", EXACT.values(), ids=EXACT)
def test_an_exact_sampler_recovers_the_distribution_of_the_texts(sampler: TextSampler):
    rows = 1500
    written = sampler.sample(THREE_WORDS, masked(rows, 4), SYMBOLS, sources(rows))
    assert THREE_WORDS.surprise(written) > 0.01


def test_first_hitting_recovers_texts_of_different_lengths():
    rows = 1500
    written = FirstHitting().sample(UP_TO_THREE, masked(rows, 5), SYMBOLS, sources(rows))
    assert UP_TO_THREE.surprise(written) > 0.01


def test_the_chi_square_test_sees_a_wrong_distribution():
    """One step draws all tokens from their marginals, as if they were independent."""
    rows = 1500
    written = Ancestral(1).sample(THREE_WORDS, masked(rows, 4), SYMBOLS, sources(rows))
    assert THREE_WORDS.surprise(written) < 1e-6


def greedy(order: Callable[[Tensor], Tensor]) -> list[int]:
    """Write the likeliest word at the first place by some order of (words,) probabilities, one after another."""
    canvas = [MASK] * 3 + [END]
    while MASK in canvas:
        probabilities = THREE_WORDS(torch.tensor([canvas]))[0].exp()
        place = min((p for p in range(3) if canvas[p] == MASK), key=lambda p: float(order(probabilities[p])))
        canvas[place] = int(probabilities[place].argmax())
    return canvas


def entropy(probabilities: Tensor) -> Tensor:
    return torch.special.entr(probabilities).sum()


@pytest.mark.parametrize(
    ("sampler", "order"),
    [
        (ConfidenceOrder(99), lambda probabilities: -probabilities.max()),
        (ConfidenceThreshold(1.0), lambda probabilities: -probabilities.max()),
        (EntropyBound(0.0), entropy),
    ],
)
def test_a_greedy_sampler_reaches_the_known_text(sampler: TextSampler, order: Callable[[Tensor], Tensor]):
    assert sampler.sample(THREE_WORDS, masked(2, 4), SYMBOLS, []).tolist() == [greedy(order)] * 2


@pytest.mark.parametrize("sampler", [ConfidenceOrder(1), ConfidenceThreshold(1e-9), EntropyBound(99.0)])
def test_a_sampler_without_patience_takes_all_marginal_favourites_at_once(sampler: TextSampler):
    asked: list[int] = []
    favourites = THREE_WORDS(masked(1, 4)).argmax(-1)
    written = sampler.sample(lambda canvas: asked.append(1) or THREE_WORDS(canvas), masked(1, 4), SYMBOLS, [])
    assert torch.equal(written, favourites)
    assert len(asked) == 1


def test_the_entropy_bound_is_each_rows_own():
    sure, unsure = torch.full((4, VOCABULARY), -9.0), torch.zeros(4, VOCABULARY)
    sure[:3, 3], sure[3, END] = 9.0, 9.0
    unsure[3, END], unsure[:3, END], unsure[:, PAD] = 9.0, NEVER, NEVER
    seen: list[Tensor] = []
    log_probabilities = torch.stack([sure, unsure]).log_softmax(-1)
    EntropyBound(0.1).sample(lambda canvas: seen.append(canvas) or log_probabilities, masked(2, 4), SYMBOLS, [])
    assert [(canvas == MASK).sum(-1).tolist() for canvas in seen] == [[4, 4], [0, 2], [0, 1]]


class Whims(RowLogits):
    """Log-probabilities that depend on the row and on all of the canvas, some of them extreme."""

    def __init__(self, rows: int, canvas: int, spread: float, boost: dict[int, float], seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.own = spread * torch.randn(rows, canvas, VOCABULARY, generator=generator)
        self.effect = spread * torch.randn(canvas, VOCABULARY, canvas, VOCABULARY, generator=generator)
        self.boost, self.asked = boost, []

    def of_rows(self, canvas: Tensor, rows: Tensor) -> Tensor:
        self.asked.append((canvas.clone(), rows.tolist()))
        places = torch.arange(canvas.shape[1])
        logits = self.own[rows] + torch.stack([self.effect[places, row].sum(0) for row in canvas])
        for token, boost in self.boost.items():
            logits[..., token] += boost
        return logits.log_softmax(-1)


def check_well_formed(written: Tensor) -> None:
    for row in written.tolist():
        assert row.count(END) == 1, row
        assert set(row[: row.index(END)]) <= set(WORDS), row
        assert set(row[row.index(END) + 1 :]) <= {PAD}, row


BOOSTS = [{}, {END: 12.0}, {END: -200.0}, {PAD: 300.0}, {PAD: -200.0}, {MASK: 40.0}, {3: 60.0}]


@named
def test_whatever_the_network_says_the_canvas_becomes_a_well_formed_text(sampler: TextSampler):
    for seed, boost in enumerate(BOOSTS):
        canvas = (1, 2, 7)[seed % 3]
        network = Whims(2, canvas, (1.0, 30.0)[seed % 2], boost, seed)
        check_well_formed(sampler.sample(network, masked(2, canvas), SYMBOLS, sources(2, 10 * seed)))


@named
def test_a_row_does_not_depend_on_its_neighbours(sampler: TextSampler):
    network = Whims(5, 7, 1.0, {PAD: 1.0})
    together = sampler.sample(network, masked(5, 7), SYMBOLS, sources(5))
    for row in range(5):
        one = torch.tensor([row])
        alone = sampler.sample(
            lambda canvas, one=one: network.of_rows(canvas, one), masked(1, 7), SYMBOLS, sources(1, row)
        )
        assert torch.equal(alone[0], together[row])


@named
def test_given_words_and_a_given_end_stay(sampler: TextSampler):
    canvas = masked(3, 7)
    canvas[:, 2] = torch.tensor([3, 4, 5])
    canvas[1:, 5], canvas[1:, 6] = END, PAD
    written = sampler.sample(Whims(3, 7, 3.0, {END: 5.0}), canvas, SYMBOLS, sources(3))
    given = canvas != MASK
    assert torch.equal(written[given], canvas[given])
    check_well_formed(written)


@named
def test_every_evaluation_is_of_a_canvas_that_changed_and_has_masks(sampler: TextSampler):
    network = Whims(3, 7, 2.0, {PAD: 1.0})
    sampler.sample(network, masked(3, 7), SYMBOLS, sources(3))
    for row in range(3):
        seen = [canvas[rows.index(row)] for canvas, rows in network.asked if row in rows]
        assert all((canvas == MASK).any() for canvas in seen)
        assert all(not torch.equal(before, after) for before, after in itertools.pairwise(seen))


@pytest.mark.parametrize("name", [name for name in SAMPLERS if "remasking" not in name])
def test_what_is_written_stays(name: str):
    network = Whims(1, 7, 3.0, {})
    written = SAMPLERS[name].sample(network, masked(1, 7), SYMBOLS, sources(1))
    for canvas in [canvas for canvas, _ in network.asked]:
        assert torch.equal(canvas[canvas != MASK], written[canvas != MASK])


def test_remasking_does_take_words_and_ends_back():
    network = Whims(8, 7, 1.0, {PAD: 1.0})
    ReMDM(20, remasking=Cap(0.5)).sample(network, masked(8, 7), SYMBOLS, sources(8))
    erased = {"word": 0, "end": 0}
    for row in range(8):
        seen = [canvas[rows.index(row)] for canvas, rows in network.asked if row in rows]
        for before, after in itertools.pairwise(seen):
            gone = before[(before != MASK) & (after == MASK)].tolist()
            erased["end"] += END in gone
            erased["word"] += any(token in WORDS for token in gone)
            assert (END in gone) == (PAD in gone) or before[-1] == END
    assert min(erased.values()) > 0


def test_doubtful_tokens_are_erased_sooner():
    draft = Draft.of(masked(1, 4), SYMBOLS, sources(1))
    draft = draft.write(
        torch.tensor([[True, True, False, False]]), torch.full((1, 4), 3), torch.tensor([[-0.1, -3.0, 0, 0]])
    )
    sure, doubtful, *others = Unsure().probability(0.5, 0.5, draft)[0].tolist()
    assert 0 < sure < doubtful < 0.5
    assert sure + doubtful == pytest.approx(0.5)
    assert others == [0, 0]


def test_a_loop_holds_its_share_and_reaches_the_end():
    loop, draft = Loop(0.02, begin=0.5, end=0.1, share=0.8), Draft.of(masked(1, 4), SYMBOLS, [])
    assert [loop.shown(t) for t in (1.0, 0.75, 0.5, 0.3, 0.1, 0.05, 0.0)] == pytest.approx(
        [0, 0.4, 0.8, 0.8, 0.8, 0.9, 1]
    )
    assert [float(loop.probability(0.25, t, draft)) for t in (0.75, 0.3, 0.05)] == pytest.approx([0, 0.02, 0])


def test_a_sampler_can_be_driven_from_outside_step_by_step():
    sampler, network = Ancestral(6), Whims(3, 7, 1.0, {})
    draft = Draft.of(masked(3, 7), SYMBOLS, sources(3))
    for t, s in itertools.pairwise(sampler.levels()):
        draft = sampler.advance(network(draft.canvas), draft, t, s)
    driven = sampler.finish(Evaluations(network, MASK), draft).canvas
    assert torch.equal(driven, sampler.sample(network, masked(3, 7), SYMBOLS, sources(3)))


def test_blocks_are_written_from_left_to_right():
    network = Whims(1, 7, 1.0, {END: NEVER})
    Blockwise(FirstHitting(), 3).sample(network, masked(1, 7), SYMBOLS, sources(1))
    for canvas, _ in network.asked:
        blocks = [(canvas[0, first : first + 3] == MASK).any() for first in (0, 3, 6)]
        partly = [(canvas[0, first : first + 3] != MASK).any() for first in (0, 3, 6)]
        assert not any(later and earlier for earlier, later in zip(blocks, partly[1:], strict=False))


@named
def test_a_network_that_says_nothing_usable_is_an_error_and_not_an_endless_loop(sampler: TextSampler):
    with pytest.raises(ValueError, match="NaN"):
        sampler.sample(lambda canvas: torch.full((1, 7, VOCABULARY), math.nan), masked(1, 7), SYMBOLS, sources(1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ancestral(0), "steps"),
        (lambda: ReMDM(0), "steps"),
        (lambda: FirstHitting(-1.0), "temperature"),
        (lambda: Ancestral(3, math.nan), "temperature"),
        (lambda: ConfidenceThreshold(0.0), "threshold"),
        (lambda: ConfidenceThreshold(1.5), "threshold"),
        (lambda: EntropyBound(-1.0), "bound"),
        (lambda: Cap(1.5), "rate"),
        (lambda: Rescale(-0.1), "rate"),
        (lambda: Loop(begin=0.1, end=0.2), "loop"),
        (lambda: Blockwise(FirstHitting(), 0), "length"),
    ],
)
def test_wrong_settings_are_refused(make: Callable[[], object], message: str):
    with pytest.raises(ValueError, match=message):
        make()
