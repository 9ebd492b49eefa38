"""Metrics: pure functions, and small networks that listen."""
