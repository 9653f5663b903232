"""Faults while training: numbers, files, disks, clocks; each one is really made to happen."""

import contextlib
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import paddle
import pytest
from conftest import ROOT, TINY, below, infer, log_of, small_disk, weights
from paddle import nn

from data_reader import InputError, transforms
from data_reader.atomic import remove_folder, remove_stale
from data_reader.images import write_image
from data_reader.loader import Loader
from data_reader.video import VideoReader, VideoWriter
from paddle_gans.models.cyclegan import CycleGAN
from paddle_gans.models.pix2pix import Pix2Pix
from paddle_gans.training import checkpoint, panels, progress, trainer
from paddle_gans.training.guards import MAX_CONSECUTIVE_SKIPS, FiniteGuard, NotFinite
from paddle_gans.training.model import Update, adam
from paddle_gans.training.run_folder import RunFolder
from paddle_gans.training.trainer import NotFiniteError
from paddle_gans.weights import formats


def train(data, out, model_class=Pix2Pix, **settings):
    defaults = {"log_every": 1, "sample_every": 99, "save_every": 99, "workers": 0}
    settings = {**defaults, **TINY["pix2pix"], **settings}
    return trainer.train(model_class, data=str(data), out=str(out), **settings)


def steps_saved(out):
    return [int(p.name) for p in checkpoint.checkpoints(Path(out) / "checkpoints")]


def cut(path):
    path.write_bytes(path.read_bytes()[:200])


# Files that go bad


def test_a_bad_file_is_replaced_the_same_way_every_time(pairs, tmp_path, capsys):
    cut(pairs / "trainB" / "3.png")
    with pytest.raises(InputError, match=r"trainB.3\.png"):
        train(pairs, tmp_path / "stop", steps=6)
    train(pairs, tmp_path / "whole", steps=14, on_bad_file="skip", workers=2)
    said = capsys.readouterr().out
    assert said.count("3.png") == 1  # met in every epoch, named once
    assert "bad_files.txt lists 1 bad files" in said
    for steps in (5, 14):
        train(pairs, tmp_path / "parts", steps=steps, on_bad_file="skip")
    assert weights(tmp_path / "whole") == weights(tmp_path / "parts")
    assert (tmp_path / "parts" / "bad_files.txt").read_text().count("3.png") == 1


def test_a_file_that_vanishes_is_replaced_and_nothing_else_changes(pairs):
    dataset = Pix2Pix(**TINY["pix2pix"]).dataset(str(pairs), train=True)
    bad = {}
    loader = Loader(dataset, 2, seed=0, workers=2, bad=bad)
    before = [loader.batch(step) for step in range(6)]
    gone = Path(loader.files(1)[0])
    gone.unlink()
    stream = loader.batches()
    after = [next(stream) for _ in range(6)]
    stream.close()
    for step, (old, new) in enumerate(zip(before, after)):
        same = [np.array_equal(a, b) for a, b in zip(old["a"], new["a"])]
        kept = [gone.name != Path(name).name for name in loader.files(step)[::2]]
        assert same == kept, step
    assert [gone.name in text for text in bad] == [True]
    np.testing.assert_array_equal(loader.batch(1)["a"], after[1]["a"])


def test_when_every_file_is_bad_it_ends(pairs, tmp_path):
    for path in pairs.glob("trainA/*.png"):
        cut(path)
    with pytest.raises(InputError, match="100 items in a row are unreadable"):
        train(pairs, tmp_path / "run", steps=2, on_bad_file="skip")


def test_a_bad_test_picture_does_not_stop_the_panel(pairs, tmp_path):
    cut(pairs / "testA" / "0.png")
    with pytest.raises(InputError, match=r"testA.0\.png"):
        train(pairs, tmp_path / "run", steps=1)
    assert train(pairs, tmp_path / "run", steps=1, on_bad_file="skip").step == 1


# Numbers that go wrong


class Poisoned(Pix2Pix):
    """Its pictures are not finite at some steps."""

    poison: tuple = ()

    def train_step(self, batch, step, update):
        if step in self.poison:
            batch = {**batch, "a": batch["a"] * math.nan}
        return super().train_step(batch, step, update)


