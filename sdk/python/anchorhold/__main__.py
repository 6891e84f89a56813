"""Verify receipts from the command line: python -m anchorhold receipt verify FILE [--key FILE]."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from ._errors import Error, Invalid
from .receipt import read_key, verify

PROGRAM = "python -m anchorhold"


def main(arguments: list[str]) -> int:
    """Run the command; the exit status is 0 only for a receipt that holds."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Check what a site says about an answer.")
    commands = parser.add_subparsers(dest="what", required=True).add_parser("receipt", help="about receipts")
    check = commands.add_subparsers(dest="act", required=True).add_parser("verify", help="verify a receipt offline")
    check.add_argument("file", help="the receipt")
    check.add_argument("--key", help="the site's public key, or a file that holds it; default: ANCHORHOLD_KEY")
    check.add_argument("--output", help="the released file, to check that it is the one")
    check.add_argument("--json", action="store_true", help="answer in JSON")
    options = parser.parse_args(arguments)
    try:
        return show(options.file, options.key or os.environ.get("ANCHORHOLD_KEY"), options.output, options.json)
    except Error as e:
        if options.json:
            print(json.dumps({"valid": False, "kind": e.kind, "message": e.message, "remedy": e.remedy}))
        print(f"{PROGRAM}: {e.message}", *([f"  {e.remedy}"] if e.remedy else []), sep="\n", file=sys.stderr)
        return 1


def show(file: str, key: str | None, output: str | None, as_json: bool) -> int:
    if key is None:
        raise Invalid("no key is given", "pass --key FILE, the site's public key; its owner can tell it to you")
    verified = verify(contents(file), read_key(key), contents(output) if output is not None else None)
    if as_json:
        answer = {"valid": True, "site": verified.site, "index": verified.log_index, "statement": verified.statement}
        print(json.dumps(answer))
    else:
        print(verified)
    return 0


def contents(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as e:
        raise Invalid(f"{file} cannot be read: {e.strerror}", "give the path of a file") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
