"""Scores of generated and edited audio: pure functions, and metrics that are right on several ranks."""
