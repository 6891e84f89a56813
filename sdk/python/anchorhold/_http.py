"""The HTTP door of a site: one connection pool, retries that never act twice, errors that say what to do.

A write carries an Idempotency-Key that stays the same when it is retried. The
token goes to the site's own address only (redirects are not followed) and shows
up in no repr, no error and no log. Nothing but loopback is spoken to without
TLS. The tests run against a server that fails in every way a real one can.
"""

from __future__ import annotations

import ipaddress
import json
import random
import secrets
import time
import urllib.parse
from typing import TYPE_CHECKING, Any

from ._errors import BY_KIND, BY_STATUS, Conflict, Denied, Error, Internal, Invalid, NotFound, TooLarge, Unavailable
from ._local import pool
from ._pin import HEADER, Trust, fragment_of, parse_pins, pool_for
from ._text import visible
from ._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import urllib3

RETRY_STATUS = (429, 502, 503, 504)
MAX_JSON = 64 << 20
MAX_FILE = 4 << 30
MAX_PROBLEM = 64 << 10
LONGEST_PAUSE = 30.0
PLAIN_TO_TLS = b"Client sent an HTTP request to an HTTPS server"  # how servers in Go answer plain HTTP


def check_url(url: str) -> str:
    """The address of a site with the keys that it pins, or a refusal: https, or http to this machine only."""
    parts = urllib.parse.urlsplit(url.strip())
    try:
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if parts.scheme not in ("http", "https") or not host or parts.query:
        raise Invalid(
            f"{visible(without_secrets(url), 200)} is not the address of a site",
            "give one like https://records.example.org",
        )
    if parts.username is not None or parts.password is not None:
        raise Invalid("the address holds a user name or password", "give the address alone, and the token as token=")
    if parts.scheme == "http" and not is_loopback(host):
        raise Invalid(f"{visible(host, 200)} is another machine, and http:// would show it your token", "use https://")
    if parse_pins(parts.fragment) and parts.scheme == "http":
        raise Invalid(
            "plain http proves no key, and the address pins one", "use https://, or leave out the part after #"
        )
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", parts.fragment))


def same_site(address: str, known: str | None) -> str | None:
    """What says more of an address and a site that is known, if it means that site; else None.

    Keys that are pinned in both must be known, all of them: whoever has another key is another site.
    """
    if known is None:
        return None
    (x, x_pins), (y, y_pins) = split_pins(check_url(address)), split_pins(check_url(known))
    if x != y or (y_pins and not set(parse_pins(x_pins)) <= set(parse_pins(y_pins))):
        return None
    return check_url(known if y_pins else address)


def split_pins(url: str) -> tuple[str, str]:
    """An address without and with what stands behind #."""
    base, _, fragment = url.partition("#")
    return base, fragment


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def without_secrets(url: str) -> str:
    """An address as it may be shown: without what stands before the host, and without a query."""
    scheme, _, rest = url.partition("://")
    host = rest.split("?")[0].split("#")[0].rsplit("@", 1)[-1]
    return f"{scheme}://{host}" if rest else scheme.split("@")[-1].split("?")[0]


