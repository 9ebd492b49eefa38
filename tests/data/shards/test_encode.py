"""`uat encode` as people run it: one process or two, killed and gone on with."""

from __future__ import annotations

import csv
import json
import random
import time
from pathlib import Path

import pytest
from shard_making import digests

from processes import run, start
from uat_lightning.cli import main

SOUNDSCAPES = ["--data.train_clips=20", "--data.validation_clips=5", "--data.test_clips=3", "--data.shortest=1"]
SOUNDSCAPES += ["--data.longest=1.5", "--data.workers=0", "--clips_per_shard=4", "--together=3"]
PROCESSES = {
    "one": ["--trainer.devices=1"],
    "two": ["--trainer.devices=2", "--trainer.strategy=ddp"],
}


def command(folder: Path, out: str, *options: str) -> list[str]:
    config = ["--config=quickstart.yaml", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"]
    return ["encode", *config, f"--out={folder / out}", *options]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    main(command(folder, "shards", *PROCESSES["one"], *SOUNDSCAPES))
    return folder / "shards"


def test_the_model_of_a_config_is_not_built(tmp_path: Path):
    config = tmp_path / "own.yaml"
    config.write_text("model: {class_path: no.such.Module}\nseed_everything: 3\nckpt_path: null\n")
    main([*command(tmp_path, "shards", *PROCESSES["one"], *SOUNDSCAPES), f"--config={config}"])
    assert (tmp_path / "shards" / "meta.json").exists()


def test_a_finished_folder_is_left_as_it_is(undisturbed: Path, capsys: pytest.CaptureFixture[str]):
    before = {name: (undisturbed / name).stat().st_mtime_ns for name in digests(undisturbed)}
    main(command(undisturbed.parent, "shards", *PROCESSES["one"], *SOUNDSCAPES))
    assert {name: (undisturbed / name).stat().st_mtime_ns for name in digests(undisturbed)} == before
    assert "28 clips in 8 shards" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("--data.train_clips=21", "corpora, counts"),
        ("--clips_per_shard=5", "clips_per_shard"),
        ("--long_files=FirstSeconds", "long_files"),
        ("--data.init_args.codec.init_args.patch=4", "codec"),
    ],
)
def test_a_folder_of_other_content_is_not_gone_on_with(undisturbed: Path, option: str, named: str, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(command(undisturbed.parent, "shards", *PROCESSES["one"], *SOUNDSCAPES, option))
    assert stopped.value.code == 2
    complaint = capsys.readouterr().err.strip().splitlines()[-1]
    assert complaint.startswith(f"uat: {undisturbed} holds shards of something else ({named} differ)")


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "diary.txt").write_text("mine")
    with pytest.raises(SystemExit):
        main(command(tmp_path, "shards", *PROCESSES["one"], *SOUNDSCAPES))
    assert "holds something else than shards" in capsys.readouterr().err
    assert [file.name for file in (tmp_path / "shards").iterdir()] == ["diary.txt"]


SECOND_FINISHES = """
import os, time

from uat_lightning.cli import main
from uat_lightning.data.shards.build import ShardBuild

finish = ShardBuild.finish


def slowly(build):
    told = None
    while os.environ["LOCAL_RANK"] == "1" and told is None:
        time.sleep(0.5)
        told = finish(build)
    return told


ShardBuild.finish = slowly
main()
"""


@pytest.mark.slow
def test_two_processes_write_the_files_of_one(undisturbed: Path, tmp_path: Path):
    """Started as people do, without ``torchrun``: Lightning itself starts the second one, from the interpreter up.

    The first one, which people wait for, ends when the folder is finished, even where the second one does that.
    """
    (tmp_path / "begin.py").write_text(SECOND_FINISHES)
    options = command(tmp_path, "shards", *PROCESSES["two"], *SOUNDSCAPES)
    run(str(tmp_path / "begin.py"), *options, folder=tmp_path)
    assert digests(tmp_path / "shards") == digests(undisturbed)


@pytest.mark.slow
def test_real_clips_too(shared: Path, tmp_path: Path):
    with (shared / "data" / "esc50" / "esc50.csv").open() as file:
        rows = list(csv.DictReader(file))[:24]
    with (tmp_path / "list.jsonl").open("w") as file:
        for number, row in enumerate(rows):
            audio = next((shared / "data" / "esc50").rglob(Path(row["filename"]).stem + ".ogg"))
            split = "validation" if number % 4 == 0 else "train"
            file.write(json.dumps({"audio": str(audio), "caption": row["category"], "split": split}) + "\n")
    data = ["--config=folder.yaml", f"--data.root={tmp_path}", "--data.manifest=list.jsonl", "--data.workers=0"]
    for ranks, (name, processes) in enumerate(PROCESSES.items(), 1):
        run(*command(tmp_path, name, *data, "--clips_per_shard=5", *processes), folder=tmp_path, ranks=ranks)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    told = json.loads((tmp_path / "one" / "meta.json").read_text())
    assert told["splits"] == {"train": {"folder": 18}, "validation": {"folder": 6}}
    assert told["frames"] > 24 * 50


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_to_the_very_same_files(undisturbed: Path, tmp_path: Path):
    moments = random.Random(0)
    kill_after(tmp_path, 0.2 + 0.3 * moments.random(), "rows")
    kill_after(tmp_path, 0.05 * moments.random(), "tar")
    run(*command(tmp_path, "shards", *PROCESSES["two"], *SOUNDSCAPES), folder=tmp_path, ranks=2)
    assert digests(tmp_path / "shards") == digests(undisturbed)


def kill_after(folder: Path, seconds: float, kind: str) -> None:
    """Begin to encode in a process, and kill it some time after it wrote a file of that kind."""
    there = len(list((folder / "shards").rglob(f"*.{kind}*")))
    running = start(*command(folder, "shards", *PROCESSES["one"], *SOUNDSCAPES), folder=folder)
    while running.process.is_alive() and len(list((folder / "shards").rglob(f"*.{kind}*"))) <= there:
        time.sleep(0.01)
    time.sleep(seconds)
    running.process.kill()
    running.wait()
