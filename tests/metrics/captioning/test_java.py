from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from java_here import needs_java, needs_proc, processes_with
from processes import start
from uat_lightning.metrics.captioning import Meteor, caption_scores, quick_scorers
from uat_lightning.metrics.captioning.java import JavaProgram, _encoded, java_version
from uat_lightning.metrics.captioning.java_treebank import JavaTreebank
from uat_lightning.metrics.captioning.meteor import MeteorProgram
from uat_lightning.metrics.captioning.scores import NotComputable

WORKING = """
import os, signal
os.setsid()  # a group of its own
from uat_lightning.metrics.captioning.meteor import meteor
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it
print("started", flush=True)
meteor(["a dog barks loudly"] * 100_000, [["a loud dog barks"] * 5] * 100_000)
"""


def descendants(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def wait_until(condition, seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


@needs_java
@needs_proc
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("who", ["the process", "its group"])
def test_a_run_that_is_killed_while_java_works_leaves_no_process(how, who, tmp_path):
    mark = f"UAT_KILL_TEST_{os.getpid()}_{how}_{len(who)}"
    (tmp_path / "working.py").write_text(WORKING)
    run = start(str(tmp_path / "working.py"), environment={mark: "1"})
    try:
        assert wait_until(lambda: run.read("stdout") == "started\n")
        assert wait_until(lambda: sum("meteor-1.5.jar" in line for line in processes_with(mark).values()) == 2)
        assert len(processes_with(mark)) == 2  # the keeper, java
        assert run.process.pid is not None
        (os.kill if who == "the process" else os.killpg)(run.process.pid, how)
        assert run.wait(60) != 0
    finally:
        run.process.kill()  # a test that fails leaves nothing that works on
    assert wait_until(lambda: not processes_with(mark), 20), processes_with(mark)


@needs_java
@needs_proc
def test_java_dies_with_its_keeper_and_the_asker_hears_of_it():
    with MeteorProgram() as program:
        keeper = program.process_id
        assert wait_until(lambda: len(descendants(keeper)) == 1)
        (java,) = descendants(keeper)
        os.kill(keeper, signal.SIGKILL)
        assert wait_until(lambda: not Path(f"/proc/{java}/cmdline").exists(), 20)
        with pytest.raises(NotComputable, match="METEOR ended early"):
            program.score(["a"], [["b"]])


@needs_java
@needs_proc
def test_what_takes_too_long_is_not_computed_and_leaves_no_child():
    before = descendants(os.getpid())
    found = caption_scores(["a dog"], [["a dog"]], [Meteor(seconds=0.2)])
    assert found.not_computed == {"meteor": "METEOR gave no answer within 0.2 seconds"}
    with pytest.raises(NotComputable, match="the Treebank tokenizer gave no answer within"):
        JavaTreebank(seconds=0.01).split(["a dog"])
    assert subprocess._active == []
    assert descendants(os.getpid()) == before


@needs_java
@pytest.mark.parametrize("use", [lambda java: java.finish([]), lambda java: java.ask("a line")])
def test_a_program_that_fails_says_what_java_said(use):
    complaint = r"the program ended early: Error: .*nowhere\.Nothing"
    with JavaProgram("the program", ["nowhere.Nothing"], 60) as java, pytest.raises(NotComputable, match=complaint):
        use(java)


def test_without_java_the_scores_that_need_none_are_there(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = caption_scores(["a dog", "rain"], [["a dog"], ["wind"]], [*quick_scorers(), Meteor()])
    assert found.not_computed == {"meteor": "needs Java, and there is no java on the PATH"}
    assert found.scores["cider_d"] > 0
    with pytest.raises(NotComputable, match="no java"):
        java_version()


def test_a_question_is_one_line():
    with pytest.raises(ValueError, match="one line"):
        _encoded("two\nlines")


@needs_java
def test_the_version_names_itself():
    assert "version" in java_version()
