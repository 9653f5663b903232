"""Using multi-domain models: styles, photographs of any size, and the command on files."""

import subprocess
import sys

import numpy as np
import paddle
import pytest
from conftest import ROOT, TINY, below, infer, noise_image, refused

import paddle_gans
from data_reader import InputError, transforms
from data_reader.images import decode_image, read_image, write_image
from data_reader.video import VideoReader, VideoWriter
from draw_demo import faces as demo_faces
from paddle_gans.infer import main, process_all
from paddle_gans.inference import align
from paddle_gans.inference.domains import between, round_trip
from paddle_gans.inference.domains_task import (
    DomainTask,
    Reference,
    Row,
    file_names,
    find_references,
    safe_name,
    strip,
    thumbnail,
    unique_names,
)
from paddle_gans.networks.fan import FAN
from paddle_gans.training import panels
from paddle_gans.weights import formats

SIZE = 64
DOMAINS = ["cat", "dog", "rabbit"]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run of one step on the drawn animals, with styles that visibly differ."""
    out = tmp_path_factory.mktemp("stargan") / "run"
    settings = {**TINY["stargan_v2"], "batch_size": 1, "workers": 0, "steps": 1}
    paddle_gans.train("stargan_v2", out=str(out), **settings)
    translate = paddle_gans.load(out)
    for name in ("mapping_network", "style_encoder"):
        network = translate.model.inference_network(name)
        for head in network.unshared:
            last = head[-1] if name == "mapping_network" else head
            last.weight.set_value(last.weight * 10)
        _, entry = formats.read_network(out / f"{name}.pdparams")
        formats.save_network(out / f"{name}.pdparams", network, entry)
    return out


@pytest.fixture(scope="module")
def translate(run_folder):
    return paddle_gans.load(run_folder)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Two images of each kind, 70 x 80, in a folder each."""
    root = tmp_path_factory.mktemp("faces")
    for kind in DOMAINS:
        for i in range(2):
            face = demo_faces.animal_face(i, 80, kind, "test")
            write_image(root / kind / f"{i}.png", face[:70])
    return root


def rendered(translate, square, styles):
    """The output of the generator for [S, S, 3] in styles [K, D], computed by hand."""
    x = paddle.to_tensor((square.transpose(2, 0, 1)[None] / 127.5 - 1).astype("float32"))
    generator = translate.model.generator_ema
    with paddle.no_grad():
        made = [generator(x, paddle.to_tensor(s[None])).numpy()[0] for s in styles]
    return [np.rint((y.clip(-1, 1).transpose(1, 2, 0) + 1) * 127.5).astype("uint8") for y in made]


def close(one, other):
    """Equal up to the rounding of a batch."""
    return one.shape == other.shape and np.abs(one.astype(int) - other).max() <= 1


# From Python.


def test_one_style_gives_an_image_and_several_a_list_domain_by_domain(translate):
    image = noise_image(0, SIZE, SIZE)
    dog = translate(image, domain="dog", seed=3)
    assert (dog.shape, dog.dtype) == ((SIZE, SIZE, 3), np.uint8)
    assert dog.std() > 20
    assert translate.domains == DOMAINS

    all_six = translate(image, num_styles=2, seed=3)
    assert len(all_six) == 6
    assert close(all_six[2], dog)  # the first dog: cats come first
    assert close(all_six[5], translate(image, domain="rabbit", num_styles=2, seed=3)[1])
    x = paddle.to_tensor(transforms.normalise(image)[None])
    with paddle.no_grad():
        direct = translate.model.translate(x, num_styles=2, seed=3).numpy()
    assert all(close(a, transforms.denormalise(b)) for a, b in zip(all_six, direct))
    for i in range(6):
        for k in range(i):
            assert np.abs(all_six[i].astype(int) - all_six[k]).mean() > 2, (i, k)
    assert not close(translate(image, domain="dog", seed=4), dog)

    pair = translate([image, 255 - image], domain="cat")
    assert [p.shape for p in pair] == [(SIZE, SIZE, 3)] * 2
    assert [len(found) for found in translate([image, image])] == [3, 3]


def test_any_of_the_three_files_opens_all(run_folder, translate):
    image = noise_image(1, SIZE, SIZE)
    for name in ("generator", "mapping_network", "style_encoder"):
        one = paddle_gans.load(run_folder / f"{name}.pdparams")
        assert np.array_equal(one(image, domain="cat"), translate(image, domain="cat"))


