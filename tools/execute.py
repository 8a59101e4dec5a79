"""Run a notebook the way nbval will run it, and clean what running leaves behind."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from tools.notebook_files import clean

TIMEOUT = 600  # seconds a cell; the same limit as nbval's in pyproject.toml

# Under pytest a kernel does not capture what C++ code writes to descriptor 2: the same must hold when the
# outputs are made.
# Threads that wait sleep, as under pytest: on a busy machine they would take the time of those that work.
ENVIRONMENT = {"PYTEST_CURRENT_TEST": "notebook", "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_WAIT_POLICY": "PASSIVE"}


def absolute_folders() -> dict[str, str]:
    """Return SR_DATA and SR_CACHE, if set, as absolute paths: a notebook runs in a folder of its own."""
    folders = {name: os.environ[name] for name in ("SR_DATA", "SR_CACHE") if os.environ.get(name)}
    return {name: str(Path(folder).expanduser().absolute()) for name, folder in folders.items()}


class CellFailed(Exception):
    """A cell raised an error; ``str()`` says which notebook, which cell and which error."""


def quick_environment() -> dict[str, str]:
    """Return this process's environment with the settings under which outputs are stored."""
    return {**os.environ, **absolute_folders(), **ENVIRONMENT}


def kernel_manager():
    """Return a manager that starts this very Python, whatever kernels the user has registered."""
    import ipykernel.kernelspec
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    class ThisPython(KernelSpecManager):
        def get_kernel_spec(self, kernel_name):
            resources = ipykernel.kernelspec.RESOURCES
            return self.kernel_spec_class(resource_dir=resources, **ipykernel.kernelspec.get_kernel_dict())

    return AsyncKernelManager(kernel_name="python3", kernel_spec_manager=ThisPython())


def execute(nb, folder: Path, name: str, on_cell: Callable[[], None] | None = None) -> None:
    """Run every cell of a notebook in place.

    Parameters
    ----------
    nb : nbformat.NotebookNode
        Its outputs and execution counts are replaced.
    folder : Path
        The kernel's working folder.
    name : str
        What to call the notebook in a message.
    on_cell : callable, optional
        Called at the start of each cell, text cells included, for a progress bar.

    Raises
    ------
    CellFailed
        If a cell raises, takes longer than `TIMEOUT` seconds or takes the kernel down.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellControlSignal, CellExecutionError, DeadKernelError

    position = {"cell": 0}

    def started(cell, cell_index):
        position["cell"] = cell_index
        if on_cell is not None:
            on_cell()

    client = NotebookClient(
        nb,
        km=kernel_manager(),
        timeout=TIMEOUT,
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],  # a kernel's own warnings would tear the progress bar
        on_cell_start=started,
    )
    client.skip_cells_with_tag = ""  # nbval knows no such tag: nothing may be skipped here either
    try:
        client.execute(cwd=str(folder), env=quick_environment(), cleanup_kc=True)
    except CellExecutionError as error:
        what = f"{error.ename}: {error.evalue}"
        raise CellFailed(failure(nb, name, position["cell"], what)) from error
    except (CellControlSignal, DeadKernelError) as error:
        what = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        raise CellFailed(failure(nb, name, position["cell"], what)) from error
    clean(nb)


def failure(nb, name: str, index: int, what: str) -> str:
    """Say in a few lines where a notebook failed: the number of the code cell, and the cell's start."""
    number = sum(cell.cell_type == "code" for cell in nb.cells[: index + 1])
    source = nb.cells[index].source.strip().splitlines()
    what = re.sub(r"\x1b\[[0-9;]*m", "", what)
    return f"{name}: code cell {number} failed, which begins with\n    {source[0] if source else ''}\n{what}"
