"""How much memory a process took."""

from __future__ import annotations

from pathlib import Path


def peak_mb(process_id: int | str = "self") -> float:
    """The most memory that a process ever held, in MB; this one's unless another is named.

    Not `ru_maxrss`, which begins with what the parent held.
    """
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1000
    raise RuntimeError("the kernel does not tell peak memory")
