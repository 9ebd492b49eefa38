"""The doors: `uat fit`, `uat generate` and the others.

Nothing heavy is imported before a command needs it, so that help is there at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

TRAINING = {
    "fit": "train a model: --config quickstart.yaml; go on with --ckpt_path last",
    "validate": "score a checkpoint on the validation clips",
    "test": "score a checkpoint on the test clips",
    "predict": "run a checkpoint over a dataset, with a module that has a predict_step",
}
CONFIGURED = {
    "encode": "turn a dataset into shards of latents: --config joint.yaml --out shards",
    "plan": "tell weights, arithmetic, memory and hours of a training: --config joint.yaml --devices 32",
}
DOORS = {
    "generate": "make audio from captions",
    "caption": "write captions of audio files",
    "score": "tell how well texts fit audio files",
    "imagine": "make audio and its caption from nothing, with a model trained for it",
    "edit": "change audio files to deserve another caption",
    "evaluate": "score anyone's captions or sounds, or a model, with all that the scores depend on",
    "compare": "tell how evaluations differ, with paired intervals, where their protocols agree",
    "shards": "verify shards, or index tars that others made",
    "report": "write a page to hear and see what a model can do",
}
ROOMS = {"data": "look after data: check reads every clip once and tells what is wrong with it"}


def main(args: Sequence[str] | None = None) -> None:
    """Run a command.

    Args:
        args: The command and its options; those of the command line where None.

    Raises:
        SystemExit: With code 2 after one line on stderr, where input is wrong; also when called from Python. With
            UAT_DEBUG=1 in the environment the error itself comes through. With code 130 after Ctrl-C.
    """
    try:
        _run(list(sys.argv[1:] if args is None else args))
    except KeyboardInterrupt:  # within a training, Lightning has seen to it
        raise SystemExit(130) from None
    except Exception as error:
        if os.environ.get("UAT_DEBUG") or not _is_about_input(error):
            raise
        from uat_lightning.app.complaints import one_line

        print(f"uat: {one_line(error)}", file=sys.stderr)
        raise SystemExit(2) from None


def fit() -> None:
    """Run ``uat fit`` with the options of the command line."""
    main(["fit", *sys.argv[1:]])


def _run(args: list[str]) -> None:
    command, *options = args or ["--help"]
    if command in ("-h", "--help"):
        print(_overview())
    elif command == "--version":
        print(f"uat-lightning {_version()}")
    elif command in TRAINING:
        _train([command, *options])
    elif command in ROOMS:
        getattr(import_module(f"uat_lightning.app.{command}"), command)(options)
    elif command in CONFIGURED:
        _configured(command, options)
    elif command in DOORS:
        from uat_lightning.app.options import call

        function: Callable[..., None] = getattr(import_module(f"uat_lightning.app.{command}"), command)
        call(command, function, options)
    else:
        raise ValueError(f"no command {command!r}: choose among {', '.join(_commands())}")


def _train(args: list[str]) -> None:
    from uat_lightning.app.shipped import with_configs

    args = with_configs(args)
    from uat_lightning.app.train import train

    train(args)


def _configured(command: str, args: list[str]) -> None:
    from uat_lightning.app.shipped import with_configs

    args = with_configs(args)
    getattr(import_module(f"uat_lightning.app.{command}"), command)(args)


def _is_about_input(error: Exception) -> bool:
    """Say whether an error is the user's to mend; those of libraries are known by name, not to import them here."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    wrong = {"ValueError", "OSError", "ArgumentError", "MisconfigurationException", "UnpicklingError"}
    foreign_checkpoint = str(error).startswith(("Error(s) in loading state_dict", "PytorchStreamReader failed"))
    return bool(kinds & wrong) or foreign_checkpoint


def _commands() -> dict[str, str]:
    return {**TRAINING, **CONFIGURED, **DOORS, **ROOMS}


def _overview() -> str:
    lines = [f"  {name:10}{words}" for name, words in _commands().items()]
    return "\n".join(
        [
            "usage: uat COMMAND [options]",
            "",
            "One model generates, edits and captions audio.",
            "",
            *lines,
            "",
            "uat COMMAND --help tells a command's options; uat --version the version.",
            "Wrong input ends with one line and exit code 2; UAT_DEBUG=1 shows where it came from.",
        ]
    )


def _version() -> str:
    try:
        return version("uat-lightning")
    except PackageNotFoundError:  # a checkout that is not installed
        return "(not installed)"


if __name__ == "__main__":
    main()
