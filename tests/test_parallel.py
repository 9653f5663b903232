"""Two real processes on the framework's launcher: equal to each other, and to one process."""

import hashlib
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, TINY, noise_image

from data_reader import layout
from data_reader.datasets import Paired
from data_reader.images import write_image
from data_reader.loader import Loader
from paddle_gans import models
from paddle_gans.training import checkpoint
from paddle_gans.weights import formats

pytestmark = pytest.mark.slow

SCRIPT = ROOT / "paddle_gans" / "train.py"
RANK = """
import hashlib, sys
sys.path.insert(0, {root!r})
from data_reader import framework
framework.prepare()
import paddle
from paddle_gans import models
from paddle_gans.training import parallel
from paddle_gans.training.model import Update
from paddle_gans.training.experiment import setup
from paddle_gans.training.trainer import step_seed, training_step

for name, options in {cases!r}.items():
    run = {{"device": "cpu", "workers": 0, "batch_size": 4}}
    experiment = setup(models.find(name), {{**run, **options}})
    update = Update()
    for step in range(3):
        paddle.seed(step_seed(0, parallel.rank(), step))
        batch = {{k: paddle.to_tensor(v) for k, v in experiment.loader.batch(step).items()}}
        training_step(experiment.model, batch, step, update)
        parallel.average_statistics(experiment.model)
    digest = hashlib.sha256()
    for key, tensor in experiment.model.state_dict().items():
        if "pool" not in key:  # each rank has the history of its own images
            digest.update(tensor.numpy().tobytes())
    with open({out!r} + name + str(parallel.rank()), "w") as file:
        file.write(digest.hexdigest())
"""


def command(folder, script, *arguments, ranks=2):
    launcher = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", str(ranks),
                "--log_dir", str(folder / "logs")] if ranks > 1 else [sys.executable]  # fmt: skip
    return [*launcher, str(script), *map(str, arguments)]


def launch(folder, script, *arguments, ranks=2, code=0):
    """Run it; returns what was on the screen."""
    words = command(folder, script, *arguments, ranks=ranks)
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=600)
    logs = "".join(p.read_text() for p in sorted((folder / "logs").glob("workerlog*")))
    assert done.returncode == code, done.stdout + done.stderr + logs
    return done.stdout + done.stderr


def test_two_ranks_stay_bit_equal(tmp_path):
    """Every model there is, one after the other in the same two processes."""
    cases = {name: TINY.get(name, {}) for name in models.names()}
    script = tmp_path / "rank.py"
    script.write_text(RANK.format(root=str(ROOT), cases=cases, out=str(tmp_path) + "/"))
    launch(tmp_path, script)
    for name in models.names():
        first, second = ((tmp_path / f"{name}{rank}").read_text() for rank in (0, 1))
        assert first == second, name


# StarGAN v2's weights of one-step-old averages are left out: they say nothing new.
# Without random crops, some of which leave gradients so small that rounding decides their sign.
EQUAL = {
    "cyclegan": ["--batch-size", "2", "--crop-size", "32", "--base-dim", "4", "--residual-num",
                 "1"],
    "stargan_v2": ["--batch-size", "2", "--crop-size", "64", "--base-dim", "4", "--max-channels",
                   "8", "--hidden-dim", "8", "--no-augment"],
}  # fmt: skip


