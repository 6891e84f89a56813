"""A researcher, a reviewer and an auditor at a real site, from Python: argv is the address, the site's key, and their tokens.

A script and a folder of modules are tried on the mock, submitted with declared
outputs and what a run may use, approved, run, released and verified.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

import anchorhold as ah

SCRIPT = """
import pandas as pd
from helpers import keep

patients: pd.DataFrame
least: int

means = keep(patients.groupby("num")["age"].agg(["size", "mean"]), least).round(1)
oldest = patients.nlargest(3, "age")[["age", "sex"]]
n = len(patients)
"""

KEEP = 'def keep(groups, least):\n    return groups[groups["size"] >= least]\n'

FOLDER = {
    "main.py": """
from parts.codes import names
from parts.means import means


def run(patients, least: int = 5):
    found = means(patients, least).rename(index=names())
    return {"means": found, "youngest": patients.nsmallest(2, "age")[["age", "num"]], "n": len(patients)}
""",
    "parts/means.py": """
def means(patients, least):
    groups = patients.groupby("num")["age"].agg(["size", "mean"])
    return groups[groups["size"] >= least].round(1)
""",
    "parts/codes.py": """
from pathlib import Path


def names():
    lines = Path("codes.csv").read_text().splitlines()[1:]
    return {int(n): name for n, name in (line.split(",") for line in lines)}
""",
    "codes.csv": "num,name\n0,none\n1,mild\n2,some\n3,much\n4,most\n",
}

LIMITS = ah.Resources(cpu_seconds=90, memory="1 GiB", wall="5 min")


def greedy(patients):
    import time

    blocks = []
    while len(blocks) < 900:
        blocks.append(b"x" * (1 << 20))
        time.sleep(0.002)  # not all between two looks at it
    return len(blocks)


def outputs(individual: str) -> list[ah.Output]:
    return [
        ah.Output("means", kind="table"),
        ah.Output(individual, kind="table", sensitivity="individual"),
        ah.Output("n", kind="json"),
    ]


def write(folder: Path) -> None:
    for name, text in {"analysis.py": SCRIPT, "helpers.py": KEEP, **{f"study/{n}": t for n, t in FOLDER.items()}}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def limits_are_limits(ada: ah.Site, heart: ah.Dataset) -> None:
    """What its author expects is all that code gets."""
    trial = ada.try_on_mock(greedy, patients=heart, study="s1", expect=ah.Resources(memory="300 MiB"))
    assert trial.state == "failed", trial
    assert "needed more than its 300 MiB of memory" in trial.failure, trial


def tried(ada: ah.Site, heart: ah.Dataset) -> None:
    """By somebody whose role is in a study, in its name."""
    with pytest.raises(ah.Denied, match="you may not do this") as denied:
        ada.try_on_mock("study/", entry="main:run", outputs=outputs("youngest"), patients=heart)
    assert "--study s1" in denied.value.remedy
    trial = ada.try_on_mock("study/", entry="main:run", outputs=outputs("youngest"), patients=heart, study="s1")
    found = trial.result()
    assert set(found) == {"means", "youngest", "n"}
    assert isinstance(found["means"], pd.DataFrame)


def answered(ada: ah.Site, eva: ah.Site, request: ah.Request, individual: str, key: str) -> None:
    """From approval to an answer that verifies."""
    shown = repr(eva.requests[request.id])
    for line in ("s1", f"{individual}: table, individual", "90 s of processor time", "1 GiB of memory"):
        assert line in shown, shown
    eva.requests[request.id].approve(auto_release=True)
    held = waits(eva, request.id)
    assert {o.name for o in request.refresh().outputs} == {"means", "n"}
    with pytest.raises(ah.NotReady):
        request.result()
    assert held.output.name == individual
    assert "age" in held.output.value().columns
    held.approve("people without names")
    found = request.wait(timeout=60).result()
    assert set(found) == {"means", individual, "n"}
    assert isinstance(found[individual], pd.DataFrame)
    assert found["n"] == 120
    for output in request.outputs:
        file, receipt = output.save("."), request.receipt(output.name).save(f"{output.name}.receipt")
        verified = ah.Receipt.load(receipt).verify(key=key, output=file.read_bytes())
        assert verified.predicate["request"]["study"] == "s1"
        assert verified.predicate["release"]["automatic"] == (output.name != individual)


def waits(eva: ah.Site, request: str) -> ah.Release:
    """The output that waits for a person."""
    eva.requests[request].wait(timeout=180, progress=False)
    [held] = [r for r in eva.releases.held() if r.request == request]
    return held


def main(url: str, key: str, researcher: str, reviewer: str) -> None:
    ada, eva = ah.connect(url, token=researcher, key=key), ah.connect(url, token=reviewer, key=key)
    heart = ada.datasets["tried"]
    write(Path.cwd())
    tried(ada, heart)
    limits_are_limits(ada, heart)
    more = {"patients": heart, "study": "s1", "expect": LIMITS, "purpose": "Table 2"}
    script = ada.submit("analysis.py", least=5, outputs=outputs("oldest"), **more)
    folder = ada.submit("study/", entry="main:run", outputs=outputs("youngest"), **more)
    answered(ada, eva, script, "oldest", key)
    answered(ada, eva, folder, "youngest", key)
    print("answered")


main(*sys.argv[1:])
