"""Expected resources: what a run may use at most, in the author's own words.

They are shown to who decides, beside what the trial on the mocks used, and become
the run's limits. Never more than the site allows: that is refused at submission.
"""

from __future__ import annotations

import re
from datetime import timedelta

from ._errors import Invalid
from ._listing import Json
from ._text import amount

UNITS = {"b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "kb": 10**3, "mb": 10**6, "gb": 10**9}
SPANS = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600}


class Resources:
    """What a run is expected to use at most: ``ah.Resources(cpu_seconds=90, memory="2 GiB", wall="5 min")``."""

    def __init__(
        self,
        *,
        cpu_seconds: float | timedelta | None = None,
        memory: int | str | None = None,
        wall: float | str | timedelta | None = None,
    ) -> None:
        self.cpu_seconds = seconds("cpu_seconds", cpu_seconds)
        self.memory = size(memory)
        self.wall_seconds = seconds("wall", wall)

    @classmethod
    def of(cls, data: Json) -> Resources:
        """As the site says it."""
        names = ("cpu_seconds", "memory", "wall_seconds")
        cpu, memory, wall = (int(data.get(n) or 0) or None for n in names)
        return cls(cpu_seconds=cpu, memory=memory, wall=wall)

    def as_json(self) -> dict[str, int]:
        """As the site reads it."""
        found = {"cpu_seconds": self.cpu_seconds, "memory": self.memory, "wall_seconds": self.wall_seconds}
        return {n: v for n, v in found.items() if v}

    def words(self) -> str:
        """In a sentence, as who decides reads it."""
        found = [
            (self.cpu_seconds, f"{self.cpu_seconds} s of processor time"),
            (self.memory, f"{amount(self.memory or 0)} of memory"),
            (self.wall_seconds, f"{self.wall_seconds} s in all"),
        ]
        return ", ".join(text for value, text in found if value)

    def __repr__(self) -> str:
        found = {"cpu_seconds": self.cpu_seconds, "memory": self.memory, "wall": self.wall_seconds}
        return f"Resources({', '.join(f'{n}={v}' for n, v in found.items() if v)})"


def seconds(name: str, value: float | str | timedelta | None) -> int:
    """A length of time in whole seconds, rounded up."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+?)s?", value.strip().lower()) if isinstance(value, str) else None
    if match and match[2] in SPANS:
        value = float(match[1]) * SPANS[match[2]]
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if value is None:
        return 0
    if isinstance(value, (str, bool)) or not 0 < value < 2**53:
        raise Invalid(f"{name} is no length of time", f'give seconds, or write it like {name}="5 min"')
    return int(-(-value // 1))


def size(value: int | str | None) -> int:
    """A number of bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", value.strip().lower()) if isinstance(value, str) else None
    if match and match[2] in UNITS:
        value = int(float(match[1]) * UNITS[match[2]])
    if value is None:
        return 0
    if isinstance(value, (str, bool, float)) or not 0 < value < 2**53:
        raise Invalid("memory is no size", 'give bytes, or write it like memory="2 GiB"')
    return value
