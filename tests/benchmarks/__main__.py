"""Runs the benchmarks that are named, or all.

    python -m tests.benchmarks [NAME ...]
    python -m tests.benchmarks --list

A benchmark is a module `bench_NAME.py` in this folder: its docstring's first line says what it
measures, its `main()` measures and prints.
"""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def benchmarks() -> dict[str, str]:
    """Return what there is to run: name to what it measures."""
    found = {}
    for path in sorted(FOLDER.glob("bench_*.py")):
        about = ast.get_docstring(ast.parse(path.read_text())) or "does not say what it measures"
        found[path.stem.removeprefix("bench_")] = about.partition("\n")[0]
    return found


def main(names: list[str]) -> None:
    """Run the named benchmarks, or all."""
    known = benchmarks()
    if names == ["--list"]:
        for name, about in known.items():
            print(f"  make bench ARGS={name:<12} {about}")
        return
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"There is no benchmark {', '.join(unknown)}; there is: {', '.join(known) or '-'}")
    for name in names or known:
        importlib.import_module(f"tests.benchmarks.bench_{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
