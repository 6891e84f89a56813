"""How long `import anchorhold` takes, beside the libraries that it does not load.

python tests/bench_import.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys

CODE = "import time; a = time.perf_counter(); import {}; print(time.perf_counter() - a)"
RUNS = 10


def milliseconds(module: str) -> list[float]:
    """Times of importing a module in fresh interpreters."""
    program = [sys.executable, "-c", CODE.format(module)]
    return sorted(1000 * float(subprocess.check_output(program)) for _ in range(RUNS))


def main() -> None:
    print(f"{'import':14}{'median ms':>10}{'least':>8}{'most':>8}")
    for module in ("anchorhold", "anchorhold._site", "urllib3", "cryptography", "pandas"):
        try:
            times = milliseconds(module)
        except subprocess.CalledProcessError:
            continue  # not installed
        print(
            f"{module:14}{statistics.median(times):10.1f}{times[0]:8.1f}{times[-1]:8.1f}".replace("_site  ", "_site ")
        )


if __name__ == "__main__":
    main()
