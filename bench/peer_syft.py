"""Asks PySyft 0.9.5 the question that bench.py asks, and prints the seconds as JSON.

    .cache/bench-syft/bin/python bench/peer_syft.py TABLE ROUNDS

Run by bench.py where the package can be installed, in an environment of its own.
Each round submits a function, approves it, and calls it; the last is what compares
with an approved question here. PySyft runs approved code in its server's own
process, without a sandbox.
"""

import importlib.util
import json
import multiprocessing
import pathlib
import sys
import tempfile
import time
from typing import Any

import pandas
import syft  # type: ignore[import-not-found]


def question(folder: pathlib.Path, number: int) -> Any:
    """The question under a name of its own, in a file, since PySyft reads its source from one."""
    name = f"mean_age_{number}"
    file = folder / f"{name}.py"
    file.write_text(f'def {name}(df):\n    return df.groupby("num")["age"].mean()\n')
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


def ask(owner: Any, researcher: Any, asset: Any, asked: Any) -> float:
    """One question: submit, approve, call. Gives the seconds from the call to the answer."""
    function = syft.syft_function_single_use(df=asset)(asked)
    made = researcher.code.request_code_execution(function)
    next(r for r in owner.requests if r.id == made.id).approve()
    begin = time.perf_counter()
    answer = getattr(researcher.code, asked.__name__)(df=asset).get()
    took = time.perf_counter() - begin
    if len(answer) == 0:
        sys.exit("PySyft gave no answer")
    return took


def main(path: str, rounds: int) -> None:
    """A server in a process of this one, as PySyft's own documentation starts one."""
    server = syft.orchestra.launch(name="bench", port="auto", host="127.0.0.1", reset=True)
    owner = server.login(email="info@openmined.org", password="changethis")  # noqa: S106
    owner.register(name="R", email="r@example.org", password="pw1234567", password_verify="pw1234567")  # noqa: S106
    table = pandas.read_csv(path)
    asset = syft.Asset(name="patients", data=table, mock=table.head(20))
    owner.upload_dataset(syft.Dataset(name="heart", asset_list=[asset]))
    researcher = server.login(email="r@example.org", password="pw1234567")  # noqa: S106
    asset = researcher.datasets["heart"].assets["patients"]
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps([ask(owner, researcher, asset, question(pathlib.Path(folder), n)) for n in range(rounds)]), flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]))
    finally:  # its server is a process that Python would wait for, for ever
        for child in multiprocessing.active_children():
            child.kill()
