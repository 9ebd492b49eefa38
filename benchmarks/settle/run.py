"""One run: a model trained with a seed, and what it makes of the test clips."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file

from settle.compute import Step
from settle.grounds import Ground, TestClip
from settle.models import Model
from uat_lightning.app.model import OpenModel, open_model
from uat_lightning.app.output import save_text
from uat_lightning.app.shipped import find_config, with_configs
from uat_lightning.app.train import train
from uat_lightning.app.unseen import batches
from uat_lightning.pipeline import CONFIG, WEIGHTS
from uat_lightning.sampling import Euler, Guidance, RescaledGuidance
from uat_lightning.tasks import Caption, Generate

TRAINED, MADE = "trained.json", "made.json"
SOUNDS = "heard.safetensors"


@dataclass(frozen=True)
class Sampling:
    """How sounds and captions are made, the same for all models.

    Args:
        steps: Euler steps of a sound.
        guidance: Scale of guidance on captions.
        rescale: Share of its level that guidance takes back.
        batch_size: Clips at once.
        seed: Seed of the first clip; clip i has seed + i.
    """

    steps: int = 50
    guidance: float = 4.0
    rescale: float = 0.9
    batch_size: int = 50
    seed: int = 0


@dataclass(frozen=True)
class Run:
    """A model trained with a seed.

    Args:
        model: The model.
        seed: Seed of weights, noise and drops; data and their order are the same for all.
        step: Its training step.
        steps: Steps of the training.
        ground: What it is trained and tested on.
        work: Folder of all runs.
    """

    model: Model
    seed: int
    step: Step
    steps: int
    ground: Ground
    work: Path

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.work / f"{self.model.name}-{self.seed}"

    def settings(self) -> dict[str, Any]:
        """Return all that the training depends on."""
        step = {"rows": self.step.rows, "flops_per_step": self.step.flops, "steps": self.steps}
        configs = {name: digest(name) for name in (self.ground.base, self.model.control) if name}
        return {"model": asdict(self.model), "seed": self.seed, **step, "configs": configs, "options": self._options()}

    def _options(self) -> list[str]:
        settings = {
            "seed_everything": self.seed,
            "trainer.max_steps": self.steps,
            "trainer.limit_val_batches": 0,  # models are scored afterwards
            "model.init_args.scheduler.init_args.steps": self.steps,
            "data.init_args.batch_size": self.step.rows,
        }
        return [*(f"--{name}={value}" for name, value in settings.items()), *self.ground.options()]

    def arguments(self) -> list[str]:
        """Return the command line behind ``uat fit``."""
        trainer = self.folder / "trainer.yaml"
        configs = [name for name in (self.ground.base, self.model.control, str(trainer)) if name]
        return [*(word for name in configs for word in ("--config", name)), *self._options()]

    def trained(self) -> bool:
        """Return whether the model is there.

        Raises:
            ValueError: If the folder holds a model of other settings.
        """
        record = self.folder / TRAINED
        if not (record.is_file() and (self.folder / "model" / CONFIG).is_file()):
            return False
        if json.loads(record.read_text())["settings"] != self.settings():
            raise ValueError(f"{self.folder} holds a model of other settings: remove it, or name another --work")
        return True

    def tested(self, sampling: Sampling) -> bool:
        """Return whether the model was trained, and tested in this way."""
        return (
            self.trained() and (self.folder / MADE).is_file() and read_made(self.folder)["how"] == self._how(sampling)
        )

    def _how(self, sampling: Sampling) -> dict[str, Any]:
        weights = hashlib.sha256((self.folder / "model" / WEIGHTS).read_bytes()).hexdigest()
        return {**self.ground.about(), **asdict(sampling), "weights": weights}

    def train(self) -> None:
        """Train the model, where that has not been done.

        Raises:
            ValueError: If the folder holds a model of other settings, or somebody stopped the training.
        """
        if self.trained():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "trainer.yaml").write_text(yaml.safe_dump(self._trainer()))
        begun, used = time.perf_counter(), time.process_time()
        reached = train(with_configs(["fit", *self.arguments()])).trainer.global_step
        if reached < self.steps:
            raise ValueError(f"the training of {self.folder} was stopped at step {reached} of {self.steps}: run again")
        took = {"seconds": time.perf_counter() - begun, "cpu_seconds": time.process_time() - used}
        told = {"settings": self.settings(), **took, "threads": torch.get_num_threads()}
        save_text(self.folder / TRAINED, json.dumps(told, indent=1) + "\n")

    def _trainer(self) -> dict[str, Any]:
        """Return what takes the place of the base's callbacks and logger; its moving average stays."""
        base = yaml.safe_load(Path(find_config(self.ground.base)).read_text(encoding="utf-8"))
        averages = [one for one in base["trainer"]["callbacks"] if one["class_path"].endswith(".EMA")]
        own: dict[str, dict[str, Any]] = {
            "lightning.pytorch.callbacks.TQDMProgressBar": {"refresh_rate": 50},
            "uat_lightning.callbacks.RankSeed": {"seed": self.seed},
            "uat_lightning.callbacks.ExportPipeline": {"folder": str(self.folder / "model")},
        }
        listed = [{"class_path": path, "init_args": arguments} for path, arguments in own.items()]
        logger = {"save_dir": str(self.folder), "name": "log", "version": ""}
        return {
            "trainer": {
                "callbacks": [*averages, *listed],
                "logger": {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": logger},
                "enable_checkpointing": False,
                "enable_model_summary": False,
            }
        }

    def test(self, sampling: Sampling, device: str) -> None:
        """Make captions and sounds of the test clips, where that has not been done in the same way."""
        if self.tested(sampling):
            return
        opened = open_model(str(self.folder / "model"), device)
        clips, begun = self.ground.clips(opened.parts), time.perf_counter()
        made: dict[str, Any] = {"how": self._how(sampling), "clips": [clip.name for clip in clips]}
        if self.model.captions:
            made["captions"] = written(opened, clips, sampling, None)
            made["captions_without_guidance"] = written(opened, clips, sampling, Guidance(1.0))
        if self.model.generates:
            made["heard"] = self._heard(opened, clips, sampling)
        save_text(self.folder / MADE, json.dumps({**made, "seconds": time.perf_counter() - begun}, indent=1) + "\n")

    def _heard(self, model: OpenModel, clips: Sequence[TestClip], sampling: Sampling) -> list[list[str]]:
        """Return the events heard in the model's sounds, and keep their embeddings."""
        heard = self.ground.listen(generated(model, clips, sampling), model.pipeline.sample_rate)
        temporary = self.folder / f".{SOUNDS}"
        save_file({"vectors": heard.vectors.contiguous()}, temporary)
        temporary.replace(self.folder / SOUNDS)
        return [sorted(events) for events in heard.events]


def written(model: OpenModel, clips: Sequence[TestClip], sampling: Sampling, guidance: Guidance | None) -> list[str]:
    """Return the model's caption of each clip, with its own way of writing."""
    texts: list[str] = []
    waveforms = [clip.waveform for clip in clips]
    for rows in batches(waveforms, sampling.batch_size, "Captioning"):
        task = Caption(guidance=guidance)
        texts += task.run(model.parts, waveforms[rows.start : rows.stop], sampling.seed, rows.start)
    return texts


def generated(model: OpenModel, clips: Sequence[TestClip], sampling: Sampling) -> list[torch.Tensor]:
    """Return the model's sound for each clip's prompt, as long as the clip."""
    task = Generate(Euler(sampling.steps), RescaledGuidance(sampling.guidance, rescale=sampling.rescale))
    made: list[torch.Tensor] = []
    for rows in batches([clip.waveform for clip in clips], sampling.batch_size, "Generating"):
        some = clips[rows.start : rows.stop]
        seconds = [clip.waveform.shape[1] / model.pipeline.sample_rate for clip in some]
        made += task.run(model.parts, [clip.prompt for clip in some], seconds, sampling.seed, rows.start)
    return made


def digest(config: str) -> str:
    """Return what changes with a config, be it a shipped one or a file."""
    return hashlib.sha256(Path(find_config(config)).read_bytes()).hexdigest()[:16]


def read_made(folder: Path) -> Mapping[str, Any]:
    """Return what a run made."""
    found: Mapping[str, Any] = json.loads((folder / MADE).read_text())
    return found
