"""Validation: figures of validation items, and the best checkpoint by one of them."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import paddle
import pytest
from conftest import ROOT, TINY, log_of, noise_image

import paddle_gans
from data_reader import InputError
from data_reader.atomic import atomic_folder
from data_reader.datasets import without_randomness
from data_reader.images import read_image, write_image
from paddle_gans.models.pix2pix import Pix2Pix
from paddle_gans.train_command import main
from paddle_gans.training import checkpoint, trainer
from paddle_gans.training.dry_run import dry_run
from paddle_gans.training.guards import Stopped
from paddle_gans.training.model import GANModel, SampleGrid
from paddle_gans.training.panels import draw_curves
from paddle_gans.training.run_folder import RunFolder
from paddle_gans.training.validation import (
    D_METRICS,
    Validation,
    overfitting_warnings,
    spread,
)
from paddle_gans.weights import formats


class Counter(paddle.nn.Layer):
    """How many steps were trained, in the state that checkpoints hold."""

    def __init__(self):
        super().__init__()
        self.register_buffer("count", paddle.zeros([1]))


class Measured(Pix2Pix):
    """pix2pix that measures itself; the files that it writes are pix2pix's."""

    __module__ = Pix2Pix.__module__
    metrics = {"score": "higher", "l1": "lower", "l1_black": "none", "broken": "higher"}
    sample_grid = SampleGrid(count=1)

    def __init__(
        self, *, base_dim: int = 4, residual_num: int = 1, load_size: int = 0, crop_size: int = 32
    ):
        super().__init__(
            base_dim=base_dim, residual_num=residual_num, load_size=load_size, crop_size=crop_size
        )
        self.counter = Counter()

    def train_step(self, batch, step, update):
        self.counter.count.set_value(self.counter.count + 1)
        return super().train_step(batch, step, update)

    def validate(self, batch):
        assert not self.training
        paddle.randn([3])  # what a model draws here is nobody else's
        source, target = self.directed(batch)
        fake = self.generator(source)
        assert fake.stop_gradient
        count = int(self.counter.count.item())
        return {
            "score": 7 * count % 11 + count // 4,  # up and down: best at 3, 14, 28, 36
            "l1": (fake - target).abs().mean(),
            "l1_black": target.abs().mean(),
            "broken": math.nan,
        }


def train(data, out, model_class=Measured, **settings):
    """Epochs of three steps; nothing is saved between validations unless asked for."""
    defaults = {
        "batch_size": 2,
        "log_every": 2,
        "sample_every": 100,
        "save_every": 100,
        "workers": 0,
    }
    return trainer.train(model_class, data=str(data), out=str(out), **{**defaults, **settings})


def validations(out):
    return {x["step"]: x["validation"] for x in log_of(out) if "validation" in x}


def best_step(out):
    """The step at which ``score`` was highest, the first of them."""
    found = validations(out)
    return max(found, key=lambda step: found[step]["score"])


def best_of(out):
    return json.loads((Path(out) / "best" / "best.json").read_text())


def files(folder):
    return {p.name: p.read_bytes() for p in Path(folder).iterdir() if p.is_file()}


def assert_same_run(one, other):
    """Weights, losses, validations and the best are equal, bit for bit."""
    assert files(one / "best") == files(other / "best")
    assert validations(one) == validations(other)
    assert list(validations(one)) == sorted(validations(one))
    losses = [
        {x["step"]: x["losses"] for x in log_of(run) if "losses" in x} for run in (one, other)
    ]
    common = losses[0].keys() & losses[1].keys()
    assert len(common) > 2
    assert all(losses[0][step] == losses[1][step] for step in common)
    last = max(p.name for p in (one / "checkpoints").iterdir())
    state = [files(run / "checkpoints" / last) for run in (one, other)]
    for name in set(state[0]) - {"state.json"}:  # that holds the seconds
        assert state[0][name] == state[1][name], name


# When, what, and how it is written down


