"""What every measurement uses: a site to measure, and the tables of figures."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "bin" / "anchorhold"


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
        """Makes the site, with one researcher."""
        self.dir = folder / "site"
        self.key = str(self.act("init", "--name", "bench")["key"])
        self.token = self.user("ada@example.org")
        self.url = ""
        self.pid = 0

    def act(self, *words: str) -> Any:
        """Does something as the owner at the site's machine."""
        return json.loads(run(PROGRAM, *words, "--dir", self.dir, "--json"))

    def user(self, email: str) -> str:
        """Makes a researcher and gives their token."""
        return str(self.act("user", "add", email, "--role", "researcher")["token"])

    def offer(self, dataset: str, asset: str, file: pathlib.Path) -> None:
        """Offers a table with a generated mock."""
        self.act("dataset", "add", dataset, "--asset", f"{asset}={file}", "--mock", f"{asset}=generate", "--confirm-facts")

    def ready(self) -> bool:
        """Says whether a sandbox of every kind in use waits for a run, and nothing else goes on."""
        queue = self.act("run", "queue")
        return not queue["running"] and len(queue["ready"]) > 1 and all(queue["ready"].values())

    def quiet(self) -> bool:
        """Says whether no run goes on or waits for its turn."""
        queue = self.act("run", "queue")
        return not queue["running"] and not queue["waiting"]

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

    def processor_time(self) -> float:
        """Seconds of processor that the site has cost so far: its process, and its children with all sandboxes that have ended."""
        ticks = 0
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                name, rest = stat.read_text().rsplit(")", 1)
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
            fields = rest.split()
            if self.pid in (int(name.split()[0]), int(fields[1])):
                ticks += sum(int(n) for n in fields[11:15])
        return ticks / os.sysconf("SC_CLK_TCK")

    def forget_peak(self) -> None:
        """Lets peak begin anew."""
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak(self) -> float:
        """The most MiB of memory that the serving process itself has had."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)[1]) / 1024  # type: ignore[index]


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


def asking(site: Site, text: str, name: str, token: str = "", **tables: str) -> Callable[..., Any]:
    """Prepares a question as a researcher's program asks it: tables names the dataset of each of its assets."""
    import anchorhold

    names: dict[str, Any] = {}
    source = site.dir.parent / f"{name}.py"
    source.write_text(text)  # a function is collected from the file that it stands in
    exec(compile(text, str(source), "exec"), names)
    researcher = anchorhold.connect(site.url, token=token or site.token)
    assets: dict[str, Any] = {parameter: researcher.datasets[dataset] for parameter, dataset in tables.items()}
    return lambda **values: researcher.submit(names[name], **assets, **values, purpose="bench")
