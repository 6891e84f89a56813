"""Measures a question from end to end, and prints the tables of figures.

    make bench

Starts a real site beside a real table in a temporary folder, asks it as a
researcher's program does, and runs the same lines by hand for comparison. Each
figure is a median; a table says how many times it was taken.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "bin" / "anchorhold"
TABLE = ROOT / "demo" / "data" / "cleveland.csv"

# What is asked. The same lines are run by hand, after reading the same file.
FUNCTION = """
def age_by_diagnosis(patients):
    return patients.groupby("num")["age"].mean()
"""
BY_HAND = f"import pandas\n{FUNCTION}\nprint(age_by_diagnosis(pandas.read_csv({str(TABLE)!r})))\n"


def run(*command: str | pathlib.Path) -> str:
    """Runs a program that must end well, and gives what it printed."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(str(c) for c in command)}:\n{done.stdout}{done.stderr}")
    return done.stdout


def timed(act: Callable[[], object]) -> float:
    """Seconds that an act takes."""
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


class Site:
    """A site in a folder of its own, served by a process of its own."""

    def __init__(self, folder: pathlib.Path) -> None:
        """Makes the site, offers the table and knows one researcher."""
        self.dir = folder / "site"
        self.act("init", "--name", "bench")
        self.act("dataset", "add", "heart", "--asset", f"patients={TABLE}", "--mock", "patients=generate", "--confirm-facts")
        self.token = self.act("user", "add", "ada@example.org", "--role", "researcher")["token"]
        self.url = ""
        self.pid = 0

    def act(self, *words: str) -> Any:
        """Does something as the owner at the site's machine."""
        return json.loads(run(PROGRAM, *words, "--dir", self.dir, "--json"))

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serves the site for a while."""
        command = [str(PROGRAM), "serve", "--dir", str(self.dir), "--listen", "127.0.0.1:0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    if found := re.search(r"listening on (\S+)", line):
                        self.url, self.pid = found[1], process.pid
                        break
                else:
                    sys.exit("the site does not serve")
                yield
            finally:
                process.send_signal(signal.SIGTERM)

    def memory(self) -> float:
        """MiB of memory that the serving process and its children cost: what they share with others counts in part."""
        kib = 0
        for status in pathlib.Path("/proc").glob("[0-9]*/status"):
            try:
                fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
            if str(self.pid) in (fields["Pid"].strip(), fields["PPid"].strip()):
                rollup = status.with_name("smaps_rollup").read_text()
                kib += sum(int(n) for n in re.findall(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE))
        return kib / 1024


class Table:
    """A table for people, in columns."""

    def __init__(self, title: str) -> None:
        """Begins a table."""
        self.title = title
        self.rows: list[tuple[str, str, str, str]] = []

    def add(self, what: str, value: float, unit: str, most: float | None = None, least: float | None = None) -> None:
        """Adds a figure, with the most or the least that it should be."""
        goal = verdict = ""
        if most is not None:
            goal, verdict = f"at most {most:g}", "holds" if value <= most else "MISSED"
        if least is not None:
            goal, verdict = f"at least {least:g}", "holds" if value >= least else "MISSED"
        self.rows.append((what, f"{value:.3g} {unit}", goal, verdict))

    def show(self) -> None:
        """Prints the table."""
        width = max(len(row[0]) for row in self.rows)
        print(f"\n{self.title}")
        for what, value, goal, verdict in self.rows:
            print(f"  {what:<{width}}  {value:>18}  {goal:<14} {verdict}".rstrip())


def measure_question(site: Site, rounds: int) -> Table:
    """Times an approved question against the same lines by hand."""
    import anchorhold

    names: dict[str, Any] = {}
    source = site.dir.parent / "question.py"
    source.write_text(FUNCTION)  # a function is collected from the file that it stands in
    exec(compile(FUNCTION, str(source), "exec"), names)
    researcher = anchorhold.connect(site.url, token=site.token)
    heart = researcher.datasets["heart"]

    def ask() -> Any:
        return researcher.submit(names["age_by_diagnosis"], patients=heart, purpose="bench")

    first = ask()
    site.act("request", "approve", first.id, "--uses", str(rounds + 1), "--auto-release")
    first.wait(timeout=600)
    answers = [timed(lambda: ask().wait(timeout=600)) for _ in range(rounds)]
    shown = site.act("request", "show", first.id)
    inside = [r["usage"]["wall_seconds"] for r in shown["runs"]]

    script = site.dir.parent / "by_hand.py"
    script.write_text(BY_HAND)
    run(sys.executable, script)
    by_hand = [timed(lambda: run(sys.executable, script)) for _ in range(rounds)]

    table = Table(f"A pandas group-by on {TABLE.name}, median of {rounds}")
    answer, hand = statistics.median(answers), statistics.median(by_hand)
    table.add("approved, submit to released, cold", answer, "s")
    table.add("the same lines by hand", hand, "s")
    table.add("difference", answer - hand, "s", most=1.5)
    table.add("inside the sandbox", statistics.median(inside), "s")
    return table


def measure_idle(site: Site) -> Table:
    """Weighs a site at which nothing happens, once its start is over."""
    time.sleep(3)
    table = Table("A site that nobody asks anything")
    table.add("memory", site.memory(), "MiB", most=60)
    return table


def measure_import(rounds: int) -> Table:
    """Times the import of the package, less Python's own start."""

    def start(code: str) -> float:
        return statistics.median(timed(lambda: run(sys.executable, "-c", code)) for _ in range(rounds))

    table = Table(f"Python, median of {rounds}")
    table.add("import anchorhold", 1000 * (start("import anchorhold") - start("pass")), "ms", most=100)
    return table


def measure_go(pattern: str, title: str, wanted: Mapping[str, tuple[str, str, float | None, float | None]]) -> Table:
    """Runs a Go benchmark and tells the metrics that are wanted."""
    out = run("go", "test", "-run", "^$", "-bench", pattern, "-benchtime", "3s", "./bench")
    found = {unit: float(value) for value, unit in re.findall(r"([\d.e+]+) (\S+)", out)}
    table = Table(title)
    for unit, (what, shown, most, least) in wanted.items():
        if unit not in found:
            sys.exit(f"the benchmark {pattern} says nothing of {unit}:\n{out}")
        table.add(what, found[unit], shown, most, least)
    return table


def main() -> None:
    """Takes every figure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=7)
    rounds = options.parse_args().rounds
    os.chdir(ROOT)
    machine = f"{platform.system()} {platform.release()}, {os.cpu_count()} processors"
    print(f"{machine}, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory(prefix="anchorhold-bench-") as folder:
        site = Site(pathlib.Path(folder))
        with site.serving():
            tables = [measure_idle(site), measure_question(site, rounds)]
    tables.append(measure_import(rounds))
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
    for table in tables:
        table.show()


if __name__ == "__main__":
    main()
