from __future__ import annotations

import pytest
import torch

from conftest import BACKBONE
from uat_lightning.backbone import DualStreamTransformer, Isolated, SourceLatents
from uat_lightning.diffusion import VPCosine
from uat_lightning.sampling import Euler, Guidance, Windows
from uat_lightning.sampling.editing import Instructed, SDEdit, SourceConditioned, SourceDifference, Views
from uat_lightning.tasks import Caption, ChosenEdit, Edit, Edited, Parts, Score
from uat_lightning.tasks.choice import STRIDE
from uat_lightning.tasks.edit import Source
from uat_lightning.tasks.model_flow import ModelFlow
from uat_lightning.tasks.region import Spans
from uat_lightning.tasks.texts import SaidTexts, Texts, ToldTexts
from uat_lightning.text import Add, Said
from uat_lightning.types import Sequences

RATE = 16_000


@pytest.fixture
def parts(tiny_codec, tiny_tokenizer) -> Parts:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = DualStreamTransformer(**BACKBONE, coupling=Isolated(), source=SourceLatents())
        for weight in backbone.parameters():
            torch.nn.init.normal_(weight, std=0.1)
    return Parts(backbone.eval(), tiny_codec, tiny_tokenizer)


def sounds(*seconds: float) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [0.2 * torch.randn(1, round(RATE * each), generator=generator) for each in seconds]


def task(**settings) -> Edit:
    method = Instructed(source_guidance=Guidance(settings.pop("source_guidance", 1.5)))
    return Edit(method, Euler(4), Guidance(2.0), **settings)


@pytest.mark.parametrize("window", [None, 0.5])
def test_a_batch_is_edited_as_its_rows_one_by_one(parts: Parts, window: float | None):
    waveforms, said = sounds(1.0, 0.7, 1.0), ["add a bell", "remove the rain", "rain falls"]
    together = task(window=window).run(parts, waveforms, said, seed=5)
    for row, (waveform, words) in enumerate(zip(waveforms, said, strict=True)):
        (alone,) = task(window=window).run(parts, [waveform], [words], seed=5, first=row)
        assert alone.shape == waveform.shape
        torch.testing.assert_close(together[row], alone, rtol=1e-3, atol=1e-3)


