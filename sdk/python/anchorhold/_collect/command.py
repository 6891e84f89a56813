"""The command line of the collector: code in, JSON out.

python3 -m anchorhold._collect FILE.py [--entry FUNC] [--asset PARAMETER] [--environment LOCK] [--package NAME]
python3 -m anchorhold._collect FOLDER --entry MODULE:FUNC ...
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .available import check_available
from .gather import Collector, pick_static
from .modules import package_of
from .names import Module
from .source import Definition, FunctionNode, Refused, Unit, read_unit
from .whole import collect_folder, collect_script


def find_entry(module: Module, name: str) -> tuple[Definition, Unit]:
    """The top-level function of a file by its name."""
    found = module.bindings.get(name, [])
    functions = sorted(n for n, bs in module.bindings.items() if all(b.kind == "function" for b in bs))
    if not found:
        have = (
            f"use one of its functions: {', '.join(functions)}" if functions else "define the function at the top level"
        )
        raise Refused(f"{module.label} has no function {name!a}", have)
    binding = pick_static(name, found, module)
    if binding.kind in ("block", "changed"):
        raise Refused(f"{name} is defined inside a block on {binding.where}", f"define {name} at the top level")
    if not isinstance(binding.node, FunctionNode):
        raise Refused(f"{name} ({binding.where}) is not a function written with def", f"write it as def {name}(...)")
    return binding.node, binding.unit


def collect_file(
    path: Path, entry: str, assets: list[str], environment: str, outputs: Sequence[str] = ()
) -> dict[str, Any]:
    """Gather a top-level function of a file, from its text alone."""
    root, package = package_of(path)
    module = Module([read_unit(path)], root, package)
    node, unit = find_entry(module, entry)
    return Collector(module).collect(node, unit, assets, environment, outputs)


def collect_path(
    path: Path,
    entry: str,
    assets: list[str],
    environment: str,
    values: Iterable[str] = (),
    outputs: Sequence[str] = (),
    packages: Sequence[str] = (),
) -> dict[str, Any]:
    """Gather what a path and an entry point name: a function of a file, a script, or a folder."""
    if path.is_dir():
        answer = collect_folder(path, entry, assets, environment, outputs)
    elif entry:
        answer = collect_file(path, entry, assets, environment, outputs)
    else:
        answer = collect_script(path, assets, environment, outputs)
    check_available(answer["code"]["files"], packages)
    names = {p["name"]: p["kind"] for p in answer["code"]["parameters"]}
    for value in values:
        if names.get(value) != "value":
            have = ", ".join(n for n, k in names.items() if k == "value") or "none"
            raise Refused(f"{entry or path.name} has no value parameter {value!a}", f"its value parameters: {have}")
    return answer


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="collect", description="Gather what is submitted of Python code.")
    parser.add_argument("path")
    parser.add_argument("--entry", default="", metavar="[MODULE:]FUNC")
    parser.add_argument("--asset", action="append", default=[], metavar="PARAMETER")
    parser.add_argument("--value-param", action="append", default=[], metavar="PARAMETER")
    parser.add_argument("--output", action="append", default=[], metavar="NAME=KIND:SENSITIVITY")
    parser.add_argument("--environment", default="", metavar="LOCK")
    parser.add_argument("--package", action="append", default=[], metavar="NAME")
    options = parser.parse_args(arguments)
    try:
        answer = collect_path(
            Path(options.path), options.entry, options.asset, options.environment, options.value_param, options.output,
            options.package,
        )  # fmt: skip
    except Refused as e:
        print(json.dumps({"error": {"message": e.message, "remedy": e.remedy}}))
        return 1
    print(json.dumps(answer))
    return 0