def poisoned(*steps):
    # The name of a run's model is that of its module.
    return type("Poisoned", (Poisoned,), {"poison": steps, "__module__": Pix2Pix.__module__})


def test_what_is_not_finite_stops_and_leaves_what_is_needed_to_look(pairs, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(NotFiniteError, match=r"step 5;.*checkpoint is that of step 3") as stop:
        train(pairs, out, poisoned(4), steps=9, save_every=3)
    look = out / "not_finite" / "000005"
    assert str(look) in str(stop.value)
    assert str(pairs / "trainA") in str(stop.value)
    assert checkpoint.verify(look)["step"] == 4
    assert np.load(look / "batch.npz")["a"].shape == (1, 3, 32, 32)
    for file in look.glob("*.pdparams"):  # no update has gone through
        arrays, _ = formats.read_network(file)
        trained = [a for name, a in arrays.items() if not name.endswith(("_mean", "_variance"))]
        assert all(np.isfinite(a).all() for a in trained), file
    assert steps_saved(out) == [3]
    for file in [*out.glob("*.pdparams"), *(out / "checkpoints").rglob("*.pdparams")]:
        arrays, _ = formats.read_network(file)
        assert all(np.isfinite(a).all() for a in arrays.values()), file
    with pytest.raises(NotFiniteError, match="step 5;"):  # the step can be repeated from there
        train(pairs, tmp_path / "again", poisoned(4), steps=9, resume=str(look))
    assert train(pairs, out, steps=6).step == 6


def test_what_is_not_finite_is_left_out(pairs, tmp_path, capsys):
    bad = poisoned(2, 5, 6)
    train(pairs, tmp_path / "whole", bad, steps=8, on_nan="skip")
    said = capsys.readouterr().out
    for step in (3, 6, 7):
        assert f"step {step} is skipped: d_loss_" in said
    assert "3 steps were skipped" in said
    assert [p.name for p in (tmp_path / "whole" / "not_finite").iterdir()] == ["000003"]
    for file in (tmp_path / "whole" / "checkpoints").rglob("*.pd*"):
        arrays, _ = formats.read_network(file)
        assert all(np.isfinite(a).all() for a in arrays.values()), file
    assert "NaN" not in (tmp_path / "whole" / "log.jsonl").read_text()
    assert ["d_loss_real" in line["losses"] for line in log_of(tmp_path / "whole")] == [
        True, True, False, True, True, False, False, True,
    ]  # fmt: skip
    for steps in (6, 8):
        train(pairs, tmp_path / "parts", bad, steps=steps, on_nan="skip")
    assert weights(tmp_path / "whole") == weights(tmp_path / "parts")
    state = checkpoint.newest(tmp_path / "parts" / "checkpoints")[1]
    assert (state["skipped_steps"], state["consecutive_skips"]) == (3, 0)


def test_looking_for_what_is_not_finite_changes_nothing(pairs, tmp_path):
    train(pairs, tmp_path / "stop", steps=4)
    train(pairs, tmp_path / "skip", steps=4, on_nan="skip")
    assert weights(tmp_path / "stop") == weights(tmp_path / "skip")


def test_too_many_in_a_row_stop(pairs, tmp_path):
    with pytest.raises(
        NotFiniteError, match=rf"after {MAX_CONSECUTIVE_SKIPS} skipped steps, at step 24;"
    ):
        train(pairs, tmp_path / "run", poisoned(*range(3, 99)), steps=99, on_nan="skip")


def one_weight():
    paddle.seed(0)
    layer = nn.Linear(1, 1, bias_attr=False)
    layer.weight.set_value(paddle.to_tensor([[3.0]]))
    return layer.weight, adam(layer, learning_rate=0.1, beta1=0.5, beta2=0.9)


def test_a_gradient_that_is_not_finite_is_left_out_although_its_loss_is():
    weight, optimizer = one_weight()
    guard = FiniteGuard("skip")
    update = Update(guard=guard)
    for _ in update.parts({}):
        update({"root": (weight * 0).sum().sqrt()}, optimizer)  # 0, of slope infinity
    assert guard.reasons == ["the gradient of root is not finite"]
    assert weight.item() == 3.0
    for _ in update.parts({}):
        update({"plain": weight.sum()}, optimizer)
    assert len(guard.reasons) == 1
    assert weight.item() == pytest.approx(2.9)


def test_a_part_that_is_not_finite_leaves_the_whole_update_out():
    weight, optimizer = one_weight()
    guard = FiniteGuard("skip")
    update = Update(accumulate=2, guard=guard)
    x = paddle.to_tensor([[1.0], [math.inf]])
    for part in update.parts({"x": x}):
        update({"sum": (weight * part["x"]).sum()}, optimizer)
    assert guard.reasons == ["sum is inf"]
    assert weight.item() == 3.0
    stop = Update(guard=FiniteGuard("stop"))
    with pytest.raises(NotFinite, match="sum is inf"):
        stop({"sum": (weight * x).sum()}, optimizer)
    assert weight.item() == 3.0


@pytest.mark.parametrize("name", ["on_bad_file", "on_nan", "on_full_disk"])
def test_other_choices_are_refused(pairs, tmp_path, name):
    flag = "--" + name.replace("_", "-")
    with pytest.raises(InputError, match=f"{flag} must be one of stop, "):
        train(pairs, tmp_path / "run", steps=1, **{name: "maybe"})


# Disks


def fill(disk):
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while file.write(b"\0" * 4096):
            pass


def filling(disk, full, free=None):
    """A model that fills the disk in one step, and makes it free in another."""

    def train_step(self, batch, step, update):
        if step == full:
            fill(disk)
        if step == free:
            (disk / "filler").unlink()
        return Pix2Pix.train_step(self, batch, step, update)

    return type("Filling", (Pix2Pix,), {"train_step": train_step, "__module__": Pix2Pix.__module__})


def test_a_disk_that_fills_up_stops_the_run_and_the_last_checkpoint_stays(pairs, tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        with pytest.raises(InputError, match="No space left"):
            train(pairs, disk / "run", filling(disk, 3), steps=9, save_every=2, keep=1, log_every=9)
        assert steps_saved(disk / "run") == [2]
        assert checkpoint.newest(disk / "run" / "checkpoints")[2] == []
        assert not list(disk.rglob("*.part"))
        (disk / "filler").unlink()
        train(pairs, disk / "run", steps=9, save_every=2, keep=1)
        train(pairs, tmp_path / "whole", steps=9)
        assert weights(disk / "run") == weights(tmp_path / "whole")


def test_a_run_goes_on_while_the_disk_is_full(pairs, tmp_path, capsys):
    settings = {"steps": 9, "save_every": 1, "keep": 1, "on_full_disk": "go-on"}
    with small_disk(tmp_path / "disk") as disk:
        train(pairs, disk / "run", filling(disk, 2, free=6), sample_every=1, **settings)
        said = capsys.readouterr().out
        assert said.count("generator.pdparams: No space left") == 1  # not again for 4, 5, 6
        assert "training continues" in said
        assert steps_saved(disk / "run") == [9]
        # Every line is whole.
        assert {1, 2, 7, 8, 9} <= {line["step"] for line in log_of(disk / "run")}
        assert not list(disk.rglob("*.part"))
        assert not list(disk.rglob("samples/.*"))


def test_going_on_needs_the_last_checkpoint(pairs, tmp_path):
    settings = {"steps": 6, "save_every": 1, "keep": 1, "on_full_disk": "go-on"}
    with small_disk(tmp_path / "disk") as disk:
        with pytest.raises(InputError, match="No space left"):
            train(pairs, disk / "run", filling(disk, 2), **settings)
        assert steps_saved(disk / "run") == [2]


def test_half_a_line_does_not_stay_in_the_log(tmp_path):
    with small_disk(tmp_path / "disk", "64k") as disk:
        folder = RunFolder(disk)
        folder.append({"step": 1, "losses": {}})
        fill(disk)
        line = {"step": 2, "losses": {"long" * 2000: 1.0}}  # more than the rest of a page
        with pytest.raises(InputError, match="No space left"):
            folder.append(line)
        (disk / "filler").unlink()
        folder.append({"step": 999, "losses": {}})
        text = (disk / "log.jsonl").read_text()
        assert [json.loads(line) for line in text.splitlines()][-1]["step"] == 999


def test_a_read_only_disk_is_said_at_the_start(pairs, tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        train(pairs, disk / "run", steps=1)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for out in ("run", "new"):
            with pytest.raises(InputError, match=r"cannot be written to.*--out"):
                train(pairs, disk / out, steps=2)


# Kills, locks, clocks


def test_what_a_kill_moved_aside_is_put_back(tmp_path):
    """The moments of atomic_folder and remove_folder at which a kill may come."""
    folder = tmp_path / "checkpoints"
    for name in (".000004.77.old.part", ".000006.77.old.part", ".000006.77.part", "000008",
                 ".000008.77.old.part", ".000002.77.part"):  # fmt: skip
        (folder / name).mkdir(parents=True)
        (folder / name / "state.json").write_text(name)
    remove_stale(folder)
    assert sorted(p.name for p in folder.iterdir()) == ["000004", "000006", "000008"]
    assert (folder / "000006" / "state.json").read_text() == ".000006.77.old.part"
    assert (folder / "000008" / "state.json").read_text() == "000008"
    remove_folder(folder / "000004")
    assert sorted(p.name for p in folder.iterdir()) == ["000006", "000008"]


HOLD = """
import sys, time
sys.path.insert(0, {root!r})
from data_reader import framework
framework.prepare()
from paddle_gans.training.run_folder import RunFolder
with RunFolder({out!r}):
    print("locked", flush=True)
    time.sleep(600)
"""


def test_the_lock_goes_with_the_one_who_holds_it(pairs, tmp_path):
    out = tmp_path / "run"
    code = HOLD.format(root=str(ROOT), out=str(out))
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(InputError, match="another trainer"):
            train(pairs, out, steps=1)
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    train(pairs, out, steps=1)


def test_neither_the_clock_nor_file_times_decide_which_checkpoint_is_the_newest(pairs, tmp_path):
    out = tmp_path / "run"
    train(pairs, out, steps=4, save_every=2)
    past = time.time() - 1e8
    for path in [*(out / "checkpoints" / "000004").iterdir(), out / "checkpoints" / "000004"]:
        os.utime(path, (past, past))
    train(pairs, out, steps=6)
    assert [line["step"] for line in log_of(out)] == [1, 2, 3, 4, 5, 6]


def test_the_bar_goes_on_when_the_clock_is_set_back(monkeypatch):
    from tqdm import std

    now = [1e9]
    monkeypatch.setattr(std, "time", lambda: now[0])
    shown = io.StringIO()
    with progress.Bar(total=3, file=shown, mininterval=0, ncols=80) as bar:
        bar.update()
        now[0] -= 3600
        bar.update()
        assert "2/3" in shown.getvalue()
        assert bar.format_dict["elapsed"] >= 0


# Long runs


def test_curves_of_a_long_run_are_bounded_and_true():
    curves, steps = panels.Curves(), 20_000
    for step in range(1, steps + 1):
        curves.add({"step": step, "losses": {"d_loss": float(step)}, "seconds": 1.0})
        if step % 5000 == 0:
            curves.add({"step": step, "validation": {"distance": 1.0}})
    lines = curves.lines()
    losses = [line for line in lines if "losses" in line]
    assert len(losses) <= panels.MAX_POINTS
    assert len(lines) - len(losses) == 4
    width = losses[1]["step"] - losses[0]["step"]
    assert losses[-1]["step"] == steps
    for line in losses[:-1]:
        assert line["losses"]["d_loss"] == line["step"] - (width - 1) / 2
    short = [{"step": s, "losses": {"d_loss": 0.1 * s}} for s in range(9)]
    assert panels.Curves(short).lines() == short


@pytest.mark.slow
def test_the_faults_as_the_benchmark_makes_them():
    """Real processes, killed, filled up, misled; the long run among them."""
    script = ROOT / "benchmarks" / "faults.py"
    words = [sys.executable, str(script), "--quick"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    table = json.loads(done.stdout.splitlines()[-1])
    assert not table["lost"]
    tried = {name for name, row in table["faults"].items() if row["times"]}
    assert {"kill -9", "SIGTERM", "bad file", "second trainer", "flipped bit", "long run"} <= tried


def test_names_that_are_not_utf8(pairs, tmp_path):
    """Names as a zip from a Chinese Windows gives them, in every place of a command."""
    work = tmp_path / os.fsdecode("\u6570\u636e".encode("gbk"))
    work.mkdir()
    data = pairs.rename(work / pairs.name)
    for path in list(data.rglob("*.png")):
        path.rename(path.with_name(work.name + path.name))
    train(data, work / "run", steps=1)
    train(data, work / "run", steps=2)  # resumes: the record of the run can be read
    assert weights(work / "run")
    cut(data / "trainB" / f"{work.name}3.png")
    train(data, work / "skip", steps=6, on_bad_file="skip")
    assert os.fsencode(f"{work.name}3.png") in (work / "skip" / "bad_files.txt").read_bytes()
    with VideoWriter(work / "a.mp4", 25, (64, 48)) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
    with VideoReader(work / "a.mp4") as reader:
        assert len(list(reader)) == 1
    infer(work / "run", [data / "testA", work / "a.mp4"], work / "out")
    assert below(work / "out") == ["a.mp4", *(f"{work.name}{i}.png" for i in range(2))]


def wrong_files(folder, sound):
    """Everything that may have an image's name, and what is said about it."""
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "endless.png").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.png")
    (folder / "empty.png").touch()
    with (folder / "large.png").open("wb") as file:
        file.truncate(2**40)
    write_image(folder / "line.png", np.zeros((1, 30000, 3), np.uint8))
    (folder / "folder.png").mkdir()
    (folder / "folder.png" / "inside.png").write_bytes(sound)
    return {
        "loop.png": "is a link to",
        "gone.png": "is a link to",
        "endless.png": "is a device",
        "pipe.png": "is a device, a pipe",
        "empty.png": "is empty",
        "large.png": "is larger than",
    }


def test_what_can_be_wrong_with_one_file_is_one_bad_file(pairs, tmp_path, capsys):
    train(pairs, tmp_path / "run", steps=1)
    sound = (pairs / "trainA" / "0.png").read_bytes()
    wrong = wrong_files(pairs / "trainA", sound)
    capsys.readouterr()
    with pytest.raises(InputError, match="6 of 14 images could not be read"):
        infer(tmp_path / "run", pairs / "trainA", tmp_path / "out")
    said = capsys.readouterr()
    for name, words in wrong.items():
        assert re.search(rf"{name} {words}", said.out + said.err), name
    assert len(below(tmp_path / "out")) == 8

    settings = {"workers": 0, "sample_every": 99, "save_every": 99}
    settings |= {**TINY["cyclegan"], "load_size": 286, "data": str(pairs)}
    with pytest.raises(InputError, match=r"trainA.\w+\.png is "):
        trainer.train(CycleGAN, out=str(tmp_path / "stop"), steps=1, **settings)
    settings |= {"on_bad_file": "skip"}
    trainer.train(CycleGAN, out=str(tmp_path / "skip"), steps=14, **settings)
    lines = (tmp_path / "skip" / "bad_files.txt").read_text()
    for name, words in {**wrong, "line.png": "would be enlarged from 30000 x 1"}.items():
        assert re.search(rf"{name} {words}", lines), name


def test_an_image_that_opencv_cannot_resize_is_a_bad_file(monkeypatch):
    def fail(*arguments, **settings):
        raise cv2.error("insufficient\nmemory")

    monkeypatch.setattr(transforms.cv2, "resize", fail)
    monkeypatch.setattr(cv2.error, "err", "insufficient\nmemory", raising=False)
    with pytest.raises(InputError, match=r"cannot resize a\.png from 8 x 8 .*insufficient memory"):
        transforms.resize(np.zeros((8, 8, 3), np.uint8), 9, 9, name="a.png")
