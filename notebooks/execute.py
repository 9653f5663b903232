"""python notebooks/execute.py [NAME ...]: run notebooks from top to bottom and keep their outputs.

Needs the extra `notebooks` (nbclient, nbformat, ipykernel), which `make notebooks` installs.
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
    """Run a notebook in its own folder with this Python, and return it with its outputs.

    The notebook's file is not changed. The package need not be installed.

    Raises:
        CellExecutionError: a cell raised an error; the message contains its traceback.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    python_path = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as folder:
        # Not the kernel "python3", which may belong to another Python.
        kernel = Path(folder) / "here" / "kernel.json"
        kernel.parent.mkdir()
        kernel.write_text(json.dumps(KERNEL), encoding="utf-8")
        specs = KernelSpecManager(kernel_dirs=[folder])
        client = NotebookClient(
            notebook,
            km=AsyncKernelManager(kernel_name="here", kernel_spec_manager=specs),
            timeout=3600,  # seconds per cell
            record_timing=False,  # keeps times out of the file
            coalesce_streams=True,
            resources={"metadata": {"path": str(path.parent)}},
        )
        client.owns_km = True  # otherwise the kernel of a given manager keeps running
        client.execute(env={**os.environ, "PYTHONPATH": python_path})
    return tidy(notebook)


def tidy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Remove metadata that differs between machines."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
    return notebook


def main(argv: Sequence[str] | None = None) -> int:
    """Execute the named notebooks, or all, and write back those that succeed."""
    parser = argparse.ArgumentParser(
        prog="python notebooks/execute.py", description="Run notebooks and keep their outputs."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="for example 01_dcgan (all)")
    names = parser.parse_args(argv).names
    known = {path.stem: path for path in sorted(HERE.glob("*.ipynb"))}
    unknown = sorted({Path(name).stem for name in names} - set(known))
    if unknown:
        parser.error(f"no notebook {unknown[0]}; choose from {', '.join(known)}")
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
