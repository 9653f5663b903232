"""--log: what VisualDL's and TensorBoard's own readers find in the files of a run."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, TINY, log_of, small_disk

import paddle_gans
from data_reader import InputError
from data_reader.images import read_image
from paddle_gans.train_command import build_parser
from paddle_gans.training import loggers
from paddle_gans.training.run_folder import RunFolder

PACKAGES = {"visualdl": "visualdl", "tensorboard": "tensorboardX"}


@pytest.fixture(params=list(PACKAGES))
def name(request):
    pytest.importorskip(PACKAGES[request.param])
    return request.param


@pytest.fixture
def names():
    """All loggers that are installed: a run may have several."""
    found = [name for name, package in PACKAGES.items() if importlib.util.find_spec(package)]
    return found or pytest.skip(f"none of {', '.join(PACKAGES.values())} is installed")


def train(out, steps, **more):
    """Train a model that validates, on the embedded pictures."""
    settings = {**TINY["colorization"], "workers": 0, "batch_size": 2, "limit": 4, "log_every": 1,
                "sample_every": 2, "save_every": 2, "validate_every": 2}  # fmt: skip
    return paddle_gans.train("colorization", out=str(out), steps=steps, **{**settings, **more})


def expected(out):
    """The points of every curve by log.jsonl, as (step, value)."""
    points = {}
    for line in log_of(out):
        for group in ("losses", "learning_rates", "validation"):
            for key, value in line.get(group, {}).items():
                points.setdefault(f"{group}/{key}", []).append((line["step"], value))
    return points


def read(out, name):
    """(points by name, panels' [(step, uint8 picture)], the texts of the configuration)."""
    import cv2

    def picture(png):
        return cv2.imdecode(np.frombuffer(png, "uint8"), cv2.IMREAD_COLOR)[..., ::-1]

    if name == "visualdl":
        from visualdl import LogReader

        (file,) = (out / "visualdl").iterdir()
        reader = LogReader(file_path=str(file))
        points = {
            tag: [(x.id, x.value) for x in reader.get_data("scalar", tag)]
            for tag in reader.get_tags()["scalar"]
        }
        panels = [
            (x.id, picture(x.image.encoded_image_string))
            for x in reader.get_data("image", "samples")
        ]
        texts = [x.text.encoded_text_string for x in reader.get_data("text", "configuration")]
        return points, panels, texts
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(out / "tensorboard"), {"images": 0, "scalars": 0})
    events.Reload()
    points = {
        tag: [(x.step, x.value) for x in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }
    panels = [(x.step, picture(x.encoded_image_string)) for x in events.Images("samples")]
    texts = events.Tensors("configuration/text_summary")
    return points, panels, [x.tensor_proto.string_val[0].decode() for x in texts]


def check(out, name, steps_of_panels):
    points, panels, texts = read(out, name)
    points.pop("speed/images_per_second")
    truth = expected(out)
    assert points.keys() == truth.keys()
    assert {"validation/ciede2000", "learning_rates/generator"} <= points.keys()
    for tag, pairs in truth.items():
        assert [step for step, _ in points[tag]] == [step for step, _ in pairs], tag
        np.testing.assert_allclose(
            [value for _, value in points[tag]], [value for _, value in pairs], rtol=1e-6
        )
    assert [step for step, _ in panels] == steps_of_panels
    for step, shown in panels:
        assert (shown == read_image(out / "samples" / f"{step:06d}.png")).all()
    return texts


def test_the_files_of_a_run_hold_what_its_log_and_panels_hold(tmp_path, names):
    out = tmp_path / "run"
    train(out, 5, log=names)
    for name in names:
        (text,) = check(out, name, [2, 4, 5])
        assert '"lambda_l1": 100.0' in text

    # Resumed before its end, no step is there twice.
    (out / "checkpoints" / "000005" / "state.json").write_text("damaged")
    (out / "samples" / "000005.png").unlink()
    train(out, 6, log=names)
    for name in names:
        check(out, name, [2, 4, 6])
        for file in (p for p in (out / name).iterdir() if p.is_file()):
            with file.open("ab") as half:
                half.write(b"\x09\x00\x00")  # a crash
    train(out, 7, log=names)
    for name in names:
        check(out, name, [2, 4, 6, 7])


def test_a_run_that_had_no_such_log_gets_its_curves_from_the_beginning(tmp_path, names):
    out = tmp_path / "run"
    train(out, 1)
    assert not (out / names[0]).exists()
    train(out, 2, log=names)
    train(out, 3)  # and may go on without it
    for name in names:
        points, panels, _ = read(out, name)
        assert [step for step, _ in points["losses/g_loss_l1"]] == [1, 2]
        assert [step for step, _ in panels] == [1, 2]


FULL = """
import sys
sys.path[:0] = {path!r}
from test_loggers import train
from pathlib import Path
train(Path({out!r}), 40, log=[{name!r}], sample_every=10, save_every=40, validate_every=0)
"""


def test_a_full_disk_of_a_logger_neither_stops_nor_blocks_the_run(tmp_path, name):
    out = tmp_path / "run"
    out.mkdir()
    code = FULL.format(path=[str(ROOT), str(ROOT / "tests")], out=str(out), name=name)
    with small_disk(out / name, "16k"):  # a process of its own: its exit must not wait either
        subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
    assert [line["step"] for line in log_of(out)][-1] == 40
    assert len(log_of(out)) == 40


def test_a_logger_that_breaks_is_dropped_with_a_warning(tmp_path, name, capsys):
    log = loggers.Loggers({"log": [name], "options": {}}, tmp_path, 0, print)
    log.add_line({"step": 1, "losses": {"loss": 0.5}})
    log.add_line({"step": 2, "losses": {"loss": object()}})
    log.add_line({"step": 3, "losses": {"loss": 0.5}})
    assert capsys.readouterr().out.count(f"--log {name} failed") == 1


def test_an_unknown_or_missing_logger_is_one_sentence_before_anything_is_written(
    tmp_path, monkeypatch
):
    with pytest.raises(InputError, match="--log must be one of visualdl, tensorboard, not 'wandb'"):
        train(tmp_path / "run", 1, log=["wandb"])
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "visualdl" else find(name, *rest),
    )
    with pytest.raises(InputError, match=r"needs visualdl, .*pip install -e '\.\[log\]'"):
        train(tmp_path / "run", 1, log="visualdl")
    assert not (tmp_path / "run").exists()


def test_the_flag_knows_the_loggers():
    given = build_parser().parse_all(["--model", "dcgan", "--log", "visualdl", "tensorboard"])
    assert given.log == list(loggers.PACKAGES)


def test_a_run_folder_without_loggers_writes_its_log_alone(tmp_path):
    with RunFolder(tmp_path / "run") as folder:
        folder.append({"step": 1, "losses": {}})
    assert [line["step"] for line in log_of(tmp_path / "run")] == [1]
