"""The trainer: run folder, resuming, errors, signals."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import paddle
import pytest
from conftest import ROOT, TINY, log_of, noise_image, small_disk, weights

import paddle_gans
from data_reader import InputError, data_reader
from data_reader.images import write_image
from paddle_gans import evaluate, models
from paddle_gans.models.pix2pix import Pix2Pix
from paddle_gans.train_command import main
from paddle_gans.training import checkpoint
from paddle_gans.training.config import OPTIONS
from paddle_gans.training.experiment import setup
from paddle_gans.training.guards import Stopped
from paddle_gans.training.options import resolve
from paddle_gans.weights import formats

TINY_FLAGS = [
    word
    for name, value in TINY["pix2pix"].items()
    for word in (f"--{name.replace('_', '-')}", str(value))
]


def train(data, out, **settings):
    defaults = {"log_every": 2, "sample_every": 4, "save_every": 3, "workers": 2, **TINY["pix2pix"]}
    return paddle_gans.train("pix2pix", data=str(data), out=str(out), **{**defaults, **settings})


def losses_of(out):
    return [(line["step"], line["losses"]) for line in log_of(out)]


def test_run_folder_holds_what_it_promises(pairs, tmp_path):
    out = tmp_path / "run"
    result = train(pairs, out, steps=7, keep=2)
    assert result.step == 7
    assert result.losses == log_of(out)[-1]["losses"]
    config = json.loads((out / "config.json").read_text())
    assert config["model"] == "pix2pix"
    assert config["options"]["crop_size"] == 32
    assert config["options"]["lambda_l1"] == 100.0
    assert config["data"]["items"] == 6
    assert {"paddle", "numpy", "python"} <= config["versions"].keys()
    assert [line["step"] for line in log_of(out)] == [1, 2, 4, 6, 7]  # first and last always
    first = log_of(out)[0]
    assert {"epoch", "losses", "learning_rates", "images_per_second", "seconds"} <= first.keys()
    assert list(first["losses"]) == ["d_loss_real", "d_loss_fake", "g_loss_fake", "g_loss_l1"]
    assert [line["epoch"] for line in log_of(out)] == [0, 0, 0, 0, 1]
    assert sorted(p.name for p in (out / "samples").iterdir()) == ["000004.png", "000007.png"]
    assert [p.name for p in checkpoint.checkpoints(out / "checkpoints")] == ["000006", "000007"]
    assert {p.name for p in (out / "checkpoints" / "000007").iterdir()} == {
        "generator.pdparams", "generator.pdopt", "discriminator.pdparams", "discriminator.pdopt",
        "state.json",
    }  # fmt: skip
    assert (out / "losses.png").stat().st_size > 5000
    assert list(weights(out)) == ["generator.pdparams"]
    assert not list(out.rglob("*.part"))


def test_weights_open_with_plain_paddle_and_say_what_they_are(pairs, tmp_path):
    train(pairs, tmp_path / "run", steps=1)
    state = paddle.load(str(tmp_path / "run" / "generator.pdparams"))
    entry = json.loads(state.pop("__paddle_gans__"))
    assert entry["model"] == "pix2pix"
    assert entry["network"] == "generator"
    assert entry["options"]["base_dim"] == 4
    from paddle_gans.models.pix2pix import Generator

    assert Generator(4, 1).set_state_dict(state) == ([], [])


@pytest.mark.parametrize("workers", [0, 2])
def test_resumed_in_mid_epoch_equals_uninterrupted(pairs, tmp_path, workers):
    train(pairs, tmp_path / "whole", steps=10, batch_size=2)
    for steps in (2, 5, 10):
        train(pairs, tmp_path / "parts", steps=steps, batch_size=2, workers=workers)
    assert weights(tmp_path / "whole") == weights(tmp_path / "parts")
    assert losses_of(tmp_path / "parts")[-1] == losses_of(tmp_path / "whole")[-1]
    a, b = (tmp_path / run / "checkpoints" / "000010" for run in ("whole", "parts"))
    for file in ("generator.pdopt", "discriminator.pdopt", "discriminator.pdparams"):
        assert (a / file).read_bytes() == (b / file).read_bytes(), file


def test_sampling_logging_and_saving_do_not_change_the_trajectory(pairs, tmp_path):
    train(pairs, tmp_path / "a", steps=6)
    train(pairs, tmp_path / "b", steps=6, sample_every=1, log_every=1, save_every=1, workers=0)
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


def test_seeds_matter(pairs, tmp_path):
    train(pairs, tmp_path / "a", steps=1)
    train(pairs, tmp_path / "b", steps=1, seed=1)
    assert weights(tmp_path / "a") != weights(tmp_path / "b")


def test_epochs_count_passes(pairs, tmp_path):
    assert train(pairs, tmp_path / "run", epochs=2, batch_size=2).step == 6
    with pytest.raises(InputError, match="--steps and --epochs"):
        train(pairs, tmp_path / "run", epochs=2, steps=3)


def test_all_checkpoints_or_every_nth_are_kept(pairs, tmp_path):
    def steps(name, **settings):
        train(pairs, tmp_path / name, steps=9, save_every=2, **settings)
        return [int(p.name) for p in checkpoint.checkpoints(tmp_path / name / "checkpoints")]

    assert steps("all", keep="all") == [2, 4, 6, 8, 9]
    assert steps("some", keep=1, keep_every=3) == [3, 6, 8, 9]  # 8 is the newest of the others
    assert steps("few", keep=2) == [8, 9]
    for wrong in (-1, "some"):
        with pytest.raises(InputError, match="--keep cannot be"):
            train(pairs, tmp_path / "no", steps=1, keep=wrong)
    with pytest.raises(InputError, match="--keep"):
        main(["--model", "pix2pix", "--keep", "some"])


@pytest.mark.parametrize("name", models.names())
def test_the_quick_preset_is_shorter_than_the_papers_and_its_values_can_be_changed(name, tmp_path):
    model_class = models.find(name)
    assert set(model_class.quick_config) <= set(OPTIONS)
    resolve(model_class, model_class.quick_options, name)  # known options
    with pytest.raises(InputError, match="for your own data"):
        paddle_gans.train(name, preset="quick", out=str(tmp_path))


def test_the_quick_preset_sets_length_and_sizes(tmp_path):
    for side in ("trainA", "trainB"):
        write_image(tmp_path / side / "1.png", noise_image(0, 40, 40))
    given = {"data": str(tmp_path), "preset": "quick", "out": str(tmp_path / "run")}
    run = experiment_of(given)
    assert (run.steps, run.model.crop_size) == (60_000, 128)
    run = experiment_of({**given, "epochs": 3, "crop_size": 64})
    assert (run.steps, run.model.crop_size) == (3, 64)


def experiment_of(settings):
    return setup(models.find("cyclegan"), {"base_dim": 2, "residual_num": 1, **settings})


def test_callbacks_see_what_is_logged_and_drawn(pairs, tmp_path, capsys):
    lines, images = [], {}
    train(
        pairs, tmp_path, steps=8,
        on_log=lines.append, on_sample=lambda step, image: images.update({step: image}),
    )  # fmt: skip
    assert lines == log_of(tmp_path)
    assert sorted(images) == [4, 8]
    assert images[8].dtype == np.uint8
    assert images[8].ndim == 3
    said = capsys.readouterr().out
    assert "step 8/8  epoch 1  d_loss_real" in said
    assert f"model saved: {tmp_path / 'checkpoints' / '000008'}" in said
    assert "start time: 20" in said
    assert "end time: 20" in said


def reader_of(pairs, **changes):
    (pairs / "list.txt").write_text(
        "".join(f"trainA/{i}.png\ttrainB/{i}.png\n" for i in range(5)), encoding="utf-8"
    )
    settings = {
        "data_dir": str(pairs.parent), "dataset": pairs.name, "train_list": pairs / "list.txt",
        "batch_size": 2, "load_size": 40, "crop_size": 32, "crop_type": "Random",
    }  # fmt: skip
    return data_reader(SimpleNamespace(**{**settings, **changes}))


@pytest.mark.parametrize("given", ["reader", "train_reader"])
def test_the_articles_reader_feeds_training(pairs, tmp_path, given):
    def run(name, steps):
        reader = reader_of(pairs)
        data = reader if given == "reader" else reader.make_data()[0]
        tiny = {"base_dim": 4, "residual_num": 1}
        return paddle_gans.train(
            "pix2pix", data=data, out=str(tmp_path / name), steps=steps, save_every=2, **tiny
        )

    whole = run("whole", 5)
    config = json.loads((tmp_path / "whole" / "config.json").read_text())
    assert (config["batch_size"], config["options"]["crop_size"]) == (2, 32)
    assert log_of(whole.out)[-1]["epoch"] == 1  # 2 + 2 + 1 pairs an epoch
    run("parts", 2)
    run("parts", 5)
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def test_a_reader_that_does_not_fit_is_refused(pairs, tmp_path):
    for model, data, settings, word in (
        ("dcgan", reader_of(pairs), {}, "is for pairs; dcgan"),
        ("pix2pix", lambda: None, {}, "not another function"),
        ("pix2pix", reader_of(pairs), {"batch_size": 3}, "batch_size 3 differs from the reader's"),
        ("pix2pix", reader_of(pairs, batch_size=9, drop_last=True), {}, "fewer than a batch"),
    ):
        with pytest.raises(InputError, match=word):
            paddle_gans.train(model, data=data, out=str(tmp_path / "run"), steps=1, **settings)


def test_a_list_with_another_root_trains(pairs, tmp_path):
    (tmp_path / "lists").mkdir()
    listing = tmp_path / "lists" / "train.txt"
    listing.write_text("trainA/0.png\ttrainB/0.png\n")
    with pytest.raises(InputError, match="give --data-root"):
        train(listing, tmp_path / "run", steps=1)
    assert train(listing, tmp_path / "run", steps=1, data_root=pairs).step == 1
    (tmp_path / "lists" / "test.txt").write_text("testA/0.png\ttestB/0.png\n")
    words = ["--weights", str(tmp_path / "run"), "--data", str(listing), "--metrics", "psnr"]
    with pytest.raises(InputError, match="give --data-root"):
        evaluate.main(words)
    assert evaluate.main([*words, "--data-root", str(pairs)]) == 0
    with pytest.raises(InputError, match="dcgan reads folders"):
        paddle_gans.train("dcgan", data=str(listing), data_root=str(pairs), steps=1)


class Brighter(Pix2Pix):
    """As one defines it in a notebook: another loss."""

    def __init__(self, **options):
        super().__init__(**options)
        self.lambda_l1 = 7.0


def test_a_subclass_of_a_model_trains_under_its_models_name(pairs, tmp_path):
    settings = {"log_every": 1, "steps": 1, **TINY["pix2pix"]}
    paddle_gans.train(Brighter, data=str(pairs), out=str(tmp_path), **settings)
    assert paddle_gans.load(tmp_path).name == "pix2pix"


def test_a_run_that_is_already_there_says_so(pairs, tmp_path, capsys):
    out = tmp_path / "run"
    train(pairs, out, steps=3)
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file() and p.name != ".lock"}
    flags = ["--model", "pix2pix", "--data", str(pairs), "--out", str(out), "--steps", "2"]
    assert main(flags + TINY_FLAGS) == 0
    assert "is already at step 3" in capsys.readouterr().out
    assert before == {p: p.stat().st_mtime_ns for p in before}


def test_other_options_and_other_data_are_refused_with_both_values(pairs, tmp_path):
    train(pairs, tmp_path / "run", steps=1)
    with pytest.raises(InputError, match=r"--lambda-l1 100\.0 there, 10\.0 here"):
        train(pairs, tmp_path / "run", steps=2, lambda_l1=10.0)
    with pytest.raises(InputError, match="--batch-size 1 there, 2 here"):
        train(pairs, tmp_path / "run", steps=2, batch_size=2)
    with pytest.raises(InputError, match="--seed 0 there, 3 here"):
        train(pairs, tmp_path / "run", steps=2, seed=3)
    shutil.copy(pairs / "trainA" / "1.png", pairs / "trainA" / "9.png")
    shutil.copy(pairs / "trainB" / "1.png", pairs / "trainB" / "9.png")
    with pytest.raises(InputError, match=r"6 items .* there, 7 items"):
        train(pairs, tmp_path / "run", steps=2)
    assert [line["step"] for line in log_of(tmp_path / "run")] == [1]


def test_never_refuses_a_folder_that_holds_a_run(pairs, tmp_path):
    train(pairs, tmp_path / "run", steps=1, resume="never")
    with pytest.raises(InputError, match="already contains a run"):
        train(pairs, tmp_path / "run", steps=2, resume="never")


def test_resume_from_a_named_checkpoint_goes_on_elsewhere(pairs, tmp_path):
    train(pairs, tmp_path / "run", steps=6)
    third = tmp_path / "run" / "checkpoints" / "000003"
    train(pairs, tmp_path / "again", steps=6, resume=str(third))
    assert weights(tmp_path / "run") == weights(tmp_path / "again")
    assert losses_of(tmp_path / "again")[0][0] == 4
    with pytest.raises(InputError, match="not a folder"):
        train(pairs, tmp_path / "x", steps=6, resume=str(tmp_path / "nowhere"))


def test_init_from_takes_weights_and_nothing_else(pairs, tmp_path):
    train(pairs, tmp_path / "run", steps=3)
    file = tmp_path / "run" / "generator.pdparams"
    train(pairs, tmp_path / "file", steps=1, init_from=str(file), learning_rate=0.0)
    train(pairs, tmp_path / "folder", steps=1, init_from=str(tmp_path / "run"), learning_rate=0.0)
    original, _ = formats.read_network(file)
    for run in ("file", "folder"):
        started, _ = formats.read_network(tmp_path / run / "generator.pdparams")
        for name in ("conv1.weight", "residuals.0.conv1.weight"):
            np.testing.assert_array_equal(started[name], original[name])
    discriminators = [
        formats.read_network(tmp_path / run / "checkpoints" / step / "discriminator.pdparams")[0]
        for run, step in (("run", "000003"), ("folder", "000001"), ("file", "000001"))
    ]
    first = [d["conv1.weight"].tobytes() for d in discriminators]
    assert first[0] == first[1] != first[2]
    with pytest.raises(InputError, match="not the weights of this Generator"):
        train(pairs, tmp_path / "wide", steps=1, init_from=str(file), base_dim=8)


def test_a_run_with_an_average_resumes_exactly_and_is_used_by_it(pairs, tmp_path):
    options = {"ema_decay": 0.9, "diff_augment": "color,translation,cutout", "upsample": "resize"}
    train(pairs, tmp_path / "whole", steps=6, **options)
    for steps in (2, 6):
        train(pairs, tmp_path / "parts", steps=steps, **options)
    assert weights(tmp_path / "whole") == weights(tmp_path / "parts")
    whole, parts = (tmp_path / run / "checkpoints" / "000006" for run in ("whole", "parts"))
    for file in whole.glob("*.pdparams"):
        assert file.read_bytes() == (parts / file.name).read_bytes(), file.name

    average, _ = formats.read_network(whole / "generator_ema.pdparams")
    live, _ = formats.read_network(whole / "generator.pdparams")
    saved, _ = formats.read_network(tmp_path / "whole" / "generator.pdparams")
    assert not np.array_equal(average["conv1.weight"], live["conv1.weight"])
    assert all(np.array_equal(average[name], saved[name]) for name in saved)
    translate = paddle_gans.load(str(tmp_path / "whole"))
    image = np.zeros([32, 32, 3], "uint8")
    x = paddle.full([1, 3, 32, 32], -1.0)
    with paddle.no_grad():
        expected = translate.model.generator_ema(x).numpy()
    shown = (expected[0].transpose(1, 2, 0) + 1) * 127.5
    assert np.abs(translate(image) - shown).max() <= 0.51


def test_init_from_a_run_with_an_average_needs_none(pairs, tmp_path):
    train(pairs, tmp_path / "run", steps=3, ema_decay=0.9)
    live, _ = formats.read_network(
        tmp_path / "run" / "checkpoints" / "000003" / "generator.pdparams"
    )
    init_from = {"init_from": str(tmp_path / "run"), "learning_rate": 0.0}
    train(pairs, tmp_path / "plain", steps=1, **init_from)
    started, _ = formats.read_network(tmp_path / "plain" / "generator.pdparams")
    np.testing.assert_array_equal(started["conv1.weight"], live["conv1.weight"])
    train(pairs, tmp_path / "again", steps=1, ema_decay=0.9, **init_from)
    assert (tmp_path / "again" / "checkpoints" / "000001" / "generator_ema.pdparams").is_file()


def test_a_run_from_before_an_option_existed_goes_on_with_its_default(pairs, tmp_path):
    out = tmp_path / "run"
    train(pairs, out, steps=1)
    config = json.loads((out / "config.json").read_text())
    for name in ("ema_decay", "upsample", "diff_augment", "d_learning_rate"):
        del config["options"][name]
    (out / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"--ema-decay 0\.0 there, 0\.9 here"):
        train(pairs, out, steps=2, ema_decay=0.9)
    assert train(pairs, out, steps=2).step == 2


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(pairs, tmp_path, capsys):
    train(pairs, tmp_path / "whole", steps=8)
    train(pairs, tmp_path / "run", steps=6)
    damaged = tmp_path / "run" / "checkpoints" / "000006" / "generator.pdopt"
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    train(pairs, tmp_path / "run", steps=8)
    said = capsys.readouterr().out
    assert "generator.pdopt is damaged" in said
    assert "step 3" in said
    assert weights(tmp_path / "whole") == weights(tmp_path / "run")


def test_a_file_that_goes_bad_during_training_loses_nothing(pairs, tmp_path):
    from data_reader.loader import Loader
    from paddle_gans.models.pix2pix import Pix2Pix

    dataset = Pix2Pix(**TINY["pix2pix"]).dataset(str(pairs), train=True)
    order = [Loader(dataset, 1, seed=0).files(step)[0] for step in range(6)]
    # The first pair is read before the start already, to see its size.
    step = max(i for i, file in enumerate(order) if Path(file).name != "0.png")
    bad = Path(order[step])
    bad.write_bytes(bad.read_bytes()[:200])
    with pytest.raises(InputError, match=bad.name):
        train(pairs, tmp_path / "run", steps=20, validate_every=0)
    kept = checkpoint.checkpoints(tmp_path / "run" / "checkpoints")
    assert kept[-1].name == f"{step:06d}"


def test_no_half_files_when_the_disk_is_full(pairs, tmp_path):
    with small_disk(tmp_path / "disk", "1200k") as disk:
        train(pairs, disk / "run", steps=1, keep=1)
        good = weights(disk / "run")
        (disk / "filler").write_bytes(b"\0" * (shutil.disk_usage(disk).free - 30_000))
        with pytest.raises(InputError, match=r"MiB left|cannot be written"):
            train(pairs, disk / "run", steps=5, keep=1)
        assert weights(disk / "run") == good
        assert not list(disk.rglob("*.part"))
        _, state, warnings = checkpoint.newest(disk / "run" / "checkpoints")
        assert (state["step"], warnings) == (1, [])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lamda_l1": 5.0}, "did you mean lambda_l1"),
        ({"gan_mode": "gan"}, "vanilla, lsgan, wgangp"),
        ({"base_dim": "wide"}, "base_dim takes int"),
        ({"crop_size": 30}, "multiples of 4"),
        ({"generator": "unet_128", "crop_size": 32}, "multiples of 128"),
        ({"lambda_l1": 0.0, "lambda_gan": 0.0}, "are both 0; set at least one"),
        ({"batch_size": 0}, "--batch-size"),
        ({"limit": 0}, "--limit"),
        ({"device": "tpu"}, "--device tpu"),
        ({"device": "gpu:99"}, "--device gpu:99"),
        ({"amp": "fp16", "device": "cpu"}, "--amp fp16 needs a GPU"),
        ({"steps": 0}, "--steps"),
        ({"crop_size": 64}, "40x40, smaller than the crop of 64"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(pairs, tmp_path, settings, words):
    with pytest.raises(InputError, match=words):
        train(pairs, tmp_path / "run", **{"steps": 1, **settings})
    assert not (tmp_path / "run").exists()


def test_dry_run_describes_and_writes_nothing(pairs, tmp_path, capsys):
    out = tmp_path / "run"
    flags = ["--model", "pix2pix", "--data", str(pairs), "--out", str(out), "--dry-run"]
    assert main([*flags, "--ema-decay", "0.9", *TINY_FLAGS]) == 0
    said = capsys.readouterr().out
    assert re.search(r"generator_ema +0.01 M parameters, not trained", said)
    for words in ("--lambda-l1 100.0", "6 items", "batch['a'] [1, 3, 32, 32]", "generator",
                  "M parameters", "one step", "50000 steps"):  # fmt: skip
        assert words in said, words
    assert not out.exists()


@pytest.mark.parametrize(
    "ablation",
    [{"lambda_l1": 0.0}, {"lambda_gan": 0.0}, {"gan_mode": "lsgan"}, {"gan_mode": "wgangp"},
     {"discriminator": "paper"}, {"norm_mode": "running"}, {"direction": "b2a"},
     {"upsample": "resize"}, {"upsample": "bilinear"},
     {"diff_augment": "translation", "gan_mode": "wgangp"},
     {"generator": "unet_128", "load_size": 128, "crop_size": 128, "base_dim": 2}],
)  # fmt: skip
def test_every_variant_trains(pairs, tmp_path, ablation):
    result = train(pairs, tmp_path / "run", steps=2, **ablation)
    terms = set(result.losses)
    assert ("g_loss_l1" in terms) == (ablation.get("lambda_l1") != 0)
    assert ("d_loss_real" in terms) == ("g_loss_fake" in terms) == (ablation.get("lambda_gan") != 0)
    assert ("d_loss_gp" in terms) == (ablation.get("gan_mode") == "wgangp")


def test_direction_swaps_the_sides(pairs, tmp_path):
    """B is A's negative, so that training the one way on swapped folders equals the other."""
    train(pairs, tmp_path / "b2a", steps=2, direction="b2a")
    for split in ("train", "test"):
        (pairs / f"{split}A").rename(pairs / "x")
        (pairs / f"{split}B").rename(pairs / f"{split}A")
        (pairs / "x").rename(pairs / f"{split}B")
    train(pairs, tmp_path / "a2b", steps=2)
    assert losses_of(tmp_path / "b2a") == losses_of(tmp_path / "a2b")


