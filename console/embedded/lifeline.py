"""Runs a Python program that ends when the process that started it is gone.

    python -m console.embedded.lifeline manage.py ingest
    python -m console.embedded.lifeline -m console.embedded.broker

Standard input is a pipe whose other end the supervisor keeps open. However the supervisor ends,
kill -9 included, the pipe closes then; so no worker and no server outlives the run it belongs to.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def _end_with_the_starter() -> None:
    while os.read(sys.__stdin__.fileno() if sys.__stdin__ else 0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Run the program that the arguments name as if Python had been given them itself."""
    threading.Thread(target=_end_with_the_starter, name="lifeline", daemon=True).start()
    del sys.argv[0]
    if sys.argv[0] == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
