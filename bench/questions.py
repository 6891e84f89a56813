"""Measures questions about a small table, from end to end."""

from __future__ import annotations

import concurrent.futures
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

from figures import PROGRAM, ROOT, Site, Table, asking, p95, run, timed, until

TABLE = ROOT / "demo" / "data" / "cleveland.csv"

# What is asked. The same lines are run by hand, after reading the same file.
FUNCTION = """
def age_by_diagnosis(patients):
    return patients.groupby("num")["age"].mean()
"""
BY_HAND = f"import pandas\n{FUNCTION}\nprint(age_by_diagnosis(pandas.read_csv({str(TABLE)!r})))\n"


def measure_question(site: Site, rounds: int) -> Table:
    """Times an approved question, cold, against the same lines by hand."""
    site.offer("heart", "patients", TABLE)
    ask = asking(site, FUNCTION, "age_by_diagnosis", patients="heart")
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
    site.offer("heart", "patients", TABLE)
    ask = asking(site, FUNCTION, "age_by_diagnosis", patients="heart")
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


def measure_receipt(site: Site, rounds: int) -> Table:
    """Times the verification of a receipt, by the package and by the command, with nothing but the site's public key."""
    site.offer("heart", "patients", TABLE)
    request = asking(site, FUNCTION, "age_by_diagnosis", patients="heart")()
    site.act("request", "approve", request.id, "--auto-release")
    request.wait(timeout=600)
    receipt = request.receipt()
    file = receipt.save(site.dir.parent / "receipt.json")
    key = site.dir.parent / "site.key"
    key.write_text(site.key + "\n")
    command = (PROGRAM, "receipt", "verify", file, "--key", key)
    within, alone = [], []
    for _ in range(rounds):
        within.append(timed(lambda: receipt.verify(key)))
        alone.append(timed(lambda: run(*command)))
    table = Table(f"A receipt verified, median of {rounds}")
    table.add("in process, by the Python package", 1000 * statistics.median(within), "ms", most=20)
    table.add("as a command", 1000 * statistics.median(alone), "ms", most=100)
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


# How many questions of a crowd are asked one by one, to know what each costs.
ALONE = 5


def measure_crowd(site: Site, people: int, each: int) -> Table:
    """Has many researchers ask at once, and counts what comes back."""
    text = 'def mean_age(patients, k: int):\n    return float(patients["age"].mean()) + 0 * k\n'
    site.offer("heart", "patients", TABLE)
    asks = [asking(site, text, "mean_age", site.user(f"r{n}@example.org"), patients="heart") for n in range(people)]

    def ask(who: int, k: int) -> Any:
        return asks[who](k=k)

    for who in range(people):  # one decision for each person
        first = ask(who, 0)
        site.act("request", "approve", first.id, "--uses", str(each + 1 + ALONE), "--param", "k=int:0..100000", "--auto-release")
        first.wait(timeout=600)
    until(site.ready, "a sandbox was not made ready")
    before = site.processor_time()
    for k in range(ALONE):  # each with what it costs to make the next sandbox ready
        ask(0, 50_000 + k).wait(timeout=600)
        until(site.ready, "a sandbox was not made ready")
    cost = (site.processor_time() - before) / ALONE
    site.forget_peak()
    begin = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(people) as pool:
        done = [pool.submit(lambda w: [ask(w, k).wait(timeout=3600) for k in [w * each + i + 1 for i in range(each)]], w) for w in range(people)]
    took = time.perf_counter() - begin
    answered = sum(r.state == "released" for d in done for r in d.result())
    cores = os.cpu_count() or 1
    table = Table(f"{people * each} requests of {people} researchers at once, load {os.getloadavg()[0]:.1f}")
    table.add("answered", answered, "", least=people * each)
    table.add("processor time of one that is alone", cost, "s")
    table.add("runs in a second", people * each / took, "", least=round(0.8 * cores / cost, 2))
    table.add("memory of the site's process at most", site.peak(), "MiB", most=150)
    return table


def measure_idle(site: Site) -> Table:
    """Weighs a site at which nothing happens, once its start is over."""
    time.sleep(3)
    table = Table("A site that nobody asks anything")
    table.add("memory", site.memory(), "MiB", most=60)
    return table
