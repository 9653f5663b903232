"""Sample grids and curves."""

import json
import os
import subprocess
import sys

import nbformat
import numpy as np
from conftest import ROOT, TINY
from nbclient import NotebookClient

from paddle_gans.training.panels import CAPTION, GAP, draw_curves, grid, read_log, running_mean


def flat(value, count=2, size=96):
    return np.full((count, 3, size, size), value, "float32")


def test_names_are_columns():
    image = grid({"A": flat(-1), "B": flat(1)})
    side = 96 + GAP
    assert image.shape == (CAPTION + 2 * side, 2 * side, 3)
    assert image[CAPTION + 5, 5].tolist() == [0, 0, 0]
    assert image[CAPTION + 5, side + 5].tolist() == [255, 255, 255]
    assert image[:CAPTION, :side].max() > 200  # the name is written above


def test_after_so_many_columns_the_next_names_go_below():
    image = grid({"A": flat(-1), "B": flat(1), "C": flat(0.0), "D": flat(1)}, columns=2)
    side, block = 96 + GAP, CAPTION + 2 * (96 + GAP)
    assert image.shape == (2 * block, 2 * side, 3)
    assert image[block + CAPTION + 5, 5].tolist() == [128, 128, 128]


def test_tiled_blocks_stand_one_below_another():
    image = grid({"real": flat(1, 12, 28), "generated": flat(-1, 12, 28)}, tiled_rows=4)
    side = 2 * 28 + GAP
    assert image.shape == (2 * (CAPTION + 4 * side), 3 * side, 3)


def test_small_and_grey_images_are_enlarged_and_shown():
    image = grid({"digit": np.ones((1, 1, 28, 28), "float32")})
    assert image.shape == (CAPTION + 4 * 28 + GAP, 4 * 28 + GAP, 3)


def test_running_mean_by_hand():
    assert running_mean(np.array([1.0, 3.0, 5.0, 7.0]), 2).tolist() == [1.0, 2.0, 4.0, 6.0]


def test_a_torn_last_line_of_a_log_is_left_out(tmp_path):
    lines = [{"step": s, "losses": {"d_loss": 1.0 / s, "g_loss": s}} for s in range(1, 6)]
    text = "\n".join(json.dumps(line) for line in lines)
    (tmp_path / "log.jsonl").write_text(text[:-9])
    log = read_log(tmp_path / "log.jsonl")
    assert [line["step"] for line in log] == [1, 2, 3, 4]
    draw_curves(log, tmp_path / "losses.png", "a run")
    assert (tmp_path / "losses.png").stat().st_size > 5000


def test_the_users_matplotlibrc_does_not_matter(tmp_path):
    """A matplotlibrc that requires LaTeX, which is not installed."""
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfont.size: 300\n")
    code = (
        "from pathlib import Path\nfrom paddle_gans.training.panels import draw_curves\n"
        "log = [{'step': s, 'losses': {'d_loss': 1.0}} for s in (1, 2)]\n"
        f"draw_curves(log, Path({str(tmp_path)!r}) / 'losses.png', 'a run')"
    )
    environment = {**os.environ, "MPLCONFIGDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "losses.png").stat().st_size > 5000


def test_plots_of_a_notebook_are_still_shown_after_training(pairs, tmp_path):
    """In a real kernel: training plots curves without changing the notebook's backend."""
    cells = [
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nimport paddle_gans\n"
        f"paddle_gans.train('pix2pix', data={str(pairs)!r}, out={str(tmp_path / 'run')!r}, "
        f"steps=2, workers=0, **{TINY['pix2pix']!r})",
        "plt.plot([1, 2])\nplt.show()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=str(tmp_path))
    assert (tmp_path / "run" / "losses.png").is_file()
    for cell in (notebook.cells[0], notebook.cells[2]):
        assert any("image/png" in output.get("data", {}) for output in cell.outputs)
