"""What the field does to the program: numbers of other types, wrapped names, broken output."""

from __future__ import annotations

import inspect
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import paddle
import pytest
from conftest import ROOT, TINY
from test_convert import ARTICLE, UNET, theirs

import paddle_gans
from data_reader.errors import InputError, InputWarning
from data_reader.images import write_image
from paddle_gans import convert, models
from paddle_gans.inference import files
from paddle_gans.metrics import lpips
from paddle_gans.training import resume, trainer
from paddle_gans.training.config import RunConfig
from paddle_gans.training.guards import StopSignals
from paddle_gans.training.loggers import check_installed
from paddle_gans.training.options import options_of
from paddle_gans.weights import formats, paddle_file, torch_file
from paddle_gans.weights.arrays import layer_arrays, load_state_strict

CASES = Path(os.environ.get("PADDLE_GANS_CASES", ROOT.parent / "shared" / "cases"))
VALUES = np.float32([[0.0017, -2.5], [1, 0]])


def case(name: str):
    """An input that failed in the field, or a skip."""
    if not (CASES / name).exists():
        pytest.skip(f"{CASES / name} is not there")
    return CASES / name


# Numbers of another type


def linear() -> paddle.nn.Linear:
    return paddle.nn.Linear(2, 2, bias_attr=False)


PADDLE_TYPES = {
    **dict.fromkeys(["float16", "bfloat16", "float32", "float64"], True),
    **dict.fromkeys(["bool", "int8", "uint8", "int16", "int32", "int64"], False),
    **dict.fromkeys(["complex64", "complex128", "float8_e4m3fn", "float8_e5m2"], False),
}


@pytest.mark.parametrize("kind", PADDLE_TYPES)
def test_every_type_that_paddle_saves_is_read_right_or_refused(tmp_path, kind):
    if "float8" in kind and not hasattr(paddle, kind):
        pytest.skip("this Paddle has no such type")
    path = tmp_path / "w.pdparams"
    paddle.save({"weight": paddle.to_tensor(VALUES).astype(kind)}, str(path))
    layer = linear()
    if not PADDLE_TYPES[kind]:
        with pytest.raises(InputError, match=r"w\.pdparams: weight holds .* save them as float32"):
            load_state_strict(layer, formats.load(path), str(path))
        return
    load_state_strict(layer, formats.load(path), str(path))
    np.testing.assert_allclose(layer.weight.numpy(), VALUES, rtol=0.01)


def torch_untyped(kind: str) -> bytes:
    """A state dict with a tensor of a type without a storage class, as PyTorch saves it."""
    text = [b"\x80\x02}X\x01\x00\x00\x00w", b"ctorch._utils\n_rebuild_tensor_v3\n(("]
    text += [b"X\x07\x00\x00\x00storagectorch.storage\nUntypedStorage\n"]
    text += [b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQK\x00K\x02\x85K\x01\x85\x89"]
    text += [b"ccollections\nOrderedDict\n)R", f"ctorch\n{kind}\ntRs.".encode()]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/data.pkl", b"".join(text))
        archive.writestr("a/data/0", bytes(2))
    return buffer.getvalue()


@pytest.mark.parametrize("kind", torch_file.UNTYPED)
def test_types_without_a_storage_class_are_refused_by_name(tmp_path, kind):
    (tmp_path / "w.pth").write_bytes(torch_untyped(kind))
    with pytest.raises(InputError, match=rf"holds a tensor of torch\.{kind}; only float32"):
        torch_file.load(tmp_path / "w.pth")


def test_bfloat16_networks_of_the_field_are_read_as_floats(tmp_path):
    folder = case("bf16_pdparams")
    narrow, wide = (
        formats.read_network(folder / f"g_{name}.pdparams")[0] for name in ("bfloat16", "resaved")
    )
    for name, array in wide.items():
        np.testing.assert_allclose(narrow[name], array, rtol=0.01, atol=1e-6)
    words = [str(folder / "c_bf16.pdparams"), "--to", str(tmp_path / "a"), "--direction", "a2b"]
    assert convert.main(words) == 0
    found = formats.read_network(tmp_path / "a" / "generator_ab.pdparams")[0]
    assert max(np.abs(x).max() for x in found.values()) < 10


def test_bfloat16_layers_are_saved_as_float32(tmp_path):
    layer = linear()
    load_state_strict(layer, {"weight": VALUES})
    layer.to(dtype="bfloat16")
    np.testing.assert_allclose(layer_arrays(layer)["weight"], VALUES, rtol=0.01)
    with pytest.raises(TypeError, match="uint16"):
        paddle_file.dump({"w": np.uint16([1])}, io.BytesIO())


@pytest.mark.parametrize("value", [np.nan, np.inf, 15068.0])
def test_values_that_no_training_leads_to_are_warned_of(value):
    arrays = {"weight": np.where(VALUES == 1, np.float32(value), VALUES)}
    with pytest.warns(InputWarning, match=r"w\.pth: .* weight \(up to "):
        load_state_strict(linear(), arrays, "w.pth")


# Names that other programs put before those of the weights


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "netG.", "a.generator._orig_mod."])
def test_a_network_loads_whatever_its_names_begin_with(tmp_path, prefix):
    path = tmp_path / "w.pdparams"
    paddle.save({f"{prefix}weight": paddle.to_tensor(VALUES)}, str(path))
    layer = linear()
    load_state_strict(layer, formats.load(path))
    np.testing.assert_array_equal(layer.weight.numpy(), VALUES)


