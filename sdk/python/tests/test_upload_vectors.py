"""What the package sends of a file is what docs/spec/upload.md says."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from anchorhold._progress import Progress
from anchorhold._upload import upload

VECTORS = json.loads((Path(__file__).parents[3] / "docs/spec/vectors/upload.json").read_text())


class Site:
    """Takes parts as a site does, and forgets the connection after each."""

    def __init__(self, received: int) -> None:
        self.received = received
        self.announced: Any = None
        self.parts: list[dict[str, Any]] = []

    def post(self, path: str, body: Any) -> dict[str, Any]:
        assert path == "/v1/uploads"
        self.announced = body
        return {"id": "upl-1", "received": self.received}

    def put(self, path: str, part: bytes, attempts: int) -> dict[str, Any]:
        offset = int(path.removeprefix("/v1/uploads/upl-1/parts/"))
        assert offset == self.received
        assert attempts > 1
        self.parts.append({"offset": offset, "size": len(part), "sha256": hashlib.sha256(part).hexdigest()})
        self.received += len(part)
        return {"id": "upl-1", "received": self.received}


@pytest.mark.parametrize("vector", VECTORS["files"], ids=lambda v: v["name"])
@pytest.mark.parametrize("arrived", [0, 1])
def test_parts(vector: dict[str, Any], arrived: int) -> None:
    text = vector["repeat"].encode()
    content = (text * (vector["size"] // len(text) + 1))[: vector["size"]]
    before = vector["parts"][: min(arrived, len(vector["parts"]) - 1)]
    site = Site(sum(p["size"] for p in before))
    with Progress(None) as progress:
        assert upload(site, vector["name"], io.BytesIO(content), progress) == "upl-1"  # type: ignore[arg-type]
    assert site.announced == vector["announced"]
    assert [*before, *site.parts] == vector["parts"]