def test_photograph_is_cut_to_its_middle_and_alpha_with_it(translate):
    photo = noise_image(2, 100, 140)
    middle = transforms.resize(photo[:, 20:120], SIZE, SIZE)
    result = translate(photo, domain="dog")
    assert np.array_equal(result, translate(middle, domain="dog"))
    alpha = noise_image(3, 100, 140)[..., 0]
    kept = translate(np.dstack([photo, alpha]), domain="dog")
    assert np.array_equal(kept[..., :3], result)
    assert np.array_equal(kept[..., 3:], transforms.resize(alpha[:, 20:120, None], SIZE, SIZE))
    assert translate(photo[..., 0], domain="dog").shape == (SIZE, SIZE, 3)


def test_native_size_keeps_the_size_and_takes_tiles(translate):
    photo = noise_image(2, 75, 100)
    options = {"domain": "dog", "native_size": True}
    result = translate(photo, **options)
    assert result.shape == (75, 100, 3)
    assert translate.model.size_multiple == 4
    even = np.pad(photo, ((0, 1), (0, 0), (0, 0)), mode="reflect")
    x = paddle.to_tensor(transforms.normalise(even)[None])
    with paddle.no_grad():
        direct = translate.model.translate(x, domain="dog").numpy()[0]
    assert close(result, transforms.denormalise(direct)[:75])
    tiled = translate(photo, tile=64, **options)
    assert tiled.shape == result.shape
    assert not close(tiled, result)
    with pytest.raises(InputError, match="--native-size"):
        translate(photo, domain="dog", tile=64)


def test_reference_gives_its_style(translate):
    image, reference = noise_image(4, SIZE, SIZE), noise_image(5, 90, 80)
    square = transforms.resize(reference[5:85], SIZE, SIZE)
    x = paddle.to_tensor(transforms.normalise(square)[None])
    with paddle.no_grad():
        s = translate.model.style_encoder_ema(x, paddle.to_tensor([2], "int64")).numpy()
    assert np.allclose(translate.copy_style(reference, "rabbit"), s[0], atol=1e-6)
    result = translate.in_style_of(image, reference, "rabbit")
    assert close(result, rendered(translate, image, s)[0])
    assert not close(result, translate.in_style_of(image, reference, "dog"))
    assert not close(result, translate.in_style_of(image, 255 - reference, "rabbit"))
    native = translate.in_style_of(noise_image(4, 70, 90), reference, "cat", native_size=True)
    assert native.shape == (70, 90, 3)


def test_interpolation_goes_straight_from_style_to_style(translate):
    image, styles = noise_image(6, SIZE, SIZE), translate.draw_styles("dog", 3, seed=1)
    way = translate.interpolate(image, styles, steps=4)
    assert len(way) == 9
    half = (styles[1] + styles[2]) / 2
    by_hand = rendered(translate, image, [styles[0], half, styles[2]])
    assert close(way[0], by_hand[0])
    assert close(way[6], by_hand[1])
    assert close(way[8], by_hand[2])


def test_ways_between_styles_by_hand():
    styles = np.array([[0.0, 0.0], [4.0, 8.0], [4.0, 0.0]], "float32")
    assert between(styles, 2).tolist() == [[0, 0], [2, 4], [4, 8], [4, 4], [4, 0]]
    assert between(styles[:1], 5).tolist() == [[0, 0]]
    frames = round_trip(styles)
    assert frames.shape == (3 * 48, 2)
    assert frames[[0, 24, 48, 96, 120]].tolist() == [[0, 0], [2, 4], [4, 8], [4, 0], [2, 0]]
    steps = np.abs(np.diff(frames[:49, 1]))
    assert steps[0] < steps[24] / 10  # it eases in
    assert frames.dtype == np.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"domain": "lion"}, "no domain 'lion'; the domains are cat, dog, rabbit"),
        ({"num_styles": 0}, "--num-styles must be at least 1, not 0"),
        ({"seed": -1}, "--seed must be at least 0"),
        ({"native_size": True, "align": True}, "omit --native-size"),
        ({"align": True}, "--fan-weights FILE"),
        ({"align": True, "fan_weights": "nowhere.pdparams"}, "nowhere.pdparams does not exist"),
        ({"native": True}, "did you mean native_size"),
    ],
)
def test_wrong_options_say_what_is_right(translate, options, message):
    with pytest.raises(InputError, match=message):
        translate(noise_image(0), **options)


