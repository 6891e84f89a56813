"""The errors that a person reads: what was wrong, and what to do next.

Every error of this package is an Error. It never holds a token, nor anything of
private data. Each kind of the API has a class of its own, so that a caller can
catch what it can deal with; the tests raise each one through the HTTP door.
"""

from __future__ import annotations

from typing import Any


class Error(Exception):
    """Something went wrong: ``message`` says what, ``remedy`` what to do next, ``kind`` which sort it is."""

    kind = "internal"

    def __init__(self, message: str, remedy: str = "", *, kind: str | None = None, status: int | None = None) -> None:
        self.message = message
        self.remedy = remedy
        self.kind = kind or type(self).kind
        self.status = status
        super().__init__(message, remedy)

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), dict(self.__dict__))


def _rebuild(cls: type[Error], state: dict[str, Any]) -> Error:
    """Rebuild a pickled error, as worker processes send it."""
    error = cls.__new__(cls)
    Exception.__init__(error, state.get("message", ""), state.get("remedy", ""))
    error.__dict__.update(state)
    return error


class Invalid(Error):
    """The input is wrong: change it."""

    kind = "invalid"


class NotCaptured(Invalid):
    """The function cannot be submitted as it is written; the message names the variable."""


class Unauthenticated(Error):
    """No token, or one that does not hold."""

    kind = "unauthenticated"


class Denied(Error):
    """Not permitted, or an owner denied the request: then ``category``, ``reason`` and ``would_accept`` say why."""

    kind = "denied"

    def __init__(
        self,
        message: str,
        remedy: str = "",
        *,
        category: str = "",
        reason: str = "",
        would_accept: str = "",
        **more: Any,
    ) -> None:
        super().__init__(message, remedy, **more)
        self.category = category
        self.reason = reason
        self.would_accept = would_accept


class NotFound(Error):
    """Absent, or hidden from you: the two look the same."""

    kind = "not-found"


class Conflict(Error):
    """The thing is in another state than the act needs."""

    kind = "conflict"


class TooLarge(Error):
    """Over a stated limit."""

    kind = "too-large"


class Unavailable(Error):
    """The site cannot be reached, or cannot do it now: try again."""

    kind = "unavailable"


class Internal(Error):
    """The site, or this package, is at fault."""

    kind = "internal"


class NotReady(Conflict):
    """There is no result yet: the request waits for a person or a run."""


class Timeout(Error, TimeoutError):
    """The waiting ended before the request did; the request goes on."""

    kind = "unavailable"


class Failed(Error):
    """The run failed. What it saw of private data stays at the site, so no detail is given."""

    kind = "failed"


class Refused(Error):
    """The owner did not let the output leave."""

    kind = "refused"


class Ended(Error):
    """The request ended without a result: withdrawn, expired or cancelled."""

    kind = "ended"


class InvalidReceipt(Error):
    """A receipt that does not hold; ``reason`` is the word of the specification for the step that failed."""

    kind = "invalid-receipt"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message, "do not rely on it; ask the site for the receipt again, and compare the site's key")
        self.reason = reason


class InvalidResult(Error):
    """A file from the site that is not what it says it is."""

    kind = "invalid-result"


BY_KIND: dict[str, type[Error]] = {
    c.kind: c for c in (Invalid, Unauthenticated, Denied, NotFound, Conflict, TooLarge, Unavailable, Internal)
}

BY_STATUS: dict[int, type[Error]] = {
    400: Invalid,
    401: Unauthenticated,
    403: Denied,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: Invalid,
    429: Unavailable,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}
