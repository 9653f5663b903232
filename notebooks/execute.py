"""python notebooks/execute.py [NAME ...]: run notebooks from top to bottom, keep what they show.

Needs the extra `notebooks` (nbclient, nbformat, ipykernel); `make notebooks` brings it along.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HERE = Path(__file__).resolve().parent
KERNEL = {
    "argv": [
        *[sys.executable, "-m", "ipykernel_launcher"],
        *["-f", "{connection_file}", "--log-level=ERROR"],
    ],
    "display_name": "this Python",
    "language": "python",
}
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(path: Path) -> nbformat.NotebookNode:
    """Run a notebook in its own folder, on this Python, and return it with its outputs.

    Nothing is written beside what the notebook itself writes. The package need not be installed.

    Raises:
        CellExecutionError: a cell ended with an error; the message holds its traceback.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    python_path = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as folder:
        # A kernel of our own: the one installed as "python3" may be another Python's.
        kernel = Path(folder) / "here" / "kernel.json"
        kernel.parent.mkdir()
        kernel.write_text(json.dumps(KERNEL), encoding="utf-8")
        specs = KernelSpecManager(kernel_dirs=[folder])
        client = NotebookClient(
            notebook,
            km=AsyncKernelManager(kernel_name="here", kernel_spec_manager=specs),
            timeout=3600,  # seconds a cell
            record_timing=False,  # no time of day in the file
            coalesce_streams=True,
            resources={"metadata": {"path": str(path.parent)}},
        )
        client.owns_km = True  # a manager that is given would be left with its kernel running
        client.execute(env={**os.environ, "PYTHONPATH": python_path})
    return tidy(notebook)


def tidy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Leave out what differs from machine to machine and nobody reads."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
    return notebook


def main(argv: Sequence[str] | None = None) -> int:
    """Execute the named notebooks, or all; each is written back when it has run to its end."""
    parser = argparse.ArgumentParser(
        prog="python notebooks/execute.py", description="Run notebooks and keep their outputs."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="01_dcgan, say (all)")
    names = parser.parse_args(argv).names
    known = {path.stem: path for path in sorted(HERE.glob("*.ipynb"))}
    unknown = sorted({Path(name).stem for name in names} - set(known))
    if unknown:
        parser.error(f"no notebook {unknown[0]}; there are {', '.join(known)}")
    failed = []
    for path in [known[Path(name).stem] for name in names] or known.values():
        start = time.monotonic()
        try:
            notebook = execute(path)
        except CellExecutionError as error:
            print(f"{path.name}: {error}", file=sys.stderr, flush=True)
            failed.append(path.name)
            continue
        nbformat.write(notebook, path)
        size = path.stat().st_size / 1e6
        print(f"{path.name}: {time.monotonic() - start:.0f} s, {size:.2f} MB", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
