"""The page: what its buttons compute, the command around it, and all of it in a real browser."""

import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import ROOT, TINY, chromium_page, noise_image

import paddle_gans
from data_reader import InputError, transforms
from data_reader.embedded import STREET_LABELS
from data_reader.images import read_image, write_image
from draw_demo.streets import street_scene
from paddle_gans.serve import free_port, main
from paddle_gans.serving.app import build, make_tabs, titles
from paddle_gans.serving.images import Limits, read_upload
from paddle_gans.serving.model_tab import BUG, ModelTab, in_pool
from paddle_gans.serving.tabs import (
    GeneratedTab,
    common_colours,
    find_palette,
    named_labels,
    snap,
)

LIMITS = Limits(megabytes=2.0, megapixels=0.02)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of one step of every model, on the embedded data."""
    root = tmp_path_factory.mktemp("runs")
    for name, options in TINY.items():
        settings = {**options, "batch_size": 1, "workers": 0, "steps": 1, "validate_every": 0}
        if name == "pix2pix":  # statistics of one step would make every picture the same grey
            settings["norm_mode"] = "instance"
        paddle_gans.train(name, out=str(root / name), **settings)
    return root


@pytest.fixture(scope="module")
def tabs(runs, tmp_path_factory):
    """The tabs of all models, by the model's name."""
    translators = [paddle_gans.load(runs / name) for name in TINY]
    with ThreadPoolExecutor(1) as pool:
        made = make_tabs(translators, LIMITS, tmp_path_factory.mktemp("examples"), pool)
        yield {one.translate.name: one for one in made}


@pytest.fixture
def photo(tmp_path):
    write_image(tmp_path / "photo.png", noise_image(1, 60, 72))
    return str(tmp_path / "photo.png")


def is_image(result, *shape):
    return result.dtype == np.uint8 and result.shape == (*shape, 3)


# What the buttons compute.


def test_every_tab_has_examples_of_what_was_held_back(tabs):
    for name, one in tabs.items():
        assert bool(one.example_images()) == (name != "dcgan"), name
    assert np.array_equal(tabs["pix2pix"].example_images()[0], street_scene(0, 128, "test")[1])


