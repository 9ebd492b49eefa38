"""Unified audio-text diffusion: one set of weights generates, edits and captions audio."""