def test_the_same_weight_wrapped_and_not_is_refused(tmp_path):
    path = tmp_path / "w.pdparams"
    paddle.save({"module.w": paddle.ones([1]), "w": paddle.ones([1])}, str(path))
    with pytest.raises(InputError, match="holds w twice"):
        formats.load(path)


def converted(source: Path, folder: Path, *flags: str) -> list[str]:
    assert convert.main([str(source), "--to", str(folder), "--quiet", *flags]) == 0
    return sorted(path.stem for path in folder.iterdir())


def test_a_compiled_network_is_converted(tmp_path):
    source = case("compiled_names") / "c_compiled.pth"
    assert converted(source, tmp_path / "to", "--direction", "a2b") == ["generator_ab"]


@pytest.mark.parametrize(
    ("prefixes", "model", "parts"),
    [
        ({"netG.": "generator", "netD.": "discriminator"}, "pix2pix", UNET),
        ({"module.gan.generator._orig_mod.": "generator"}, "pix2pix", UNET),
        ({"G_AB.": "generator_ab", "G_BA.": "generator_ba"}, "cyclegan", ARTICLE),
        ({"model.gen_a2b.module.": "generator_ab"}, "cyclegan", ARTICLE),
        ({"generator_B.": "generator_ba", "vgg.": ""}, "cyclegan", ARTICLE),
    ],
)
def test_networks_in_one_dict_are_told_by_their_names(tmp_path, prefixes, model, parts):
    state = {
        prefix + name: array
        for prefix, part in prefixes.items()
        for name, array in (theirs(model, part, parts) if part else {"0.weight": VALUES}).items()
    }
    with (tmp_path / "last.ckpt").open("wb") as file:
        torch_file.dump(state, file)
    expected = sorted(filter(None, prefixes.values()))
    assert converted(tmp_path / "last.ckpt", tmp_path / "to") == expected


def test_a_run_starts_from_one_file_of_the_whole_model(tmp_path):
    model = models.find("dcgan")(**TINY["dcgan"])
    paddle.save(model.state_dict(), str(tmp_path / "all.pdparams"))
    other = models.find("dcgan")(**TINY["dcgan"])
    resume.init_from(other, tmp_path / "all.pdparams")
    for name, array in layer_arrays(model).items():
        np.testing.assert_array_equal(layer_arrays(other)[name], array)


# Output that fails


def command(*words: object, module: str = "train", **settings) -> subprocess.CompletedProcess:
    """A command in a process of its own; ``shell`` is what follows it on the shell's line."""
    after, env = settings.pop("shell", ""), {**os.environ, **settings.pop("env", {})}
    line = shlex.join([sys.executable, "-m", f"paddle_gans.{module}", *map(str, words)])
    return subprocess.run(
        ["bash", "-c", f"{line} {after}"], env=env, capture_output=True, text=True, **settings
    )


