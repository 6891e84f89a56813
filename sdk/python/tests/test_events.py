"""Waiting by server-sent events: what the site tells is heard at once, and whatever else it says is asked about."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from anchorhold._http import Http
from anchorhold._request import Request

STREAM = b': still here\n\nevent: state\ndata: {"id": "req-1", "state": "released"}\n\n'


@pytest.fixture
def streaming() -> Iterator[Callable[[bytes, str], tuple[Http, list[str]]]]:
    """A site that answers one stream, and the state "released" once it was followed."""
    servers = []

    def start(stream: bytes, media: str = "text/event-stream") -> tuple[Http, list[str]]:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                events = self.path.endswith("/events")
                self.send_response(200)
                self.send_header("Content-Type", media if events else "application/json")
                self.end_headers()
                self.wfile.write(stream if events else b'{"id": "req-1", "state": "released"}')

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return Http(f"http://127.0.0.1:{server.server_port}", "token"), asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_change_is_heard(streaming: Callable[..., tuple[Http, list[str]]]) -> None:
    http, asked = streaming(STREAM)
    request = Request(http, {"id": "req-1", "state": "pending"})
    seen: list[str] = []
    request.wait(progress=lambda state, _: seen.append(state))
    assert request.state == "released"
    assert asked == ["/v1/requests/req-1/events", "/v1/requests/req-1"]
    assert seen == ["pending", "pending", "released"]


def test_one_stream_tells_of_every_change(streaming: Callable[..., tuple[Http, list[str]]]) -> None:
    states = ("queued", "running", "running", "deciding", "released")
    http, asked = streaming(b"".join(b'event: state\ndata: {"state": "%s"}\n\n' % s.encode() for s in states))
    seen: list[str] = []
    Request(http, {"id": "req-1", "state": "queued"}).wait(progress=lambda state, _: seen.append(state))
    assert asked == ["/v1/requests/req-1/events", "/v1/requests/req-1"]
    assert seen == ["queued", "queued", "running", "running", "deciding", "released"]


def test_who_decides_hears_that_something_waits_for_them(streaming: Callable[..., tuple[Http, list[str]]]) -> None:
    states = ("running", "held", "released")
    http, _ = streaming(b"".join(b'event: state\ndata: {"state": "%s"}\n\n' % s.encode() for s in states))
    seen: list[str] = []
    Request(http, {"id": "req-1", "state": "queued"}).wait(progress=lambda state, _: seen.append(state))
    assert seen == ["queued", "running", "released"]  # it asked at once, and heard nothing further


def test_a_stream_that_breaks_off_after_a_change(streaming: Callable[..., tuple[Http, list[str]]]) -> None:
    http, asked = streaming(b'data: {"state": "running"}\n\n')
    assert Request(http, {"id": "req-1", "state": "queued"}).wait().state == "released"
    assert asked == ["/v1/requests/req-1/events", "/v1/requests/req-1"]


@pytest.mark.parametrize(
    ("stream", "media"),
    [
        (b"", "text/event-stream"),
        (b"data: nonsense\n\n", "text/event-stream"),
        (b'data: {"state": "pending"}\n\n', "text/event-stream"),
        (b"data: [1]" + b"x" * 100_000, "text/event-stream"),
        (STREAM, "text/html"),
    ],
)
def test_whatever_else_it_says_is_asked_about(
    streaming: Callable[..., tuple[Http, list[str]]], stream: bytes, media: str
) -> None:
    http, asked = streaming(stream, media)
    request = Request(http, {"id": "req-1", "state": "pending"}).wait()
    assert request.state == "released"
    assert asked == ["/v1/requests/req-1/events", "/v1/requests/req-1?wait=30&state=pending"]


def test_who_has_little_time_asks(streaming: Callable[..., tuple[Http, list[str]]]) -> None:
    http, asked = streaming(STREAM)
    assert Request(http, {"id": "req-1", "state": "pending"}).wait(timeout=5).state == "released"
    assert len(asked) == 1
    assert re.fullmatch(r"/v1/requests/req-1\?wait=[0-4]&state=pending", asked[0])
