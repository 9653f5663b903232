"""Panels and curves: what stands where."""

import json

import numpy as np

from paddle_gans.training.panels import CAPTION, GAP, draw_curves, grid, read_log, running_mean


def flat(value, count=2, size=96):
    return np.full((count, 3, size, size), value, "float32")


def test_names_are_columns():
    picture = grid({"A": flat(-1), "B": flat(1)})
    side = 96 + GAP
    assert picture.shape == (CAPTION + 2 * side, 2 * side, 3)
    assert picture[CAPTION + 5, 5].tolist() == [0, 0, 0]
    assert picture[CAPTION + 5, side + 5].tolist() == [255, 255, 255]
    assert picture[:CAPTION, :side].max() > 200  # the name is written above


def test_after_so_many_columns_the_next_names_go_below():
    picture = grid({"A": flat(-1), "B": flat(1), "C": flat(0.0), "D": flat(1)}, columns=2)
    side, block = 96 + GAP, CAPTION + 2 * (96 + GAP)
    assert picture.shape == (2 * block, 2 * side, 3)
    assert picture[block + CAPTION + 5, 5].tolist() == [128, 128, 128]


def test_tiled_blocks_stand_one_below_another():
    picture = grid({"real": flat(1, 12, 28), "generated": flat(-1, 12, 28)}, tiled_rows=4)
    side = 2 * 28 + GAP
    assert picture.shape == (2 * (CAPTION + 4 * side), 3 * side, 3)


def test_small_and_grey_images_are_enlarged_and_shown():
    picture = grid({"digit": np.ones((1, 1, 28, 28), "float32")})
    assert picture.shape == (CAPTION + 4 * 28 + GAP, 4 * 28 + GAP, 3)


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
