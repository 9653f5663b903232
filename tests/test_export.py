"""Exported programs: equal to the networks, run by what the command prints, never left wrong."""

import contextlib
import io
import json
import re
import subprocess
import sys
import tempfile

import numpy as np
import paddle
import pytest
from conftest import ROOT, TINY

from data_reader import InputError
from paddle_gans import export, models, train
from paddle_gans.exporting import formats, worker
from paddle_gans.training.model import GANModel
from paddle_gans.training.options import resolve
from paddle_gans.weights.formats import save_network

CASES = {
    "pix2pix": ("pix2pix", {}),
    "pix2pix instance": ("pix2pix", {"norm_mode": "instance"}),
    "pix2pix unet": ("pix2pix", {"generator": "unet_128", "crop_size": 128}),
    "cut": ("cut", {}),
    "cyclegan": ("cyclegan", {}),
    "cyclegan paper": ("cyclegan", {"generator": "resnet_9blocks"}),
    "cyclegan affine": ("cyclegan", {"generator": "resnet_9blocks", "affine": True}),
    "dcgan": ("dcgan", {}),
    "dcgan paper": ("dcgan", {"generator": "paper", "crop_size": 32, "noise": "normal"}),
    "colorization": ("colorization", {}),
    "colorization res_unet": ("colorization", {"generator": "res_unet"}),
    "stargan_v2": ("stargan_v2", {}),
}
FACES = {"stargan_v2 faces": ("stargan_v2", {"w_hpf": 1.0, "fan_weights": "fan.pdparams"})}


def save(folder, case):
    """Weights as training saves them, drawn so wide that an error is seen."""
    name, more = {**CASES, **FACES}[case]
    model_class = models.find(name)
    options = resolve(model_class, {**TINY[name], **more}, name)
    paddle.seed(0)
    model = model_class(**options)
    for p in model.parameters():
        if p.trainable:
            p.set_value(p + 0.1 * paddle.randn(p.shape))
    for network, choice in model.inference.items():
        entry = {"model": name, "options": options, "network": network,
                 "translate": dict(choice), "step": 7}  # fmt: skip
        path = folder / f"{network}.pdparams"
        save_network(path, model.inference_network(network), entry)
    return folder


