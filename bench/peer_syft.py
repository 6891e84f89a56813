"""Asks PySyft 0.9.5 the question that bench.py asks, and prints the seconds as JSON.

    .cache/bench-syft/bin/python bench/peer_syft.py TABLE ROUNDS

Run by bench.py where the package can be installed, in an environment of its own.
Each round submits a function, approves it, and calls it; the last is what compares
with an approved question here. PySyft runs approved code in its server's own
process, without a sandbox.
"""

import json
import sys
import time
from typing import Any

import pandas
import syft  # type: ignore[import-not-found]


def ask(owner: Any, researcher: Any, asset: Any, number: int) -> float:
    """One question: submit, approve, call. Gives the seconds from the call to the answer."""

    def mean_age(df: Any) -> Any:
        return df.groupby("num")["age"].mean()

    mean_age.__name__ = f"mean_age_{number}"
    function = syft.syft_function_single_use(df=asset)(mean_age)
    researcher.code.request_code_execution(function)
    owner.requests[-1].approve()
    begin = time.perf_counter()
    answer = getattr(researcher.code, function.func_name)(df=asset).get()
    took = time.perf_counter() - begin
    if len(answer) == 0:
        sys.exit("PySyft gave no answer")
    return took


def main(path: str, rounds: int) -> None:
    """A server in this process, as its own documentation starts one."""
    server = syft.orchestra.launch(name="bench", port="auto", host="127.0.0.1", reset=True)
    owner = server.login(email="info@openmined.org", password="changethis")  # noqa: S106
    owner.register(name="R", email="r@example.org", password="pw1234567", password_verify="pw1234567")  # noqa: S106
    table = pandas.read_csv(path)
    asset = syft.Asset(name="patients", data=table, mock=table.head(20))
    owner.upload_dataset(syft.Dataset(name="heart", asset_list=[asset]))
    researcher = server.login(email="r@example.org", password="pw1234567")  # noqa: S106
    asset = researcher.datasets["heart"].assets["patients"]
    print(json.dumps([ask(owner, researcher, asset, n) for n in range(rounds)]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
