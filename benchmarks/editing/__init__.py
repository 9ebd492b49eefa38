"""Editing methods against the truth: what was asked for, what was kept, how far from the true result, at what cost.

Run ``python benchmarks/editing --model runs/quickstart/model``: 200 Soundscapes clips each are edited by addition,
deletion and replacement, by every method at several strengths, towards the true caption of the target. ``--real
data/pairs`` adds real clips. It takes two hours and more on one core; each finished trial is kept in the folder of
``--work``, tables are written after each, and what is finished is not done again.
"""
