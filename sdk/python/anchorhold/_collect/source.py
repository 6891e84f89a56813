"""Source text: what is read, refused, and cut out as it stands.

Only UTF-8 is read. A statement leaves its file exactly as written, dedented and
without trailing blanks, but never changed inside of a string.
"""

from __future__ import annotations

import ast
import re
import warnings
from pathlib import Path
from typing import Optional, Union

MAX_FILES = 100  # the limits of the code digest's format
MAX_BYTES = 1 << 20
MAX_NAME = 100


FunctionNode = (ast.FunctionDef, ast.AsyncFunctionDef)
Definition = Union[ast.FunctionDef, ast.AsyncFunctionDef]


class Refused(Exception):
    """What cannot be captured: message (what was wrong) and remedy (what to do)."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}; {remedy}" if remedy else message)
        self.message = message
        self.remedy = remedy


class Unit:
    """One stretch of source: a file, or one executed cell of a notebook."""

    def __init__(self, label: str, text: str, path: Optional[Path] = None) -> None:
        self.label = label
        self.path = path
        self.text = text
        self.lines = text.split("\n")
        self.tree = parse(text, label)
        self.protected = inside_strings(self.tree)

    def at(self, node: ast.AST) -> str:
        return f"line {first_line(node)} of {self.label}"

    def segment(self, node: ast.AST) -> str:
        """The exact source of a statement, dedented, without trailing blanks."""
        start, end = first_line(node) - 1, int(getattr(node, "end_lineno")) - 1
        column = int(getattr(node, "col_offset"))
        if isinstance(node, (ast.ClassDef, *FunctionNode)):
            head = self.lines[start]
            column = len(head) - len(head.lstrip())
        lines = [line.encode() for line in self.lines[start : end + 1]]
        stop = int(getattr(node, "end_col_offset"))
        if not re.match(rb"\s*(#.*)?$", lines[-1][stop:]):
            lines[-1] = lines[-1][:stop]
        lines[0] = lines[0][column:]
        texts = [line.decode() for line in lines]
        for i in range(len(texts)):
            if i > 0 and start + i not in self.protected:
                texts[i] = cut_indent(texts[i], column)
            if start + i + 1 not in self.protected:
                texts[i] = texts[i].rstrip()
        return "\n".join(texts)


def parse(text: str, label: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in a string is the author's business
            return ast.parse(text)
    except SyntaxError as e:
        raise Refused(f"{label} line {e.lineno or 1} is not valid Python: {e.msg}", "correct that line") from None
    except ValueError:
        raise Refused(f"{label} holds a NUL character", "save it as plain UTF-8 text") from None
    except (RecursionError, MemoryError):
        raise Refused(f"{label} is nested too deeply to be read", "simplify its longest expression") from None


def decode(data: bytes, label: str) -> str:
    """Source text from bytes: UTF-8 only, with universal line ends."""
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    for line in data.split(b"\n", 2)[:2]:
        cookie = re.match(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", line)
        if cookie and cookie.group(1).lower().replace(b"_", b"-") not in (b"utf-8", b"utf8", b"ascii", b"us-ascii"):
            raise Refused(
                f"{label} declares another encoding than UTF-8", "save it as UTF-8 and remove the declaration"
            )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as e:
        line_number = data[: e.start].count(b"\n") + 1
        raise Refused(f"{label} line {line_number} is not UTF-8", "save the file as UTF-8") from None
    return normal_lines(text)


def normal_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_unit(path: Path, label: str = "") -> Unit:
    label = label or path.name
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Refused(f"{label} is larger than 1 MiB", "keep data out of the code; submit code only")
        data = path.read_bytes()
    except OSError as e:
        raise Refused(f"{label} cannot be read: {e.strerror}", "give the path of a Python file") from None
    return Unit(label, decode(data, label), path)


def first_line(node: ast.AST) -> int:
    decorators = getattr(node, "decorator_list", [])
    return int(min([getattr(node, "lineno"), *(d.lineno for d in decorators)]))


def inside_strings(tree: ast.AST) -> set[int]:
    """0-based numbers of the lines that begin inside of a string literal: not ours to reformat."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        text = type(node).__name__ in ("JoinedStr", "TemplateStr") or (
            isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))
        )
        if text and node.end_lineno != node.lineno:  # type: ignore[attr-defined]
            lines.update(range(node.lineno, node.end_lineno))  # type: ignore[attr-defined]
    return lines


def cut_indent(line: str, width: int) -> str:
    blank = len(line) - len(line.lstrip())
    return line[min(blank, width) :]


def same_code(a: ast.AST, b: ast.AST) -> bool:
    return ast.dump(a) == ast.dump(b)