# Faces.


def odd_fan(sees=True):
    """A network that is sure of landmarks in odd places, or sees none."""
    paddle.seed(0)
    fan = FAN()
    fan.head[-1].weight.set_value(fan.head[-1].weight * sees)
    fan.head[-1].bias.set_value(paddle.full_like(fan.head[-1].bias, 100.0 * sees))
    return fan


def save_fan(path, sees=True):
    paddle.save(odd_fan(sees).state_dict(), str(path))
    return str(path)


def test_align_cuts_out_the_face_that_the_network_sees(translate, tmp_path):
    path, photo = save_fan(tmp_path / "fan.pdparams"), noise_image(7, 120, 150)
    fan = translate.face_finder(path)
    assert not fan.training
    face = align.align(photo, align.find_face(fan, photo), SIZE)
    result = translate(photo, domain="dog", align=True, fan_weights=path)
    assert np.array_equal(result, translate(face, domain="dog"))
    assert not close(result, translate(photo, domain="dog"))
    style = translate.copy_style(photo, "cat", align=True, fan_weights=path)
    assert np.array_equal(style, translate.copy_style(face, "cat"))


def test_align_from_the_command(run_folder, translate, tmp_path, capsys):
    photos = tmp_path / "photos"
    write_image(photos / "a.png", noise_image(7, 120, 150))
    (photos / "b.png").write_text("no image")
    sure = save_fan(tmp_path / "sure.pdparams")
    unsure = save_fan(tmp_path / "unsure.pdparams", sees=False)
    flags = ["--domain", "dog", "--align", "--fan-weights"]
    infer(run_folder, photos / "a.png", tmp_path / "out", *flags, sure)
    settings = {"domain": "dog", "align": True, "fan_weights": sure}
    expected = translate(read_image(photos / "a.png"), **settings)
    assert np.array_equal(read_image(tmp_path / "out" / "a_to_dog_1.png"), expected)

    write_image(photos / "a.png", noise_image(7, 2, 2))  # has one place to look at
    capsys.readouterr()
    message = refused(run_folder, photos, tmp_path / "no", *flags, unsure)
    assert message == "2 of 2 images could not be read or aligned"
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"skipped: {photos / 'a.png'}: no face is found")
    assert second.startswith(f"skipped: {photos / 'b.png'} is not an image")
    assert not (tmp_path / "no").exists()
    words = [run_folder, photos, tmp_path / "no", *flags, unsure, "--reference", photos / "a.png"]
    assert refused(*words).startswith(f"{photos / 'a.png'}: no face is found")
    assert "--fan-weights FILE" in refused(run_folder, photos, tmp_path / "no", "--align")


def test_a_run_with_high_pass_skips_brings_its_own_face_finder(run_folder, tmp_path):
    fan = tmp_path / "fan.pdparams"
    for name in ("generator", "mapping_network", "style_encoder"):
        _, entry = formats.read_network(run_folder / f"{name}.pdparams")
        entry["options"] |= {"w_hpf": 1.0, "fan_weights": "gone.pdparams"}
        translator = paddle_gans.load(run_folder)
        network = translator.model.inference_network(name)
        if name == "generator":
            dims = [4, 8, 8, 8, 8]
            network = type(network)(dims, translator.model.style_dim, 1.0)
        formats.save_network(tmp_path / f"{name}.pdparams", network, entry)
    with pytest.raises(InputError, match=r"needs fan\.pdparams beside it"):
        paddle_gans.load(tmp_path)
    formats.save_network(fan, odd_fan(), {**entry, "network": "fan"})

    translate = paddle_gans.load(tmp_path)
    photo = noise_image(7, 120, 150)
    assert translate(photo, domain="dog").shape == (SIZE, SIZE, 3)
    face = align.align(photo, align.find_face(translate.model.fan, photo), SIZE)
    aligned = translate(photo, domain="dog", align=True)
    assert np.array_equal(aligned, translate(face, domain="dog"))
    with pytest.raises(InputError, match="omit --native-size"):
        translate(photo, domain="dog", native_size=True)


# References on the disk.


