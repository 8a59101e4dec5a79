"""Show how srutils is laid out and what imports what: ``python -m tools.house``.

A room is a folder of srutils, or a module at its top. `ALLOWED` says which rooms, or modules, each may
import; tests/test_house.py proves that all do. What is read is the syntax tree, so imports inside functions
count, too.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

from tools.project import ROOT

MAX_LINES = 350
GROUND = {"course", "pairs", "files"}
# Room -> what it may import besides itself: rooms, or single modules of a room.
ALLOWED = {
    "files": set(),
    "course": {"streams"},
    "degradations": {"pairs"},
    "pairs": set(),
    "streams": set(),
    "networks": set(),
    "metrics": {"pairs"},
    "plotting": {"pairs"},
    "training": {"pairs"},
    "photos": GROUND,
    "model_files": {"course", "files"},
    "lensing": {"model_files", *GROUND},
    "upscale": {"lensing.baselines", "model_files", "metrics", *GROUND},
    "scoring": {"upscale.upscaler", "lensing", "photos", "metrics", "model_files", *GROUND},
    "fetch": {"photos", "course", "files"},
    "exercises": {
        "model_files",
        "upscale.upscaler",
        "lensing",
        "photos",
        "metrics",
        "plotting",
        "scoring",
        *GROUND,
    },
    "__main__": {"cli"},
}
HANDED_ON = {"upscale.upscaler": "upscale"}  # the folder's __init__ hands on this module's names only
ALLOWED["recipes"] = ALLOWED["scoring"] | {
    "networks",
    "plotting",
    "scoring",
    "training",
    "upscale.tiling",
    "degradations",
}
ALLOWED["cli"] = {*ALLOWED, "recipes"} - {"cli", "exercises", "networks", "__main__"}
# Libraries that take long to import. Networks are made of them, and `plotting` of Matplotlib.
HEAVY = {"accelerate", "astropy", "cv2", "gdown", "h5py", "keras", "lenstronomy", "matplotlib", "onnx"}
HEAVY |= {"onnxruntime", "openvino", "pandas", "rarfile", "skimage", "sklearn", "tensorboard", "tensorflow"}
HEAVY |= {"tf2onnx", "torch", "wandb"}
MADE_OF_THEM = ("networks", "plotting")


class Import(NamedTuple):
    """One import of a module of the house: in which module, of which, at which line, and how."""

    source: str  # dotted, without the package's name: lensing.cache; a folder's __init__ is the folder
    target: str
    line: int
    name: str  # the name that is taken, "" for the module itself
    in_function: bool


def modules(package: Path) -> dict[str, Path]:
    """Return the modules of a package folder: dotted name without the package's -> file."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room(module: str) -> str:
    """Return the first part of a module's dotted name; "" is the package itself."""
    return module.split(".")[0]


@functools.cache
def nodes(path: Path) -> list[tuple[ast.AST, bool]]:
    """Return every node of a file's syntax tree, and whether it stands inside a function."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    found = [(ast.parse(path.read_text(encoding="utf-8"), str(path)), False)]
    for node, inside in found:  # it grows while it is read
        inside = inside or isinstance(node, functions)
        found += [(child, inside) for child in ast.iter_child_nodes(node)]
    return found


def imported(path: Path) -> Iterator[tuple[str, str, int, bool]]:
    """Yield a file's imports: the module, the name taken from it or "", the line, whether in a function.

    An import relative to the file's folder begins with its dots; ``import_module`` counts if given a string.
    """
    for node, inside in nodes(path):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "", node.lineno, inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((module, alias.name, node.lineno, inside) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from ((a.value, "", node.lineno, inside) for a in node.args if isinstance(a, ast.Constant))


def imports(package: Path) -> list[Import]:
    """Return every import of the package's own modules by its modules."""
    known, found = modules(package), []
    for source, path in known.items():
        for dotted, name, line, inside in imported(path):
            if dotted.startswith("."):
                folder = [package.name, *path.relative_to(package).parts[:-1]]
                up = len(dotted) - len(dotted.lstrip(".")) - 1
                dotted = ".".join([*folder[: len(folder) - up], *filter(None, [dotted.lstrip(".")])])
            first, _, module = dotted.partition(".")
            if first != package.name:
                continue
            deeper = f"{module}.{name}".strip(".")
            module, name = (deeper, "") if name and deeper in known else (module, name)
            found.append(Import(source, module, line, name, inside))
    return found


