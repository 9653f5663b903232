"""Two real processes on the framework's launcher: equal to each other, and to one process."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, TINY

from paddle_gans import models
from paddle_gans.training import checkpoint

pytestmark = pytest.mark.slow

RANK = """
import hashlib, sys
sys.path.insert(0, {root!r})
from data_reader import framework
framework.prepare()
import paddle
from paddle_gans import models
from paddle_gans.training import parallel
from paddle_gans.training.model import Update
from paddle_gans.training.plan import choose_device, make_plan
from paddle_gans.training.trainer import step_seed, train_on

choose_device("cpu")
parallel.start()
plan = make_plan(
    models.find({name!r}), None, workers=0, **{{"batch_size": 4, **{options!r}}}
)
update = Update()
for step in range(3):
    paddle.seed(step_seed(0, parallel.rank(), step))
    batch = {{k: paddle.to_tensor(v) for k, v in plan.loader.batch(step).items()}}
    train_on(plan.model, batch, step, update)
    parallel.average_statistics(plan.model)
digest = hashlib.sha256()
for key, tensor in plan.model.state_dict().items():
    if "pool" not in key:  # each rank has the history of its own images
        digest.update(tensor.numpy().tobytes())
open({out!r} + str(parallel.rank()), "w").write(digest.hexdigest())
"""


def launch(script, *arguments, folder):
    words = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2",
             "--log_dir", str(folder / "logs"), str(script), *arguments]  # fmt: skip
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300)
    logs = "".join(p.read_text() for p in sorted((folder / "logs").glob("workerlog*")))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    return logs


@pytest.mark.parametrize("name", models.names())
def test_two_ranks_stay_bit_equal(name, tmp_path):
    out = tmp_path / "digest"
    script = tmp_path / "rank.py"
    script.write_text(
        RANK.format(root=str(ROOT), name=name, options=TINY.get(name, {}), out=str(out))
    )
    launch(script, folder=tmp_path)
    first, second = (Path(f"{out}{rank}").read_text() for rank in (0, 1))
    assert first == second


def test_two_ranks_with_half_batches_equal_one_process(tmp_path):
    """CycleGAN has no batch norm, and its pools are still filling."""
    flags = ["--model", "cyclegan", "--steps", "4", "--batch-size", "2", "--base-dim", "4",
             "--residual-num", "1", "--crop-size", "32", "--workers", "0"]  # fmt: skip
    script = ROOT / "paddle_gans" / "train.py"
    launch(script, *flags, "--out", str(tmp_path / "two"), folder=tmp_path)
    words = [sys.executable, str(script), *flags, "--out", str(tmp_path / "one")]
    subprocess.run(words, check=True, capture_output=True, timeout=300)
    for network in ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b"):
        one, two = (
            checkpoint.read_network(tmp_path / run / f"checkpoints/000004/{network}.pdparams")[0]
            for run in ("one", "two")
        )
        for name in one:
            if name.endswith("weight"):  # a bias before an instance norm moves by rounding alone
                # Adam makes a step of any gradient, of rounding too, so that single elements may
                # part by more. Gradients that were not averaged part all by 4e-4 or so.
                apart = np.abs(two[name] - one[name])
                assert apart.mean() < 1e-5, name
                assert apart.max() < 3e-4, name