@pytest.mark.parametrize("name", EQUAL)
def test_two_ranks_with_half_batches_equal_one_process(name, tmp_path):
    """Neither has batch norm, and CycleGAN's pools are still filling.

    Adam makes a step of any gradient, of rounding too (StarGAN v2's beta1 is 0: of its sign), so
    that single elements may part by a whole step. What is compared is the mean deviation of a
    parameter; where gradients are not averaged, it is 4e-4 or so.
    """
    flags = ["--model", name, "--steps", "4", "--workers", "0", "--device", "cpu", *EQUAL[name]]
    if name == "stargan_v2":
        flags += ["--learning-rate", "1e-4", "--mapping-learning-rate", "1e-6"]  # the article's
    for ranks in (1, 2):
        launch(tmp_path, SCRIPT, *flags, "--out", tmp_path / str(ranks), ranks=ranks)
    one, two = (tmp_path / str(ranks) / "checkpoints" / "000004" for ranks in (1, 2))
    networks = [p.name for p in one.glob("*.pdparams") if "pool" not in p.name]
    assert len(networks) >= 4
    for network in networks:
        here, there = (formats.read_network(run / network)[0] for run in (one, two))
        for key in here:
            if key.endswith("weight"):  # a bias before an instance norm moves by rounding alone
                apart = np.abs(there[key] - here[key])
                assert apart.mean() < 1e-5, (network, key)
    lines = [(tmp_path / str(ranks) / "log.jsonl").read_text().splitlines() for ranks in (1, 2)]
    (first_of_one, first_of_two) = (json.loads(x[0]) for x in lines)
    # Each rank logs the losses of its own half; they are of the same size, not the same.
    assert set(first_of_one["losses"]) == set(first_of_two["losses"])


CYCLEGAN = ["--model", "cyclegan", "--batch-size", "2", "--base-dim", "4", "--residual-num", "1",
            "--crop-size", "32", "--pool-size", "2", "--workers", "0", "--device", "cpu",
            "--save-every", "3"]  # fmt: skip


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.glob("*.pd*")}


def test_resumed_with_as_many_ranks_it_is_exact_and_with_another_number_it_says_so(tmp_path):
    """The pools are full and exchange images, so that each rank needs its own again."""
    launch(tmp_path, SCRIPT, *CYCLEGAN, "--steps", "6", "--out", tmp_path / "whole")
    launch(tmp_path, SCRIPT, *CYCLEGAN, "--steps", "3", "--out", tmp_path / "parts")
    half = tmp_path / "parts" / "checkpoints" / "000003"
    assert (half / "pool_a.rank1.pdparams").is_file()
    first, second = (formats.read_network(half / f"pool_a{r}.pdparams")[0]["images"]
                     for r in ("", ".rank1"))  # fmt: skip
    assert not np.array_equal(first, second)
    launch(tmp_path, SCRIPT, *CYCLEGAN, "--steps", "6", "--out", tmp_path / "parts")
    whole, parts = (digests(tmp_path / run / "checkpoints/000006") for run in ("whole", "parts"))
    assert len(whole) == 4 + 4 + 3  # networks, pools of two ranks, optimizers
    assert whole == parts

    said = launch(tmp_path, SCRIPT, *CYCLEGAN, "--steps", "7", "--out", tmp_path / "parts", ranks=1)
    assert "the run had 2 processes and now has 1" in said
    last = tmp_path / "parts" / "checkpoints" / "000007"
    assert json.loads((last / "state.json").read_text())["world_size"] == 1
    assert not (last / "pool_a.rank1.pdparams").exists()


PIX2PIX = ["--model", "pix2pix", "--base-dim", "4", "--residual-num", "1", "--load-size", "0",
           "--crop-size", "32", "--batch-size", "4", "--workers", "0", "--device",
           "cpu"]  # fmt: skip


@pytest.fixture
def sixteen(tmp_path):
    root = tmp_path / "pairs"
    for i in range(16):
        write_image(root / "trainA" / f"{i}.png", noise_image(i))
        write_image(root / "trainB" / f"{i}.png", noise_image(100 + i))
    return root


def test_a_bad_file_on_one_rank_ends_both_with_its_message_and_what_was_learned(tmp_path, sixteen):
    items = Paired(layout.paired(sixteen, train=True)[0], load_size=0, crop_size=32)
    bad = Path(Loader(items, 4, rank=1, world_size=2).files(2)[0])  # read by rank 1 alone, third
    bad.write_bytes(bad.read_bytes()[:60])
    out = tmp_path / "run"
    flags = [*PIX2PIX, "--steps", "50", "--data", sixteen, "--out", out]
    said = launch(tmp_path, SCRIPT, *flags, code=2)
    assert f"error: {bad} is truncated" in said
    assert "(rank 1)" in said
    assert [p.name for p in checkpoint.checkpoints(out / "checkpoints")] == ["000002"]
    for log in sorted((tmp_path / "logs").glob("workerlog.*")):
        assert "Traceback" not in log.read_text(), log
        assert f"error: {bad} is truncated" in log.read_text(), log