# Real processes


def command(data, out, *flags, **settings):
    words = [sys.executable, "-m", "paddle_gans.train", "--model", "pix2pix", "--data", str(data),
             "--out", str(out), *TINY_FLAGS, *flags]  # fmt: skip
    return subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **settings
    )


def wait_for_step(out, step, process):
    """Until the run has logged a step."""
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        if (out / "log.jsonl").exists() and log_of(out) and log_of(out)[-1]["step"] >= step:
            return
        time.sleep(0.02)
    raise AssertionError(process.communicate())


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_sigterm_save_and_say_how_to_go_on(pairs, tmp_path, signum, code):
    out = tmp_path / "run"
    process = command(pairs, out, "--steps", "5000", "--log-every", "1")
    wait_for_step(out, 3, process)
    process.send_signal(signum)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert "the same command resumes" in said
    assert "Traceback" not in said
    stopped = log_of(out)[-1]["step"]
    _, state, _ = checkpoint.newest(out / "checkpoints")
    assert state["step"] == stopped
    result = train(pairs, out, steps=stopped + 1)
    assert result.step == stopped + 1


def test_stop_in_python_is_a_keyboard_interrupt():
    assert issubclass(Stopped, KeyboardInterrupt)


def test_wrong_path_is_one_line_and_exit_code_2(tmp_path):
    process = command(tmp_path / "nowhere", tmp_path / "run", "--steps", "1")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "does not exist" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_where_it_would_have(pairs, tmp_path):
    """40 steps in one go, and 40 steps across three kill -9, give the same bytes."""
    flags = ("--steps", "40", "--save-every", "4", "--log-every", "1", "--workers", "2")
    whole = command(pairs, tmp_path / "whole", *flags)
    assert whole.wait(timeout=200) == 0, whole.communicate()
    out, rng = tmp_path / "killed", np.random.default_rng(os.getpid())
    for kill in range(3):
        process = command(pairs, out, *flags)
        wait_for_step(out, 8 * (kill + 1) + int(rng.integers(6)), process)
        time.sleep(float(rng.random()) * 0.05)
        process.kill()
        process.communicate()
    last = command(pairs, out, *flags)
    assert last.wait(timeout=200) == 0, last.communicate()
    assert weights(tmp_path / "whole") == weights(out)
    a, b = (run / "checkpoints" / "000040" for run in (tmp_path / "whole", out))
    for file in ("discriminator.pdparams", "generator.pdopt", "discriminator.pdopt"):
        assert (a / file).read_bytes() == (b / file).read_bytes()
    assert [s for s, _ in losses_of(out)] == list(range(1, 41))
    assert losses_of(tmp_path / "whole") == losses_of(out)


