"""Names of scores as people read them."""

from __future__ import annotations

WRITTEN = {
    **{f"bleu_{length}": f"BLEU-{length}" for length in range(1, 5)},
    "rouge_l": "ROUGE-L",
    "cider_d": "CIDEr-D",
    "meteor": "METEOR",
    "spice": "SPICE",
    "spider": "SPIDEr",
    "spider_fl": "SPIDEr-FL",
    "fense": "FENSE",
    "clap_score": "CLAP score",
    "held_out_pairs": "held-out pairs",
    "frechet_distance": "Fréchet distance",
    "frechet_distance_at_infinity": "Fréchet distance at infinity",
    "inception_score": "Inception Score",
}
UNITS = {
    "frechet": "Fréchet",
    "bernoulli": "Bernoulli",
    "rms": "RMS",
    " dbfs": ", dBFS",
    " db": ", dB",
    " lufs": ", LUFS",
    " f1": " F1",
    " kl": " KL",
}


def label(name: str) -> str:
    """Return the label of a score."""
    words = name.replace("_", " ")
    for plain, written in UNITS.items():
        words = words.replace(plain, written)
    return WRITTEN.get(name, f"KL{words[2:]}" if words.startswith("kl ") else words)
