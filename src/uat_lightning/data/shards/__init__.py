"""Shards: clips in plain tars that WebDataset reads, with an index that finds any clip at once.

A folder holds ``train-000000.tar`` and so on, ``index.parquet`` (a row for each clip), ``meta.json`` (what shaped it),
``parts`` (codec and tokenizer) and ``skipped.jsonl`` (what could not be used). ``uat encode`` writes it.
"""
