"""Benchmarks. They use the project's settings with a database and a broker of their own."""

import os
from pathlib import Path

import django

os.environ.setdefault("VAR_DIR", str(Path(__file__).resolve().parents[2] / "var" / "bench"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
# A copy of the seals would outlive the ledger that a benchmark makes.
os.environ.setdefault("SEAL_SERIES", "")
django.setup()