def test_a_terminal_shows_a_bar_and_a_pipe_plain_lines(pairs, tmp_path):
    import fcntl
    import pty
    import struct
    import termios

    piped = command(pairs, tmp_path / "pipe", "--steps", "4", "--log-every", "2")
    out, _ = piped.communicate(timeout=60)
    assert "step 2/4  epoch 0  d_loss_real" in out
    assert "images/s" in out
    assert "left" in out
    assert "\r" not in out

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
    words = [sys.executable, "-m", "paddle_gans.train", "--model", "pix2pix", "--data", str(pairs),
             "--out", str(tmp_path / "tty"), "--steps", "4", *TINY_FLAGS]  # fmt: skip
    process = subprocess.Popen(words, cwd=ROOT, stdout=follower, stderr=follower)
    os.close(follower)
    shown = b""
    while True:
        try:
            chunk = os.read(leader, 4096)
        except OSError:  # the other side is closed
            break
        if not chunk:
            break
        shown += chunk
    assert process.wait(timeout=60) == 0
    assert b"4/4" in shown
    assert b"%|" in shown
    assert b"g_loss_l1" in shown


def test_model_help_lists_its_options_with_the_articles_values(capsys):
    with pytest.raises(SystemExit) as leave:
        main(["--model", "pix2pix", "--help"])
    assert leave.value.code == 0
    said = capsys.readouterr().out
    assert "--lambda-l1 X" in said
    assert "(100.0)" in said
    assert "unet_256" in said
    assert "--no-flip)" in said
    assert "--crop-size 112, --flip." in said
    for word in ("True", "False", "None"):  # cannot be typed
        assert word not in said


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model", "pix2pax"], "did you mean pix2pix"),
        (["--model", "pix2pix", "--lamda-l1", "3"], "did you mean --lambda-l1"),
        (["--model", "pix2pix", "--steps", "many"], "--steps"),
        ([], "--model"),
    ],
)
def test_typos_get_near_names(flags, words):
    with pytest.raises(InputError, match=words):
        main(flags)


def test_trainer_runs_by_path_as_the_launcher_needs_it(pairs, tmp_path):
    words = [sys.executable, str(ROOT / "paddle_gans" / "train.py"), "--model", "pix2pix", "--data",
             str(pairs), "--out", str(tmp_path / "run"), "--steps", "1", *TINY_FLAGS]  # fmt: skip
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    assert weights(tmp_path / "run")
