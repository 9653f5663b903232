"""The page of an export: opened from its file in Chromium, it does what `load` does."""

import contextlib
import dataclasses
import functools
import hashlib
import re
import shlex
import subprocess
import sys
import threading
from http.server import HTTPServer, SimpleHTTPRequestHandler

import numpy as np
import pytest
from conftest import ROOT, chromium_page, noise_image
from test_export import save

import paddle_gans
from data_reader import InputError, colour
from data_reader.images import read_image, write_image
from draw_demo.streets import street_scene
from paddle_gans import export
from paddle_gans.exporting import page as exported
from paddle_gans.exporting import worker

DOCUMENTED = re.findall(
    r"^ {4}python (-m paddle_gans.export (\S+) .*--page)$",
    (ROOT / "docs" / "export.md").read_text(encoding="utf-8"),
    flags=re.MULTILINE,
)


@pytest.fixture(scope="module")
def runtime():
    """The archive of onnxruntime-web, from the cache or the network."""
    for name in ("paddle2onnx", "onnx", "onnxruntime"):
        pytest.importorskip(name)
    try:
        return exported.fetch_runtime()
    except InputError as error:
        pytest.skip(f"no onnxruntime-web: {error}")


@contextlib.contextmanager
def opened(folder):
    """The page of an export, once it is ready."""
    address = (folder / "index.html").as_uri()
    with chromium_page(address) as page:
        page.goto(address)
        status(page, "Ready|pixels")  # noise is drawn at once
        yield page


def status(page, words):
    """The line below the options, once it holds these words, or an error."""
    page.wait_for_function(
        "words => statusLine.className || RegExp(words).test(statusLine.textContent)", arg=words
    )
    text = page.inner_text("#status")
    assert re.search(words, text)
    return text


def output(page, tmp_path, do, *values):
    """The image that the page offers after a call of its functions, and the line below."""
    page.evaluate("statusLine.textContent = ''")
    do(*values)
    said = status(page, "pixels")
    with page.expect_download() as download:
        page.click("#download")
    path = tmp_path / "output.png"
    download.value.save_as(path)
    return read_image(path), said


def upload(page, tmp_path, image, box="#file"):
    write_image(tmp_path / "input.png", image)
    return output(page, tmp_path, page.set_input_files, box, tmp_path / "input.png")