def test_references_are_found_in_every_layout(faces):
    def found(place, domain=None):
        references = find_references(str(place), domain, DOMAINS)
        return [(name, path.relative_to(faces).as_posix()) for name, path in references]

    everything = [(name, f"{name}/{i}.png") for name in DOMAINS for i in range(2)]
    assert found(faces) == everything
    assert found(faces, "dog") == everything[2:4]
    assert found(faces / "dog") == everything[2:4]
    assert found(faces / "dog" / "1.png") == everything[3:4]
    assert found(faces / "dog", "rabbit") == [("rabbit", "dog/0.png"), ("rabbit", "dog/1.png")]
    assert found(faces / "dog" / "1.png", "cat") == [("cat", "dog/1.png")]


def test_references_that_cannot_be_say_why(tmp_path):
    write_image(tmp_path / "refs" / "cat" / "a.png", noise_image(0))
    write_image(tmp_path / "mine" / "a.png", noise_image(0))
    (tmp_path / "empty").mkdir()

    def message(place, domain=None):
        with pytest.raises(InputError) as caught:
            find_references(str(place), domain, DOMAINS)
        return str(caught.value)

    assert "does not exist" in message(tmp_path / "nowhere")
    assert "has no folder dog, only cat" in message(tmp_path / "refs", "dog")
    assert "add --domain, one of cat, dog, rabbit" in message(tmp_path / "mine")
    assert "add --domain" in message(tmp_path / "mine" / "a.png")
    assert "holds no images" in message(tmp_path / "empty", "cat")
    (tmp_path / "refs" / "dog").mkdir()
    assert f"{tmp_path / 'refs' / 'dog'} holds no images" in message(tmp_path / "refs")
    (tmp_path / "refs" / "lion").mkdir()
    lion = tmp_path / "refs" / "lion"
    assert f"{lion} is not a domain (they are cat, dog, rabbit)" in message(tmp_path / "refs")


def test_names_are_unlike_and_stay_in_the_folder(tmp_path):
    paths = ["cat/a.png", "dog/A.png", "dog/b.png", "dog/x/a.png", "cat/in/a.png", "cat/../c.png"]
    references = [Reference(path.split("/")[0], tmp_path / path) for path in paths]
    names = file_names(references)
    assert names == ["cat_a", "dog_A", "b", "dog_a_2", "cat_a_2", "c"]
    assert unique_names(["a", "a_2", "A", "a"]) == ["a", "a_2", "A_3", "a_4"]
    assert safe_name("../猫 1:2\n") == ".._猫 1_2_"


# The command.


def test_latent_guided_files_and_grid(run_folder, translate, faces, tmp_path, capsys):
    out = tmp_path / "out"
    flags = ["--domain", "dog", "--num-styles", "2", "--seed", "5"]
    assert infer(run_folder, faces / "cat", out, *flags) == 0
    singles = [f"{i}_to_dog_{k}.png" for i in range(2) for k in (1, 2)]
    assert below(out) == sorted([*singles, "latent.png"])
    source = read_image(faces / "cat" / "1.png")
    expected = translate(source, domain="dog", num_styles=2, seed=5)
    for k in (1, 2):
        assert np.array_equal(read_image(out / f"1_to_dog_{k}.png"), expected[k - 1])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == f"{out / 'latent.png'}: 2 images in 2 styles"
    assert lines[-1].startswith(f"2 images in {out} (")

    # Captions, then sources down and styles across, each twice as large and with a gap of 2.
    grid = read_image(out / "latent.png")
    side = 2 * SIZE + panels.GAP
    assert grid.shape == (panels.CAPTION + 2 * side, 3 * side, 3)
    second = grid[panels.CAPTION + side :, :][: 2 * SIZE : 2]
    assert np.array_equal(second[:, : 2 * SIZE : 2], translate.prepare(source))
    assert np.array_equal(second[:, 2 * side : 2 * side + 2 * SIZE : 2], expected[1])

    alone = tmp_path / "grid.png"
    infer(run_folder, faces / "cat", alone, *flags)
    assert np.array_equal(read_image(alone), grid)


