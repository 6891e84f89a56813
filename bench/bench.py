"""Measures a question from end to end, and prints the tables of figures.

    make bench

Starts a real site beside a real table in a temporary folder, asks it as a
researcher's program does, and runs the same lines by hand for comparison. Each
figure is a median; a table says how many times it was taken.
"""

from __future__ import annotations

import argparse
import concurrent.futures
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
        self.token = self.user("ada@example.org")
        self.url = ""
        self.pid = 0

    def act(self, *words: str) -> Any:
        """Does something as the owner at the site's machine."""
        return json.loads(run(PROGRAM, *words, "--dir", self.dir, "--json"))

    def user(self, email: str) -> str:
        """Makes a researcher and gives their token."""
        return str(self.act("user", "add", email, "--role", "researcher")["token"])

    def ready(self) -> bool:
        """Says whether a sandbox of every kind in use waits for a run, and nothing else goes on."""
        queue = self.act("run", "queue")
        return not queue["running"] and len(queue["ready"]) > 1 and all(queue["ready"].values())

    @contextmanager
    def serving(self, *flags: str) -> Iterator[None]:
        """Serves the site for a while."""
        command = [str(PROGRAM), "serve", "--dir", str(self.dir), "--listen", "127.0.0.1:0", *flags]
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

    def resident(self) -> float:
        """MiB of memory of the serving process itself."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)[1]) / 1024  # type: ignore[index]


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


def asking(site: Site, text: str, name: str) -> Callable[[], Any]:
    """Prepares a question as a researcher's program asks it."""
    import anchorhold

    names: dict[str, Any] = {}
    source = site.dir.parent / f"{name}.py"
    source.write_text(text)  # a function is collected from the file that it stands in
    exec(compile(text, str(source), "exec"), names)
    researcher = anchorhold.connect(site.url, token=site.token)
    heart = researcher.datasets["heart"]
    return lambda: researcher.submit(names[name], patients=heart, purpose="bench")


def measure_question(site: Site, rounds: int) -> Table:
    """Times an approved question, cold, against the same lines by hand."""
    ask = asking(site, FUNCTION, "age_by_diagnosis")
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


def measure_ready(site: Site, rounds: int, *, peers: bool) -> Table:
    """Times the same question where a sandbox is ready, beside a bare script and PySyft 0.9.5."""
    ask = asking(site, FUNCTION, "age_by_diagnosis")
    first = ask()
    site.act("request", "approve", first.id, "--uses", str(rounds + 1), "--auto-release")
    first.wait(timeout=600)
    script = site.dir.parent / "by_hand.py"
    script.write_text(BY_HAND)
    answers, by_hand = [], []
    for _ in range(rounds):
        until(site.ready, "a sandbox was not made ready")
        answers.append(timed(lambda: ask().wait(timeout=600)))
        by_hand.append(timed(lambda: run(sys.executable, script)))
    table = Table(f"The same where a sandbox is ready, {rounds} rounds")
    table.add("approved, submit to released, median", 1000 * statistics.median(answers), "ms", most=150)
    table.add("the same, 95th percentile", 1000 * p95(answers), "ms", most=300)
    table.add("python script.py, median", 1000 * statistics.median(by_hand), "ms")
    table.add("python script.py, 95th percentile", 1000 * p95(by_hand), "ms")
    peer = measure_syft(min(rounds, 5)) if peers else "left out"
    if isinstance(peer, str):
        table.rows.append((f"PySyft 0.9.5: {peer}", "not measured", "", ""))
    else:
        table.add("PySyft 0.9.5, approved, call to answer, median", 1000 * statistics.median(peer), "ms")
    return table


def measure_syft(rounds: int) -> list[float] | str:
    """Seconds that PySyft takes for the same question, or why it could not be asked."""
    home = ROOT / ".cache" / "bench-syft"
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        uv = ROOT / ".venv" / "bin" / "uv"
        for command in (
            [uv, "venv", "--quiet", "--clear", "--python", "/usr/bin/python3", home],
            [uv, "pip", "install", "--quiet", "--python", python, "syft==0.9.5", "sniffio"],
        ):
            if subprocess.run([str(c) for c in command], capture_output=True, check=False).returncode:
                return "it cannot be installed here"
        (home / "ready").touch()
    try:
        command = [python, ROOT / "bench" / "peer_syft.py", TABLE, rounds]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, timeout=600)
    except subprocess.TimeoutExpired:
        return "it did not end within ten minutes"
    if done.returncode:
        return f"it ended with exit code {done.returncode}"
    return [float(n) for n in json.loads(done.stdout.splitlines()[-1])]