def test_a_wrong_option_ends_all_before_they_have_met(tmp_path):
    said = launch(tmp_path, SCRIPT, *PIX2PIX, "--steps", "2", "--epochs", "1", code=2)
    assert "error: --steps and --epochs both set the length of the run" in said
    assert "Traceback" not in said


# A trainer of pix2pix that does something before each step.
FAULTY = """
import hashlib, importlib, os, sys, time
sys.path.insert(0, {root!r})
from data_reader import framework
framework.prepare()
from paddle_gans.command import run
from paddle_gans.models.pix2pix import Pix2Pix
from paddle_gans.training import parallel
sound = Pix2Pix.train_step

def train_step(self, batch, step, update):
{fault}
    return sound(self, batch, step, update)

Pix2Pix.train_step = train_step
run(importlib.import_module("paddle_gans.train_command").main)
"""
ENDS = """
    if parallel.rank() == 1 and step == 2:
        print("time of the fault", time.time(), flush=True)
        {fault}
"""


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("raise RuntimeError('a bug in a step')", "RuntimeError: a bug in a step"),
        ("os.kill(os.getpid(), 9)", "Container rank 1 status failed"),
    ],
)
def test_a_rank_that_dies_within_a_step_ends_the_other_in_seconds(tmp_path, sixteen, fault, words):
    script = tmp_path / "faulty.py"
    script.write_text(FAULTY.format(root=str(ROOT), fault=ENDS.format(fault=fault)))
    flags = [*PIX2PIX, "--steps", "50", "--data", sixteen, "--out", tmp_path / "run"]
    done = subprocess.run(
        command(tmp_path, script, *flags), cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    ended = time.time()
    assert done.returncode != 0
    assert words in done.stdout + done.stderr
    log = (tmp_path / "logs" / "workerlog.1").read_text()
    at = next(line for line in log.splitlines() if line.startswith("time of the fault"))
    assert ended - float(at.split()[-1]) < 30  # 6 to 10 with a core for each


def test_ctrl_c_saves_once_and_can_be_gone_on_with(tmp_path, sixteen):
    out = tmp_path / "run"
    words = command(tmp_path, SCRIPT, *PIX2PIX, "--steps", 10**5, "--data", sixteen, "--out", out)
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 300
        while not (out / "log.jsonl").exists() or not (out / "log.jsonl").read_text():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        process.wait(60)
    finally:
        process.kill()
    (saved,) = checkpoint.checkpoints(out / "checkpoints")
    step = checkpoint.verify(saved)["step"]
    log = (tmp_path / "logs" / "workerlog.0").read_text()
    assert f"stopped at step {step}, saved" in log
    assert "Traceback" not in log


# Poisons the third step of one rank, and tells what the generator's weights are around it.
POISON = """
    if parallel.rank() == 1 and step == 2:
        batch = {key: x * float("nan") for key, x in batch.items()}
    if step in (2, 3, 4):
        moved = b"".join(p.numpy().tobytes() for p in self.generator.parameters())
        print("weights before", step, hashlib.sha256(moved).hexdigest(), flush=True)
"""


def test_what_is_not_finite_on_one_rank_is_left_out_on_both(tmp_path, sixteen):
    script = tmp_path / "poisoned.py"
    script.write_text(FAULTY.format(root=str(ROOT), fault=POISON))
    out = tmp_path / "run"
    flags = [*PIX2PIX, "--steps", "5", "--data", sixteen, "--out", out, "--on-nan", "skip"]
    launch(tmp_path, script, *flags)
    logs = [(tmp_path / "logs" / f"workerlog.{rank}").read_text() for rank in (0, 1)]
    seen = [re.findall(r"weights before (\d) (\w+)", log) for log in logs]
    assert seen[0] == seen[1]
    before, after, later = (digest for _, digest in seen[0])
    assert before == after != later  # the third step is left out, the fourth is not
    assert "warning: step 3 is skipped: " in logs[0]
    assert (out / "not_finite" / "000003.1" / "batch.npz").is_file()
    assert json.loads((out / "checkpoints/000005/state.json").read_text())["skipped_steps"] == 1
