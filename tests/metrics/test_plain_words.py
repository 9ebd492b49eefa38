from __future__ import annotations

from uat_lightning.metrics.plain_words import plain_words


def test_plain_words_drop_all_punctuation():
    assert plain_words("the dog's 2 barks\n(again)") == "the dog's 2 barks again"
    assert plain_words("...") == ""
