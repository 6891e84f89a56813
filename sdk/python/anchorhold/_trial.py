"""Trials: code run on the mocks at the site, where everything that comes out is its author's to see."""

from __future__ import annotations

from typing import Any

from ._errors import Failed, NotReady
from ._http import Http, quote
from ._listing import Json, Listing
from ._output import RunOutput
from ._progress import Report
from ._run import ENDED, Run
from ._text import Prose, amount, facts_html, facts_text, pre_html, visible_lines


class TrialOutput(RunOutput):
    """One output of a trial: fetched from the run itself, since nothing has to be released."""

    def __init__(self, http: Http, data: Json, run: str) -> None:
        super().__init__(http, data, "")
        self._path = f"/v1/runs/{quote(run)}/outputs/{quote(self.name)}"

    @property
    def preview(self) -> str:
        """Its beginning, for reading."""
        return self._text("preview")


class Trial(Run):
    """A run on the mocks. It needed nobody's decision, and shows all that happened."""

    _word = "trial"

    def wait(self, timeout: float | None = None, progress: bool | Report | None = None) -> Trial:
        """Wait until it has ended; Timeout when that takes longer."""
        super().wait(timeout, progress)
        return self

    def _phase(self) -> str:
        return PHASES.get(self.state, self.state)

    @property
    def failure(self) -> str:
        """The traceback of the code's error, or why it gave no result; empty where it gave one."""
        return Prose(visible_lines(self._text("failure") or (self._text("reason") if self.state != "done" else "")))

    @property
    def usage(self) -> Json:
        """What it used: processor seconds, seconds in all, most memory in bytes."""
        found = self._data.get("usage")
        return dict(found) if isinstance(found, dict) else {}

    @property
    def outputs(self) -> Listing[TrialOutput]:
        """What it gave."""
        found = [TrialOutput(self._http, o, self.id) for o in self._items("outputs")]
        return Listing(found, ("output", "kind", "bytes"), lambda o: [o.name, o.kind, o.size])

    def result(self) -> Any:
        """What the function returned, of its type; several outputs come as a dict by name."""
        if self.state not in ENDED:
            raise NotReady("the trial has not ended", "call .wait()")
        if self.state != "done":
            raise Failed(f"the trial gave no result: {self._text('reason')}", "read .failure and .log()")
        outputs = self.outputs
        if len(outputs) == 1:
            return outputs[0].value()
        return {o.name: o.value() for o in outputs}

    def _facts(self) -> list[tuple[str, object]]:
        used = self.usage
        seconds = used.get("cpu_seconds", 0)
        memory = f"{amount(used.get('peak_bytes', 0))} of memory"
        cost = f"{seconds:.{2 if seconds < 1 else 1}f} s of processor, {memory}"
        rows = [("state", self.state), ("reason", self._text("reason")), ("used", cost if used else "")]
        return [*rows, *[(o.name, Prose(o.preview)) for o in self.outputs if o.preview]]

    def __repr__(self) -> str:
        text = facts_text(f"Trial {self.id}", self._facts())
        return f"{text}\n{self.failure}" if self.failure else text

    def _repr_html_(self) -> str:
        return facts_html(f"Trial {self.id}", self._facts()) + (pre_html(self.failure) if self.failure else "")


PHASES = {
    "queued": "waiting until nothing else runs",
    "running": "running on the mock",
    "checking": "its result is being read",
    "done": "done",
}