def measure_crowd(site: Site, people: int, each: int) -> Table:
    """Has many researchers ask at once, and counts what comes back."""
    text = 'def mean_age(patients, k: int):\n    return float(patients["age"].mean()) + 0 * k\n'
    import anchorhold

    names: dict[str, Any] = {}
    source = site.dir.parent / "crowd.py"
    source.write_text(text)
    exec(compile(text, str(source), "exec"), names)
    tokens = [site.user(f"r{n}@example.org") for n in range(people)]
    ready = [anchorhold.connect(site.url, token=token) for token in tokens]

    def ask(who: int, k: int) -> Any:
        return ready[who].submit(names["mean_age"], patients=ready[who].datasets["heart"], k=k, purpose="bench")

    costs = []
    for who in range(people):  # one decision for each person; what it costs is taken from these runs
        first = ask(who, 0)
        site.act("request", "approve", first.id, "--uses", str(each + 1), "--param", "k=int:0..100000", "--auto-release")
        first.wait(timeout=600)
        costs.append(site.act("request", "show", first.id)["runs"][-1]["usage"]["cpu_seconds"])
    heaviest = 0.0
    begin = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(people) as pool:
        done = [pool.submit(lambda w: [ask(w, k).wait(timeout=3600) for k in [w * each + i + 1 for i in range(each)]], w) for w in range(people)]
        while not all(d.done() for d in done):
            heaviest = max(heaviest, site.resident())
            concurrent.futures.wait(done, timeout=0.5)
    took = time.perf_counter() - begin
    answered = sum(r.state == "released" for d in done for r in d.result())
    cores = os.cpu_count() or 1
    cost = statistics.median(costs)
    table = Table(f"{people * each} requests of {people} researchers at once, load {os.getloadavg()[0]:.1f}")
    table.add("answered", answered, "", least=people * each)
    table.add("processor time of one run", cost, "s")
    table.add("runs in a second", people * each / took, "", least=round(0.8 * cores / cost, 2))
    table.add("memory of the site's process at most", heaviest, "MiB", most=150)
    return table


def until(holds: Callable[[], bool], otherwise: str) -> None:
    """Waits until something holds, for two minutes."""
    end = time.monotonic() + 120
    while not holds():
        if time.monotonic() > end:
            sys.exit(otherwise)
        time.sleep(0.1)


def p95(values: list[float]) -> float:
    """The 95th percentile."""
    return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]


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
    found = {unit: float(value) for value, unit in re.findall(r"(\d[\d.]*(?:e[+-]?\d+)?) (\S+)", out)}
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
    options.add_argument("--crowd", type=int, default=200, help="requests of 20 researchers at once")
    options.add_argument("--no-peers", action="store_true", help="without PySyft, which takes minutes to install")
    options.add_argument("--site-only", action="store_true", help="only what needs a serving site")
    asked = options.parse_args()
    rounds = asked.rounds
    os.chdir(ROOT)
    machine = f"{platform.system()} {platform.release()}, {os.cpu_count()} processors"
    print(f"{machine}, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory(prefix="anchorhold-bench-") as folder:
        site = Site(pathlib.Path(folder))
        with site.serving():
            tables = [measure_idle(site)]
        with site.serving("--warm", "0"):
            tables.append(measure_question(site, rounds))
        with site.serving():
            tables += [measure_ready(site, 3 * rounds, peers=not asked.no_peers), measure_crowd(site, 20, asked.crowd // 20)]
    if not asked.site_only:
        tables += measure_rooms(rounds)

def measure_rooms(rounds: int) -> list[Table]:
    """Takes the figures that need no serving site."""
    tables = [measure_import(rounds)]
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


if __name__ == "__main__":
    main()
