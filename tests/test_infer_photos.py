"""Using colorization models: lightness, photographs of any kind, and the command on files."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import paddle
import pytest
from conftest import ROOT, TINY, below, infer, noise_image, refused
from test_metadata import FULL_JPEG, TIDY_PACKET, chunk, png

import paddle_gans
from data_reader import InputError, colour
from data_reader.images import decode_image, read_image, write_image
from data_reader.metadata import read_metadata
from data_reader.transforms import normalise
from data_reader.video import VideoReader, VideoWriter
from draw_demo.photos import colour_scene
from paddle_gans.infer import main
from paddle_gans.inference.photos import MAX_SIZES
from paddle_gans.inference.photos_task import ColourSmoother, PhotoTask, without_colour
from paddle_gans.models.colorization import Colorization
from paddle_gans.training import panels
from paddle_gans.weights import formats

SIZE = 32  # of training
GREY_SCENE = without_colour(colour_scene(5, 100))[:80]


def save_colourful(model, path, entry):
    """Save a generator whose colours, near grey after so few steps, are made visible."""
    network = model.inference_network("generator")
    head = network.head
    head.weight.set_value(head.weight * 60)
    head.bias.set_value(paddle.to_tensor([0.15, -0.1]))
    formats.save_network(path, network, entry)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two run folders: `one` was trained for two steps, `two` holds the article's other network."""
    root = tmp_path_factory.mktemp("colorization")
    settings = {**TINY["colorization"], "batch_size": 2, "workers": 0, "steps": 2}
    paddle_gans.train("colorization", out=str(root / "one"), **settings)
    path = root / "one" / "generator.pdparams"
    _, entry = formats.read_network(path)
    save_colourful(paddle_gans.load(path).model, path, entry)

    paddle.seed(1)
    options = {**TINY["colorization"], "generator": "res_unet"}
    two = root / "two" / "generator.pdparams"
    two.parent.mkdir()
    save_colourful(Colorization(**options), two, {**entry, "options": options})
    return root


@pytest.fixture(scope="module")
def run_folder(runs):
    return runs / "one"


@pytest.fixture(scope="module")
def translate(run_folder):
    return paddle_gans.load(run_folder)


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """Six images, in colour and grey by turns, 100 x 80."""
    folder = tmp_path_factory.mktemp("album")
    for i in range(6):
        scene = colour_scene(i, 100)[:80]
        write_image(folder / f"{i}.png", without_colour(scene) if i % 2 else scene)
    return folder


def lightness(rgb):
    return colour.rgb_to_lab(rgb)[..., 0]


def colourfulness(rgb):
    """Mean chroma, Lab units."""
    return float(np.hypot(*colour.rgb_to_lab(rgb)[..., 1:].transpose(2, 0, 1)).mean())


def distance(one, other):
    """Mean difference, levels."""
    return np.abs(one.astype(int) - other).mean()


# Images.


@pytest.mark.parametrize("size", [(80, 100), (97, 41), (20, 30), (1, 1), (7, 200)])
@pytest.mark.parametrize(
    "options",
    [{}, {"saturation": 4.0}, {"full_resolution": True}, {"full_resolution": True, "tile": 32}],
)
def test_size_and_lightness_are_kept(translate, size, options):
    photo = cv2.resize(colour_scene(3, 100), size[::-1])
    result = translate(photo, **options)
    assert (result.shape, result.dtype) == ((*size, 3), np.uint8)
    assert np.abs(lightness(result) - lightness(photo)).max() < 1
    assert colourfulness(result) > 5
    assert distance(result, photo) > 5  # not the photograph's own colours


def test_only_lightness_is_looked_at(translate):
    """Colour, grey and sepia give the same result, up to rounding of the lightness."""
    photo = colour_scene(0, 100)
    grey = without_colour(photo)
    lab = colour.rgb_to_lab(grey)
    lab[..., 1:] = (4, 14)
    sepia = colour.lab_to_rgb(lab)
    assert distance(sepia, grey) > 5
    expected = translate(photo).astype(int)
    for old in (grey, sepia):
        off = np.abs(translate(old) - expected)
        assert off.mean() < 0.5
        assert np.percentile(off, 99) <= 3  # where a colour is at the end of RGB, more


def direct_colours(model, seen):
    """ab [h, w, 2] of L [h, w], without this package's inference."""
    with paddle.no_grad():
        ab = model.averaged("generator")(
            paddle.to_tensor(seen[None, None] / np.float32(50) - np.float32(1))
        )
    return ab.numpy()[0].transpose(1, 2, 0) * np.float32(110)