def tiny(pairs: Path, out: Path, **more: object) -> list[str]:
    """The flags of a run of three steps."""
    settings = {**TINY["pix2pix"], "data": pairs, "out": out, "steps": 3, "log_every": 1, **more}
    flags = {f"--{name.replace('_', '-')}": value for name, value in settings.items()}
    return ["--model", "pix2pix", *(str(word) for pair in flags.items() for word in pair)]


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ("> /dev/full", "warning: some output could not be written: No space left on device"),
        ("> /dev/full 2>&1", ""),
        ("| head -1", ""),
        (">&-", ""),
        ("2>&-", ""),
        ("<&- >&- 2>&-", ""),
    ],
)
def test_a_run_ends_well_whatever_becomes_of_its_output(pairs, tmp_path, shell, said):
    out = tmp_path / "run"
    done = command(*tiny(pairs, out), shell=f"{shell}; exit ${{PIPESTATUS[0]}}")
    assert done.returncode == 0, done.stderr
    assert (out / "checkpoints" / "000003").is_dir()
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert said in done.stderr
    lines = (out / "log.jsonl").read_text().splitlines()  # nothing else is written into a file
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3]


def test_names_are_escaped_where_the_stream_cannot_show_them(pairs, tmp_path):
    out = tmp_path / "训练"
    done = command(*tiny(pairs, out), env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert "\\u8bad\\u7ec3" in done.stdout
    bad = pairs / "trainA" / "坏.png"
    bad.write_bytes(b"x")
    words = ["--weights", out, "--input", pairs / "trainA", "--output", tmp_path / "to"]
    done = command(*words, module="infer", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 2
    assert "skipped: " in done.stderr
    assert "\\u574f.png" in done.stderr


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGHUP, 129), (signal.SIGTERM, 143)])
def test_a_closed_terminal_saves_and_stops(pairs, tmp_path, signum, code):
    out = tmp_path / "run"
    words = [sys.executable, "-m", "paddle_gans.train", *tiny(pairs, out, steps=100000)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # these tests under nohup
    ) as run:  # fmt: skip
        for line in run.stdout:
            if line.startswith("step"):
                break
        run.stdout.close()  # as a terminal's; the next line is written to nobody
        run.send_signal(signum)
        assert run.wait(60) == code, run.stderr.read()
        assert "the same command resumes from there" in run.stderr.read()
    assert list((out / "checkpoints").iterdir())


def test_nohup_keeps_a_run_alive():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as signals:
            signal.raise_signal(signal.SIGHUP)
            assert not signals.received
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_library_call_needs_no_streams(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    settings = {**TINY["pix2pix"], "data": pairs, "out": tmp_path / "run"}
    assert paddle_gans.train("pix2pix", **settings, steps=1).step == 1


# Images that cannot be drawn


@pytest.mark.parametrize(
    ("backend", "style"),
    [("nosuch", ""), ("", "text.usetex: True\nbackend: Qt5Agg\nfont.family: NoSuch\n"), ("", "?:")],
)
def test_no_setting_of_matplotlib_ends_a_run(pairs, tmp_path, backend, style):
    (tmp_path / "matplotlibrc").write_text(style)
    env = {"MPLCONFIGDIR": str(tmp_path), **({"MPLBACKEND": backend} if backend else {})}
    done = command(*tiny(pairs, tmp_path / "run"), env=env)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "losses.png").is_file()