def test_a_drawn_label_map_is_translated_with_exact_colours(tabs, tmp_path):
    one = tabs["pix2pix"]
    assert one.palette == STREET_LABELS
    drawing, path = one.example_images()[0], str(tmp_path / "drawing.png")
    write_image(path, drawing)
    result, caption = one.result(path)
    assert np.array_equal(result, one.translate(drawing))
    assert re.fullmatch(r"128 x 128 pixels · \d+\.\d s", caption)
    write_image(path, drawing // 2 + np.roll(drawing, 1, 1) // 2)
    assert "got the nearest" in one.result(path)[1]
    write_image(path, np.kron(drawing, np.ones((2, 2, 1), np.uint8)))  # more than --max-pixels
    assert "reduced" in one.result(path)[1]
    assert "nearest" not in one.result(path)[1]


def test_pixels_take_the_nearest_label():
    palette = {"a": (255, 0, 0), "b": (0, 0, 250)}
    picture = np.uint8([[[250, 3, 0], [255, 0, 0]], [[0, 0, 250], [20, 30, 200]]])
    snapped, changed = snap(picture, palette)
    assert snapped.tolist() == [[[255, 0, 0]] * 2, [[0, 0, 250]] * 2]
    assert changed == 0.5


def test_a_palette_beside_the_data_names_the_labels():
    translate = paddle_gans.load("pix2pix_facades")
    labels = named_labels(translate)
    assert labels["door"] == (0, 207, 255)
    maps = [np.full((64, 64, 3), labels["facade"], np.uint8)]
    maps[0][:9] = labels["window"]
    assert find_palette(maps, labels) == labels
    assert set(find_palette(maps)) == {"label 1", "label 2"}
    assert named_labels(paddle_gans.load("pix2pix_demo")) == {}


def test_label_maps_of_a_users_own_have_their_colours_as_a_palette():
    maps = [street_scene(i, 64, "test")[1] for i in range(3)]
    found = common_colours(maps)
    assert set(found.values()) <= set(STREET_LABELS.values())
    assert list(found)[:2] == ["label 1", "label 2"]
    assert common_colours([noise_image(0)]) == {}


def test_pictures_go_there_and_back(tabs, photo):
    one = tabs["cyclegan"]
    assert one.names == {"a2b": "photo to painting", "b2a": "painting to photo"}
    there, back, caption = one.there_and_back(photo, "b2a")
    assert np.array_equal(there, one.translate(read_image(photo), direction="b2a"))
    assert np.array_equal(back, one.translate(there, direction="a2b"))
    assert "translated back" in caption


def test_one_direction_alone_has_no_way_back(runs, photo, tmp_path):
    shutil.copy(runs / "cyclegan" / "generator_ba.pdparams", tmp_path)
    translate = paddle_gans.load(tmp_path / "generator_ba.pdparams")
    (one,) = make_tabs([translate], LIMITS, tmp_path / "examples", None)
    assert one.directions == ["b2a"]
    assert one.there_and_back(photo, "b2a")[1] is None


def test_styles_are_drawn_and_copied(tabs, photo, tmp_path):
    one = tabs["stargan_v2"]
    pictures, _ = one.latent_guided(photo, "every domain", 2, 3)
    names = ["cat 1", "cat 2", "dog 1", "dog 2", "rabbit 1", "rabbit 2"]
    assert [name for _, name in pictures] == names
    expected = one.translate(read_image(photo), num_styles=2, seed=3)
    assert all(np.array_equal(a, b) for (a, _), b in zip(pictures, expected))
    write_image(tmp_path / "dog.png", one.example_images("dog")[0])
    ((copied, name),), _ = one.reference_guided(photo, str(tmp_path / "dog.png"), "dog")
    assert is_image(copied, 64, 64)
    assert "dog" in name
    with pytest.raises(InputError, match="a reference is missing"):
        one.reference_guided(photo, None, "dog")
    with pytest.raises(InputError, match="1 to 8"):
        one.latent_guided(photo, "dog", 9, 0)


def test_a_photograph_is_shown_before_and_after(tabs, photo):
    one = tabs["colorization"]
    options = one.translate.translate_options
    values = {**{key: option.default for key, option in options.items()}, "saturation": 0.0}
    (before, after), _ = one.result(photo, *values.values())
    assert is_image(before, 60, 72)
    assert np.abs(np.int32(before) - after).max() <= 1  # without saturation both are grey


def test_sliders_draw(tabs):
    one = tabs["dcgan"]
    widgets = {"count": 4, "seed": 1, "interpolate": False}
    options = one.translate.translate_options
    image, caption = one.result(*(widgets[name] for name in options))
    assert is_image(image, 58, 58)
    assert "4 images" in caption
    widgets["count"] = 100_000
    with pytest.raises(InputError, match="at most 256"):
        one.result(*(widgets[name] for name in options))


def test_a_frame_of_the_webcam_is_reduced_and_translated(tabs):
    frame = noise_image(5, 480, 640)
    reduced = transforms.resize(frame, 163, 122)  # the 0.02 megapixels of the page's limits
    for name in ("pix2pix", "cyclegan", "colorization"):
        one = tabs[name]
        expected = one.translate(snap(reduced, STREET_LABELS)[0]
                                 if name == "pix2pix" else reduced)  # fmt: skip
        image, caption = one.film(frame)
        assert np.array_equal(image, expected), name
        assert caption.startswith("163 x 122 pixels")
    with pytest.raises(InputError, match="sent no image"):
        one.film(None)
    assert [name for name, one in tabs.items() if not one.has_webcam] == ["dcgan", "stargan_v2"]


def test_tabs_of_one_model_are_told_apart(runs, tabs):
    both = [tabs["pix2pix"].translate, tabs["pix2pix"].translate, tabs["dcgan"].translate]
    assert titles(both) == ["pix2pix 1", "pix2pix 2", "dcgan"]


def test_a_model_without_a_tab_of_its_own_has_the_usual_one(tabs, photo, tmp_path):
    about = {"limits": LIMITS, "folder": tmp_path / "examples", "pool": None}
    translate = tabs["cyclegan"].translate
    usual = ModelTab(translate, name="any", **about)
    image, caption = usual.result(photo, "b2a")
    assert np.array_equal(image, translate(read_image(photo), direction="b2a"))
    assert caption.startswith("72 x 60 pixels")
    draws = GeneratedTab(tabs["dcgan"].translate, name="draws", **about)
    options = draws.translate.translate_options
    assert draws.result(*(4 if name == "count" else None for name in options))[0].shape[0] == 58

    gradio = pytest.importorskip("gradio", minversion="6", reason="no Gradio to lay it out")
    assert len(build(gradio, [usual, draws]).fns) >= 2


def test_models_that_no_file_names_are_served(plain_model, add_model, pairs, photo, tmp_path):
    add_model(ROOT / "examples" / "conditional_dcgan.py", "conditional_dcgan")
    folder, settings = tmp_path / "examples", {"steps": 1, "workers": 0}
    paddle_gans.train("plain", data=str(pairs), out=str(tmp_path / "plain"), **settings)
    digits = str(tmp_path / "digits")
    paddle_gans.train("conditional_dcgan", out=digits, base_dim=4, **settings)
    translators = [paddle_gans.load(tmp_path / "plain"), paddle_gans.load(digits)]
    plain, generated = make_tabs(translators, LIMITS, folder, None)
    assert len(plain.example_images()) == 2
    assert np.array_equal(plain.result(photo)[0], translators[0](read_image(photo)))
    assert is_image(generated.result(7, 4, 0)[0], 58, 58)

    gradio = pytest.importorskip("gradio", minversion="6", reason="no Gradio to lay it out")
    assert len(build(gradio, [plain, generated]).fns) >= 2


def test_a_file_without_its_run_takes_pictures(runs, tmp_path):
    shutil.copy(runs / "pix2pix" / "generator.pdparams", tmp_path)
    translate = paddle_gans.load(tmp_path / "generator.pdparams")
    (one,) = make_tabs([translate], LIMITS, tmp_path / "examples", None)
    assert one.palette == {}
    assert one.example_images() == []
    (tmp_path / "config.json").write_text('{"data_path": ["/no/such/place", 3]}')
    assert make_tabs([translate], LIMITS, tmp_path / "examples", None)[0].palette == {}


# What arrives from a browser.


def test_large_pictures_are_reduced_and_large_files_refused(tmp_path):
    write_image(tmp_path / "large.png", noise_image(0, 400, 800))
    rgb, note = read_upload(str(tmp_path / "large.png"), LIMITS)
    assert rgb.shape == (100, 200, 3)
    assert note.startswith("reduced from 800 x 400")
    with pytest.raises(InputError, match=r"large.png has 1.0 MB; the limit is 0.5 MB") as caught:
        read_upload(str(tmp_path / "large.png"), Limits(megabytes=0.5))
    assert str(tmp_path) not in str(caught.value)


def test_what_is_no_picture_is_refused_in_words(tmp_path):
    (tmp_path / "notes.png").write_text("no picture")
    with pytest.raises(InputError, match=r"^notes.png is not an image"):
        read_upload(str(tmp_path / "notes.png"), LIMITS)
    with pytest.raises(InputError, match="an image is missing"):
        read_upload(None, LIMITS)
    claims = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (90_000).to_bytes(4, "big") * 2 + b"\x08\2\0\0\0"
    (tmp_path / "bomb.png").write_bytes(claims + bytes(200))
    with pytest.raises(InputError, match=r"^bomb.png is 90000 x 90000 pixels"):
        read_upload(str(tmp_path / "bomb.png"), LIMITS)


def test_errors_reach_the_page_in_words(capsys):
    class Page:
        class Error(Exception):
            def __init__(self, message, **settings):
                super().__init__(message)

    def wrong():
        raise InputError("too large")

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(Page.Error, match="too large"):
            in_pool(Page, pool, wrong)()
        assert capsys.readouterr().err == ""
        with pytest.raises(Page.Error, match=re.escape(BUG)):
            in_pool(Page, pool, lambda: 1 / 0)()
    assert "ZeroDivisionError" in capsys.readouterr().err


# The command.


@pytest.mark.parametrize(
    ("words", "message"),
    [(["nosuch"], "nosuch does not exist"),
     (["runs/gone"], "runs/gone does not exist"),
     (["{}", "--queue", "0"], "--queue must be at least 1"),
     (["{}", "--port", "70000"], "--port must be 1 to 65535"),
     (["{}", "--host", "no host"], "--host no host")],
)  # fmt: skip
def test_what_is_wrong_is_said_before_anything_is_opened(words, message, tmp_path):
    with pytest.raises(InputError, match=re.escape(message)):
        main([word.format(tmp_path) for word in words])


def test_a_port_in_use_is_named_or_passed_by(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="in use"):
            free_port("127.0.0.1", taken.getsockname()[1])
    with contextlib.ExitStack() as stack:
        usual = stack.enter_context(socket.socket())
        with contextlib.suppress(OSError):  # somebody else has it already
            usual.bind(("127.0.0.1", 7860))
            usual.listen()
        assert free_port("127.0.0.1", None) > 7860
    assert "port 7860 is in use; using 78" in capsys.readouterr().out


def test_without_gradio_the_command_says_what_to_install():
    code = (
        "import importlib.util as u, runpy, sys\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'gradio' else find(name, *a)\n"
        "sys.argv = ['serve', 'tests']\n"
        "runpy.run_module('paddle_gans.serve', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the page needs Gradio")
    assert "pip install -e '.[serve]'" in done.stderr


# In the browser.


@pytest.fixture(scope="module")
def address(runs):
    """The command, listening; ended by Ctrl-C, which it must survive without a word of trouble."""
    pytest.importorskip("gradio", minversion="6", reason="the extra `serve` is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = [str(runs / name) for name in TINY]
    words += ["--port", port, "--max-upload", "2", "--max-pixels", "0.02"]
    command = [sys.executable, "-m", "paddle_gans.serve", *words]
    # A proxy that is not there: the page must need none, and nothing may be fetched through it.
    environment = {**os.environ, "https_proxy": "http://127.0.0.1:9", "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, **pipes)
    try:
        line = process.stdout.readline()
        assert line.startswith("the page is at http"), process.communicate(timeout=60)
        yield line.split()[4].rstrip("/")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, "", "stopped\n")
    finally:
        process.kill()


@pytest.fixture
def browser_page(address):
    """The open page in Chromium."""
    with chromium_page(address) as page:
        page.goto(address, wait_until="domcontentloaded")
        yield page


def open_tab(page, name):
    page.get_by_role("tab", name=name, exact=True).click()


def said(page, name, result="result", old=None):
    """The caption and the address of a result, once there is one other than the old."""
    page.wait_for_function(
        "([id, old]) => { const source = document.querySelector(id)?.src;"
        " return source && source !== old; }",
        arg=[f"#{name}-{result} img", old],
    )
    # While it is computed, seconds run where the caption will stand.
    caption = f"#{name}-{'film-' if result == 'film' else ''}caption"
    page.wait_for_selector(f"{caption}:has-text('pixels')")
    source = page.get_attribute(f"#{name}-{result} img >> nth=0", "src")
    return page.inner_text(caption).strip(), source


@pytest.mark.slow
def test_a_label_map_is_drawn_in_exact_colours(browser_page, tmp_path):
    page, name = browser_page, "pix2pix-1"
    exact = re.compile(r"128 x 128 pixels · \d+\.\d s")  # "got the nearest" would follow
    page.click(f"#{name}-example button >> nth=1")
    text, first = said(page, name)
    assert exact.fullmatch(text)
    page.click(f"#{name}-run")
    time.sleep(3)
    assert said(page, name)[1] == first  # the editor holds the example, pixel for pixel

    box = page.locator(f"#{name}-editor canvas").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 40, y - 30)
    page.mouse.down()
    page.mouse.move(x + 30, y + 25, steps=5)
    page.mouse.up()
    page.click(f"#{name}-run")
    text, second = said(page, name, old=first)
    assert exact.fullmatch(text)
    page.click(f"#{name}-editor button[aria-label='Undo']")
    page.click(f"#{name}-run")
    assert pixels(page, said(page, name, old=second)[1]) == pixels(page, first)

    page.click(f"#{name}-example button >> nth=0")
    said(page, name, old=second)


def pixels(page, address):
    """The content of an image that the page shows."""
    return page.request.get(address).body()


@pytest.mark.slow
def test_a_picture_is_uploaded_and_changes(browser_page, photo):
    page, name = browser_page, "cyclegan-2"
    open_tab(page, "cyclegan")
    page.set_input_files("[role=tabpanel]:visible input[type=file]", photo)
    page.wait_for_selector("[role=tabpanel]:visible .image img")
    page.click(f"#{name}-run")
    caption, first = said(page, name)
    assert caption.startswith("72 x 60 pixels")
    page.click(f"#{name}-b2a button >> nth=0")  # an example brings its direction
    said(page, name, old=first)
    assert page.is_visible(f"#{name}-back img")


@pytest.mark.slow
def test_the_other_tabs_answer_one_click(browser_page):
    page = browser_page
    places = {model: f"{model}-{i}" for i, model in enumerate(TINY, 1)}
    for model in ("colorization", "stargan_v2"):
        open_tab(page, model)
        page.click(f"#{places[model]}-example button >> nth=0")
        said(page, places[model])
    open_tab(page, "dcgan")
    page.click(f"#{places['dcgan']}-run")
    assert "64 images" in said(page, places["dcgan"])[0]


@pytest.mark.slow
def test_a_film_is_translated_while_others_use_the_page(browser_page):
    page, name = browser_page, "cyclegan-2"
    open_tab(page, "cyclegan")
    page.click(f"#{name}-webcam > button")
    page.click(f"#{name}-webcam >> text=Click to Access Webcam")
    page.click(f"#{name}-webcam .capture-button:has-text('Record')")
    _, first = said(page, name, "film")
    open_tab(page, "dcgan")
    digits = f"dcgan-{list(TINY).index('dcgan') + 1}"
    page.click(f"#{digits}-run")
    said(page, digits)
    open_tab(page, "cyclegan")
    _, second = said(page, name, "film", old=first)
    page.click(f"#{name}-webcam .capture-button:has-text('Stop')")
    time.sleep(3)  # what was on its way
    _, last = said(page, name, "film", old=second)
    time.sleep(3)
    assert said(page, name, "film")[1] == last


@pytest.mark.slow
def test_errors_stand_on_the_page_in_words(browser_page, tmp_path):
    page = browser_page
    open_tab(page, "colorization")
    name = f"colorization-{list(TINY).index('colorization') + 1}"
    page.click(f"#{name}-run")
    page.wait_for_selector("text=the photograph is missing")
    (tmp_path / "notes.png").write_text("no picture")
    page.set_input_files("[role=tabpanel]:visible input[type=file]", tmp_path / "notes.png")
    time.sleep(1)  # the upload has no sign of its end
    page.click(f"#{name}-run")
    page.wait_for_selector("text=notes.png is not an image")
    write_image(tmp_path / "large.png", noise_image(0, 1200, 1200))
    page.click("[role=tabpanel]:visible button[aria-label='Clear']")
    page.set_input_files("[role=tabpanel]:visible input[type=file]", tmp_path / "large.png")
    page.wait_for_selector("text=/exceed|too large|maximum/i")


@pytest.mark.slow
def test_the_server_refuses_what_is_too_large(address):
    connection = http.client.HTTPConnection(address[len("http://") :], timeout=60)
    connection.putrequest("POST", "/gradio_api/queue/join")
    connection.putheader("content-length", "6000000")
    connection.endheaders()  # the answer comes before anything is sent
    assert connection.getresponse().status == 413
    connection.close()
    connection.request("GET", "/")
    policy = connection.getresponse().headers["content-security-policy"]
    assert policy.startswith("default-src 'self'")
