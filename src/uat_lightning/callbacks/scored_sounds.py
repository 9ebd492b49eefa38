"""Generated sounds, scored during training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, tensor
from torchmetrics import Metric

from uat_lightning.callbacks.export import trained_pipeline
from uat_lightning.callbacks.scored import PipelineTask, metric_device
from uat_lightning.data.source import CaptionedAudio
from uat_lightning.metrics.audio.divergence import KullbackLeibler
from uat_lightning.metrics.audio.frechet import FrechetDistance
from uat_lightning.metrics.audio.sanity import SanityStatistics
from uat_lightning.metrics.embedders import AudioEmbedder, AudioTagger
from uat_lightning.metrics.embedders.mono import mono
from uat_lightning.tasks import Generate, Parts


class ScoreGenerated(PipelineTask):
    """Scores of sounds generated from the first caption of the first validation clips, as long as these.

    Level, clipping and silence; with an embedder the Frechet distance from the clips, with a tagger the divergence of
    what it hears.

    Args:
        clips: Number of clips.
        longest: Seconds kept of a clip.
        batch_size: Clips at once.
        task: How to generate; as ``uat generate`` does where None.
        embedder: Embeds sounds.
        tagger: Tells what is heard.
    """

    def __init__(
        self,
        clips: int = 64,
        longest: float = 10.0,
        batch_size: int = 16,
        task: Generate | None = None,
        embedder: AudioEmbedder | None = None,
        tagger: AudioTagger | None = None,
    ) -> None:
        super().__init__(clips, longest, batch_size)
        self.task, self.embedder, self.tagger = task or Generate(), embedder, tagger
        self.metrics: dict[str, Metric] = {}

    def begin(self, trainer: Trainer, module: LightningModule) -> None:
        """Forget all sounds, and take the listeners to the module's device."""
        super().begin(trainer, module)
        self.metrics = dict(self._fresh(trained_pipeline(trainer, module).sample_rate))
        for part in (self.embedder, self.tagger):
            if part is not None:
                part.to(module.device).eval()
        for metric in self.metrics.values():
            metric.to(metric_device(module))

    def add_clips(self, parts: Parts, clips: Sequence[CaptionedAudio], first: int, seed: int) -> None:
        """Generate a sound for each clip, and listen to both."""
        true, rate = [self.waveform(parts, clip) for clip in clips], parts.codec.sample_rate
        seconds = [waveform.shape[1] / rate for waveform in true]
        made = self.task.run(parts, [clip.captions[0] for clip in clips], seconds, seed, first)
        ids = tensor(range(first, first + len(clips)))
        self.metrics["sound"].update(made, ids)
        if self.embedder is not None:
            to = self.embedder.sample_rate
            sides = (self.embedder.embed([mono(one, rate, to) for one in side]) for side in (true, made))
            self.metrics["frechet"].update(*sides, ids)
        if self.tagger is not None:
            to = self.tagger.sample_rate
            logits = (self.tagger.logits([mono(one, rate, to) for one in side]) for side in (true, made))
            self.metrics["divergence"].update(*logits, ids)

    def scores(self) -> dict[str, float | Tensor]:
        """Return the scores of all sounds."""
        found = {name: metric.compute() for name, metric in self.metrics.items()}
        return {f"{name}_{score}": value for name, some in found.items() for score, value in some.items()}

    def _fresh(self, sample_rate: int) -> Iterator[tuple[str, Metric]]:
        yield "sound", SanityStatistics(sample_rate)
        if self.embedder is not None:
            yield "frechet", FrechetDistance(self.embedder.embedding_width)
        if self.tagger is not None:
            yield "divergence", KullbackLeibler()
