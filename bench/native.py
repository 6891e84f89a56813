"""Measures how much slower common work is in the sandbox than beside it.

The same function runs as an approved question and natively, with the packages of
the same environment, by the same interpreter, on the same file, with as many
threads in each library. Nothing runs beside it: the site's own trial on the mock
has ended by then. What is compared is the time that the work itself takes, as the
function measures it.
"""

from __future__ import annotations

import json
import os
import pathlib
import statistics
import subprocess
import sys

import numpy
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from figures import PROGRAM, Site, Table, asking, run, until

ROUNDS = 5
BYTES = 500e6
TIMED = """
import os
import pathlib
import time
{imports}


def work(table: pathlib.Path) -> dict:
    threads = [f"{{name}}={{value}}" for name, value in os.environ.items() if name.endswith(("_THREADS", "_CPU_COUNT"))]
    seconds = []
    for _ in range({rounds}):
        {before}
        begin = time.perf_counter()
        {act}
        seconds.append(time.perf_counter() - begin)
    return {{"seconds": seconds, "threads": threads}}
"""

# What is compared: its name, imports, what comes before the clock, the act, the
# kind of file that it may read (a question has at least one asset), and the ratio to reach.
WORK = (
    (
        "RandomForest fit",
        "import numpy\nfrom sklearn.ensemble import RandomForestClassifier",
        "x = numpy.random.default_rng(1).standard_normal((20_000, 20)); y = x[:, 0] + x[:, 1] > 0",
        "RandomForestClassifier(n_estimators=40, random_state=1).fit(x, y)",
        "csv",
        1.08,
    ),
    (
        "BLAS fit (least squares)",
        "import numpy",
        "x = numpy.random.default_rng(1).standard_normal((200_000, 100)); y = x.sum(axis=1)",
        "numpy.linalg.solve(x.T @ x, x.T @ y); numpy.linalg.lstsq(x[:40_000], y[:40_000])",
        "csv",
        1.15,
    ),
    ("pyarrow CSV, 500 MB", "import pyarrow.csv", "pass", "pyarrow.csv.read_csv(str(table))", "csv", 1.2),
    ("pandas CSV, 500 MB", "import pandas", "pass", "pandas.read_csv(table)", "csv", 1.8),
    ("pandas Parquet, 500 MB", "import pandas", "pass", "pandas.read_parquet(table)", "parquet", 2.1),
)


def write(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Writes one table as CSV and as Parquet, each of BYTES."""
    random = numpy.random.default_rng(1)
    files = {"csv": folder / "table.csv", "parquet": folder / "table.parquet"}
    schema = pa.schema([(f"c{n}", pa.float64()) for n in range(8)])
    with pyarrow.csv.CSVWriter(files["csv"], schema) as out:
        while files["csv"].stat().st_size < BYTES:
            out.write_batch(pa.record_batch([random.standard_normal(100_000) for _ in schema], schema=schema))
    with pq.ParquetWriter(files["parquet"], schema, use_dictionary=False) as to:
        while files["parquet"].stat().st_size < BYTES:
            to.write_batch(pa.record_batch([random.standard_normal(500_000) for _ in schema], schema=schema))
    return files


def inside(site: Site, text: str, name: str, file: str) -> tuple[list[float], dict[str, str]]:
    """Seconds that the work takes as an approved question, and how many threads it is told to use."""
    request = asking(site, text, "work", table=file)()
    until(site.quiet, f"{name}: its trial on the mock does not end")
    site.act("request", "approve", request.id, "--auto-release")
    request.wait(timeout=3600)
    if request.state != "released":
        sys.exit(f"{name}: the question is {request.state}")
    answer = request.result()
    return [float(s) for s in answer["seconds"]], dict(text.split("=") for text in answer["threads"])


def outside(packages: str, text: str, file: pathlib.Path, threads: dict[str, str]) -> list[float]:
    """Seconds that the same work takes beside the sandbox, with as many threads."""
    arrow = f"import pyarrow\npyarrow.set_cpu_count({threads['LOKY_MAX_CPU_COUNT']})"  # as the runner does
    program = f"{text}\nimport json\n{arrow}\nprint(json.dumps(work(pathlib.Path({str(file)!r}))['seconds']))\n"
    variables = {**os.environ, "PYTHONPATH": packages, **threads}
    done = subprocess.run(["/usr/bin/python3", "-c", program], env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return [float(s) for s in json.loads(done.stdout)]


def measure(site: Site) -> Table:
    """Compares each kind of work."""
    files = write(site.dir.parent)
    for dataset, file in files.items():
        site.offer(dataset, "table", file)
    packages = run(PROGRAM, "env", "add").strip().rstrip(".").split(" in ")[-1] + "/packages"
    table = Table(f"In the sandbox, as a multiple of the same beside it, median of {ROUNDS}")
    for name, imports, before, act, kind, most in WORK:
        text = TIMED.format(imports=imports, rounds=ROUNDS, before=before, act=act)
        seconds, threads = inside(site, text, name, kind)
        native = statistics.median(outside(packages, text, files[kind], threads))
        table.add(name, statistics.median(seconds) / native, f"of {native:.2f} s", most=most)
    return table
