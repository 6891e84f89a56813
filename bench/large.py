"""Measures an asset that is larger than memory: registered, read by a run in batches, released."""

from __future__ import annotations

import math
import pathlib
import sys

import numpy
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from figures import Site, Table, asking, timed

ROWS = 1 << 20  # in a row group
COLUMNS = 16
QUESTION = """
import pyarrow
import pyarrow.compute
from collections.abc import Iterator


def mean_of_a(rows: Iterator[pyarrow.RecordBatch]) -> dict:
    count = total = 0
    for batch in rows:
        count += batch.num_rows
        total += pyarrow.compute.sum(batch["a"]).as_py()
    return {"rows": count, "mean": total / count}
"""


def write(file: pathlib.Path, gigabytes: float) -> tuple[int, float]:
    """Writes a table of random numbers, and gives how many rows it has and the mean of a."""
    groups = math.ceil(gigabytes * 1e9 / (8 * COLUMNS * ROWS))
    schema = pa.schema([(name, pa.float64()) for name in "abcdefghijklmnop"[:COLUMNS]])
    random, total = numpy.random.default_rng(1), 0.0
    with pq.ParquetWriter(file, schema, compression="none", use_dictionary=False) as writer:
        for _ in range(groups):
            columns = [random.standard_normal(ROWS) for _ in schema]
            total += float(columns[0].sum())
            writer.write_batch(pa.record_batch(columns, schema=schema))
    return groups * ROWS, total / (groups * ROWS)


def measure(site: Site, gigabytes: float) -> Table:
    """Registers the asset, asks about it, and weighs the site's process all the while."""
    file = site.dir.parent / "large.parquet"
    rows, mean = write(file, gigabytes)
    site.forget_peak()
    table = Table(f"An asset of {file.stat().st_size / 1e9:.2f} GB in {rows:,} rows")
    table.add("registered, with a mock", timed(lambda: site.offer("large", "rows", file)), "s")
    ask = asking(site, QUESTION, "mean_of_a", rows="large")
    request = ask()
    site.act("request", "approve", request.id, "--auto-release")
    table.add("read in batches by a run, released", timed(lambda: request.wait(timeout=3600)), "s")
    answer = request.result()
    if answer["rows"] != rows or not math.isclose(answer["mean"], mean, rel_tol=1e-6, abs_tol=1e-9):
        sys.exit(f"the answer is wrong: {answer}")
    table.add("memory of the site's process at most", site.peak(), "MiB", most=150)
    return table
