"""Runs the benchmark: ``python benchmarks/editing``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from editing.run import main

main()