def test_the_seed_decides_the_noise(parts: Parts):
    waveforms = sounds(0.8)
    first, again, other = (task().run(parts, waveforms, ["add a bell"], seed=seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-3)


def test_at_strength_0_the_source_comes_back(parts: Parts):
    (waveform,) = sounds(0.8)
    (edited,) = Edit(Instructed(0.0)).run(parts, [waveform], ["add a bell"])
    torch.testing.assert_close(edited, waveform, rtol=0, atol=1e-5)


def test_outside_of_a_region_the_samples_stay(parts: Parts):
    (waveform,) = sounds(1.0)
    source = Source(waveform, Said("add a bell"), region=Spans([(0.4, 0.7)]))
    (edited,) = task().edit(parts, [source])
    first, last = round(0.4 * RATE), round(0.7 * RATE)
    assert torch.equal(edited.audio[:, :first], waveform[:, :first])
    assert torch.equal(edited.audio[:, last:], waveform[:, last:])
    assert not torch.equal(edited.audio, waveform)


def test_no_caption_of_the_source_is_written(parts: Parts):
    (edited,) = task().edit(parts, [Source(sounds(0.8)[0], Said("whatever you like"))])
    assert (edited.targets, edited.texts, edited.complaints) == (["whatever you like"], [], [])
    assert edited.evaluations == 4


SEEING, BLIND = Views(0.5, 0.5), Views(0.0, 0.0, 1.0)


def captioned(said: Said | str, text: str | None = None, seconds: float = 0.8, **settings) -> Edited:
    parts, guidance = settings.pop("parts"), Guidance(2.0)
    method = SourceConditioned(1.0, Guidance(1.5), settings.pop("views", SEEING))
    task = Edit(method, Euler(4), guidance, **settings)
    return task.edit(parts, [Source(sounds(seconds)[0], said, text)])[0]


def test_half_of_a_prediction_is_under_the_instruction_where_there_is_one(parts: Parts):
    made = captioned(Said("remove the rain"), "a bell rings while rain falls", parts=parts)
    assert (made.targets, made.evaluations) == (["a bell rings"], 4)
    told = captioned("a bell rings", parts=parts)
    (same,) = task().edit(parts, [Source(sounds(0.8)[0], "a bell rings")])
    assert torch.equal(told.audio, same.audio)
    (followed,) = task().edit(parts, [Source(sounds(0.8)[0], Said("remove the rain"))])
    assert not any(torch.allclose(made.audio, other.audio, atol=1e-3) for other in (told, followed))


def test_what_is_said_stands_beside_the_captions_that_follow(parts: Parts):
    audio = Sequences(torch.randn(4, 5, 4), torch.full((4,), 5))
    heard = ["a bell rings while rain falls", "rain falls", "rain falls", "a bell rings"]
    wishes = [Said("remove the rain"), Said("remove the rain"), "a dog barks", Said(f"add {'bells and ' * 40} rain")]
    texts = Texts(parts, audio, range(4), heard, wishes, Caption(), 0)
    captions, views = texts.targets, Views(0.5, 0.3, 0.2)
    assert texts.words == ["remove the rain", "remove the rain", "a dog barks", captions[3]]
    assert texts.views(views) == [Views(0.8, 0.0, 0.2)] * 4
    assert [complaint is None for complaint in texts.complaints] == [True, False, True, False]
    assert texts.refusals == texts.complaints
    told = ToldTexts(parts, audio, range(4), heard, wishes, Caption(), 0)
    assert told.targets == [captions[0], "remove the rain", *captions[2:]]
    assert told.words == texts.words
    assert told.views(views) == [views, Views(0.0, 1.0), Views(0.8, 0.0, 0.2), Views(0.8, 0.0, 0.2)]
    assert (told.complaints, [refusal is None for refusal in told.refusals]) == (texts.complaints, [True] * 3 + [False])
    said = SaidTexts(parts, audio, range(1), heard[:1], wishes[:1], Caption(), 0)
    assert (said.targets, said.views(views)) == (["remove the rain"], [Views()])
    adding = ToldTexts(
        parts, audio.take(slice(0, 2)), range(2), heard[:2], [Said("add rain"), Add("rain")], Caption(), 0
    )
    assert adding.views(views) == [Views(0.0, 1.0), Views(0.8, 0.0, 0.2)]


def test_where_no_caption_follows_the_instruction_is_followed_alone(parts: Parts):
    made = captioned(Said("remove the rain"), "rain falls", parts=parts)
    (followed,) = task().edit(parts, [Source(sounds(0.8)[0], Said("remove the rain"))])
    assert made.targets == ["remove the rain"] and "nothing is left to hear" in made.complaints[0]
    torch.testing.assert_close(made.audio, followed.audio, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="nothing is left to hear"):
        captioned(Said(f"remove the {'very ' * 60}rain"), "rain falls", parts=parts)
    assert captioned(Said("let there be rain"), "a bell rings", parts=parts).targets == ["let there be rain"]


def test_an_edit_is_seen_from_three_sides(parts: Parts):
    """The weighted mean of three velocities; what only adds and what no caption follows from is said alone."""
    audio, noisy = Sequences(torch.randn(3, 5, 4), torch.full((3,), 5)), torch.randn(3, 5, 4)
    heard = ["a bell rings while rain falls", "rain falls", "wind blows"]
    wishes = [Said("remove the rain"), Said("remove the rain"), Said("add a bell")]
    texts = ToldTexts(parts, audio, range(3), heard, wishes, Caption(), 0)

    def velocity(views: Views) -> tuple[torch.Tensor, int]:
        flow = ModelFlow(Windows.over(audio.lengths, 5, 0), texts, Guidance(2.0))
        with torch.no_grad():
            return SourceConditioned(views=views).velocity(flow)(noisy, 0.7), flow.tally.count

    with torch.no_grad():
        flow = ModelFlow(Windows.over(audio.lengths, 5, 0), texts, Guidance(2.0))
        blind = SDEdit(1.0).velocity(flow)(noisy, 0.7)
        (mixed, twice), (captions, once), (words, _) = map(velocity, (Views(0.5, 0.2, 0.3), Views(), Views(0, 1)))
    assert (twice, once) == (2, 1)
    sides = torch.stack([captions[0], words[0], blind[0]])
    assert torch.pdist(sides.flatten(1)).min() > 0.05
    wanted = torch.tensor([0.5, 0.2, 0.3])[:, None, None] * sides
    torch.testing.assert_close(mixed[0], wanted.sum(0), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(mixed[1:], words[1:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shares", [(0.5, 0.4, 0.2), (1.2, -0.2, 0.0)])
def test_views_share_one(shares: tuple[float, float, float]):
    with pytest.raises(ValueError, match="sum to 1"):
        Views(*shares)


@pytest.mark.parametrize(("views", "evaluations"), [(SEEING, 4), (Views(0.6, 0.0, 0.4), 8)])
def test_evaluations_without_the_source_are_counted(parts: Parts, views: Views, evaluations: int):
    assert captioned("a bell rings", parts=parts, views=views).evaluations == evaluations


def test_without_any_share_of_the_source_it_is_sdedit(parts: Parts):
    (plain,) = Edit(SDEdit(1.0), Euler(4), Guidance(2.0)).run(parts, sounds(0.8), ["a bell rings"])
    blind = captioned("a bell rings", parts=parts, views=BLIND).audio
    torch.testing.assert_close(blind, plain, rtol=1e-3, atol=1e-3)


def test_of_what_was_followed_alone_no_caption_is_judged(parts: Parts):
    """Its first candidate stays; of the others the likeliest is kept."""
    edit, sources = Edit(SourceConditioned(views=SEEING), Euler(2), Guidance(2.0)), []
    for waveform, heard in zip(sounds(0.8, 0.8), ("rain falls", "a bell rings while rain falls"), strict=True):
        sources.append(Source(waveform, Said("remove the rain"), heard))

    class Rising(Score):
        """Scores every candidate above those before it."""

        calls = 0.0

        def of_latents(self, parts: Parts, audio: Sequences, text: Sequences, seed: int = 0) -> torch.Tensor:
            self.calls += 1
            return torch.full((len(text),), self.calls, dtype=torch.float64)

    untold, told = ChosenEdit(edit, Rising(), candidates=2).edit(parts, sources, seed=3)
    each = [edit.edit(parts, sources, seed=3 + STRIDE * number) for number in range(2)]
    assert torch.equal(untold.audio, each[0][0].audio) and torch.equal(told.audio, each[1][1].audio)


def test_a_difference_to_the_source_is_followed_alike_in_any_batch(parts: Parts):
    edit, said = Edit(SourceDifference(), Euler(4), Guidance(2.0)), ["add a bell", "remove the rain", "remove the wind"]
    wanted = [
        Source(audio, Said(words), "rain falls while wind blows")
        for audio, words in zip(sounds(1.0, 0.7, 1.0), said, strict=True)
    ]
    together = edit.edit(parts, wanted, seed=5)
    for row, (source, made) in enumerate(zip(wanted, together, strict=True)):
        (alone,) = edit.edit(parts, [source], seed=5, first=row)
        torch.testing.assert_close(made.audio, alone.audio, rtol=1e-3, atol=1e-3)
        assert made.evaluations == 4


@pytest.mark.parametrize("negative", [None, "rain falls"])
def test_long_audio_is_edited_window_by_window(parts: Parts, negative: str | None):
    said = Said("add a bell")
    made = captioned(said, "rain falls", 1.2, parts=parts, window=0.5, negative=negative, views=Views(0.4, 0.3, 0.3))
    assert len(made.targets) > 1 and set(made.targets) == {"rain falls with a bell"}
    assert made.audio.isfinite().all()


def test_the_negative_text_is_led_away_from(parts: Parts):
    waveforms = sounds(0.8)
    plain, away = (task(negative=words).run(parts, waveforms, ["add a bell"])[0] for words in (None, "rain falls"))
    assert not torch.allclose(plain, away, atol=1e-3)


def test_models_of_other_processes_are_edited_too(parts: Parts):
    other = Parts(parts.backbone, parts.codec, parts.tokenizer, VPCosine())
    assert task().run(other, sounds(0.8), ["add a bell"])[0].isfinite().all()


@pytest.mark.parametrize("kind", [SourceConditioned, SourceDifference, Instructed])
def test_a_model_without_a_source_says_what_to_do(tiny_parts: Parts, kind):
    with pytest.raises(ValueError, match=rf"^{kind.__name__} needs a model .* take another method") as raised:
        Edit(kind()).run(tiny_parts, sounds(0.8), ["add a bell"])
    assert "\n" not in str(raised.value)


def test_other_methods_edit_with_a_model_that_takes_a_source(parts: Parts):
    made = Edit(SDEdit(0.5), Euler(2)).run(parts, sounds(0.8), ["a bell rings"])
    assert made[0].isfinite().all()


def test_an_instruction_that_is_not_in_words_is_refused(parts: Parts):
    with pytest.raises(ValueError, match="a model follows words: give Said"):
        task().edit(parts, [Source(sounds(0.8)[0], Add("a bell"))])