def test_reference_guided_files_and_grid(run_folder, translate, faces, tmp_path):
    out = tmp_path / "out"
    infer(run_folder, [faces / "cat" / "0.png", faces / "cat" / "1.png"], out, "--reference", faces)
    singles = [f"{i}_as_{name}_{k}.png" for i in "01" for name in DOMAINS for k in "01"]
    assert below(out) == sorted([*singles, "reference.png"])
    source = read_image(faces / "cat" / "1.png")
    reference = read_image(faces / "rabbit" / "0.png")
    result = read_image(out / "1_as_rabbit_0.png")
    assert close(result, translate.in_style_of(source, reference, "rabbit"))

    grid = read_image(out / "reference.png")
    side = 2 * SIZE + panels.GAP
    assert grid.shape == (panels.CAPTION + 7 * side, 3 * side, 3)

    def at(row, column):
        corner = grid[panels.CAPTION + row * side :, column * side :]
        return corner[: 2 * SIZE : 2, : 2 * SIZE : 2]

    assert not at(0, 0).any()
    assert np.array_equal(at(0, 2), translate.prepare(source))  # sources across
    assert np.array_equal(at(5, 0), translate.prepare(reference))  # references down
    assert np.array_equal(at(5, 2), result)

    infer(run_folder, faces / "cat" / "0.png", tmp_path / "one", "--reference", faces / "dog")
    assert below(tmp_path / "one") == ["0_as_0.png", "0_as_1.png", "reference.png"]
    words = [run_folder, faces / "cat", tmp_path / "no", "--reference", faces]
    assert "omit it with --reference" in refused(*words, "--num-styles", 2)
    broken = tmp_path / "dog" / "broken.png"
    broken.parent.mkdir()
    broken.write_text("no image")
    assert str(broken) in refused(*words[:-1], broken)
    assert not (tmp_path / "no").exists()


def test_interpolation_makes_a_strip_and_a_video(run_folder, translate, faces, tmp_path):
    out, source = tmp_path / "out", faces / "cat" / "0.png"
    flags = ["--interpolate", "--domain", "dog", "--num-styles", 2]
    infer(run_folder, source, out, *flags)
    assert below(out) == ["0_interpolation.mp4", "0_interpolation.png"]
    styles = translate.draw_styles("dog", 2, 0)
    way = translate.interpolate(read_image(source), styles, steps=8)
    image = read_image(out / "0_interpolation.png")
    side = 2 * SIZE + panels.GAP
    assert image.shape == (panels.CAPTION + side, 10 * side, 3)
    for column, expected in [(1, way[0]), (5, way[4]), (9, way[8])]:
        shown = image[panels.CAPTION :, column * side :][: 2 * SIZE : 2, : 2 * SIZE : 2]
        assert np.array_equal(shown, expected)
    with VideoReader(out / "0_interpolation.mp4") as reader:
        frames = list(reader)
        assert (reader.fps, reader.size, len(frames)) == (24, (SIZE, SIZE), 96)
    for frame, expected in [(0, way[0]), (24, way[4]), (48, way[8]), (72, way[4])]:
        assert np.abs(frames[frame].astype(int) - expected).mean() < 25, frame
    assert np.abs(way[0].astype(int) - way[8]).mean() > 2

    infer(run_folder, source, tmp_path / "only.mp4", *flags)
    infer(run_folder, faces / "cat", tmp_path / "only.png", "--interpolate", "--reference", faces)
    assert read_image(tmp_path / "only.png").shape == (10 * (panels.CAPTION + side), 10 * side, 3)
    assert below(tmp_path) == sorted([*(f"out/{n}" for n in below(out)), "only.mp4", "only.png"])
    message = refused(run_folder, faces / "cat", tmp_path / "two.mp4", *flags)
    assert "is one video, but --input names 2 images" in message
    message = refused(run_folder, source, tmp_path / "no", "--interpolate", "--domain", "dog")
    assert "e.g. --num-styles 4" in message


def test_strip_puts_ways_below_each_other():
    squares = [np.full((SIZE, SIZE, 3), i, "uint8") for i in range(17)]
    row = strip(Row("a", squares[0], squares), ["x 1", "y 1", "z 1"])
    side = panels.CAPTION + 2 * SIZE + panels.GAP
    line = row[side + panels.CAPTION :: side][0]
    assert line[:: 2 * SIZE + panels.GAP, 0].tolist() == [0, *range(8, 17)]


def test_thumbnail_shows_the_whole_image():
    small = thumbnail(np.full((50, 100, 4), 200, "uint8"), 20)
    assert small.shape == (20, 20, 3)
    assert (small[5:15] == 200).all()
    assert small.sum() == 200 * 3 * 200


