"""Which libraries code imports, and whether the environment that it names has them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping, Sequence

from .source import Refused

# Names of imports that are not those of their packages.
OTHER_NAMES = {
    "sklearn": "scikit-learn", "PIL": "pillow", "dateutil": "python-dateutil", "yaml": "pyyaml", "cv2": "opencv-python",
    "skimage": "scikit-image", "bs4": "beautifulsoup4", "mpl_toolkits": "matplotlib", "pylab": "matplotlib",
}  # fmt: skip


def check_available(files: Sequence[Mapping[str, str]], packages: Iterable[str]) -> None:
    """Refuse imports of libraries that are known not to be in the environment: the run would only fail."""
    have = {plain_name(p) for p in packages}
    own = getattr(sys, "stdlib_module_names", None)  # which Python 3.9 does not tell
    if not have or own is None:
        return
    found = imported(files)
    local = {f["path"].partition("/")[0].removesuffix(".py") for f in files if f["path"].endswith(".py")}
    for name in sorted(found.keys() - local - set(own) - {"anchorhold"}):
        if not known(name, have):
            raise Refused(
                f"{name}, which {found[name]} imports, is not in the site's environment",
                "do without it, or ask the owner for an environment that has it:"
                " anchorhold env ls, anchorhold env request; in Python site.environments",
            )


def known(name: str, have: set[str]) -> bool:
    """Whether a package gives a module: by its name, as "umap-learn" does umap, or as is known on this machine."""
    module = plain_name(OTHER_NAMES.get(name, name))
    return any(p == module or p.startswith(module + "-") for p in have) or not have.isdisjoint(providers(name))


def providers(name: str) -> set[str]:
    """The packages that give a module here."""
    from importlib import metadata

    return {plain_name(p) for p in metadata.packages_distributions().get(name, [])}


def imported(files: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Top-level names that code imports, in whichever of its files, and where it does.

    Not what is imported where that is expected to fail, or for a checker of types alone.
    """
    found: dict[str, str] = {}
    for f in files:
        stack: list[ast.AST] = [ast.parse(f["text"])] if f["path"].endswith(".py") else []
        while stack:
            node = stack.pop()
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [a.name for a in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module] if node.module and not node.level else []
            elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
                stack.extend(node.orelse)
            elif not isinstance(node, ast.Try):
                stack.extend(ast.iter_child_nodes(node))
            for name in names:
                found.setdefault(name.partition(".")[0], f"{f['path']} line {getattr(node, 'lineno', 1)}")
    return found


def plain_name(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
