"""What a person sees while waiting: one line on a terminal or in a notebook, nothing in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType

from ._text import visible

Report = Callable[[str, float], object]

WORDS = {
    "pending": "waiting for the owner's decision",
    "asked": "the owner asks you something",
    "approved": "approved, about to run",
    "queued": "approved, in the queue",
    "running": "running on the private data",
    "deciding": "the output is being checked and decided about",
    "checking": "the output is being checked",
    "held": "the output waits for the owner's decision",
    "released": "released",
    "denied": "denied",
    "withdrawn": "withdrawn",
    "expired": "the approval expired",
    "failed": "the run failed",
    "cancelled": "cancelled",
    "refused": "the output was not released",
}


def state_words(state: str) -> str:
    """A state in words; one that is new stands for itself."""
    return WORDS.get(state) or visible(state)


def state_line(state: str) -> str:
    """A state and its words, where these say more."""
    words = state_words(state)
    return words if words == visible(state) else f"{visible(state)}: {words}"


def interactive() -> bool:
    """Whether somebody looks on: a terminal, or a notebook."""
    stream = sys.stderr
    if stream is not None and stream.isatty():
        return True
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and getattr(shell, "kernel", None) is not None


class Progress:
    """Shows the state of a request on one line, or reports it to a function."""

    def __init__(self, wanted: bool | Report | None) -> None:
        self._report = wanted if callable(wanted) else None
        self._shown = wanted is True or (wanted is None and interactive())
        self._since = time.monotonic()
        self._width = 0

    @property
    def every(self) -> int:
        """How many seconds may pass until the next word: few where somebody looks on."""
        return 5 if self._shown or self._report is not None else 30

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._width:
            print(file=sys.stderr, flush=True)

    def show(self, state: str) -> None:
        """Say which state the request is in now."""
        seconds = time.monotonic() - self._since
        if self._report is not None:
            self._report(state, seconds)
        elif self._shown:
            line = f"{state_words(state)} … {seconds:.0f} s"
            print("\r" + line.ljust(self._width), end="", file=sys.stderr, flush=True)
            self._width = len(line)