def assert_same(image, expected):
    """Equal but for rounding: within a level of 255, and nearly everywhere the same."""
    assert image.shape == expected.shape
    difference = np.abs(np.int32(image) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


def photograph(height, width):
    """A smooth image with noise and colours at RGB's borders."""
    y, x = np.mgrid[:height, :width]
    planes = [255 * x / width, 255 * y / height, 127 + 127 * np.sin((x + y) / 9)]
    noise = np.random.default_rng(0).normal(0, 9, (height, width, 3))
    return np.uint8(np.clip(np.dstack(planes) + noise, 0, 255))


def test_the_documents_name_the_command_for_two_models():
    assert {name.split("_")[0] for _, name in DOCUMENTED} == {"pix2pix", "colorization"}


IMAGES = {
    "pix2pix": lambda: [street_scene(0, 128, "test")[1], noise_image(0, 37, 58)],
    # The network's size, smaller (enlarged), and larger with another shape (reduced).
    "colorization": lambda: [photograph(*sides) for sides in ((128, 128), (50, 70), (161, 250))],
}


@pytest.mark.slow
@pytest.mark.parametrize(("command", "name"), DOCUMENTED)
def test_the_documented_command_writes_a_page_that_equals_the_model(
    runtime, tmp_path, monkeypatch, command, name
):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = subprocess.run(
        [sys.executable, *shlex.split(command)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "export" / name / "onnx"
    said = re.search(r"(\S+index.html) \((\d+\.\d) MB\) runs in the browser", done.stdout)
    assert tmp_path / said[1] == folder / "index.html"
    assert float(said[2]) < 40

    translate = paddle_gans.load(name)
    with opened(folder) as page:
        for image in IMAGES[name.split("_")[0]]():
            result, said = upload(page, tmp_path, image)
            assert_same(result, translate(image))
            height, width = image.shape[:2]
            assert said.startswith(f"{width} x {height} pixels")
        if name == "pix2pix_demo":
            too_large = "ask('images', new ImageData(9000, 6000), {program: 'generator'})"
            said = page.evaluate(f"{too_large}.catch((error) => error.message)")
            assert said.startswith("the image does not fit into the browser's memory")


@pytest.fixture
def tiny(runtime, tmp_path):
    """Exports a tiny model of one's own; returns the folder of its weights and that of the page."""

    def write(case):
        run, folder = save(tmp_path / "run", case), tmp_path / "onnx"
        folder.mkdir()
        worker.work({"weights": str(run), "format": "onnx", "folder": str(folder),
                     "shown": str(folder), "status": str(tmp_path / "status"),
                     "runtime": str(runtime)})  # fmt: skip
        return run, folder

    return write


@pytest.mark.slow
def test_a_direction_is_chosen_and_large_images_are_reduced(tiny, tmp_path):
    run, folder = tiny("cyclegan")
    translate, image = paddle_gans.load(run), photograph(300, 600)
    with opened(folder) as page:
        page.select_option("#program", label="b2a")
        result, said = upload(page, tmp_path, image)
        assert result.shape == (256, 512, 3)
        assert said.endswith("reduced from 600 x 300")
        result, said = output(page, tmp_path, page.select_option, "#longest", "1024")
        assert "reduced" not in said
        assert_same(result, translate(image, direction="b2a"))
        result, _ = output(page, tmp_path, page.select_option, "#program", "generator_ab")
        assert_same(result, translate(image, direction="a2b"))


@pytest.mark.slow
def test_styles_are_copied_and_drawn(tiny, tmp_path):
    run, folder = tiny("stargan_v2")
    translate, image, other = paddle_gans.load(run), photograph(80, 70), noise_image(0, 64, 64)
    with opened(folder) as page:
        first, _ = upload(page, tmp_path, image)
        assert first.shape == (64, 64, 3)
        second, _ = output(page, tmp_path, page.click, "#again")
        assert (first != second).any()
        output(page, tmp_path, page.select_option, "#domain", "1")
        result, _ = upload(page, tmp_path, other, "#reference")
        assert_same(result, translate.in_style_of(image, other, translate.domains[1]))


@pytest.mark.slow
def test_noise_becomes_images(tiny, tmp_path):
    _, folder = tiny("dcgan")
    with opened(folder) as page:
        first, _ = output(page, tmp_path, page.click, "#again")
        assert first.shape == (4 * 28 + 3 * 2, 4 * 28 + 3 * 2, 3)
        second, _ = output(page, tmp_path, page.select_option, "#count", "1")
        assert second.shape == (28, 28, 3)
        third, _ = output(page, tmp_path, page.click, "#again")
        assert (second != third).any()


@pytest.mark.slow
def test_the_webcam_and_errors_in_words(tiny, tmp_path):
    _, folder = tiny("pix2pix")
    (tmp_path / "notes.png").write_text("no image")
    with opened(folder) as page:
        page.set_input_files("#file", tmp_path / "notes.png")
        page.wait_for_selector("#status.error")
        assert page.inner_text("#status") == (
            "Not possible: notes.png is not an image that this browser reads"
        )
        page.click("#camera")
        status(page, "pixels")
        first = page.evaluate("after = () => document.querySelector('#after canvas').toDataURL()")
        page.wait_for_function("old => after() !== old", arg=first)  # the fake camera's film moves
        page.click("#camera")
        assert page.evaluate("stream") is None
        transparent = np.dstack([noise_image(1, 32, 32), noise_image(2, 32, 32)[..., 0]])
        write_image(tmp_path / "input.png", transparent[..., :3], transparent[..., 3])
        page.evaluate("statusLine.textContent = ''")
        page.set_input_files("#file", tmp_path / "input.png")
        status(page, "pixels")
        values = page.evaluate(
            "[...document.querySelector('#after canvas').getContext('2d')"
            ".getImageData(0, 0, 32, 32).data]"
        )
        assert values[3::4] == transparent[..., 3].ravel().tolist()


@pytest.mark.slow
def test_lab_is_that_of_data_reader(tiny):
    _, folder = tiny("pix2pix")
    levels = np.uint8([*range(0, 256, 15), 1, 2, 3])
    image = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(len(levels), -1, 3)
    height, width = image.shape[:2]
    rgba = np.dstack([image, np.full((height, width, 1), 255, np.uint8)]).ravel().tolist()
    expected = colour.rgb_to_lab(image)
    vivid = expected * np.float32([1, 1.7, 1.7])  # most are outside RGB
    with opened(folder) as page:
        lab = page.evaluate(
            "async ([data, w]) => [...await ask('lab',"
            " new ImageData(Uint8ClampedArray.from(data), w))]",
            [rgba, width],
        )
        back = page.evaluate(
            "async ([lab, w, h]) => [...(await ask('rgb', Float32Array.from(lab), w, h)).data]",
            [vivid.transpose(2, 0, 1).ravel().tolist(), width, height],
        )
    lab = np.float32(lab).reshape(3, height, width).transpose(1, 2, 0)
    assert np.abs(lab - expected).max() < 0.03
    assert_same(np.uint8(back).reshape(height, width, 4)[..., :3], colour.lab_to_rgb(vivid))


# The runtime's archive, and what needs no browser.


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The cache's folder, empty, with a registry that does not answer."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/npm/")
    return tmp_path / "paddle_gans"


def test_without_a_network_the_error_names_the_file_and_its_place(cache):
    url = r"http://127.0.0.1:9/npm/onnxruntime-web/-/onnxruntime-web-[\d.]+.tgz"
    place = re.escape(str(cache / "onnxruntime-web-"))
    advice = rf"download {url} by other means \(npm_config_registry names a mirror\), save it as "
    with pytest.raises(InputError, match=f"{advice}{place}"):
        exported.fetch_runtime()


def test_another_file_in_its_place_is_refused(cache):
    cache.mkdir()
    path = cache / exported.RUNTIME.name
    path.write_text("another")
    with pytest.raises(InputError, match=r"has sha512 .* delete it") as caught:
        exported.fetch_runtime()
    assert "--" not in str(caught.value)  # no flags of another command
    assert path.exists()


def test_a_download_is_kept(cache, tmp_path, monkeypatch, capsys):
    content = b"an archive"
    checksum = f"sha512:{hashlib.sha512(content).hexdigest()}"
    monkeypatch.setattr(
        exported, "RUNTIME", dataclasses.replace(exported.RUNTIME, size=10, checksum=checksum)
    )
    served = tmp_path / "registry" / "onnxruntime-web" / "-"
    served.mkdir(parents=True)
    (served / exported.RUNTIME.name).write_bytes(content)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "registry"))
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{server.server_port}")
        assert exported.fetch_runtime().read_bytes() == content
        server.shutdown()
    assert [path.name for path in cache.iterdir()] == [exported.RUNTIME.name]
    assert exported.fetch_runtime().read_bytes() == content  # the server is gone
    assert "instead of downloading" in capsys.readouterr().out


def test_the_page_needs_onnx_and_programs_that_a_browser_holds(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="--page runs ONNX programs; add --format onnx"):
        export.main([str(tmp_path), "--page"])
    monkeypatch.setattr(exported, "MAX_PROGRAM", 3)
    monkeypatch.setattr(exported, "read_member", lambda *names: b"")
    (tmp_path / "generator.onnx").write_bytes(b"1234")
    with pytest.raises(InputError, match=r"too many for a page .* export without --page"):
        exported.write_page(tmp_path, {"programs": [{"name": "generator"}]}, tmp_path)


def test_the_package_holds_the_files_of_the_page():
    data = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert '"exporting/web/*"' in data
    for name in ("style.css", "worker.js", "page.js"):
        assert f"/* {name} */" in (exported.WEB / exported.NAME).read_text(encoding="utf-8")
