"""Runs packages' own code while an environment is built: inside the sandbox,
without a network, with the environment as it is so far in /env.

    tool.py build    host: length (8 bytes, big-endian) and the source archive
                     guest: one tar stream with wheel.whl
    tool.py fonts    host: length 0
                     guest: one tar stream with Matplotlib's list of its fonts

The conversation is on descriptor 3. Whatever comes from here the host takes for
hostile: the code that is run can send what it likes.
"""

import importlib
import io
import os
import socket
import struct
import sys
import tarfile

TMP = os.environ["TMPDIR"]


def main(what):
    sys.path.append("/env/packages")
    channel = socket.socket(fileno=3)
    channel.set_inheritable(False)
    with channel.makefile("rb") as stream:
        (size,) = struct.unpack(">Q", stream.read(8))
        data = stream.read(size)
    folder = {"build": build, "fonts": fonts}[what](data)
    with channel.makefile("wb") as stream, tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name, path in sorted(folder.items()):
            entry = tarfile.TarInfo(name)
            entry.size = os.path.getsize(path)
            with open(path, "rb") as f:
                tar.addfile(entry, f)
    channel.shutdown(socket.SHUT_WR)


def build(data):
    """Unpack the sources and let their own back end make a wheel (PEP 517)."""
    import tomllib

    sources, out = os.path.join(TMP, "sources"), os.path.join(TMP, "wheel")
    os.mkdir(out)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as tar:
        tar.extractall(sources)  # noqa: S202 (in the sandbox, where its code will run anyway)
    (top,) = os.listdir(sources)
    os.chdir(os.path.join(sources, top))
    settings = {}
    if os.path.exists("pyproject.toml"):
        with open("pyproject.toml", "rb") as f:
            settings = tomllib.load(f).get("build-system", {})
    name = settings.get("build-backend", "setuptools.build_meta:__legacy__")
    sys.path[:0] = [os.path.abspath(p) for p in settings.get("backend-path", [])]
    module, _, attribute = name.partition(":")
    backend = importlib.import_module(module)
    for part in filter(None, attribute.split(".")):
        backend = getattr(backend, part)
    sys.argv[:] = ["setup.py"]
    wheel = backend.build_wheel(out)
    return {"wheel.whl": os.path.join(out, wheel)}


def fonts(_):
    """List the fonts that Matplotlib brings along, and no others."""
    from matplotlib import font_manager

    find = font_manager.findSystemFonts
    font_manager.findSystemFonts = lambda paths=None, fontext="ttf": find(paths, fontext) if paths else []
    manager = font_manager.FontManager()
    assert manager.ttflist
    name = f"fontlist-v{manager.__version__}.json"
    font_manager.json_dump(manager, os.path.join(TMP, name))
    return {name: os.path.join(TMP, name)}


if __name__ == "__main__":
    main(sys.argv[1])
