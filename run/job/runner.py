"""Runs one job inside the sandbox: started with the folder of the environment
and the folder for results, it speaks over descriptor 3.

    guest: one byte "R" when it is ready; started with "wait", once it has also
           loaded and tried the libraries that most jobs use
    host:  length (4 bytes, big-endian) and JSON of the job, with the first open
           input files attached to the message that carries the length; more
           files follow, attached to one byte each time
    guest: one tar stream, manifest.json first, then one file for each output

When the host closes the connection before it sent a job, the runner ends.
Exit status: 0 when every output was written, 1 when the manifest says what
went wrong, 2 when there was no job to run.

The author's code runs in this very process and can do whatever this file can:
write another manifest, another archive, close the descriptor. Nothing here
protects anything. The boundary is the sandbox, and the host takes every byte
that comes from here for hostile. What follows serves honest code.
"""

import contextlib
import errno
import importlib.util
import json
import os
import socket
import struct
import sys

CHANNEL = 3
MAX_JOB_BYTES = 64 << 20
MAX_INPUTS = 253  # Linux passes no more descriptors in one message
MAX_TEXT = 4 << 10  # of an error's message
MAX_TRACEBACK = 64 << 10
SCRIPT = "__main__"  # in the place of a function's name: the file runs from top to bottom


class CodeRefused(Exception):
    """Code that cannot be started as the job says."""


def main(environment, out, wait=None):
    channel = socket.socket(fileno=CHANNEL)
    channel.set_inheritable(False)
    here = os.path.dirname(os.path.abspath(__file__))
    load("_anchorhold_codec", os.path.join(here, "codec.py"))
    inputs = load("_anchorhold_inputs", os.path.join(here, "inputs.py"))
    load("_anchorhold_declared", os.path.join(here, "declared.py"))
    encoder = load("_anchorhold_encode", os.path.join(here, "encode.py"))
    sys.path.append(os.path.join(environment, "packages"))
    prepare_fonts(environment)
    if wait:
        warm_up(inputs, encoder)
    channel.sendall(b"R")
    job, files = receive(channel)
    if job is None:
        return 2
    if "address_space" in job:
        take_limit(job["address_space"])
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")  # what was printed survives a kill
    manifest = answer(inputs, encoder, job, files, out)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the code may have closed or replaced it
            stream.flush()
    send(channel, manifest, out)
    with contextlib.suppress(OSError):
        channel.recv(1)  # until the host has the answer, which ends the session: what an end takes need not come before
    return 0 if manifest["ok"] else 1