class Http:
    """Calls the API of one site."""

    def __init__(
        self,
        url: str,
        token: str | None,
        *,
        ca: str | None = None,
        ca_text: str | None = None,
        timeout: float = 30.0,
        attempts: int = 5,
        socket: str | None = None,
        learned: Callable[[str, str], None] | None = None,
    ) -> None:
        self.url, fragment = split_pins(check_url(url))
        self._socket = socket
        self.timeout = timeout
        self.attempts = attempts
        self._trust = Trust(parse_pins(fragment))
        self._learned = learned
        if ca is not None and self._trust.pins:
            raise Invalid("the address pins the site's key, so that no certificate has a say", "leave out ca=")
        self._ca = ca
        self._ca_text = ca_text
        self._token = check_token(token)
        self._pool: urllib3.PoolManager | None = None

    def __repr__(self) -> str:
        return f"<Http {self.url}>"

    def __reduce__(self) -> Any:
        raise TypeError("a connection holds a token and cannot be pickled; call anchorhold.connect where it is needed")

    @property
    def local(self) -> bool:
        """Whether the site is spoken to on its own machine, whose files can be named."""
        return self._socket is not None

    def get(self, path: str, query: dict[str, Any] | None = None, timeout: float | None = None) -> Any:
        """The JSON answer of a read."""
        return self._json("GET", path, query=query, timeout=timeout)

    def post(self, path: str, body: dict[str, Any] | None = None, timeout: float | None = None) -> Any:
        """The JSON answer of a write, which happens once however often it is sent."""
        return self._json("POST", path, body=body if body is not None else {}, timeout=timeout)

    def put(self, path: str, data: bytes, attempts: int) -> Any:
        """The JSON answer to bytes, which may be sent again."""
        return self._json("PUT", path, raw=data, attempts=attempts)

    def replace(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON answer of putting something in another's place."""
        return self._json("PUT", path, body=body)

    def delete(self, path: str, query: dict[str, Any] | None = None) -> None:
        """Take something away."""
        self._json("DELETE", path, query=query)

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON answer of a change, which happens once however often it is sent."""
        return self._json("PATCH", path, body=body)

    def file(self, path: str) -> bytes:
        """The bytes of a file."""
        return self._send("GET", path, accept="*/*", limit=MAX_FILE)

    def events(self, path: str, timeout: float) -> Iterator[dict[str, Any] | None]:
        """Server-sent events as they come, None for a sign of life; nothing where the site tells none, or breaks off.

        No error is raised but for a server that is not the site: asking again shows the one that counts.
        """
        import urllib3

        headers = {"Accept": "text/event-stream", "User-Agent": f"anchorhold-python/{__version__}"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            answer = self._manager().request(
                "GET",
                self.url + path,
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=min(10.0, self.timeout), read=timeout),
            )
        except urllib3.exceptions.HTTPError:
            return
        try:
            if answer.status == 200 and answer.headers.get("Content-Type", "").startswith("text/event-stream"):
                yield from parse_events(answer)
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            return
        finally:
            answer.close()

    def pages(self, path: str, query: dict[str, Any] | None = None, limit: int | None = None) -> list[dict[str, Any]]:
        """All items of a list, or the first ``limit`` of them."""
        found: list[dict[str, Any]] = []
        seen: set[str] = set()
        cursor: str | None = None
        while limit is None or len(found) < limit:
            size = 100 if limit is None else min(100, limit - len(found))
            page = self.get(path, {**(query or {}), "limit": size, "cursor": cursor})
            found.extend(page.get("items") or [])
            cursor = page.get("next")
            if not cursor:
                break
            if cursor in seen:
                raise Internal("the site's list does not end", "tell the site's owner")
            seen.add(cursor)
        return found if limit is None else found[:limit]

    def _json(self, method: str, path: str, **more: Any) -> Any:
        data = self._send(method, path, accept="application/json", limit=MAX_JSON, **more)
        if not data:
            return {}
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            raise Internal(
                "the site's answer is not JSON", "check that the address is that of an Anchorhold site"
            ) from None
        if not isinstance(value, dict):
            raise Internal("the site's answer has another form than this package knows", "update this package")
        return value

    def _send(
        self,
        method: str,
        path: str,
        *,
        accept: str,
        limit: int,
        query: dict[str, Any] | None = None,
        body: dict[str, Any] | None = None,
        raw: bytes | None = None,
        timeout: float | None = None,
        attempts: int | None = None,
    ) -> bytes:
        import urllib3

        url = self.url + path + query_text(query)
        headers = {"Accept": accept, "User-Agent": f"anchorhold-python/{__version__}"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = raw
        if raw is not None:
            headers["Content-Type"] = "application/octet-stream"
        if body is not None:
            data = json.dumps(body, allow_nan=False).encode()
            headers["Content-Type"] = "application/json"
            headers["Idempotency-Key"] = secrets.token_hex(16)
        error: Error = Unavailable("the site was not asked")
        for attempt in range(attempts or self.attempts):
            if attempt:
                time.sleep(pause(attempt, error))
            try:
                answer = self._manager().request(
                    method,
                    url,
                    body=data,
                    headers=headers,
                    redirect=False,
                    retries=False,
                    preload_content=False,
                    timeout=urllib3.Timeout(connect=min(10.0, self.timeout), read=timeout or self.timeout),
                )
                self._learn(answer.headers.get(HEADER))
                status, content = answer.status, read(answer, limit)
            except urllib3.exceptions.SSLError:
                raise Unavailable(
                    f"the certificate of {self.url} is not trusted",
                    "use the connection string (https://...#sha256=...) or pass ca=, the file of the certificate, "
                    "that the owner gave you",
                ) from None
            except urllib3.exceptions.HTTPError as e:
                error = unreachable(self.url, e)
                continue
            if status in RETRY_STATUS:
                error = self._refusal(status, content)
                error.__dict__["_after"] = answer.headers.get("Retry-After")
                continue
            if 200 <= status < 300:
                return content
            raise self._refusal(status, content)
        raise error

    def _refusal(self, status: int, content: bytes) -> Error:
        if status == 400 and content.startswith(PLAIN_TO_TLS) and self.url.startswith("http://"):
            return Invalid(
                f"the site at {self.url} speaks TLS, and the address says http",
                "use the connection string that the site's owner hands out: https://..., "
                "with #sha256=... where the site's key is its own",
            )
        return problem(status, content)

    def _learn(self, said: str | None) -> None:
        before = self._trust.learn(said)
        if before is not None and self._learned is not None:
            was, now = fragment_of(before), fragment_of(self._trust.pins)
            self._learned(f"{self.url}#{was}", f"{self.url}#{now}")

    def _manager(self) -> urllib3.PoolManager:
        if self._pool is None:
            local = self._socket
            self._pool = pool(local) if local is not None else pool_for(self._trust, self._ca, self._ca_text)
        return self._pool


def parse_events(answer: urllib3.BaseHTTPResponse) -> Iterator[dict[str, Any] | None]:
    """The data of each event, and None for each comment; lines that do not end are refused."""
    rest = b""
    while chunk := answer.read1(4096):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_PROBLEM:
            raise ValueError("an event does not end")
        for line in lines:
            if line.startswith(b":"):
                yield None
            elif line.startswith(b"data:"):
                value = json.loads(line[len(b"data:") :])
                yield value if isinstance(value, dict) else {}


def check_token(token: str | None) -> str | None:
    """A token that fits into a header; whatever else is refused without being repeated."""
    if token is None:
        return None
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise Invalid("the token is not one that a site gives out", "copy it again, in one piece")
    return token


def query_text(query: dict[str, Any] | None) -> str:
    given = {k: v for k, v in (query or {}).items() if v is not None and v != "" and v != []}
    return "?" + urllib.parse.urlencode(given, doseq=True, errors="replace") if given else ""


def quote(part: str) -> str:
    """A name as one segment of a path."""
    return urllib.parse.quote(str(part), safe="", errors="replace") if part not in (".", "..") else "%2E" * len(part)


def read(answer: urllib3.BaseHTTPResponse, limit: int) -> bytes:
    """The whole body, which must stay below a limit."""
    parts: list[bytes] = []
    size = 0
    if answer.status >= 400:
        limit = MAX_PROBLEM
    try:
        for chunk in answer.stream(1 << 20):
            size += len(chunk)
            if size > limit:
                if answer.status >= 400:
                    return b""
                raise TooLarge("the site's answer is larger than this package takes", "ask the owner for a smaller one")
            parts.append(chunk)
    except BaseException:
        answer.close()
        raise
    answer.release_conn()
    return b"".join(parts)


def pause(attempt: int, error: Error) -> float:
    """Seconds to wait before the next attempt: what the site asks for, else twice as long each time."""
    after = str(error.__dict__.get("_after") or "")
    if after.isdigit():
        return min(float(after), LONGEST_PAUSE)
    return float(min(LONGEST_PAUSE, 0.2 * 2**attempt) * random.uniform(0.5, 1.0))


def unreachable(url: str, cause: Exception) -> Error:
    import urllib3

    exceptions = urllib3.exceptions
    if isinstance(cause, exceptions.NewConnectionError):
        return Unavailable(f"{url} cannot be reached", "check the address, and that the site is running")
    if isinstance(cause, (exceptions.ReadTimeoutError, exceptions.ConnectTimeoutError)):
        return Unavailable(f"{url} did not answer in time", "try again, or pass a longer timeout= to connect")
    return Unavailable(f"the connection to {url} broke ({type(cause).__name__})", "try again")


def problem(status: int, content: bytes) -> Error:
    """The error of a problem+json answer, or of whatever came instead."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    body: dict[str, Any] = value if isinstance(value, dict) else {}
    kind = str(body.get("kind") or "")
    cls = BY_KIND.get(kind) or BY_STATUS.get(status) or (Internal if status >= 500 else Error)
    message = visible(body.get("detail") or body.get("title") or default_message(status), 2000)
    remedy = visible(body.get("remedy") or default_remedy(cls), 2000)
    return cls(message, remedy, kind=visible(kind, 50) or None, status=status)


def default_message(status: int) -> str:
    if 300 <= status < 400:
        return f"the site answered with a redirect ({status}), which is not followed"
    return f"the site answered with status {status}"


def default_remedy(cls: type[Error]) -> str:
    remedies: dict[type[Error], str] = {
        Unavailable: "try again in a while",
        Denied: "ask the site's owner for the right to do this",
        NotFound: "check the name; what you may not see looks the same as what does not exist",
        Conflict: "look at its state and try again",
    }
    return remedies.get(cls, "check that the address is that of an Anchorhold site")
