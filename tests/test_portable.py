"""What breaks on another system is seen on this one: encodings left open, names that Windows lacks."""

import ast

from tools.project import ROOT

FOLDERS = ("srutils", "tools", "tests", "notebooks", "docs")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))] + [
    ROOT / "conftest.py"
]
TESTS = [path for path in FILES if path.parent.name == "tests" or path.name == "conftest.py"]
POSIX = {
    "signal": {"SIGKILL", "SIGALRM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGPIPE", "alarm", "setitimer"},
    "os": {"fork", "getuid", "geteuid", "getpgid", "killpg", "mkfifo", "sysconf", "uname", "getloadavg"},
}
POSIX_MODULES = {"resource", "fcntl", "pwd", "grp", "termios", "pty", "tty"}


def left_open(tree):
    """Yield the calls that open a text file and leave the encoding to the system."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        given = {keyword.arg for keyword in call.keywords}
        if given & {"encoding", None}:
            continue
        if isinstance(call.func, ast.Attribute):
            position = {"read_text": 0, "write_text": 1}.get(call.func.attr)
            if position is not None and len(call.args) <= position:
                yield call.lineno
        elif isinstance(call.func, ast.Name) and call.func.id == "open":
            modes = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "mode")]
            if not any("b" in str(getattr(mode, "value", "b")) for mode in modes):
                yield call.lineno


def run_at_import(node):
    """Yield the nodes that are evaluated when a module is imported: no bodies of functions."""
    functions = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not (field == "body" and isinstance(node, functions)):
                yield child
                yield from run_at_import(child)


def missing_on_windows(tree):
    """Yield what a module needs at import and Windows does not have; behind ``hasattr`` it is allowed."""
    either = [node for node in ast.walk(tree) if isinstance(node, ast.BoolOp | ast.IfExp)]
    guarded = {node for e in either if "hasattr" in ast.unparse(e) for node in ast.walk(e)}
    for node in run_at_import(tree):
        if isinstance(node, ast.Attribute) and node not in guarded:
            if node.attr in POSIX.get(ast.unparse(node.value), ()):
                yield ast.unparse(node)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in POSIX_MODULES)


def faults(paths, look):
    """What `look` finds in files: NAME: WHAT."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    return [f"{path.relative_to(ROOT).as_posix()}: {what}" for path in trees for what in look(trees[path])]


def test_every_text_file_names_its_encoding():
    assert faults(FILES, left_open) == []


def test_windows_collects_the_tests():
    assert faults(TESTS, missing_on_windows) == []


def test_what_is_looked_for_is_found():
    wrong = ["p.read_text()", "p.write_text('a')", "open('a')", "open('a', 'w')"]
    right = ["open('a', 'rb')", "p.read_text('utf-8')", "open('a', encoding='ascii')"]
    assert list(left_open(ast.parse("\n".join([*wrong, *right])))) == [1, 2, 3, 4]
    text = "import resource\n@mark(signal.SIGKILL)\ndef f():\n    os.fork()\n"
    text += "root = hasattr(os, 'getuid') and os.getuid() == 0\n"
    assert list(missing_on_windows(ast.parse(text))) == ["resource", "signal.SIGKILL"]
