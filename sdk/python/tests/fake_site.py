"""A small site in this process: the contract of the API, and every way in which a network fails.

It keeps what it was sent, answers a write once per idempotency key, and runs
submitted code in this process on a table that it calls private. Nothing of it
is secure; it stands in for a site so that the package can be tested alone.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import re
import sys
import tempfile
import threading
import urllib.parse
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
from signer import Signer

from anchorhold import _codec, _digest


def encoder() -> Any:
    """The writer of results, as the site's runner loads it."""
    sys.modules["_anchorhold_codec"] = _codec
    folder = Path(__file__).resolve().parents[3] / "run" / "job"
    load_module("_anchorhold_declared", folder / "declared.py")
    return load_module("_anchorhold_encode", folder / "encode.py")


def load_module(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


ENCODER = encoder()

LOCK = "sha256:" + "5" * 64
TOKENS = {"researcher-token": "ada@example.org", "owner-token": "olga@example.org"}
MOCK = "age,num,sex\n40,0,1\n50,1,0\n60,1,1\n"
PRIVATE = pd.DataFrame({"age": [41, 52, 63, 74], "num": [0, 1, 1, 2], "sex": [1, 0, 1, 0]})
COLUMNS = [{"name": n, "type": "int"} for n in ("age", "num", "sex")]
ENDED = ("denied", "withdrawn", "failed", "released", "refused")


class Problem(Exception):
    def __init__(self, status: int, kind: str, detail: str, remedy: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"type": "about:blank", "title": "Problem", "status": status, "detail": detail, "kind": kind}
        self.body["remedy"] = remedy


class FakeSite:
    def __init__(self) -> None:
        self.signer = Signer("hospital.example/heart")
        self.seen: list[dict[str, Any]] = []
        self.pins = ""  # what it says of the keys of its door
        self.trouble: list[Any] = []  # what happens to the next calls: a status, (status, headers), "drop" or "hang"
        self.answered: dict[str, tuple[int, dict[str, Any]]] = {}
        self.requests: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.grants: dict[str, dict[str, Any]] = {}
        self.trials: dict[str, dict[str, Any]] = {}
        self.uploads: dict[str, dict[str, Any]] = {}
        self.datasets = {"heart": dataset("heart", ["patients"]), "two": dataset("two", ["patients", "labs"])}
        self.environments = [{"lock": LOCK, "default": True, "python": "3.11", "packages": packages()}]
        self.asked: list[dict[str, Any]] = []  # for further environments
        self.changed = threading.Condition()
        self.hold = threading.Event()
        handler = type("Handler", (Handler,), {"site": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def calls(self, method: str, path: str) -> list[dict[str, Any]]:
        return [c for c in self.seen if c["method"] == method and c["path"] == path]

    def answer(self, call: dict[str, Any]) -> tuple[int, Any]:
        if call["path"] == "/v1/site":
            about = {"name": "heart", "origin": self.signer.origin, "key": self.signer.vkey, "version": "0.2.0"}
            return 200, {**about, "environments": self.environments}
        who = TOKENS.get(call["headers"].get("authorization", "").removeprefix("Bearer "))
        if who is None:
            raise Problem(401, "unauthenticated", "the token does not hold", "ask the owner for a new one")
        call["who"] = who
        for method, pattern, handler in ROUTES:
            found = re.fullmatch(pattern, call["path"])
            if found and method == call["method"]:
                return handler(self, call, *map(urllib.parse.unquote, found.groups()))
        raise Problem(404, "not-found", "there is no such thing here", "check the id")

    def request(self, name: str) -> dict[str, Any]:
        if name not in self.requests:
            raise Problem(404, "not-found", "there is no such thing here", "check the id")
        return self.requests[name]

    def move(self, request: dict[str, Any], state: str) -> dict[str, Any]:
        with self.changed:
            request["state"] = state
            self.changed.notify_all()
        return request

    def run(self, request: dict[str, Any], auto: bool) -> None:
        """Run the code here and hold or release its output."""
        space: dict[str, Any] = {"__name__": "main"}
        exec(compile(request["code"]["files"][0]["text"], "main.py", "exec"), space)
        function = space[request["code"]["entry"].split(":")[1]]
        values = {p["name"]: p["default"] for p in request["code"]["parameters"] if "default" in p}
        try:
            answer = function(**dict.fromkeys(request["assets"], PRIVATE), **{**values, **request["parameters"]})
            with tempfile.TemporaryDirectory() as folder:
                entry = ENCODER.encode_result(answer, "result", request["code"]["outputs"][0]["kind"], folder)
                data = (Path(folder) / entry["file"]).read_bytes()
        except Exception:
            self.move(request, "failed")
            return
        release = {"id": f"rel-{len(self.files):016d}", "state": "held", "request": request["id"]}
        output = {"id": "out-1", "name": "result", "kind": entry["kind"], "python": entry["python"], "release": release}
        output |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "checks": []}
        self.files[release["id"]] = data
        request["runs"].append({"id": "run-1", "state": "done", "outputs": [output]})
        self.let_out(release) if auto else self.move(request, "held")

    def releases(self) -> list[dict[str, Any]]:
        outputs = [o for r in self.requests.values() for run in r["runs"] for o in run["outputs"]]
        return [{**o["release"], "output": o} for o in outputs]

    def let_out(self, release: dict[str, Any]) -> None:
        release |= {"state": "approved", "decider_name": "olga@example.org"}
        self.move(self.request(release["request"]), "released")


def packages() -> list[dict[str, str]]:
    return [{"name": n, "version": "1"} for n in ("numpy", "pandas", "pyarrow", "scikit-learn", "matplotlib")]


def dataset(name: str, assets: list[str]) -> dict[str, Any]:
    mock = {"origin": "given", "format": "csv", "rows": 3, "size": len(MOCK)}
    mock["sha256"] = hashlib.sha256(MOCK.encode()).hexdigest()
    version = {
        "id": "ver-" + "0" * 16,
        "number": 1,
        "columns": COLUMNS,
        "commitment": "sha256:" + "c" * 64,
        "mock": mock,
    }
    found = [{"name": a, "kind": "table", "version": version} for a in assets]
    return {"id": "dat-" + "0" * 16, "name": name, "title": name.title(), "population": "p", "assets": found}


# ---- operations: each answers a call -----------------------------------------

ROUTES: list[tuple[str, str, Callable[..., tuple[int, Any]]]] = []


def route(method: str, pattern: str) -> Callable[[Callable[..., tuple[int, Any]]], Callable[..., tuple[int, Any]]]:
    def add(handler: Callable[..., tuple[int, Any]]) -> Callable[..., tuple[int, Any]]:
        ROUTES.append((method, "/v1" + pattern, handler))
        return handler

    return add


def page(items: list[Any], call: dict[str, Any]) -> tuple[int, Any]:
    start, size = int(call["query"].get("cursor", 0)), int(call["query"].get("limit", 50))
    following = start + size
    return 200, {"items": items[start:following], "next": str(following) if following < len(items) else None}


@route("GET", "/me")
def me(site: FakeSite, call: dict[str, Any]) -> tuple[int, Any]:
    role = "owner" if call["who"].startswith("olga") else "researcher"
    return 200, {"id": "pri-1", "email": call["who"], "bindings": [{"role": role, "scope": "site"}]}


@route("GET", "/datasets")
def list_datasets(site: FakeSite, call: dict[str, Any]) -> tuple[int, Any]:
    return page([d for d in site.datasets.values() if call["query"].get("q", "") in d["name"]], call)


@route("GET", "/datasets/([^/]+)")
def show_dataset(site: FakeSite, call: dict[str, Any], name: str) -> tuple[int, Any]:
    if name not in site.datasets:
        raise Problem(404, "not-found", "there is no such thing here", "check the id")
    return 200, site.datasets[name]


@route("POST", "/datasets")
def add_dataset(site: FakeSite, call: dict[str, Any]) -> tuple[int, Any]:
    return 200, dataset(call["body"]["name"], [a["name"] for a in call["body"]["assets"]])


def shown(site: FakeSite, name: str) -> tuple[int, Any]:
    return 200, {"id": name, "received": len(site.uploads[name]["data"])}


@route("POST", "/uploads")
def begin_upload(site: FakeSite, call: dict[str, Any]) -> tuple[int, Any]:
    name = f"upl-{len(site.uploads)}"
    site.uploads[name] = {**call["body"], "data": b""}
    return shown(site, name)


@route("PUT", "/uploads/([^/]+)/parts/([0-9]+)")
def send_part(site: FakeSite, call: dict[str, Any], name: str, offset: str) -> tuple[int, Any]:
    if int(offset) == len(site.uploads[name]["data"]):
        site.uploads[name]["data"] += call["body"]
    return shown(site, name)


@route("PATCH", "/datasets/([^/]+)")
def edit_dataset(site: FakeSite, call: dict[str, Any], name: str) -> tuple[int, Any]:
    site.datasets[name] |= {k: v for k, v in call["body"].items() if k != "columns"}
    return show_dataset(site, call, name)


@route("POST", "/datasets/([^/]+)/(freeze|thaw|withdrawal)")
def halt_dataset(site: FakeSite, call: dict[str, Any], name: str, way: str) -> tuple[int, Any]:
    if way == "withdrawal":
        return 200, {"dataset": name, "released": []}
    site.datasets[name] |= {"state": "frozen" if way == "freeze" else ""}
    return show_dataset(site, call, name)


@route("GET", "/datasets/([^/]+)/card")
def card(site: FakeSite, call: dict[str, Any], name: str) -> tuple[int, Any]:
    return 200, {"@type": "sc:Dataset", "name": name}


@route("GET", "/datasets/([^/]+)/assets/([^/]+)/mock")
def mock(site: FakeSite, call: dict[str, Any], name: str, asset: str) -> tuple[int, Any]:
    return 200, site.files.get("mock", MOCK.encode())


@route("POST", "/envs/requests")
def ask_environment(site: FakeSite, call: dict[str, Any]) -> tuple[int, Any]:
    made = {
        "id": f"env-{len(site.asked):016d}",
        "state": "requested",
        "packages": ["tiny==1.0"],
        "author_name": call["who"],
    }
    site.asked.append({**made, "reason": call["body"].get("reason", ""), "lock": "sha256:" + "9" * 64})
    return 200, site.asked[-1]


@route("GET", "/envs/requests")
def list_environments(site: FakeSite, call: dict[str, Any]) -> tuple[int, Any]:
    wanted = call["query"].get("state")
    return page([e for e in site.asked if wanted in (None, e["state"])], call)


@route("GET", "/envs/requests/([^/]+)")
def show_environment(site: FakeSite, call: dict[str, Any], name: str) -> tuple[int, Any]:
    return 200, next(e for e in site.asked if e["id"] == name)


@route("POST", "/envs/requests/([^/]+)/decisions")
def decide_environment(site: FakeSite, call: dict[str, Any], name: str) -> tuple[int, Any]:
    found = next(e for e in site.asked if e["id"] == name)
    found.update(state="declined", answer=call["body"]["reason"])
    return 200, found


@route("POST", "/requests")
def submit(site: FakeSite, call: dict[str, Any]) -> tuple[int, Any]:
    body = call["body"]
    number = len(site.requests)
    request = {
        **{k: body.get(k) for k in ("code", "assets", "parameters", "purpose", "expect")},
        "study": body.get("study", ""),
        "id": f"req-{number:016d}",
        "digest": "sha256:" + f"{number:064d}",
        "code_digest": _digest.code_digest(body["code"]),
        "author": "pri-1",
        "author_name": call["who"],
        "created": "2026-11-21T09:30:00Z",
        "state": "pending",
        "decisions": [],
        "messages": [],
        "runs": [],
    }
    site.requests[request["id"]] = request
    site.move(request, "pending")
    return 200, request


@route("GET", "/requests")
def list_requests(site: FakeSite, call: dict[str, Any]) -> tuple[int, Any]:
    wanted = call["query"].get("state")
    return page([r for r in site.requests.values() if wanted in (None, r["state"])], call)


@route("GET", "/requests/([^/]+)")
def show_request(site: FakeSite, call: dict[str, Any], name: str) -> tuple[int, Any]:
    request = site.request(name)
    wait, known = int(call["query"].get("wait", 0)), call["query"].get("state")
    with site.changed:
        site.changed.wait_for(lambda: request["state"] != known or known in ENDED, timeout=wait)
    return 200, request


@route("GET", "/requests/([^/]+)/diff")
def diff(site: FakeSite, call: dict[str, Any], name: str) -> tuple[int, Any]:
    return 200, {"base": "", "text": "--- a\n+++ b\n"}


@route("POST", "/requests/([^/]+)/decisions")
def decide(site: FakeSite, call: dict[str, Any], name: str) -> tuple[int, Any]:
    request, word = site.request(name), call["body"]
    if request["author_name"] == call["who"]:
        raise Problem(403, "denied", "nobody decides on their own request", "ask another owner")
    if request["state"] not in ("pending", "asked"):
        raise Problem(409, "conflict", "the request is already decided", "look at its state")
    request["decisions"].append(
        {**word, "decider_name": call["who"], "dataset": "heart", "created": "2026-11-21T09:31:00Z"}
    )
    if word["verdict"] == "approve":
        grant = {
            "id": f"gra-{len(site.grants):016d}",
            "state": "suspended",
            "yours": False,
            "covers": "in words",
            "entry": "f",
        }
        grant |= {
            "code_digest": request["code_digest"],
            "uses": word.get("uses", 1),
            "used": 1,
            "expires": word.get("expires"),
        }
        site.grants[grant["id"]] = grant
    if word["verdict"] == "deny":
        return 200, site.move(request, "denied")
    site.run(request, word.get("auto_release", False))
    return 200, request


@route("POST", "/requests/([^/]+)/(questions|answers)")
def say(site: FakeSite, call: dict[str, Any], name: str, kind: str) -> tuple[int, Any]:
    request = site.request(name)
    request["messages"].append({"name": call["who"], "question": kind == "questions", "text": call["body"]["text"]})
    return 200, site.move(request, "asked" if kind == "questions" else "pending")


@route("POST", "/requests/([^/]+)/withdraw")
def withdraw(site: FakeSite, call: dict[str, Any], name: str) -> tuple[int, Any]:
    return 200, site.move(site.request(name), "withdrawn")


@route("GET", "/requests/([^/]+)/reading")
def reading(site: FakeSite, call: dict[str, Any], name: str) -> tuple[int, Any]:
    unread = [] if site.calls("POST", f"/v1/requests/{name}/seen") else [{"first": 1, "last": 2}]
    part = {"path": "main.py", "digest": "sha256:x", "lines": 2, "unread": unread, "readers": ["eva@example.org"]}
    return 200, {"datasets": ["heart"], "unread": 2 * len(unread), "parts": [part]}


@route("POST", "/requests/([^/]+)/seen")
def mark_seen(site: FakeSite, call: dict[str, Any], name: str) -> tuple[int, Any]:
    return reading(site, call, name)


@route("GET", "/grants")
def list_grants(site: FakeSite, call: dict[str, Any]) -> tuple[int, Any]:
    wanted = call["query"].get("dataset")
    return page([g for g in site.grants.values() if wanted in (None, "heart")], call)


@route("GET", "/grants/([^/]+)")
def show_grant(site: FakeSite, call: dict[str, Any], name: str) -> tuple[int, Any]:
    return 200, site.grants[name]


@route("POST", "/grants/([^/]+)/(revoke|resume)")
def change_grant(site: FakeSite, call: dict[str, Any], name: str, what: str) -> tuple[int, Any]:
    site.grants[name] |= {"state": "revoked" if what == "revoke" else "active", **(call["body"] or {})}
    return 200, site.grants[name]


@route("POST", "/trials")
def try_code(site: FakeSite, call: dict[str, Any]) -> tuple[int, Any]:
    body = call["body"]
    space: dict[str, Any] = {"__name__": "main"}
    compiled = compile(body["code"]["files"][0]["text"], "main.py", "exec")
    name = body["code"]["entry"].split(":")[1]

    def function(**given: Any) -> Any:
        space.update(given if name == "__main__" else {})
        exec(compiled, space)
        return space["result"] if name == "__main__" else space[name](**given)

    run: dict[str, Any] = {"id": f"run-trial{len(site.trials)}", "side": "mock", "state": "queued", "outputs": []}
    run["usage"] = {"cpu_seconds": 1.25, "wall_seconds": 2.0, "peak_bytes": 3 << 20}
    try:
        answer = function(**dict.fromkeys(body["assets"], pd.read_csv(io.StringIO(MOCK))), **body["parameters"])
        with tempfile.TemporaryDirectory() as folder:
            entry = ENCODER.encode_result(answer, "result", body["code"]["outputs"][0]["kind"], folder)
            data = (Path(folder) / entry["file"]).read_bytes()
    except Exception as e:
        run |= {"ends": "failed", "reason": "the code raised an error", "failure": f"ValueError: {e}\x1b[2J"}
    else:
        site.files[run["id"]] = data
        output = {"name": "result", "kind": entry["kind"], "python": entry["python"], "size": len(data), "checks": []}
        run |= {
            "ends": "done",
            "outputs": [{**output, "sha256": hashlib.sha256(data).hexdigest(), "preview": "age\n51"}],
        }
    site.trials[run["id"]] = run
    return 200, dict(run)


@route("GET", "/runs/(run-trial[0-9]+)")
def show_trial(site: FakeSite, call: dict[str, Any], name: str) -> tuple[int, Any]:
    run = site.trials[name]
    run["state"] = {"queued": "running", "running": run["ends"]}.get(run["state"], run["state"])
    return 200, run


@route("GET", "/runs/(run-trial[0-9]+)/outputs/([^/]+)")
def trial_output(site: FakeSite, call: dict[str, Any], name: str, output: str) -> tuple[int, Any]:
    return 200, site.files[name]


@route("GET", "/runs")
def list_runs(site: FakeSite, call: dict[str, Any]) -> tuple[int, Any]:
    return page([run for r in site.requests.values() for run in r["runs"]], call)


@route("GET", "/runs/([^/]+)")
def show_run(site: FakeSite, call: dict[str, Any], name: str) -> tuple[int, Any]:
    return 200, next(run for r in site.requests.values() for run in r["runs"] if run["id"] == name)


@route("GET", "/runs/([^/]+)/log")
def run_log(site: FakeSite, call: dict[str, Any], name: str) -> tuple[int, Any]:
    return 200, {"text": "printed\n", "truncated": False}


@route("POST", "/runs/([^/]+)/cancel")
def cancel_run(site: FakeSite, call: dict[str, Any], name: str) -> tuple[int, Any]:
    return 200, {"id": name, "state": "cancelled"}


@route("GET", "/releases")
def list_releases(site: FakeSite, call: dict[str, Any]) -> tuple[int, Any]:
    wanted = call["query"].get("state")
    return page([r for r in site.releases() if wanted in (None, r["state"])], call)


@route("GET", "/releases/([^/]+)")
def show_release(site: FakeSite, call: dict[str, Any], name: str) -> tuple[int, Any]:
    return 200, next(r for r in site.releases() if r["id"] == name)


@route("POST", "/releases/([^/]+)/decisions")
def decide_release(site: FakeSite, call: dict[str, Any], name: str) -> tuple[int, Any]:
    release = next(r["output"]["release"] for r in site.releases() if r["id"] == name)
    word = call["body"]
    release.setdefault("decisions", []).append({"dataset": "heart", **word, "decider_name": call["who"]})
    if word["verdict"] == "deny":
        release |= {"state": "denied", "reason": word["reason"]}
        site.move(site.request(release["request"]), "refused")
    elif word.get("dataset") == "genes":  # for which others decide, too
        release["waits_for"] = [{"dataset": "genes", "approvals": 1, "quorum": 2, "deciders": ["gina@example.org"]}]
    else:
        release.pop("waits_for", None)
        site.let_out(release)
    return 200, release


@route("GET", "/releases/([^/]+)/output")
def release_output(site: FakeSite, call: dict[str, Any], name: str) -> tuple[int, Any]:
    return 200, site.files[name]


@route("GET", "/releases/([^/]+)/receipt")
def release_receipt(site: FakeSite, call: dict[str, Any], name: str) -> tuple[int, Any]:
    release = next(r for r in site.releases() if r["id"] == name)
    return 200, site.signer.receipt(site.request(release["request"]), release)


@route("GET", "/users")
def list_users(site: FakeSite, call: dict[str, Any]) -> tuple[int, Any]:
    people = [{"id": f"pri-{i}", "email": e, "bindings": []} for i, e in enumerate(sorted(TOKENS.values()))]
    return page(people, call)


@route("POST", "/users")
def add_user(site: FakeSite, call: dict[str, Any]) -> tuple[int, Any]:
    made = {"id": "pri-9", "token": "fresh-secret-token", "expires": "2027-11-21T00:00:00Z"}
    return 200, {**made, "email": call["body"]["email"], "role": call["body"]["role"]}


@route("GET", "/ledger")
def ledger(site: FakeSite, call: dict[str, Any]) -> tuple[int, Any]:
    lines = [{"class": "unbounded", "population": "p", "principal": f"pri-{i}", "what": "a mean"} for i in range(120)]
    return page(lines, call)


@route("GET", "/audit/entries")
def audit(site: FakeSite, call: dict[str, Any]) -> tuple[int, Any]:
    event = {"time": "2026-11-21T09:30:00Z", "actor": "pri-1", "action": "site.init", "rule": "", "subject": ""}
    return 200, {"size": 1, "items": [{"index": 0, "event": event}]}


class Handler(BaseHTTPRequestHandler):
    site: FakeSite
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # an answer leaves in one piece

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.handle_call("GET")

    def do_POST(self) -> None:
        self.handle_call("POST")

    def do_PUT(self) -> None:
        self.handle_call("PUT")

    def do_PATCH(self) -> None:
        self.handle_call("PATCH")

    def handle_call(self, method: str) -> None:
        parts = urllib.parse.urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length)
        headers = {k.lower(): v for k, v in self.headers.items()}
        query = dict(urllib.parse.parse_qsl(parts.query))
        call = {"method": method, "path": parts.path, "query": query, "headers": headers}
        binary = headers.get("content-type") == "application/octet-stream"
        call["body"] = data if binary else json.loads(data) if data else None
        self.site.seen.append(call)
        trouble = self.site.trouble.pop(0) if self.site.trouble else None
        if trouble == "hang":
            self.site.hold.wait()
        if trouble in ("hang", "drop"):
            self.close_connection = True
            return
        more: dict[str, str] = {}
        if isinstance(trouble, tuple):
            status, more = trouble[0], trouble[1]
            body = trouble[2] if len(trouble) > 2 else {}
        elif isinstance(trouble, int):
            status, body = trouble, {"kind": "unavailable", "detail": "busy", "status": trouble}
        else:
            status, body = self.reply(call)
        if trouble == "drop after":
            self.close_connection = True
        else:
            self.send(status, body, more)

    def reply(self, call: dict[str, Any]) -> tuple[int, Any]:
        key = call["headers"].get("idempotency-key")
        if key in self.site.answered:
            return self.site.answered[key]
        try:
            found = self.site.answer(call)
        except Problem as e:
            found = e.status, e.body
        if key is not None:
            self.site.answered[key] = found
        return found

    def send(self, status: int, body: Any, headers: dict[str, str]) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        if self.site.pins:
            self.send_header("Anchorhold-Pins", self.site.pins)
        kind = "application/problem+json" if status >= 400 else "application/json"
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