def test_what_cannot_be_drawn_is_said_once(pairs, tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("no LaTeX")

    monkeypatch.setattr(trainer, "draw_curves", fail)
    monkeypatch.setattr(trainer, "grid", fail)
    settings = {**TINY["pix2pix"], "data": str(pairs), "out": str(tmp_path / "run")}
    assert paddle_gans.train("pix2pix", **settings, steps=3, sample_every=1).step == 3
    said = capsys.readouterr().out
    assert said.count("loss curves cannot be drawn: RuntimeError('no LaTeX')") == 1
    assert said.count("sample grid cannot be drawn") == 1


# What Python users pass, and what lies around


def test_train_takes_paths_and_numbers_of_numpy(pairs, tmp_path, monkeypatch):
    settings = {
        **TINY["pix2pix"], "data": pairs, "out": tmp_path / "run", "steps": np.int64(2),
        "seed": np.array(3), "lambda_l1": np.float32(50), "save_every": 1e3, "log": (),
    }  # fmt: skip
    assert paddle_gans.train("pix2pix", **settings).step == 2
    record = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (record["data_path"], record["steps"], record["seed"]) == (str(pairs), 2, 3)
    assert record["options"]["lambda_l1"] == 50
    with pytest.raises(InputError, match=r"steps takes int, not 2\.5"):
        paddle_gans.train("pix2pix", **{**settings, "steps": 2.5})
    monkeypatch.setenv("HOME", str(tmp_path))
    assert RunConfig(out="~/run").out == str(tmp_path / "run")


def test_a_data_reader_in_the_working_directory_is_left_alone(tmp_path):
    (tmp_path / "data_reader.py").write_text("raise SystemExit('executed')")
    done = command("--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    code = "import sys, types; sys.modules['data_reader'] = types.ModuleType('data_reader')\n"
    words = [sys.executable, "-c", code + "import paddle_gans"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert "import paddle_gans first, or rename that file" in done.stderr


def test_extras_are_named_as_the_package_was_installed(tmp_path):
    shutil.copytree(ROOT / "data_reader", tmp_path / "data_reader", ignore=lambda *_: ["demo"])
    code = "from data_reader import framework; print(framework.install_command('cpu'))"
    for folder, expected in ((ROOT, "-e '.[cpu]'"), (tmp_path, "'paddle-gans[cpu]'")):
        words = [sys.executable, "-c", code]
        done = subprocess.run(words, capture_output=True, text=True, cwd=folder)
        assert done.stdout.strip() == f"`pip install {expected}`"


@pytest.mark.parametrize("given", ["{}", "{}/*", "{}/sub", "{}/sub/a.jpg"])
def test_results_are_not_written_among_the_inputs(tmp_path, given):
    write_image(tmp_path / "sub" / "a.jpg", np.zeros((8, 8, 3), "uint8"))
    write_image(tmp_path / "b.jpg", np.zeros((8, 8, 3), "uint8"))
    found = given.format(tmp_path)
    output = tmp_path / "sub" if "sub" in given else tmp_path
    with pytest.raises(InputError, match="would be beside its input"):
        files.plan([found], str(output))


@pytest.mark.parametrize("backbone", ["alex", "vgg"])
def test_lpips_of_version_0_0_is_refused(backbone):
    network = lpips.LPIPS(backbone)
    trunk = {n: x.numpy() for n, x in network.state_dict().items() if n.startswith("features.")}
    widths = [layer.weight.shape[1] for layer in network.linear]
    linear = {
        f"lin{i}.model.1.weight": np.full([1, width, 1, 1], total / width, "float32")
        for i, (width, total) in enumerate(zip(widths, lpips.VERSION_0_0[backbone]))
    }
    with pytest.raises(InputError, match=rf"LPIPS 0\.0.*v0\.1/{backbone}\.pth"):
        lpips.build(trunk, linear, "--lpips")


# More public reports; docs/trust.md lists them


def test_a_terminal_that_goes_away_does_not_end_a_run_under_nohup(pairs, tmp_path):
    pty = pytest.importorskip("pty")
    ours, theirs_end = pty.openpty()
    words = [sys.executable, "-m", "paddle_gans.train", *tiny(pairs, tmp_path / "run", steps=200)]
    ends = dict.fromkeys(["stdin", "stdout", "stderr"], theirs_end)
    # nohup would write into a file instead of the terminal.
    line = f"trap '' HUP; exec {shlex.join(words)}"
    with subprocess.Popen(["bash", "-c", line], **ends) as run:
        os.close(theirs_end)
        os.read(ours, 1)  # the bar has begun
        os.close(ours)
        assert run.wait(120) == 0
    assert (tmp_path / "run" / "checkpoints" / "000200").is_dir()


def test_a_deleted_working_directory_is_said(tmp_path):
    code = f"mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir {tmp_path}/gone; "
    line = f"{code}{sys.executable} -m paddle_gans.train --model dcgan"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=env)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the working directory does not exist any more")


def test_options_need_no_sources(tmp_path, monkeypatch):
    def fail(_):
        raise OSError("could not get source code")

    monkeypatch.setattr(inspect, "getsource", fail)
    assert options_of(RunConfig)["steps"].help == ""


def test_a_logger_that_cannot_be_imported_is_refused_at_the_start(tmp_path, monkeypatch):
    (tmp_path / "visualdl").mkdir()
    (tmp_path / "visualdl" / "__init__.py").write_text("raise TypeError('Descriptors')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"importing visualdl fails with TypeError\('Descr"):
        check_installed(["visualdl"])


def test_a_run_in_a_thread_needs_no_signals(pairs, tmp_path):
    settings = {**TINY["pix2pix"], "data": pairs, "out": tmp_path / "run", "steps": 1}
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(paddle_gans.train, "pix2pix", **settings).result().step == 1


def test_a_batch_larger_than_the_data_trains(pairs, tmp_path):
    settings = {**TINY["pix2pix"], "data": pairs, "out": tmp_path / "run", "batch_size": 9}
    assert paddle_gans.train("pix2pix", **settings, steps=2).step == 2
