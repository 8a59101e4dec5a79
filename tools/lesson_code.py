"""A lesson's functions, classes and constants as a module: its experiments are not run."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import ModuleType

KEPT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
LITERAL = (ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.Set, ast.Starred, ast.BinOp, ast.UnaryOp)
LITERAL += (ast.operator, ast.unaryop, ast.expr_context)


def is_constant(statement: ast.stmt) -> bool:
    """Whether it gives an upper-case name a value written out in full, arithmetic and stars included."""
    return (
        isinstance(statement, ast.Assign)
        and all(isinstance(name, ast.Name) and name.id.isupper() for name in statement.targets)
        and all(isinstance(node, LITERAL) for node in ast.walk(statement.value))
    )


def load(script: Path) -> ModuleType:
    """Run a lesson's imports and definitions, and nothing else of it.

    Parameters
    ----------
    script : Path
        The lesson's script, ``notebooks/scripts/NN_name.py``.

    Returns
    -------
    module
        It is called ``lesson_NN_name``.
    """
    script = Path(script)
    tree = ast.parse(script.read_text(encoding="utf-8"), str(script))
    tree.body = [node for node in tree.body if isinstance(node, KEPT) or is_constant(node)]
    module = ModuleType(f"lesson_{script.stem}")
    module.__file__ = str(script)
    sys.modules[module.__name__] = module
    exec(compile(tree, str(script), "exec"), module.__dict__)
    return module