def command(*arguments):
    """Run the command here (the exporting has a process of its own); what it prints."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert export.main([str(a) for a in arguments]) == 0
    return said.getvalue()


def in_this_process(tmp_path, source, kind):
    """What the exporting process does; a process for each case would take a minute."""
    folder = tempfile.mkdtemp(dir=tmp_path)
    return worker.work({"weights": str(source), "format": kind, "folder": folder,
                        "shown": folder, "status": str(tmp_path / "status")})  # fmt: skip


def printed_code(said):
    """The lines that the command prints to be run, one program after the other."""
    blocks = said.split("to run it:")[1].strip("\n").split("\n\n")
    return [re.sub("^ {4}", "", block, flags=re.MULTILINE) for block in blocks]


def run_printed(said):
    """Run the printed programs in a fresh process without this package."""
    blocks = printed_code(said)
    assert all(len(code.strip().splitlines()) == 5 for code in blocks)
    code = "\n".join(["import zlib", *blocks])  # Paddle 2.6 needs it first
    done = subprocess.run([sys.executable, "-c", code], cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return re.findall(r"^\(.*\)$", done.stdout, flags=re.MULTILINE)


@pytest.fixture(autouse=True)
def plain_layers(monkeypatch):
    monkeypatch.setenv("PADDLE_GANS_FAST_CPU", "0")


# The other networks of the same models take as long again.
EACH = [case if case in models.names() else pytest.param(case, marks=pytest.mark.slow)
        for case in CASES]  # fmt: skip


@pytest.mark.parametrize("case", EACH)
def test_what_paddle_inference_runs_is_the_network(tmp_path, case):
    about = in_this_process(tmp_path, save(tmp_path / "run", case), "paddle")
    assert all(program["largest_difference"] < 1e-4 for program in about["programs"])


@pytest.mark.parametrize("case", EACH)
def test_what_onnxruntime_runs_is_the_network(tmp_path, case):
    pytest.importorskip("paddle2onnx")
    pytest.importorskip("onnxruntime")
    about = in_this_process(tmp_path, save(tmp_path / "run", case), "onnx")
    assert all(program["largest_difference"] < 1e-4 for program in about["programs"])


def test_the_command_writes_programs_and_prints_what_runs_them(tmp_path):
    run = save(tmp_path / "run", "cyclegan")
    said = command(run)
    folder = run / "export" / "paddle"
    about = json.loads((folder / "export.json").read_text())
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*about["files"], "export.json"]
    )
    assert [program["name"] for program in about["programs"]] == ["generator_ab", "generator_ba"]
    program = about["programs"][0]
    assert program["sides_are_multiples_of"] == 4
    assert program["inputs"][0]["shape"] == ["batch", 3, "height", "width"]
    assert program["inputs"][0]["range"] == [-1, 1]
    assert (about["model"], about["step"]) == ("cyclegan", 7)
    assert about["options"]["base_dim"] == TINY["cyclegan"]["base_dim"]
    assert run_printed(said) == ["(1, 3, 32, 32)"]  # both directions are run alike

    with pytest.raises(InputError, match="already exists"):
        export.main([str(run)])
    command(run / "generator_ba.pdparams", "--overwrite")
    about = json.loads((folder / "export.json").read_text())
    assert [program["name"] for program in about["programs"]] == ["generator_ba"]
    assert not list(folder.glob("generator_ab*"))
    assert [path.name for path in folder.parent.iterdir()] == ["paddle"]


@pytest.mark.slow
def test_faces_are_found_in_the_program_and_not_in_onnx(tmp_path):
    run = save(tmp_path / "run", "stargan_v2 faces")
    about = in_this_process(tmp_path, run, "paddle")
    assert about["programs"][0]["inputs"][0]["shape"] == ("batch", 3, 64, 64)
    assert about["programs"][0]["sides_are_multiples_of"] is None
    with pytest.raises(InputError, match=r"with --w-hpf above 0 is not possible.*--format paddle"):
        in_this_process(tmp_path, run, "onnx")


@pytest.mark.slow
def test_stargan_is_three_programs_that_run(tmp_path):
    run = save(tmp_path / "run", "stargan_v2")
    said = command(run, "--output", tmp_path / "out")
    assert run_printed(said) == ["(1, 3, 64, 64)", "(1, 64)", "(1, 64)"]
    programs = json.loads((tmp_path / "out" / "export.json").read_text())["programs"]
    domain = programs[1]["inputs"][1]
    assert domain["range"] == [0, 2]
    assert "0 cat" in domain["meaning"]


@pytest.mark.slow
def test_the_printed_lines_for_onnxruntime_run(tmp_path):
    pytest.importorskip("paddle2onnx")
    pytest.importorskip("onnxruntime")
    run = save(tmp_path / "run", "dcgan")
    said = command(run, "--format", "onnx")
    assert run_printed(said) == ["(1, 1, 28, 28)"]
    folder = run / "export" / "onnx"
    assert {path.name for path in folder.iterdir()} == {"generator.onnx", "export.json"}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda x: x + 0.01, r"differs .* by up to 0.01 \(allowed"),
        (lambda x: x * np.float32("nan"), "differs .* nan"),
        (lambda x: x[:, :, 1:], r"returns \[1, 3, 7, 8\], the network \[1, 3, 8, 8\]"),
    ],
)
def test_a_program_that_differs_is_refused(spoil, words):
    x = np.random.default_rng(0).uniform(-1, 1, [1, 3, 8, 8]).astype("float32")
    worker.compare("generator", lambda arrays: arrays["x"] + np.float32(1e-5), [({"x": x}, x)])
    with pytest.raises(InputError, match=f"generator is wrong and was deleted.*{words}"):
        worker.compare("generator", lambda arrays: spoil(arrays["x"]), [({"x": x}, x)])


WRONG = """
import runpy, sys
from data_reader import framework
framework.prepare()
from paddle import nn
from paddle_gans.exporting import formats, worker

