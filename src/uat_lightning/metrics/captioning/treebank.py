"""The words of a caption as the Penn Treebank tokenizer of coco-caption gives them, without Java."""

from __future__ import annotations

import re
from functools import lru_cache

# In front of a full stop these keep it.
ABBREVIATIONS = """
al alex approx ariz assn ave blvd bros calif capt cf co col colo conn corp cos cpl dept det dr drs elec esq est etc
ext fla ft ga gen gov hon inc ind intl jr kan ky la lt ltd maj md mfg mich minn mo mr mrs ms mt mtg natl neb nev okla
pa penn ph plc pres prof prop pvt rd rep rev sen seq sgt sq sr st ste tel tenn tex univ va vs wis jan feb mar apr jun
jul aug sep sept oct nov dec mon tue tues wed thu thurs fri
"""
LETTER, ALPHANUMERIC = r"[^\W\d_]", r"[^\W_]"
PIECE = re.compile(
    rf"""
    (?!(?:cannot|gonna|wanna|gotta|gimme|lemme)\b) [a-z]+ (?=,?\ |$)    # nearly every word
  | </?[a-z!][^>]*>                                                     # <unk>
  | (?:https?://|www\.) [^\s"<>|()]+ [^\s"<>|.!?(){{}},-]
  | (?:[\w-]+\.)+ (?:com|net|org|edu|gov) (?!\w)
  | [a-z0-9][a-z0-9.,]* (?:-[a-z0-9]+)+ (?!\w)                          # tick-tock, but also "loud,high-pitched"
  | (?:{LETTER}\.)+ {LETTER}\.? (?!\w) | {LETTER}\. (?!\w)              # p.a.
  | (?:{"|".join(ABBREVIATIONS.split())}) \. (?!\w)
  | nos?\. (?=\ *\d)
  | can (?=not(?!\w)) | (?:gon|wan) (?=na(?!\w)) | got (?=ta(?!\w)) | (?:gim|lem) (?=me(?!\w))
  | {ALPHANUMERIC}* [^\W_n] (?=n't(?!\w)) | n't (?!\w)                  # does n't
  | 't (?=(?:is|was)(?!\w)) | y' (?={LETTER})
  | '(?:n'?|em|till?|cause|[2-9]0s) (?!\w)                              # rock 'n' roll
  | '(?:s|d|m|re|ve|ll) (?!\w)                                          # dog 's
  | [a-hj-xz]'{LETTER}{{2,}} | {LETTER}+[aeiouy]'[aeiou]{LETTER}*       # o'clock, ma'am
  | [-+]?\d*(?:[.,:]\d+)+ (?!{LETTER}) | [-+]\d+ (?!{LETTER})
  | {ALPHANUMERIC}+\#? (?:[-_/+&.!?]{ALPHANUMERIC}+)* (?:\.(?=[,;:]))?
  | [:;=]-?[()dp] (?!\w) | [!?]{{2,}} | [@\#]{LETTER}+ | _+ | \#+ | \*+ | @+ | [&+|=$%^~<>\\°()\[\]{{}}]
""",
    re.VERBOSE,
)
# All other rules see no further than the next blank.
BEYOND_A_BLANK = re.compile(r"<|\bnos?\. ")
BRACKETS = str.maketrans(
    {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"},
)


def treebank_words(caption: str) -> str:
    """Return a caption's words in lower case, separated by single blanks, without unscored punctuation.

    Clitics stand alone (``dog 's``, ``does n't``), hyphens and slashes join, abbreviations keep their full stop,
    brackets are spelt ``-lrb-``. These are the rules of the Stanford tokenizer 3.4.1 with ``-lowerCase``, as far as
    captions meet them: the words of 102,652 captions of COCO, Clotho, AudioCaps and SoundBible are all equal. E-mail
    addresses, telephone numbers, character entities, fractions of one sign and foreign currencies are not covered.
    """
    text = caption.lower().replace("\u2019", "'")
    if BEYOND_A_BLANK.search(text):
        return _split(text)
    return " ".join(filter(None, map(_split_once, text.split(" "))))


def _split(text: str) -> str:
    return " ".join(PIECE.findall(text)).translate(BRACKETS)


_split_once = lru_cache(1 << 16)(_split)  # captions are made of few different words
