"""Ask questions of data that you may never see.

    import anchorhold as ah

    site = ah.connect("https://records.example.org", token=...)
    heart = site.datasets["heart"]
    request = site.submit(my_function, patients=heart, purpose="...")
    answer = request.wait(timeout=600).result()
    request.receipt().verify()

A function that works on the mock is submitted as it is; it runs at the site, and
only what its owner lets out comes back, as the type that the function returned.
Importing this package is quick: libraries are loaded when they are needed, which
a test measures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from . import receipt
    from ._asset import Asset, Inspection
    from ._capture import Captured
    from ._dataset import Dataset
    from ._decision import Decision
    from ._digest import code_digest
    from ._errors import (
        Conflict,
        Denied,
        Ended,
        Error,
        Failed,
        Internal,
        Invalid,
        InvalidReceipt,
        InvalidResult,
        NotCaptured,
        NotFound,
        NotReady,
        Refused,
        Timeout,
        TooLarge,
        Unauthenticated,
        Unavailable,
    )
    from ._frame import Frame, Question
    from ._grant import Grant
    from ._inputs import Batches, Files, Tensors
    from ._kinds import CSV, ONNX, SVG, Safetensors, Samples
    from ._mock import Mock
    from ._output import Output, Release, RunOutput
    from ._query import Answer, Quote
    from ._request import Request
    from ._resources import Resources
    from ._run import Queue, Quota, Run
    from ._site import Principal, Site, connect
    from ._trial import Trial
    from .receipt import Receipt, Verified

_HOME = {
    "_asset": ("Asset", "Inspection"),
    "_capture": ("Captured",),
    "_dataset": ("Dataset",),
    "_decision": ("Decision",),
    "_digest": ("code_digest",),
    "_inputs": ("Batches", "Files", "Tensors"),
    "_errors": (
        "Conflict", "Denied", "Ended", "Error", "Failed", "Internal", "Invalid", "InvalidReceipt", "InvalidResult",
        "NotCaptured", "NotFound", "NotReady", "Refused", "Timeout", "TooLarge", "Unauthenticated", "Unavailable",
    ),
    "_frame": ("Frame", "Question"),
    "_grant": ("Grant",),
    "_mock": ("Mock",),
    "_kinds": ("CSV", "ONNX", "SVG", "Safetensors", "Samples"),
    "_output": ("Output", "Release", "RunOutput"),
    "_query": ("Answer", "Quote"),
    "_request": ("Request",),
    "_resources": ("Resources",),
    "_run": ("Queue", "Quota", "Run"),
    "_site": ("Principal", "Site", "connect"),
    "_trial": ("Trial",),
    "receipt": ("Receipt", "Verified"),
}  # fmt: skip

__all__ = [
    "CSV",
    "ONNX",
    "SVG",
    "Answer",
    "Asset",
    "Batches",
    "Captured",
    "Conflict",
    "Dataset",
    "Decision",
    "Denied",
    "Ended",
    "Error",
    "Failed",
    "Files",
    "Frame",
    "Grant",
    "Inspection",
    "Internal",
    "Invalid",
    "InvalidReceipt",
    "InvalidResult",
    "Mock",
    "NotCaptured",
    "NotFound",
    "NotReady",
    "Output",
    "Principal",
    "Question",
    "Queue",
    "Quota",
    "Quote",
    "Receipt",
    "Refused",
    "Release",
    "Request",
    "Resources",
    "Run",
    "RunOutput",
    "Safetensors",
    "Samples",
    "Site",
    "Tensors",
    "Timeout",
    "TooLarge",
    "Trial",
    "Unauthenticated",
    "Unavailable",
    "Verified",
    "__version__",
    "code_digest",
    "connect",
    "receipt",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    import importlib

    if name == "receipt":
        return importlib.import_module(".receipt", __name__)
    for module, names in _HOME.items():
        if name in names:
            value = getattr(importlib.import_module(f".{module}", __name__), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