def test_every_epoch_and_at_the_end(pairs, tmp_path, capsys):
    out = tmp_path / "run"
    result = train(pairs, out, steps=8)
    found = validations(out)
    assert list(found) == [3, 6, 8]
    for figures in found.values():
        assert list(figures) == [*Measured.metrics, *D_METRICS]
        assert figures["broken"] is None  # not a number, and the file is JSON all the same
        assert 0 < figures["l1"] < 2
    assert found[3]["l1_black"] == found[8]["l1_black"]
    assert "NaN" not in (out / "log.jsonl").read_text()
    assert [x["epoch"] for x in log_of(out) if "validation" in x] == [0, 1, 2]
    # The losses are logged as ever, and are what a run returns.
    losses = [x for x in log_of(out) if "losses" in x]
    assert [x["step"] for x in losses] == [1, 2, 4, 6, 8]
    assert all("validation" not in x for x in losses)
    assert result.losses == losses[-1]["losses"]
    assert sorted(p.name for p in (out / "samples").iterdir()) == [
        "000003.png", "000006.png", "000008.png",
    ]  # fmt: skip
    said = capsys.readouterr().out
    assert (
        "validation every 3 steps and at the end, on 2 of 2 validation items: score (higher" in said
    )
    assert "validation at step 3  score 10  l1 0." in said
    assert not (out / "best").exists()


def test_as_often_as_asked_for(pairs, tmp_path):
    train(pairs, tmp_path / "two", steps=3, validate_every=2)
    assert list(validations(tmp_path / "two")) == [2, 3]
    train(pairs, tmp_path / "never", steps=3, validate_every=0)
    assert not validations(tmp_path / "never")
    train(pairs, tmp_path / "short", steps=2)  # less than an epoch
    assert list(validations(tmp_path / "short")) == [2]


def test_training_does_not_notice(pairs, tmp_path):
    train(pairs, tmp_path / "often", steps=4, validate_every=1, best_by="score")
    train(pairs, tmp_path / "never", steps=4, validate_every=0)
    a, b = (files(tmp_path / run / "checkpoints" / "000004") for run in ("often", "never"))
    for name in set(a) - {"state.json"}:
        assert a[name] == b[name], name


class Silent(Pix2Pix):
    """Measures nothing, and shows nothing of its discriminator."""

    __module__ = Pix2Pix.__module__
    discriminator_outputs = GANModel.discriminator_outputs


def test_a_model_without_figures_is_not_validated(pairs, tmp_path):
    train(pairs, tmp_path / "run", Silent, steps=3, **TINY["pix2pix"])
    assert all("losses" in line for line in log_of(tmp_path / "run"))


def test_the_discriminators_outputs_are_logged_with_each_panel(pairs, tmp_path):
    """On training, held-out and generated images; an epoch, 3 steps, is too often for that."""
    train(pairs, tmp_path / "run", Pix2Pix, steps=9, sample_every=4, **TINY["pix2pix"])
    found = validations(tmp_path / "run")
    assert list(found) == [4, 8, 9]
    # They stand in the lines of the losses: a run of such a model has no others.
    lines = log_of(tmp_path / "run")
    assert [line["step"] for line in lines] == [1, 2, 4, 6, 8, 9]
    assert all("losses" in line for line in lines)
    model = Pix2Pix(**TINY["pix2pix"])
    checkpoint.load_checkpoint(tmp_path / "run" / "checkpoints" / "000009", model)
    model.eval()
    for split, name in (("train", "d_real_train"), ("test", "d_real_validation")):
        items = without_randomness(model.dataset(str(pairs), train=split == "train"))
        pairs_of = [items.item(i, None) for i in range(len(items))]
        inputs = paddle.to_tensor(np.stack([np.concatenate([x["a"], x["b"]]) for x in pairs_of]))
        mean = model.discriminator(inputs).mean().item()
        assert found[9][name] == pytest.approx(mean, abs=1e-5)
    a = paddle.to_tensor(np.stack([x["a"] for x in pairs_of]))
    generated = model.discriminator(paddle.concat([a, model.generator(a)], axis=1)).mean().item()
    assert found[9]["d_generated"] == pytest.approx(generated, abs=1e-5)


def judged(train, held_out, generated):
    """A validation's figures."""
    return dict(zip(D_METRICS, (train, held_out, generated)))


def test_an_overfitting_discriminator_is_warned_of():
    close = judged(2.0, 1.8, -2.0)  # a twentieth of the way down to generated images
    apart = judged(2.0, -1.0, -2.0)  # three quarters
    assert overfitting_warnings([close] * 5) == []
    assert overfitting_warnings([apart] * 2) == []
    assert overfitting_warnings([apart, apart, close]) == []
    (said,) = overfitting_warnings([close, apart, apart, apart])
    assert "2.00 on them, -1.00 on validation images and -2.00 on generated" in said
    assert "--diff-augment color,translation,cutout" in said
    # Fooled altogether, or broken, it says nothing of memory.
    assert overfitting_warnings([judged(-1.0, -2.0, 0.0)] * 3) == []
    assert overfitting_warnings([judged(math.nan, -2.0, 0.0)] * 3) == []
    assert overfitting_warnings([{"psnr": 1.0}] * 3) == []