def load(name, path, variables=()):
    """Import the file at path as the module name, in which there are some variables already."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    vars(module).update(variables)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def temporary(name):
    """A fresh folder of our own; TMPDIR is empty at the start."""
    path = os.path.join(os.environ["TMPDIR"], name)
    os.mkdir(path)
    return path


def prepare_fonts(environment):
    """Hand Matplotlib the list of fonts that the environment was built with.

    Its folder must be writable, or Matplotlib warns and makes another; so a
    link to the list stands in one that is.
    """
    fonts = os.path.join(environment, "matplotlib")
    if os.path.isdir(fonts):
        folder = temporary("matplotlib")
        for name in os.listdir(fonts):
            os.symlink(os.path.join(fonts, name), os.path.join(folder, name))
        os.environ["MPLCONFIGDIR"] = folder


def warm_up(inputs, encoder):
    """Load the libraries that most jobs use, and use them once.

    Nothing of it may show to the job: no file is left, and no generator of
    random numbers is touched.
    """
    import gc
    import resource  # noqa: F401 (take_limits wants it)
    import shutil
    import tarfile  # noqa: F401 (send wants it)

    folder = temporary("warm")
    with contextlib.suppress(ImportError):  # an environment need not have them
        import numpy  # noqa: F401
        import pyarrow.parquet

        columns = [{"name": n, "type": t} for n, t in (("g", "string"), ("i", "int"), ("f", "float"))]
        text = os.path.join(folder, "warm.csv")
        with open(text, "w", encoding="utf-8") as f:
            f.write("g,i,f\n" + "".join(f"{n % 3},{n},{n}.5\n" for n in range(64)))
        spec = {"type": "dataframe", "format": "csv", "columns": columns, "missing": []}
        frame = inputs.read_input(text, spec)
        means = frame.groupby("g")[["i", "f"]].mean()
        frame.describe()
        rows = os.path.join(folder, "warm.parquet")
        pyarrow.parquet.write_table(pyarrow.Table.from_pandas(frame), rows)
        inputs.read_input(rows, {**spec, "format": "parquet"})
        for n, value in enumerate((means, means["f"], frame["f"].to_numpy(), {"n": 1}, 1.5, "text")):
            encoder.encode_result(value, f"warm{n}", "any", folder)
        del frame, means
    shutil.rmtree(folder)
    gc.collect()
    gc.freeze()  # what was loaded will not be looked through again


def take_limit(most):
    """Set the limit on memory that each process has for itself.

    It only makes for better messages: what bounds a job is outside. The one that a
    waiting session was started with is larger.
    """
    import resource

    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    value = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (value, value))


# ---- the conversation -------------------------------------------------------


def receive(channel):
    """The job and its input files, or (None, None) when none came."""
    head, files, _, _ = socket.recv_fds(channel, 4, MAX_INPUTS)
    head += exactly(channel, 4 - len(head)) if head else b""
    if len(head) < 4:
        return None, None
    size = struct.unpack(">I", head)[0]
    text = exactly(channel, size) if size <= MAX_JOB_BYTES else b""
    if len(text) < size:
        return None, None
    job = json.loads(text)
    while len(files) < job["descriptors"]:
        byte, more, _, _ = socket.recv_fds(channel, 1, MAX_INPUTS)
        if not byte:
            return None, None
        files += more
    return job, files


def exactly(channel, size):
    parts = bytearray()
    while len(parts) < size:
        part = channel.recv(min(size - len(parts), 1 << 20))
        if not part:
            break
        parts += part
    return bytes(parts)


def send(channel, manifest, out):
    import io
    import tarfile

    text = json.dumps(manifest, ensure_ascii=False).encode("utf-8", "replace")
    with channel.makefile("wb") as stream, tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        entry = tarfile.TarInfo("manifest.json")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
        for output in manifest.get("outputs", []):
            with open(os.path.join(out, output["file"]), "rb") as f:
                entry = tarfile.TarInfo(output["file"])
                entry.size = os.fstat(f.fileno()).st_size
                tar.addfile(entry, f)
    channel.shutdown(socket.SHUT_WR)  # also where a child process still holds the descriptor


# ---- the job ----------------------------------------------------------------


def answer(inputs, encoder, job, files, out):
    """Run the job and give its manifest; every error becomes one."""
    code = temporary("job")
    try:
        sys.modules["anchorhold"] = annotations(inputs)
        function = entry_point(job, code)
        arguments = assets(inputs, job, files)
        arguments.update(job["values"])
        use_processors()
        returned = function(**arguments)
        return {"v": 1, "ok": True, "outputs": encode(encoder, job["outputs"], returned, out)}
    except BaseException as e:  # sys.exit and the like are no way to end a job either
        return {"v": 1, "ok": False, "error": describe(e, code)}


def use_processors():
    """Let Arrow use all processors of the job where it is loaded.

    It takes OpenMP's number, which is lower where other jobs go on beside.
    """
    if arrow := sys.modules.get("pyarrow"):
        arrow.set_cpu_count(int(os.environ["LOKY_MAX_CPU_COUNT"]))


def entry_point(job, code):
    """Write the code's files, import the one with the entry point, find the function."""
    for file in job["files"]:
        path = os.path.join(code, file["path"])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "x", encoding="utf-8", newline="") as f:
            f.write(file["text"])
    refuse_taken_names(job["files"])
    sys.path.insert(0, code)
    os.chdir(code)  # small texts may lie beside the code
    path, _, name = job["entry"].rpartition(":")
    if name == SCRIPT:
        return script(os.path.join(code, path), [o["name"] for o in job["outputs"]])
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    if "/" in path:
        __import__(module)  # one of a package, as such: what it imports may import it, too
        found = sys.modules[module]
    else:
        found = load(module, os.path.join(code, path))
    function = getattr(found, name, None)
    if not callable(function):
        raise CodeRefused(f"{path} has no function {name}; check the entry point")
    return function


def script(path, outputs):
    """A script as a function: what it is given are its variables, and so are its outputs."""

    def run(**given):
        module = load(SCRIPT, path, given)
        left = {name: vars(module)[name] for name in outputs if name in vars(module)}
        for name in outputs:
            if name not in left:
                raise CodeRefused(f"the script ended without a variable {name}; assign it: {name} = ...")
        return left if len(outputs) > 1 else left[outputs[0]]

    return run


def refuse_taken_names(files):
    """Refuse files that import would find under a name that is taken.

    Which of two modules is meant would depend on what has been loaded before.
    """
    from importlib.machinery import PathFinder

    for name in {file["path"].partition("/")[0].removesuffix(".py") for file in files if file["path"].endswith(".py")}:
        if name in sys.modules or name in sys.stdlib_module_names or PathFinder.find_spec(name):
            raise CodeRefused(f"a file has the name of the module {name}, which is there already; give it another name")


def assets(inputs, job, files):
    """The registered assets as the parameters ask for them."""
    arguments, folder = {}, Folder()
    for spec in job["inputs"]:
        name = spec["parameter"]
        if "files" in spec:
            entries = [(f["name"], files[f["fd"]], f["offset"], f["size"]) for f in spec["files"]]
            source = inputs.Files(entries, lambda name=name: folder.of(name))
        else:
            source = f"/dev/fd/{files[spec['fd']]}"
        if spec["type"] != "path":
            arguments[name] = inputs.read_input(source, spec)
        elif "files" in spec:
            arguments[name] = folder.filled(name, source)
        else:
            # A link with a telling name: libraries look at the extension.
            arguments[name] = folder.link(f"{name}.{EXTENSIONS.get(spec['format'], spec['format'])}", source)
    return arguments


EXTENSIONS = {"arrows": "arrow"}


