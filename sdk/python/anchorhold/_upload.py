"""Files on their way into a site, in parts; what arrived once is not sent again.

The site knows a file that is being sent by its digest, size and name. So a
program that was killed, or a connection that broke, costs the part that was
under way and no more. Tests kill it in the middle.
"""

from __future__ import annotations

import hashlib
from typing import IO

from ._errors import Conflict, Unavailable
from ._http import Http, quote
from ._progress import Progress
from ._text import amount, visible

PART = 4 << 20
PATIENCE = 10  # attempts for each part: a site that is started again is waited for


def upload(http: Http, name: str, file: IO[bytes], progress: Progress) -> str:
    """Send a file and give the id by which a dataset takes it."""
    size, digest = measure(file)
    sent = http.post("/v1/uploads", {"name": name, "size": size, "sha256": digest})
    path = f"/v1/uploads/{quote(str(sent['id']))}"
    at = int(sent["received"])
    while at < size:
        progress.show(f"sending {name}: {amount(at)} of {amount(size)}")
        file.seek(at)
        part = file.read(PART)
        if len(part) != min(PART, size - at):
            raise Conflict(f"{visible(name)} became shorter while it was sent", "wait until nobody writes to it")
        try:
            sent = http.put(f"{path}/parts/{at}", part, attempts=PATIENCE)
        except Conflict:  # another program of yours sends the same file
            sent = http.get(path)
            if int(sent["received"]) == at:
                raise
        at = int(sent["received"])
    return str(sent["id"])


def measure(file: IO[bytes]) -> tuple[int, str]:
    """Size and digest of a file, which is read once for it."""
    whole = hashlib.sha256()
    size = 0
    file.seek(0)
    try:
        while chunk := file.read(1 << 20):
            whole.update(chunk)
            size += len(chunk)
    except OSError as e:
        raise Unavailable(f"the file cannot be read to its end: {e.strerror}", "check the disk that holds it") from None
    return size, f"sha256:{whole.hexdigest()}"
