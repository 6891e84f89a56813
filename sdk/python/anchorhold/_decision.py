"""Decisions: what people say of a request, and of an output that waits, one for each dataset."""

from __future__ import annotations

from datetime import datetime

from ._listing import Json, Listing, Record, short_time
from ._text import who


class Decision(Record):
    """One person's word on a request, or on an output, for one dataset."""

    @property
    def verdict(self) -> str:
        """Approve or deny."""
        return self._text("verdict")

    @property
    def dataset(self) -> str:
        """What it was decided for."""
        return self._text("dataset")

    @property
    def reason(self) -> str:
        """Why."""
        return self._text("reason")

    @property
    def category(self) -> str:
        """Of a denial: purpose, disclosure-risk, code-quality, wrong-data, policy or other."""
        return self._text("category")

    @property
    def would_accept(self) -> str:
        """Of a denial: what would be accepted instead."""
        return self._text("would_accept")

    @property
    def decider(self) -> str:
        """Who decided."""
        return self._text("decider_name") or self._text("decider")

    @property
    def expires(self) -> datetime | None:
        """When an approval ends."""
        return self._time("expires")


def decisions(found: list[Json]) -> Listing[Decision]:
    """A table of decisions."""
    head = ("verdict", "by", "for", "reason", "at")
    return Listing([Decision(d) for d in found], head, decision_row)


def decision_row(d: Decision) -> list[object]:
    return [d.verdict, who(d.decider), d.dataset, d.reason, short_time(d.raw.get("created"))]


def waits_words(w: Json) -> str:
    """What a dataset still waits for."""
    if not w.get("quorum"):
        return f"{w.get('dataset')}: others decide for it"
    names = who(", ".join(map(str, w.get("deciders") or [])))
    return f"{w.get('dataset')}: {w.get('approvals')} of {w.get('quorum')} approvals" + (f" ({names})" if names else "")