def test_colours_are_those_at_the_training_size(translate):
    photo = colour_scene(1, 100)[:64]
    lab = colour.rgb_to_lab(photo)
    seen = cv2.resize(np.ascontiguousarray(lab[..., 0]), (50, SIZE), interpolation=cv2.INTER_AREA)
    ab = direct_colours(translate.model, seen)
    enlarged = cv2.resize(ab, (100, 64), interpolation=cv2.INTER_CUBIC)
    for saturation in (1.0, 0.5):
        expected = colour.lab_to_rgb(np.dstack([lab[..., :1], enlarged * np.float32(saturation)]))
        assert np.array_equal(translate(photo, saturation=saturation), expected)


def test_full_resolution_looks_at_every_pixel(translate):
    photo = colour_scene(1, 100)[:64]
    lab = colour.rgb_to_lab(photo)
    ab = direct_colours(translate.model, np.ascontiguousarray(lab[..., 0]))
    expected = colour.lab_to_rgb(np.dstack([lab[..., :1], ab]))
    whole = translate(photo, full_resolution=True)
    assert np.array_equal(whole, expected)
    assert distance(whole, translate(photo)) > 1
    assert not np.array_equal(translate(photo, full_resolution=True, tile=32), whole)


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        ((64, 96), (32, 48)), ((96, 65), (47, 32)), ((16, 24), (32, 48)), ((1, 1), (32, 32)),
        ((32, 40), (32, 40)), ((500, 64), (250, 32)), ((10, 2000), (10, 2000)),
        ((16, 100), (20, 128)),
    ],
)  # fmt: skip
def test_the_short_side_is_brought_to_the_training_size(translate, size, seen):
    l = np.random.default_rng(0).uniform(0, 100, size).astype("float32")  # noqa: E741
    assert translate.prepare(l).shape == seen
    assert translate.prepare(l, full_resolution=True) is l


def test_a_panorama_is_seen_in_parts(translate):
    shapes = []
    hook = translate.model.averaged("generator").register_forward_pre_hook(
        lambda layer, inputs: shapes.append(tuple(inputs[0].shape[2:]))
    )
    translate(noise_image(0, 40, 1000))
    translate(noise_image(0, 40, 100))
    hook.remove()
    assert shapes[-1] == (SIZE, 80)
    assert len(shapes) > 8
    assert set(shapes[:-1]) == {(SIZE, MAX_SIZES * SIZE)}


def test_saturation(translate):
    photo = colour_scene(2, 100)
    assert np.array_equal(translate(photo, saturation=0), without_colour(photo))
    pale, usual = (colourfulness(translate(photo, saturation=x)) for x in (0.1, 0.2))
    assert usual == pytest.approx(2 * pale, rel=0.05)
    for value in (-0.1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="--saturation must be"):
            translate(photo, saturation=value)
    with pytest.raises(InputError, match="did you mean saturation"):
        translate(photo, saturations=1.0)


def test_grey_arrays_alpha_and_lists(translate):
    photo = colour_scene(4, 60)
    grey, alpha = without_colour(photo)[..., 0], noise_image(0, 60, 60)[..., 0]
    result = translate(grey)
    assert np.array_equal(result, translate(np.repeat(grey[..., None], 3, axis=2)))
    with_alpha = translate(np.dstack([photo, alpha]))
    assert np.array_equal(with_alpha[..., 3], alpha)
    assert np.array_equal(with_alpha[..., :3], translate(photo))
    assert [np.array_equal(x, result) for x in translate([grey, grey[..., None]])] == [True, True]


def test_an_image_that_does_not_fit_is_named(translate, monkeypatch):
    def refuse(inputs):
        raise MemoryError

    monkeypatch.setattr(translate.model, "translate", refuse)
    with pytest.raises(InputError, match=r"60 x 40 pixels do not fit.*--tile 512"):
        translate(noise_image(0, 40, 60), full_resolution=True)


# Files.


