"""Text of strangers, made safe to show on a terminal and in a notebook.

Names, purposes and messages come from other people. Whatever they hold, what is
shown is text: nothing of it becomes markup, script, a terminal command or an
invisible character. Markup is written only here, around escaped text. The tests
show hostile strings through every repr.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Sequence

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # control, format (bidi too), surrogate, unassigned, separators


def visible(value: object, limit: int = 500) -> str:
    """One line of text with every control, bidi and invisible character shown as its code."""
    text = value if isinstance(value, str) else str(value)
    cut = text[:limit]
    shown = "".join(_visible_char(c) for c in cut)
    return shown + "…" if len(text) > limit else shown


def visible_lines(value: object, limit: int = 100_000) -> str:
    """Like visible, of several lines: line feeds and tabs stay what they are."""
    text = value if isinstance(value, str) else str(value)
    return "\n".join(visible(line.replace("\t", "    "), limit) for line in text[:limit].split("\n"))


def _visible_char(c: str) -> str:
    if " " <= c <= "~":
        return c
    if unicodedata.category(c) in HIDDEN or c in "\u00a0\u115f\u1160\u3164\uffa0\u2800\u034f":
        return f"<U+{ord(c):04X}>"
    return c


def amount(size: float) -> str:
    """A number of bytes as people read it, the same everywhere: 300 MiB, 1.5 GiB."""
    units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        units.pop(0)
    return f"{size:.1f}".removesuffix(".0") + f" {units[0]}"


def who(names: object) -> str:
    """Names of people as people read them: whoever acts at the site's own machine has only the number of an account."""
    parts = str(names or "").split(", ")
    return ", ".join(f"somebody at the site's machine ({n})" if n.startswith("local:") else n for n in parts)


def escaped(value: object, limit: int = 500) -> str:
    return html.escape(visible(value, limit), quote=True)


def table_text(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table for terminals."""
    cells = [[visible(c, 60) for c in row] for row in rows]
    widths = [max([len(h), *(len(r[i]) for r in cells)]) for i, h in enumerate(head)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in [list(head), *cells]]
    return "\n".join(lines)


def table_html(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table for notebooks."""
    top = "".join(f"<th>{escaped(h)}</th>" for h in head)
    body = "".join("<tr>" + "".join(f"<td>{escaped(c)}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def facts_text(title: str, facts: Iterable[tuple[str, object]]) -> str:
    """A title and lines of "name: value" for terminals; Prose keeps its lines."""
    pairs = [(n, visible_lines(v) if isinstance(v, Prose) else visible(v)) for n, v in facts if v not in (None, "")]
    width = max([len(n) for n, _ in pairs], default=0)
    pairs = [(n, v.replace("\n", "\n" + " " * (width + 4))) for n, v in pairs]
    return "\n".join([visible(title), *(f"  {n.ljust(width)}  {v}" for n, v in pairs)])


def facts_html(title: str, facts: Iterable[tuple[str, object]]) -> str:
    """A title and a list of facts for notebooks."""
    shown = [(n, pre_html(v) if isinstance(v, Prose) else escaped(v)) for n, v in facts if v not in (None, "")]
    rows = "".join(f"<tr><th>{escaped(n)}</th><td>{v}</td></tr>" for n, v in shown)
    return f"<div><strong>{escaped(title)}</strong><table><tbody>{rows}</tbody></table></div>"


def pre_html(text: str) -> str:
    """Lines as they are, for notebooks."""
    return f"<pre>{html.escape(visible_lines(text), quote=True)}</pre>"


class Prose(str):
    """Text that shows as text: printed plainly at a prompt, escaped in a notebook."""

    __slots__ = ()

    def __repr__(self) -> str:
        return visible_lines(self)

    def _repr_html_(self) -> str:
        return pre_html(self)
