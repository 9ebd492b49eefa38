"""The Penn Treebank tokenizer of coco-caption itself, in Java."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from uat_lightning.metrics.captioning.java import JavaProgram
from uat_lightning.metrics.captioning.scores import NotComputable
from uat_lightning.metrics.captioning.words import Words

# What coco-caption drops. The brackets never match: they come out in lower case, as everything does.
UNSCORED = frozenset(
    ["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";"]
)


class JavaTreebank(Words):
    """Splits by the Stanford tokenizer 3.4.1, as published scores do. Needs Java.

    Args:
        seconds: How long it may take.
    """

    def __init__(self, seconds: float = 600) -> None:
        self.seconds = seconds

    def split(self, captions: Sequence[str]) -> list[str]:
        """Return every caption's words.

        Raises:
            NotComputable: If there is no Java or it fails.
        """
        lines = [" ".join(caption.split()) for caption in captions]
        jar = coco_folder("tokenizer") / "stanford-corenlp-3.4.1.jar"
        tokenizer = ["edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase", "-encoding", "UTF-8"]
        with JavaProgram("the Treebank tokenizer", ["-cp", str(jar), *tokenizer], self.seconds) as java:
            answers = java.finish(lines)
        if len(answers) != len(lines):
            raise NotComputable(f"the Treebank tokenizer gave {len(answers)} lines for {len(lines)} captions")
        return [" ".join(word for word in answer.split() if word not in UNSCORED) for answer in answers]


def coco_folder(part: str) -> Path:
    """Return where ``pycocoevalcap`` keeps a part and its Java archives."""
    found = importlib.util.find_spec(f"pycocoevalcap.{part}")
    if found is None or not found.submodule_search_locations:
        raise NotComputable(f"pycocoevalcap has no {part}: install it anew")
    return Path(found.submodule_search_locations[0])
