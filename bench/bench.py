"""Measures a site from end to end and its rooms one by one, and prints the tables of figures.

    make bench
    .venv/bin/python bench/bench.py --only crowd,large

Starts a real site in a temporary folder, asks it as a researcher's program does,
and measures peers in the same run. A table is printed once it is taken. Nothing
else should run at that time; the first line says how busy the machine was.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import platform
import re
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping

import large
import native
import questions
from figures import ROOT, Site, Table, run, timed


def measure_import(rounds: int) -> Table:
    """Times the import of the package, less Python's own start."""

    def start(code: str) -> float:
        return statistics.median(timed(lambda: run(sys.executable, "-c", code)) for _ in range(rounds))

    table = Table(f"Python, median of {rounds}")
    table.add("import anchorhold", 1000 * (start("import anchorhold") - start("pass")), "ms", most=100)
    return table


def measure_go(
    pattern: str,
    title: str,
    wanted: Mapping[str, tuple[str, str, float | None, float | None]],
    package: str = "./bench",
    time: str = "3s",
) -> Table:
    """Runs a Go benchmark and tells the metrics that are wanted."""
    out = run("go", "test", "-run", "^$", "-bench", pattern, "-benchtime", time, package)
    found = {unit: float(value) for value, unit in re.findall(r"(\d[\d.]*(?:e[+-]?\d+)?) (\S+)", out)}
    table = Table(title)
    for unit, (what, shown, most, least) in wanted.items():
        if unit not in found:
            sys.exit(f"the benchmark {pattern} says nothing of {unit}:\n{out}")
        table.add(what, found[unit], shown, most, least)
    return table


def measure_rooms() -> list[Table]:
    """Takes the figures that need no serving site."""
    tables = []
    tables.append(
        measure_go("SitesPart", "The site's own part of a question", {"ms/question": ("submit to released, sandboxes that take no time", "ms", 60, None)})
    )
    for writers, least in ((1, 0.8), (16, None)):
        wanted = {
            "transactions/s": ("transactions of the store", "per s", None, None),
            "acts/s": ("the same as acts, with audit entry and checkpoint", "per s", None, None),
            "acts/transaction": ("acts for each transaction", "", None, least),
        }
        tables.append(measure_go(f"Durable/writers={writers}$", f"The books, with {writers} at a time", wanted))
    tables.append(measure_go("Entries", "Audit entries in batches of 1,000", {"entries/s": ("sealed, in the tree, signed, durable", "per s", None, 100_000)}))
    tables.append(measure_go("VerifyLog", "A log of 1,000,000 entries", {"entries/s": ("verified from the entries up", "per s", None, 200_000)}))
    tables.append(
        measure_go(
            "Lists",
            "10,000 requests, 1,000 datasets, 100,000 audit entries",
            {"ms/list": ("the slowest list or search, median", "ms", 50, None)},
        )
    )
    return tables


def measure_engines() -> list[Table]:
    """Takes the figures of the engines behind questions in SQL."""
    wanted: Mapping[str, tuple[str, str, float | None, float | None]] = {
        "ms/native": ("DuckDB by itself: COUNT, SUM, AVG", "ms", None, None),
        "ms/native-bounded": ("bounded, exact integers", "ms", None, None),
        "ms/sandbox": ("COUNT, SUM, AVG in a kept sandbox", "ms", None, None),
        "ms/sandbox-bounded": ("bounded in a kept sandbox", "ms", None, None),
        "ms/sandbox-cold": ("bounded in a sandbox started for it", "ms", None, None),
        "times": ("bounded in a kept sandbox, by DuckDB by itself", "times", 4, None),
    }
    return [measure_go("Groups$", "20,000,000 rows in 8 groups, the least of 5", wanted, "./engine/duckdb/internal/sandboxed", "1x")]


def with_site(measure: Callable[[Site], Table], *flags: str) -> Callable[[], list[Table]]:
    """A measurement of a served site of its own."""

    def taken() -> list[Table]:
        with tempfile.TemporaryDirectory(prefix="anchorhold-bench-", dir=os.environ.get("BENCH_DIR")) as folder:
            site = Site(pathlib.Path(folder))
            with site.serving(*flags):
                return [measure(site)]

    return taken


def measurements(asked: argparse.Namespace) -> dict[str, Callable[[], list[Table]]]:
    """Every measurement by its name, in the order in which they are taken."""
    rounds = asked.rounds
    return {
        "idle": with_site(questions.measure_idle),
        "cold": with_site(lambda s: questions.measure_question(s, rounds), "--warm", "0"),
        "ready": with_site(lambda s: questions.measure_ready(s, 3 * rounds, peers=not asked.no_peers)),
        "crowd": with_site(lambda s: questions.measure_crowd(s, 20, asked.crowd // 20)),
        "receipt": with_site(lambda s: questions.measure_receipt(s, 3 * rounds)),
        "large": with_site(lambda s: large.measure(s, asked.gigabytes)),
        "native": with_site(native.measure, "--warm", "0"),
        "python": lambda: [measure_import(rounds)],
        "rooms": measure_rooms,
        "engines": measure_engines,
    }


def main() -> None:
    """Takes the figures that are asked for."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--crowd", type=int, default=200, help="requests of 20 researchers at once")
    options.add_argument("--gigabytes", type=float, default=5, help="size of the large asset; the disk needs as much")
    options.add_argument("--no-peers", action="store_true", help="without PySyft, which takes minutes to install")
    options.add_argument("--only", default="", metavar="NAME,...", help=f"only some of {', '.join(measurements(argparse.Namespace(rounds=0)))}")
    asked = options.parse_args()
    os.chdir(ROOT)
    every = measurements(asked)
    names = asked.only.split(",") if asked.only else list(every)
    if unknown := set(names) - set(every):
        options.error(f"there is no measurement {', '.join(sorted(unknown))}: use some of {', '.join(every)}")
    print(f"{platform.system()} {platform.release()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}")
    for name in names:
        for table in every[name]():
            table.show()


if __name__ == "__main__":
    main()