def circle(edges: list[Import]) -> list[str]:
    """Return modules that import each other in a circle, the first again at the end; [] without one."""
    graph: dict[str, set[str]] = {}
    for edge in edges:
        if edge.source != edge.target:
            graph.setdefault(edge.source, set()).add(edge.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1][::-1]
    return []


def allowed(edge: Import) -> bool:
    """Say whether `ALLOWED` has an import between rooms."""
    if room(edge.source) == room(edge.target) or edge.target == "":
        return True
    allowed = ALLOWED.get(room(edge.source), set())
    if edge.target in allowed or room(edge.target) in allowed:
        return True
    return any(edge.target == HANDED_ON.get(module) for module in allowed)


def strays(edges: list[Import]) -> list[str]:
    """Return the imports between rooms that `ALLOWED` does not have, a sentence each."""
    found = []
    for edge in edges:
        if not allowed(edge):
            found.append(f"{edge.source}:{edge.line} imports {edge.target or 'srutils'}")
        if room(edge.target) == "networks" and room(edge.source) != "networks" and not edge.in_function:
            found.append(f"{edge.source}:{edge.line} imports a network, and with it a framework, at its top")
    return found


def is_private(name: str) -> bool:
    """Say whether a name begins with one underscore."""
    return name.startswith("_") and not name.startswith("__")


def private_names(package: Path) -> list[str]:
    """Return where a module takes a name with a leading underscore from another, a sentence each."""
    found = [
        f"{edge.source}:{edge.line} takes {edge.name or edge.target}"
        for edge in imports(package)
        if edge.source != edge.target and any(map(is_private, (*edge.target.split("."), edge.name)))
    ]
    for source, path in modules(package).items():
        own = [
            (module, name)
            for module, name, *_ in imported(path)
            if module.split(".")[0] in ("", package.name)
        ]
        taken = {name or module for module, name in own}
        for node, _ in nodes(path):
            if isinstance(node, ast.Attribute) and is_private(node.attr) and ast.unparse(node.value) in taken:
                found.append(f"{source}:{node.lineno} takes {ast.unparse(node)}")
    return found


def definitions(package: Path) -> list[str]:
    """Return what the ``__init__`` files of folders define; ``__getattr__`` and the like hand names on."""
    return [
        f"{module}:{node.lineno} defines {node.name}"
        for module, path in modules(package).items()
        for node, inside in nodes(path)
        if module and path.name == "__init__.py" and isinstance(node, ast.FunctionDef | ast.ClassDef)
        if not inside and not node.name.startswith("__")
    ]


def foreign_imports(package: Path, foreign: set[str], at_top: bool = False) -> list[str]:
    """Return imports of the libraries `foreign`, a sentence each; `at_top`: only those outside functions."""
    return [
        f"{module}:{line} imports {dotted}"
        for module, path in modules(package).items()
        for dotted, _, line, inside in imported(path)
        if dotted.split(".")[0] in foreign and not (at_top and inside)
    ]


def heavy_imports(package: Path) -> list[str]:
    """Return heavy libraries that are imported outside functions, in other rooms than `MADE_OF_THEM`."""
    return [
        line for line in foreign_imports(package, HEAVY, at_top=True) if not line.startswith(MADE_OF_THEM)
    ]


def line_counts(package: Path) -> dict[str, int]:
    """Return how many lines each module has."""
    return {m: len(path.read_text(encoding="utf-8").splitlines()) for m, path in modules(package).items()}


def report(package: Path = ROOT / "srutils") -> str:
    """Return the rooms, their files and lines, the circles, and every breach of the rules, as text."""
    counts, lines = line_counts(package), []
    for name in sorted({room(module) for module in counts}):
        inside = {module: n for module, n in counts.items() if room(module) == name}
        lines.append(f"{name or '__init__':12} {sum(inside.values()):6}")
        if len(inside) > 1:
            lines += [f"    {m.partition('.')[2] or '__init__':18} {n:4}" for m, n in inside.items()]
    total = sum(n for module, n in counts.items() if room(module) != "exercises")
    lines.append(f"{len(counts)} files, {total} lines without exercises")
    edges = imports(package)
    lines.append(f"circles: {' -> '.join(circle(edges)) or 'none'}")
    faults = strays(edges) + private_names(package) + definitions(package) + heavy_imports(package)
    faults += foreign_imports(package, {"tools", "tests"})
    faults += [
        f"{module} has {n} lines, more than {MAX_LINES}" for module, n in counts.items() if n > MAX_LINES
    ]
    return "\n".join([*lines, f"breaches of the rules: {len(faults) or 'none'}", *faults])


if __name__ == "__main__":
    print(report())