def build(data):
    paddle.seed(0)
    model = Measured()
    return model, model.dataset(str(data), train=False)


def test_averages_count_images_not_batches(pairs):
    for i in range(2, 5):
        write_image(pairs / "testA" / f"{i}.png", noise_image(i))
        write_image(pairs / "testB" / f"{i}.png", noise_image(i) // (i + 1))
    model, items = build(pairs)
    assert len(items) == 5
    found, single = (
        Validation(model, items, metrics=Measured.metrics, batch_size=size).measure()
        for size in (3, 1)
    )
    assert found["l1"] == pytest.approx(single["l1"], rel=1e-5)
    assert found["l1_black"] == pytest.approx(single["l1_black"], rel=1e-6)
    halves = [items.item(i, None)["b"] for i in range(5)]
    assert found["l1_black"] == pytest.approx(np.mean(np.abs(halves)), rel=1e-6)
    assert model.training


def test_the_model_trains_on_after_an_error(pairs):
    model, items = build(pairs)
    (pairs / "testA" / "1.png").write_bytes(b"\x89PNG")
    validation = Validation(model, items, metrics=Measured.metrics)
    with pytest.raises(InputError, match="testA"):
        validation.measure()
    assert model.training
    assert validation.measure(stopped=lambda: True) == {}
    assert model.training


def test_many_items_are_thinned_out_evenly():
    assert spread(200, 200) == list(range(200))
    assert spread(1000, 200) == list(range(0, 1000, 5))
    assert len(set(spread(201, 200))) == 200


def test_limit_holds_for_both_sets(pairs, tmp_path, capsys):
    train(pairs, tmp_path / "run", steps=1, limit=1, batch_size=1)
    assert "on 1 of 1 validation items" in capsys.readouterr().out


def test_without_a_test_set_it_is_said_and_left_out(pairs, tmp_path, capsys):
    shutil.rmtree(pairs / "testA")
    shutil.rmtree(pairs / "testB")
    train(pairs, tmp_path / "run", steps=3)
    assert "no validation: the data has no test set" in capsys.readouterr().out
    assert not validations(tmp_path / "run")


def test_a_dry_run_tells_of_it_and_writes_nothing(pairs, tmp_path):
    said = dry_run(Measured, data=str(pairs), out=str(tmp_path / "run"), best_by="l1")
    assert "validation every 6 steps and at the end, on 2 of 2 validation items" in said
    assert "--best-by l1" in said
    assert not (tmp_path / "run").exists()


class Anxious(Measured):
    """Warns from the second validation on, with other numbers each time."""

    def validation_warnings(self, history):
        assert all(list(figures) == [*self.metrics, *D_METRICS] for figures in history)
        assert all(math.isnan(figures["broken"]) for figures in history)
        more = ["and one thing more"] if len(history) > 2 else []
        return ([f"it fades: {history[-1]['l1']:.7f}."] if len(history) > 1 else []) + more


def test_a_warning_is_given_once(pairs, tmp_path, capsys):
    train(pairs, tmp_path / "run", Anxious, steps=1, validate_every=1)
    assert "warning:" not in capsys.readouterr().out
    train(pairs, tmp_path / "run", Anxious, steps=4, validate_every=1)  # with what was before
    said = capsys.readouterr().out.splitlines()
    first = next(i for i, line in enumerate(said) if "validation at step 2" in line)
    assert said[first + 1].startswith("warning: it fades: ")
    assert sum("it fades" in line for line in said) == 1
    assert said.count("warning: and one thing more") == 1


def test_curves_have_the_figures_below_the_losses(tmp_path):
    losses = [{"step": s, "losses": {"d_loss": 1 / s, "g_loss": s}} for s in range(1, 20)]
    figures = [
        {"step": s, "validation": {"chroma_result": s, "chroma_truth": 9.0, "psnr": None}}
        for s in (6, 12, 18)
    ]
    heights = {}
    for name, log in {"losses": losses, "both": losses + figures, "figures": figures}.items():
        draw_curves(log, tmp_path / f"{name}.png", "a run")
        heights[name] = read_image(tmp_path / f"{name}.png").shape[0]
    assert heights["both"] > heights["losses"] > 400
    assert heights["both"] == 2 * heights["figures"]  # chroma and psnr below two sides
    draw_curves([], tmp_path / "nothing.png", "a run")
    assert not (tmp_path / "nothing.png").exists()


# The best


def test_the_best_is_kept_apart(pairs, tmp_path, capsys):
    out = tmp_path / "run"
    train(pairs, out, steps=5, validate_every=1, best_by="score", keep=1)
    best = 3
    assert best_of(out) == {
        "metric": "score", "value": validations(out)[best]["score"], "step": best,
    }  # fmt: skip
    assert [p.name for p in checkpoint.checkpoints(out / "checkpoints")] == [
        f"{best:06d}",
        "000005",
    ]
    kept, entry = formats.read_network(out / "best" / "generator.pdparams")
    assert entry["step"] == best
    whole, _ = formats.read_network(out / "checkpoints" / f"{best:06d}" / "generator.pdparams")
    for name, array in whole.items():
        assert array.tobytes() == kept[name].tobytes()
    last, _ = formats.read_network(out / "generator.pdparams")
    assert any(last[name].tobytes() != kept[name].tobytes() for name in kept)
    assert f"validation at step {best}  " in capsys.readouterr().out

    translate = paddle_gans.load(str(out / "best"))
    assert translate.step == best
    assert translate(noise_image(1)).shape == (40, 40, 3)


def test_lower_is_better_where_the_model_says_so(pairs, tmp_path):
    train(pairs, tmp_path / "run", steps=3, validate_every=1, best_by="l1")
    found = validations(tmp_path / "run")
    assert best_of(tmp_path / "run")["value"] == min(figures["l1"] for figures in found.values())


def test_what_is_not_a_number_is_never_the_best(pairs, tmp_path):
    train(pairs, tmp_path / "run", steps=3, best_by="broken")
    assert validations(tmp_path / "run")
    assert not (tmp_path / "run" / "best").exists()


@pytest.mark.parametrize("figure", ["l1", "score"])
def test_equal_values_leave_the_first(pairs, tmp_path, figure):
    model, _ = build(pairs)
    validation = Validation(model, [], metrics=Measured.metrics, best_by=figure)
    validation.resume(RunFolder(tmp_path), start=0, total=9)
    order, sign = [], {"lower": 1, "higher": -1}[model.metrics[figure]]
    for step, value in enumerate([0.5, 0.5, math.nan, 0.4, 0.45], start=1):
        figures = {figure: sign * value}
        if validation.improves(figures):
            validation.keep(step, figures, lambda folder, done: order.append(done))
    assert order == [1, 4]
    assert best_of(tmp_path) == {"metric": figure, "value": sign * 0.4, "step": 4}


PLAIN = {"model_class": Silent, **TINY["pix2pix"]}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"best_by": "scre"}, "did you mean score"),
        ({"best_by": "beauty"}, "score or l1 or broken"),
        ({"best_by": "l1_black"}, "logged only"),
        ({"best_by": "l1", "validate_every": 0}, "--validate-every 0 turns it off"),
        ({"best_by": "l1", **PLAIN}, "no metric to choose by"),
        ({"validate_every": 5, **PLAIN}, "has no metrics"),
        ({"validate_every": -1}, "--validate-every"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(pairs, tmp_path, settings, words):
    with pytest.raises(InputError, match=words):
        train(pairs, tmp_path / "run", steps=1, **settings)
    assert not (tmp_path / "run").exists()


def test_the_best_needs_a_test_set(pairs, tmp_path):
    shutil.rmtree(pairs / "testA")
    shutil.rmtree(pairs / "testB")
    with pytest.raises(InputError, match="no test set"):
        train(pairs, tmp_path / "run", steps=1, best_by="l1")


def test_the_flags_are_explained(capsys):
    with pytest.raises(SystemExit):
        main(["--model", "pix2pix", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "--validate-every N" in said
    assert "--best-by METRIC" in said
    assert "this model has no metrics" in said


# Going on


class Plug(BaseException):
    """The plug was pulled: nothing is saved on the way out."""


def pulled_at(step_of_end, where="train_step"):
    """A model class that ends at a step, or in the validation after it."""

    class Pulled(Measured):
        __module__ = Measured.__module__
        at = -1

        def train_step(self, batch, step, update):
            self.at = step + 1
            if where == "train_step" and self.at == step_of_end:
                raise Plug
            return super().train_step(batch, step, update)

        def validate(self, batch):
            if self.at == step_of_end and where == "signal":
                os.kill(os.getpid(), signal.SIGINT)
            return super().validate(batch)

    return Pulled


RUN = {
    "batch_size": 1,
    "steps": 8,
    "validate_every": 2,
    "best_by": "score",
    "keep": 1,
    "save_every": 5,
}
WHOLE = {}


@pytest.fixture
def whole(pairs, tmp_path_factory):
    """That run in one go, trained once for all tests."""
    if not WHOLE:
        out = tmp_path_factory.mktemp("whole")
        train(pairs, out, **RUN)
        assert best_of(out)["step"] == best_step(out) == 6
        WHOLE["out"] = out
    return WHOLE["out"]


def test_it_goes_on_as_if_nothing_had_been(pairs, tmp_path, whole):
    out = tmp_path / "run"
    for end in (5, 7, 8):
        with pytest.raises(Plug):
            train(pairs, out, pulled_at(end), **RUN)
    train(pairs, out, **RUN)
    assert_same_run(whole, out)


def test_ctrl_c_in_a_validation_saves_and_the_validation_is_done_later(pairs, tmp_path, whole):
    out = tmp_path / "run"
    for step in (4, -1):  # the second time, in making up for it
        with pytest.raises(Stopped) as stop:
            train(pairs, out, pulled_at(step, "signal"), **RUN)
        assert stop.value.step == 4
        assert list(validations(out)) == [2]
        assert checkpoint.newest(out / "checkpoints")[1]["step"] == 4
    with pytest.raises(Stopped):  # and in the last one
        train(pairs, out, pulled_at(8, "signal"), **RUN)
    assert list(validations(out)) == [2, 4, 6]
    result = train(pairs, out, **RUN)
    assert result.step == 8
    assert result.losses
    assert_same_run(whole, out)
    assert (out / "samples" / "000008.png").exists()


def test_killed_while_the_best_is_written(pairs, tmp_path, whole):
    """The checkpoint is written first and the log last; between them best/ takes its turn."""
    done, settings = tmp_path / "done", {**RUN, "steps": 6}
    train(pairs, done, **{**settings, "steps": 4})
    shutil.copytree(done / "best", tmp_path / "before")
    train(pairs, done, **settings)
    lines = (done / "log.jsonl").read_text().splitlines()
    assert "validation" in lines[-1]
    for left in ("old", "nothing", "new"):
        out = tmp_path / left / "run"
        shutil.copytree(done, out)
        (out / "log.jsonl").write_text("\n".join(lines[:-1]) + "\n")
        if left != "new":
            (out / "best").rename(out / ".best.1.part")
        if left == "old":
            shutil.copytree(tmp_path / "before", out / "best")
        train(pairs, out, **settings)  # the very same command, of a run that has all its steps
        assert (out / "log.jsonl").read_text().splitlines() == lines
        assert files(out / "best") == files(done / "best")
        assert not list(out.rglob("*.part"))
    train(pairs, out, **RUN)
    assert_same_run(whole, out)


def test_the_best_may_be_chosen_anew(pairs, tmp_path, capsys):
    out = tmp_path / "run"
    train(pairs, out, steps=1)
    train(pairs, out, steps=2, best_by="l1")
    assert "the best l1 is searched from here on" in capsys.readouterr().out
    assert best_of(out)["step"] == 2
    before = files(out / "best")
    train(pairs, out, steps=4, keep=1, validate_every=0)  # nothing is chosen, and nothing is lost
    assert files(out / "best") == before
    assert [p.name for p in checkpoint.checkpoints(out / "checkpoints")] == ["000002", "000004"]
    train(pairs, out, steps=5, best_by="score")
    assert "the best score is searched from here on" in capsys.readouterr().out
    assert best_of(out)["metric"] == "score"


def test_steps_that_are_done_again_choose_again(pairs, tmp_path, whole):
    """Going back behind the best, by an earlier checkpoint."""
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    train(pairs, tmp_path / "start", **{**RUN, "steps": 5, "validate_every": 0, "best_by": None})
    shutil.copytree(tmp_path / "start" / "checkpoints" / "000005", out / "checkpoints" / "000005")
    (out / "best" / "generator.pdparams").write_bytes(b"of another time")
    train(pairs, out, resume=str(out / "checkpoints" / "000005"), **RUN)
    assert_same_run(whole, out)


def test_a_damaged_best_is_named(pairs, tmp_path):
    train(pairs, tmp_path / "run", steps=3, best_by="l1")
    (tmp_path / "run" / "best" / "best.json").write_text('{"metric": "l1"}')
    with pytest.raises(InputError, match=r"best\.json is damaged"):
        train(pairs, tmp_path / "run", steps=4, best_by="l1")


def test_a_test_file_that_goes_bad_loses_nothing(pairs, tmp_path):
    out, bad = tmp_path / "run", pairs / "testB" / "1.png"
    train(pairs, out, steps=3)
    good = bad.read_bytes()
    bad.write_bytes(good[:200])
    with pytest.raises(InputError, match=r"testB.1\.png"):
        train(pairs, out, steps=7)
    assert checkpoint.newest(out / "checkpoints")[1]["step"] == 6
    assert list(validations(out)) == [3]
    bad.write_bytes(good)
    train(pairs, out, steps=7)
    assert list(validations(out)) == [3, 6, 7]


def test_a_folder_takes_the_others_place_whole(tmp_path):
    with atomic_folder(tmp_path / "best") as folder:
        (folder / "one").write_text("1")
        assert not (tmp_path / "best").exists()
    with pytest.raises(InputError, match="cannot write"):
        write_badly(tmp_path / "best")
    assert [p.name for p in tmp_path.rglob("*")] == ["best", "one"]
    with atomic_folder(tmp_path / "best") as folder:
        (folder / "two").write_text("2")
    assert [p.name for p in tmp_path.rglob("*")] == ["best", "two"]


def write_badly(path):
    with atomic_folder(path) as folder:
        (folder / "two").write_text("2")
        (folder / "three" / "four").write_text("there is no folder three")


# Real processes

SCRIPT = """
import json, sys
sys.path[:0] = [{root!r}, {tests!r}]
from test_validation import Measured, train
settings = json.loads(sys.argv[1])
train(settings.pop("data"), settings.pop("out"), **settings)
"""


def script(tmp_path):
    path = tmp_path / "train_measured.py"
    path.write_text(SCRIPT.format(root=str(ROOT), tests=str(ROOT / "tests")))
    return str(path)


@pytest.mark.slow
def test_killed_at_random_moments_the_best_is_the_same(pairs, tmp_path):
    """24 steps in one go, and 24 steps across four kill -9, give the same bytes."""
    settings = {**RUN, "steps": 24, "log_every": 1}
    train(pairs, tmp_path / "whole", **settings)
    out, rng = tmp_path / "run", np.random.default_rng(os.getpid())
    arguments = json.dumps({**settings, "data": str(pairs), "out": str(out)})
    words = [sys.executable, script(tmp_path), arguments]
    for kill in range(4):
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        end, lines = time.monotonic() + 120, 8 * kill + rng.integers(5)
        while len(RunFolder(out).log()) <= lines:
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(float(rng.random()) * 0.1)
        process.kill()
        process.communicate()
        if (out / "best").exists():  # whole or absent
            assert set(files(out / "best")) == {"generator.pdparams", "best.json"}
            formats.read_network(out / "best" / "generator.pdparams")
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, timeout=200)
    assert_same_run(tmp_path / "whole", out)
    assert not list(out.rglob("*.part"))


@pytest.mark.slow
def test_two_ranks_validate_and_one_writes(pairs, tmp_path):
    """Gloo gives up on a rank that is away for 30 s: all go over the validation items."""
    out = tmp_path / "run"
    settings = {**RUN, "batch_size": 2, "data": str(pairs), "out": str(out)}
    launch = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2"]
    words = [*launch, "--log_dir", str(tmp_path / "logs"), script(tmp_path), json.dumps(settings)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    logs = "".join(p.read_text() for p in sorted((tmp_path / "logs").glob("workerlog*")))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    lines = [x["step"] for x in log_of(out) if "validation" in x]
    assert lines == [2, 4, 6, 8]
    assert best_of(out)["step"] == best_step(out)
    assert [p.name for p in checkpoint.checkpoints(out / "checkpoints")] == ["000006", "000008"]