def annotations(inputs):
    """What code may import as anchorhold: the words for what it takes and returns, and nothing else."""
    import types

    module = types.ModuleType("anchorhold")
    module.Files, module.Batches, module.Tensors = inputs.Files, inputs.Batches, inputs.Tensors
    for name in ("Samples", "CSV", "SVG", "Safetensors", "ONNX"):  # kinds of outputs
        setattr(module, name, type(name, (), {}))
    return module


class Folder:
    """Where inputs have paths; made when the first one needs one."""

    def __init__(self):
        self._path = None

    def of(self, name):
        """A folder for the files of one parameter."""
        self._path = self._path or temporary("inputs")
        path = os.path.join(self._path, name)
        os.makedirs(path, exist_ok=True)
        return path

    def link(self, name, source):
        from pathlib import Path

        self._path = self._path or temporary("inputs")
        link = Path(self._path, name)
        link.symlink_to(source)
        return link

    def filled(self, name, files):
        """A folder with all files of an asset."""
        from pathlib import Path

        for file in files.values():
            file.path  # noqa: B018 (makes the copy)
        return Path(self.of(name))


def encode(encoder, declared, returned, out):
    """Write a file for each declared output: for one, what was returned; for
    several, the values of the returned dict or tuple.
    """
    names = [o["name"] for o in declared]
    fields = list(getattr(returned, "_fields", ())) if isinstance(returned, tuple) else []
    alone = len(names) == 1 and fields != names
    values = {names[0]: returned} if alone else by_name(encoder, names, fields, returned)
    try:
        return [encoder.encode_result(values[o["name"]], o["name"], o["kind"], out) for o in declared]
    except OSError as e:
        if e.errno in (None, errno.ENOSPC, errno.EFBIG, errno.EDQUOT):  # None: as NumPy says it
            raise encoder.ResultRefused(
                "the result is larger than results may be", "return a summary, or ask the owner for a higher limit"
            ) from e
        raise


def by_name(encoder, names, fields, returned):
    """Several outputs, of which all are declared and none is missing."""
    if isinstance(returned, tuple):
        returned = dict(zip(fields, returned, strict=True)) if fields else tuple_by_name(encoder, names, returned)
    if not isinstance(returned, dict):
        raise encoder.ResultRefused(
            f"the function declares {len(names)} outputs and returned something of the type {type(returned).__name__}",
            f"return {{{', '.join(f'{n!r}: ...' for n in sorted(names))}}}",
        )
    missing = [n for n in names if n not in returned]
    if missing:
        raise encoder.ResultRefused(
            f"the function did not return the output {missing[0]!r}, which it declares",
            f"return {{{', '.join(f'{n!r}: ...' for n in sorted(names))}}}",
        )
    more = [n for n in returned if n not in names]
    if more:
        raise encoder.ResultRefused(
            f"the function returned {more[0]!r}, which it does not declare", "declare it as an output, or leave it out"
        )
    return returned


def tuple_by_name(encoder, names, returned):
    if len(returned) != len(names):
        raise encoder.ResultRefused(
            f"the function declares {len(names)} outputs and returned {len(returned)}",
            f"return them in the order of their declaration: {', '.join(names)}",
        )
    return dict(zip(names, returned, strict=True))


# ---- errors -----------------------------------------------------------------


def describe(error, code):
    """An error for the owner's eyes: type, message, and where in the author's code."""
    import traceback

    kind = type(error)
    plain = kind.__module__ in ("builtins", "__main__") or kind.__module__.startswith("_anchorhold_")
    name = kind.__name__ if plain else f"{kind.__module__}.{kind.__name__}"
    try:
        message = str(error)
    except Exception:  # the author's own class of error
        message = "(the error cannot say what it is)"
    if isinstance(error, SystemExit):
        message = "the code called sys.exit; return the result instead"
    lines = f"{name}: {message}\n"
    if not name.endswith("Refused"):  # a refusal says it all
        with contextlib.suppress(Exception):  # the same
            lines = "".join(traceback.format_exception(kind, error, authors_steps(error.__traceback__)))
    return {
        "type": clean(name, 256),
        "message": clean(message, MAX_TEXT),
        "traceback": clean(lines.replace(code + "/", ""), MAX_TRACEBACK, keep_end=True),
    }


def authors_steps(steps):
    """A traceback without our own beginning of it."""
    here = os.path.dirname(__file__)
    ours = ("<frozen", __file__, *(os.path.join(here, name) for name in ("inputs.py", "declared.py", "encode.py")))
    while steps is not None and steps.tb_frame.f_code.co_filename.startswith(ours):
        steps = steps.tb_next
    return steps


def clean(text, size, keep_end=False):
    """Text of at most size bytes that UTF-8 can write."""
    data = text.encode("utf-8", "replace")
    if len(data) > size:
        data = b"... " + data[4 - size :] if keep_end else data[: size - 4] + b" ..."
    return data.decode("utf-8", "ignore")


if __name__ == "__main__":
    # Not sys.exit: threads that the code left behind must not hold the job.
    os._exit(main(*sys.argv[1:]))
