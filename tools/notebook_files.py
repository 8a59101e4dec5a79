"""A lesson's two files: its notebook and its script, read, cleaned and written."""

from __future__ import annotations

import copy
import hashlib
import re
from pathlib import Path

from tools.project import write_aside

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {
    "name": "python",
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "pygments_lexer": "ipython3",
}
CELL_METADATA = ("jupyter", "tags")  # what a script can carry; anything else would be lost on the way back
STAMP = "course"  # a notebook's own metadata: {"synced": `fingerprint` of both files when they last agreed}


def read_script(path: Path):
    """Return the notebook that a py:percent script describes, without outputs."""
    import jupytext

    return jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")


def script_text(nb) -> str:
    """Return the py:percent text of a notebook: cells, tags and what is folded, no header."""
    import jupytext

    nb = copy.deepcopy(nb)
    kept = ",".join(CELL_METADATA)
    nb.metadata = {"jupytext": {"notebook_metadata_filter": "-all", "cell_metadata_filter": f"{kept},-all"}}
    for cell in nb.cells:  # a notebook's file has them sorted
        cell.metadata = dict(sorted(cell.metadata.items()))
    return jupytext.writes(nb, fmt="py:percent")


def fingerprint(nb) -> str:
    """Return a hash of what a script can say of a notebook: its cells' sources, tags and folds."""
    return hashlib.sha256(script_text(nb).encode()).hexdigest()[:16]


def read_notebook(path: Path):
    """Return the notebook at `path` in the current format, or None if there is none."""
    import nbformat

    return nbformat.read(path, as_version=4) if path.is_file() else None


def stamp(nb) -> str | None:
    """Return the `fingerprint` that a notebook and its script had when they last agreed, None if unknown."""
    return nb.metadata.get(STAMP, {}).get("synced")


def clean(nb) -> None:
    """Remove what differs from run to run or machine to machine: timings, widget states, versions, ids."""
    synced = stamp(nb)
    nb.metadata = {"kernelspec": dict(KERNELSPEC), "language_info": dict(LANGUAGE)}
    if synced:
        nb.metadata[STAMP] = {"synced": synced}
    for cell in nb.cells:
        cell.metadata = {key: cell.metadata[key] for key in CELL_METADATA if cell.metadata.get(key)}
        for output in cell.get("outputs", []):
            if output.output_type in ("display_data", "execute_result"):
                output.data.pop("application/vnd.jupyter.widget-view+json", None)
        if cell.cell_type == "code":
            cell.outputs = merge_streams(cell.outputs)
            for output in cell.outputs:
                if output.output_type == "stream":  # of a progress bar only what a terminal shows at the end
                    output.text = re.sub(r"[^\n]*\r(?=[^\n])", "", output.text)


def merge_streams(outputs: list) -> list:
    """Join pieces of the same stream that follow each other: how they were split depends on timing."""
    merged: list = []
    for output in outputs:
        last = merged[-1] if merged and merged[-1].output_type == output.output_type == "stream" else None
        if last is not None and last.name == output.name:
            last.text += output.text
        else:
            merged.append(output)
    return merged


def notebook_text(nb) -> str:
    """Return the text of a valid notebook file; raise nbformat's ValidationError if it is not valid."""
    import nbformat

    nb.nbformat, nb.nbformat_minor = 4, 5
    nbformat.validate(nb)
    return nbformat.writes(nb).rstrip("\n") + "\n"


def write_notebook(nb, path: Path) -> None:
    """Validate a notebook and write it beside its place, then rename it."""
    write_aside(path, notebook_text(nb))