def test_formats_and_metadata(run_folder, translate, tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    (photos / "in").mkdir(parents=True)
    write_image(photos / "A.JPG", GREY_SCENE)
    (photos / "in" / "lying.jpeg").write_bytes(FULL_JPEG)
    (photos / "text.png").write_bytes(png(chunk(b"tEXt", b"Title\0A day")))
    write_image(photos / "clear.png", GREY_SCENE, GREY_SCENE[..., 0])
    cv2.imwrite(str(photos / "deep.png"), GREY_SCENE.astype("uint16") * 257)
    write_image(photos / "scan.tif", GREY_SCENE)
    write_image(photos / "text.jpg", GREY_SCENE)
    assert infer(run_folder, photos, out) == 0
    names = ["A.jpg", "clear.png", "deep.png", "in/lying.jpg", "scan.png", "text.jpg", "text.png"]
    assert below(out) == names

    expected = translate(GREY_SCENE)
    assert np.array_equal(read_image(out / "scan.png"), expected)
    assert np.array_equal(read_image(out / "deep.png"), expected)
    assert np.array_equal(decode_image(out / "clear.png").alpha, GREY_SCENE[..., 0])
    assert distance(read_image(out / "A.jpg"), translate(read_image(photos / "A.JPG"))) < 2

    data = (out / "in" / "lying.jpg").read_bytes()
    frame = data.find(b"\xff\xc0")
    assert [data[frame + 11 + 3 * i] for i in range(3)] == [0x11] * 3  # colour for each pixel
    kept = read_metadata(data)
    assert kept == read_metadata(FULL_JPEG)
    assert kept.xmp == TIDY_PACKET
    upright = read_image(photos / "in" / "lying.jpeg")
    assert read_image(out / "in" / "lying.jpg").shape == upright.shape == (30, 20, 3)
    assert read_metadata((out / "text.png").read_bytes()).texts == {"Title": "A day"}

    alone = tmp_path / "alone.png"  # from format to format
    assert infer(run_folder, photos / "in" / "lying.jpeg", alone) == 0
    assert read_metadata(alone.read_bytes()).exif == kept.exif
    assert np.array_equal(read_image(alone), translate(upright))


def test_bad_images_are_skipped(run_folder, tmp_path, capsys):
    write_image(tmp_path / "in" / "good.jpg", GREY_SCENE)
    (tmp_path / "in" / "cut.jpg").write_bytes((tmp_path / "in" / "good.jpg").read_bytes()[:900])
    out = tmp_path / "out"
    assert refused(run_folder, tmp_path / "in", out) == "1 of 2 images could not be read"
    assert below(out) == ["good.jpg"]
    assert "truncated" in capsys.readouterr().err


def test_flags_reach_the_network(run_folder, translate, tmp_path):
    write_image(tmp_path / "a.png", GREY_SCENE)
    flags = ["--saturation", 0.5, "--full-resolution", "--tile", 64, "--overlap", 16]
    infer(run_folder, tmp_path / "a.png", tmp_path / "b.png", *flags)
    options = {"saturation": 0.5, "full_resolution": True, "tile": 64, "overlap": 16}
    assert np.array_equal(read_image(tmp_path / "b.png"), translate(GREY_SCENE, **options))


def test_wrong_values_are_refused_before_anything_is_written(run_folder, album, tmp_path):
    out = tmp_path / "out"
    for flags, message in [
        (["--smooth", 1], "--smooth must be at least 0"),
        (["--smooth", -0.5], "--smooth must be at least 0"),
        (["--smooth", "nan"], "--smooth must be at least 0"),
        (["--count", 0], "--count must be at least 1"),
        (["--seed", -1], "--seed must be at least 0"),
        (["--saturation", -1], "--saturation must be"),
        (["--overlap", 8], "give a tile"),
    ]:
        assert message in refused(run_folder, album, out, *flags)
    assert not out.exists()


def test_some_of_the_inputs_are_drawn(run_folder, album, tmp_path):
    def drawn(name, *flags):
        infer(run_folder, album, tmp_path / name, "--count", 2, *flags)
        return below(tmp_path / name)

    first = drawn("a")
    assert len(first) == 2
    assert drawn("b", "--seed", 0) == first
    assert len({tuple(drawn(f"c{seed}", "--seed", seed)) for seed in range(1, 6)}) > 2
    assert infer(run_folder, album, tmp_path / "all", "--count", 99) == 0
    assert len(below(tmp_path / "all")) == 6


# Videos.


def test_steady_colours_by_hand():
    l = np.full((2, 3), 50, "float32")  # noqa: E741
    first, second = np.full((2, 3, 2), 10, "float32"), np.full((2, 3, 2), -10, "float32")
    steady = ColourSmoother(0.75)
    assert np.array_equal(steady(l, first), first)
    assert steady(l, second) == pytest.approx(np.full((2, 3, 2), 5))  # 0.75 of 10, 0.25 of -10
    assert steady(l, second) == pytest.approx(np.full((2, 3, 2), 1.25))

    brighter = l + 9  # the same shot
    assert steady(brighter, second) == pytest.approx(np.full((2, 3, 2), 0.75 * 1.25 - 2.5))
    assert np.array_equal(steady(brighter + 11, first), first)  # another one
    assert steady(brighter + 11, second) == pytest.approx(np.full((2, 3, 2), 5))
    none = ColourSmoother(0.0)
    none(l, first)
    assert np.array_equal(none(l, second), second)


def save_video(path, frames):
    with VideoWriter(path, 12, frames[0].shape[1::-1]) as writer:
        for frame in frames:
            writer.write(frame)


def frames_of(path):
    with VideoReader(path) as reader:
        return list(reader), reader.fps, reader.size


def test_a_video_is_smoothed_within_itself(run_folder, translate, tmp_path, capsys):
    """A frame depends on earlier frames, but not on the previous video."""
    grain = np.random.default_rng(0).normal(0, 12, (6, 60, 80, 1))
    scene = without_colour(colour_scene(7, 80))[:60]
    frames = [np.clip(scene + x, 0, 255).astype("uint8") for x in grain]
    for name in ("a.avi", "b.avi"):
        save_video(tmp_path / name, frames)
    clips = [tmp_path / "a.avi", tmp_path / "b.avi"]
    for name, flags in {"smooth": [], "rough": ["--smooth", 0]}.items():
        assert infer(run_folder, clips, tmp_path / name, *flags) == 0
        assert below(tmp_path / name) == ["a.mp4", "b.mp4"]
    assert "6 frames" in capsys.readouterr().out

    first, fps, size = frames_of(tmp_path / "smooth" / "a.mp4")
    assert (len(first), fps, size) == (6, pytest.approx(12), (80, 60))
    assert all(map(np.array_equal, first, frames_of(tmp_path / "smooth" / "b.mp4")[0]))

    source = frames_of(clips[0])[0]
    task = PhotoTask(translate, {}, "out", smooth=0.6)
    smooth = [task.convert(frame) for frame in source]
    rough = [translate(frame) for frame in source]
    assert np.array_equal(smooth[0], rough[0])
    for frame, result in zip(source, smooth):
        assert np.abs(lightness(result) - lightness(frame)).max() < 1

    def flicker(results):
        ab = [colour.rgb_to_lab(x)[..., 1:] for x in results[1:]]
        return float(np.mean([np.abs(y - x).mean() for x, y in zip(ab, ab[1:])]))

    assert flicker(smooth) < 0.7 * flicker(rough)
    assert distance(first[-1], smooth[-1]) < distance(first[-1], rough[-1])  # on the disk, too


# Side by side.


def columns(*images):
    """A comparison by hand: images under their names."""
    blocks = [panels.grid({name: normalise(image)[None]}) for name, image in images]
    return np.concatenate(blocks, axis=1)


def test_two_networks_side_by_side(runs, album, tmp_path):
    out = tmp_path / "out"
    words = ["--compare", runs / "one", runs / "two", "--input", album, "--output", out]
    assert main([str(word) for word in words]) == 0
    assert below(out) == [f"{i}_compare.png" for i in range(6)]
    one, two = (paddle_gans.load(runs / name) for name in ("one", "two"))

    photo = read_image(album / "0.png")
    assert distance(one(photo), two(photo)) > 3
    expected = columns(
        ("truth", photo), ("grey", without_colour(photo)), ("one", one(photo)), ("two", two(photo))
    )
    assert np.array_equal(read_image(out / "0_compare.png"), expected)
    grey = read_image(album / "1.png")
    expected = columns(("grey", grey), ("one", one(grey)), ("two", two(grey)))
    assert np.array_equal(read_image(out / "1_compare.png"), expected)

    # The same with --weights besides, as a file, with flags, and of three.
    path = tmp_path / "panel.png"
    weights = runs / "one" / "generator.pdparams"
    infer(weights, album / "1.png", path, "--compare", runs / "two")
    assert np.array_equal(read_image(path), expected)
    again = [weights, album / "1.png", path, "--overwrite"]
    infer(*again, "--compare", runs / "two", runs / "one")
    swapped = columns(("grey", grey), ("two", two(grey)), ("one", one(grey)))
    assert np.array_equal(read_image(path), swapped)
    infer(*again, "--compare", runs / "one", "--saturation", 0)
    assert np.array_equal(read_image(path), columns(("grey", grey), ("one", grey)))


def test_names_in_a_comparison(runs, tmp_path):
    other = tmp_path / "one" / "generator.pdparams"
    other.parent.mkdir()
    other.write_bytes((runs / "two" / "generator.pdparams").read_bytes())
    named = tmp_path / "article.pdparams"
    named.write_bytes(other.read_bytes())
    translate = paddle_gans.load(runs / "one")

    def names(*places):
        return [name for name, _ in PhotoTask(translate, {}, "out", compare=list(places)).compared]

    assert names(str(named)) == ["one", "article"]
    path = runs / "one" / "generator.pdparams"
    assert names(str(other)) == [str(path), str(other)]  # two runs of one name
    assert names(str(named), str(path)) == ["article", "one"]


def test_a_large_image_is_shrunk_in_a_comparison(runs, tmp_path):
    write_image(tmp_path / "a.png", GREY_SCENE.repeat(20, 0).repeat(20, 1))
    infer(runs / "one", tmp_path / "a.png", tmp_path / "b.png", "--compare", runs / "two")
    height, width = read_image(tmp_path / "b.png").shape[:2]
    assert (height, width) == (panels.CAPTION + 819 + panels.GAP, 3 * (1024 + panels.GAP))


def test_what_cannot_be_compared(runs, album, tmp_path):
    out = tmp_path / "out"
    save_video(tmp_path / "clip.avi", [GREY_SCENE] * 2)
    against = ["--compare", runs / "two"]
    assert "is a video" in refused(runs / "one", tmp_path / "clip.avi", out, *against)
    strange = tmp_path / "pix.pdparams"
    entry = {"model": "pix2pix", "options": {}, "network": "generator", "translate": {}, "step": 1}
    formats.save_network(strange, paddle.nn.Linear(1, 1), entry)
    message = refused(runs / "one", album, out, "--compare", strange)
    assert f"--compare {strange} belongs to pix2pix" in message
    nowhere = refused(runs / "one", album, out, "--compare", tmp_path / "no.pdparams")
    assert "no.pdparams does not exist" in nowhere
    assert not out.exists()
    infer(runs / "one", album / "1.png", out, *against)
    assert "outputs exist already" in refused(runs / "one", album, out, *against)
    assert below(out) == ["1_compare.png"]


# Help.


@pytest.mark.parametrize("flag", ["--weights", "--compare"])
def test_help_tells_of_the_flags(run_folder, capsys, flag):
    with pytest.raises(SystemExit) as caught:
        main([flag, str(run_folder), "--help"])
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "colorization's own options" in text
    for part in (
        "--full-resolution", "--saturation X", "--smooth X", "(0.6)", "--compare TEXT [TEXT ...]",
        "--count N", "--seed N", "--weights runs/colorization --input album", "--count 8",
    ):  # fmt: skip
        assert part in text


def test_without_weights(album, tmp_path):
    for words in (["--input", str(album)], ["--smooth", "0.5"]):
        with pytest.raises(InputError, match="--weights is missing"):
            main(words)
    with pytest.raises(InputError, match="--compare: expected at least one"):
        main(["--compare", "--input", str(album), "--output", str(tmp_path / "out")])


# Memory.

TWELVE_MEGAPIXELS = """
import sys, time
import numpy as np
from data_reader import framework
framework.prepare()
import paddle_gans
photo = np.random.default_rng(0).integers(0, 256, (300, 400, 1), "uint8").repeat(3, axis=2)
photo = np.ascontiguousarray(photo.repeat(10, 0).repeat(10, 1))
translate = paddle_gans.load(sys.argv[1])
began = time.perf_counter()
result = translate(photo, **eval(sys.argv[2]))
assert result.shape == (3000, 4000, 3)
seconds = time.perf_counter() - began
# Not getrusage: across fork and exec its peak includes what the parent had at its own.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) / 2**20, seconds)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="no /proc here")
@pytest.mark.parametrize(
    ("base_dim", "options"), [(64, "{}"), (16, "{'full_resolution': True, 'tile': 512}")]
)
def test_twelve_megapixels_need_less_than_3_gb(runs, tmp_path, base_dim, options):
    """At full resolution the network is smaller here, for the time; a tile's memory is not much."""
    _, entry = formats.read_network(runs / "one" / "generator.pdparams")
    model = Colorization(base_dim=base_dim)
    entry = {**entry, "options": {"base_dim": base_dim}}
    formats.save_network(tmp_path / "generator.pdparams", model.generator, entry)
    done = subprocess.run(
        [sys.executable, "-c", TWELVE_MEGAPIXELS, str(tmp_path / "generator.pdparams"), options],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    gigabytes, _ = map(float, done.stdout.split())
    assert gigabytes < 3