def test_videos_are_shown_in_one_style(run_folder, translate, tmp_path):
    clip, out = tmp_path / "clip.avi", tmp_path / "out"
    with VideoWriter(clip, 12, (96, 64)) as writer:
        for i in range(3):
            writer.write(np.repeat(np.repeat(noise_image(i, 8, 12), 8, 0), 8, 1))
    with VideoReader(clip) as reader:
        frames = list(reader)
    assert "needs one style, not 3: give --domain" in refused(run_folder, clip, out)
    assert not out.exists()
    infer(run_folder, clip, out, "--domain", "cat")
    assert below(out) == ["clip_to_cat_1.mp4"]
    with VideoReader(out / "clip_to_cat_1.mp4") as reader:
        shown = list(reader)
        assert (reader.fps, reader.size, len(shown)) == (12, (SIZE, SIZE), 3)
    wanted = [translate(frame, domain="cat").astype(int) for frame in frames]
    assert np.abs(shown[2] - wanted[2]).mean() < np.abs(shown[2] - wanted[0]).mean()
    infer(run_folder, clip, tmp_path / "one.mp4", "--domain", "cat", "--native-size")
    with VideoReader(tmp_path / "one.mp4") as reader:
        assert reader.size == (96, 64)
    for flags, word in [(["--interpolate"], "--interpolate"), ([], "grid.png")]:
        message = refused(run_folder, clip, tmp_path / "grid.png", *flags)
        assert "is a video" in message
        assert word in message


def test_bad_images_are_skipped_and_long_lists_cut_in_the_grid(run_folder, tmp_path, capsys):
    photos, out = tmp_path / "photos", tmp_path / "out"
    for i in range(13):
        write_image(photos / f"{i}.png", noise_image(i, 20, 24))
    (photos / "5a.png").write_text("no image")
    assert refused(run_folder, photos, out, "--domain", "cat") == (
        "1 of 14 images could not be read"
    )
    said = capsys.readouterr()
    assert "5a.png" in said.err
    line = f"{out / 'latent.png'}: the first 12 of 13 images in 1 style"
    assert line in said.out.splitlines()
    assert len(below(out)) == 14
    infer(run_folder, photos / "?.png", tmp_path / "g.png", "--num-styles", 13, "--domain", "dog")
    line = f"{tmp_path / 'g.png'}: 10 images in the first 12 of 13 styles"
    assert line in capsys.readouterr().out.splitlines()


def test_nothing_is_replaced_and_references_never(run_folder, faces, tmp_path):
    out, source = tmp_path / "out", faces / "cat" / "0.png"
    out.mkdir()
    (out / "latent.png").write_text("mine")
    message = refused(run_folder, source, out, "--domain", "dog")
    assert "1 of 2 outputs exist already" in message
    assert below(out) == ["latent.png"]
    infer(run_folder, source, out, "--domain", "dog", "--overwrite")
    assert decode_image(out / "latent.png").rgb.shape[2] == 3

    reference = tmp_path / "dog" / "reference.png"
    write_image(reference, noise_image(0))
    flags = ["--reference", reference, "--overwrite"]
    assert "is an input" in refused(run_folder, source, reference.parent, *flags)
    assert np.array_equal(read_image(reference), noise_image(0))
    write_image(tmp_path / "b" / "0.png", noise_image(0))
    message = refused(run_folder, [source, tmp_path / "b" / "0.png"], tmp_path / "no")
    assert "would both be written" in message


class Interrupted(DomainTask):
    """Ctrl-C at the second image."""

    def write_styles(self, job, image, **options):
        if self.finished == 1:
            raise KeyboardInterrupt
        super().write_styles(job, image, **options)


@pytest.mark.parametrize(("output", "count"), [("grid.png", 0), ("out", 1)])
def test_ctrl_c_claims_no_grid(translate, faces, tmp_path, output, count):
    out = tmp_path / output
    task = Interrupted(translate, {"domain": "dog"}, str(out))
    jobs = task.plan([str(faces / "cat")])
    with pytest.raises(KeyboardInterrupt) as caught:
        process_all(task, jobs)
    noun = "image" if count == 1 else "images"
    assert caught.value.advice == f"stopped; {count} {noun} in {out}"
    assert below(tmp_path) == (["out/0_to_dog_1.png"] if count else [])


def test_domains_are_listed_without_input(run_folder):
    words = ["--weights", run_folder / "generator.pdparams", "--list-domains"]
    done = subprocess.run(
        [sys.executable, "-m", "paddle_gans.infer", *map(str, words)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "cat\ndog\nrabbit\n", "")


def test_help_teaches_with_the_model(run_folder, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--weights", str(run_folder), "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for words in ("--domain", "--reference", "--list-domains", "--native-size", "runs/stargan_v2"):
        assert words in text
    assert "runs/pix2pix" not in text