def wrong(program, stem):  # the known case: LeakyReLU arrives in the file without its slope
    for layer in program.layer.sublayers():
        if isinstance(layer, nn.LeakyReLU):
            layer.forward = nn.functional.relu
    formats.write_paddle(program, stem)

formats.FORMATS["paddle"] = formats.Format(wrong, formats.load_paddle, formats.paddle_code)
sys.exit(worker.main())
"""
CRASH = """
import json, os, pathlib, signal, sys
print("[ERROR] unsupported operators", flush=True)
request = json.loads(sys.argv[1])
pathlib.Path(request["folder"], "generator.json").write_text("half")
pathlib.Path(request["status"]).write_text(json.dumps({"stage": "writing generator"}))
os.kill(os.getpid(), signal.SIGSEGV)
"""


def exporting(monkeypatch, code):
    """Have the exporting process run this code."""
    monkeypatch.setattr(export, "WORKER", ("-c", code))


@pytest.mark.slow
def test_a_wrong_export_leaves_nothing_behind(tmp_path, monkeypatch):
    run = save(tmp_path / "run", "stargan_v2")
    exporting(monkeypatch, WRONG)
    with pytest.raises(InputError, match="exported generator is wrong and was deleted"):
        export.main([str(run)])
    assert not (run / "export").exists()


def test_an_exporter_that_crashes_is_one_line_and_a_bug_a_traceback(tmp_path, monkeypatch):
    exporting(monkeypatch, CRASH)
    with pytest.raises(InputError, match=r"SIGSEGV at writing generator \(\[ERROR\] unsupported"):
        export.main([str(tmp_path)])
    assert not (tmp_path / "export").exists()
    exporting(monkeypatch, "raise AttributeError('a bug')")
    with pytest.raises(RuntimeError, match="AttributeError: a bug"):
        export.main([str(tmp_path)])


def test_only_exports_are_overwritten(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_text("mine")
    with pytest.raises(InputError, match=r"contains a\.jpg, which is not part of an export"):
        export.main([str(tmp_path), "--output", str(folder), "--overwrite"])
    with pytest.raises(InputError, match="is a file"):
        export.main([str(tmp_path), "--output", str(folder / "a.jpg")])
    assert (folder / "a.jpg").read_text() == "mine"


def test_wrong_inputs_are_one_line(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="RUN is missing"):
        export.main([])
    with pytest.raises(InputError, match="does not exist"):
        export.main([str(tmp_path / "nothing")])
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: name == "paddle" or None)
    with pytest.raises(InputError, match=r"paddle2onnx.*not installed.*pip install.*\[export\]"):
        export.main([str(tmp_path), "--format", "onnx"])


def test_models_that_no_file_names_are_exported(plain_model, add_model, pairs, tmp_path):
    train("plain", data=str(pairs), out=str(tmp_path / "plain"), steps=1, workers=0)
    (program,) = in_this_process(tmp_path, tmp_path / "plain", "paddle")["programs"]
    assert program["inputs"][0]["shape"] == ("batch", 3, "height", "width")

    add_model(ROOT / "examples" / "conditional_dcgan.py", "conditional_dcgan")
    train("conditional_dcgan", out=str(tmp_path / "digits"), steps=1, workers=0, base_dim=4)
    (program,) = in_this_process(tmp_path, tmp_path / "digits", "paddle")["programs"]
    assert [field["name"] for field in program["inputs"]] == ["z", "y"]
    assert program["output"]["shape"] == ("batch", 1, 28, 28)


def test_a_model_that_does_not_describe_its_inputs_is_named():
    with pytest.raises(InputError, match=r"Other cannot be exported.*generator_inputs"):
        type("Other", (GANModel,), {})().generator_inputs()


def test_the_command_knows_both_formats():
    assert export.NEEDED.keys() == formats.FORMATS.keys()


@pytest.mark.slow
def test_a_folder_without_weights_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"holds no \.pdparams or \.safetensors file"):
        export.main([str(tmp_path)])
    assert not list(tmp_path.glob("export/*"))
