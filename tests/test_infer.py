"""Inference: opening weights, any image, tiles, and the command on real files."""

import json
import os
import pickle
import shutil
import struct
from functools import partial
from typing import Literal

import cv2
import numpy as np
import paddle
import pytest
from conftest import TINY, below, infer, noise_image, refused
from paddle import nn
from PIL import Image

import paddle_gans
from data_reader import InputError
from data_reader.images import decode_image, read_image, write_image
from data_reader.video import VideoReader, VideoWriter
from paddle_gans import command
from paddle_gans.infer import main, process_all
from paddle_gans.inference import files, loading
from paddle_gans.inference.files import Task
from paddle_gans.inference.translator import Saved, Translator, mirrored, round_up, run_tiled, split
from paddle_gans.models.pix2pix import Generator, Norm
from paddle_gans.training.model import GANModel
from paddle_gans.training.options import options_of
from paddle_gans.weights import formats, paddle_file


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run of one step on four pairs of noise, with a generator that is scaled to be visible."""
    root = tmp_path_factory.mktemp("infer")
    for i in range(4):
        write_image(root / "pairs" / "trainA" / f"{i}.png", noise_image(i))
        write_image(root / "pairs" / "trainB" / f"{i}.png", 255 - noise_image(i))
    out = root / "run"
    # With running statistics the network is local, so that tiles can equal the whole image.
    settings = {**TINY["pix2pix"], "workers": 0, "steps": 1, "norm_mode": "running"}
    paddle_gans.train("pix2pix", data=str(root / "pairs"), out=str(out), **settings)

    # After one step every image would become the same grey, and any two results be equal.
    arrays, entry = formats.read_network(out / "generator.pdparams")
    generator = Generator(4, 1, partial(Norm, mode="running"))
    generator.set_state_dict(arrays)
    with paddle.no_grad():
        for i in range(80):
            generator(as_input(noise_image(i)))  # statistics of batch norm
        generator.conv4.weight.set_value(generator.conv4.weight * 4)
    formats.save_network(out / "generator.pdparams", generator, entry)
    return out


def as_input(image):
    """An image as the networks take it, [1, 3, H, W] in [-1, 1]."""
    return paddle.to_tensor((image.transpose(2, 0, 1)[None] / 127.5 - 1).astype("float32"))


def straight_through(generator, image):
    """The output of a generator for an image, without this package's inference."""
    generator.eval()
    with paddle.no_grad():
        y = generator(as_input(image)).numpy()[0]
    return np.rint((y.transpose(1, 2, 0) + 1) * 127.5).astype("uint8")


@pytest.fixture(scope="module")
def weights(run_folder):
    return run_folder / "generator.pdparams"


@pytest.fixture(scope="module")
def translate(weights):
    return paddle_gans.load(weights)


# Weights.


def test_load_opens_a_file_a_run_folder_and_a_copy(run_folder, weights, translate, tmp_path):
    image = noise_image(1)
    moved = tmp_path / "facades.pdparams"  # one network alone may have any name
    shutil.copy(weights, moved)
    expected = translate(image)
    assert np.array_equal(paddle_gans.load(run_folder)(image), expected)
    assert np.array_equal(paddle_gans.load(str(moved), device="cpu")(image), expected)
    assert translate.name == "pix2pix"
    assert translate.step == 1
    assert translate.options["base_dim"] == 4
    assert not translate.model.training
    assert expected.std() > 20  # no plain grey
    assert np.abs(expected.astype(int) - translate(noise_image(2))).mean() > 10


def test_plain_paddle_load_gives_the_same_network(weights, translate):
    generator = Generator(4, 1, partial(Norm, mode="running"))
    missing, unknown = generator.set_state_dict(
        {k: v for k, v in paddle.load(str(weights)).items() if k != formats.ENTRY}
    )
    assert missing == []
    assert unknown == []
    generator.set_state_dict(paddle.load(str(weights)))  # the entry does no harm
    assert np.array_equal(translate(noise_image(3)), straight_through(generator, noise_image(3)))


def test_hostile_pickle_does_nothing(tmp_path):
    path, proof = tmp_path / "evil.pdparams", tmp_path / "proof"

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(proof),)

    path.write_bytes(pickle.dumps({"conv1.weight": Evil()}, protocol=4))
    write_image(tmp_path / "a.png", noise_image(0))
    assert str(path) in refused(path, tmp_path / "a.png", tmp_path / "out")
    assert not proof.exists()
    assert not (tmp_path / "out").exists()


def test_damaged_weights_are_refused_before_anything_is_written(weights, tmp_path):
    write_image(tmp_path / "a.png", noise_image(0))
    whole = weights.read_bytes()
    cases = {
        "half": whole[: len(whole) // 2],
        "short": whole[:-1],
        "empty": b"",
        "text": b"version https://git-lfs.github.com/spec/v1\n",
    }
    for name, content in cases.items():
        path = tmp_path / f"{name}.pdparams"
        path.write_bytes(content)
        assert str(path) in refused(path, tmp_path / "a.png", tmp_path / "out")
    assert "does not exist" in refused(
        tmp_path / "no.pdparams", tmp_path / "a.png", tmp_path / "out"
    )
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_and_its_files_are_loaded_like_the_runs_own(tmp_path):
    settings = {"ema_decay": 0.9, **TINY["pix2pix"]}
    paddle_gans.train("pix2pix", out=str(tmp_path), steps=3, save_every=1, **settings)
    folder = tmp_path / "checkpoints" / "000003"

    def arrays(path):
        translate = paddle_gans.load(path)
        assert translate.step == 3
        return translate.model.averaged("generator").state_dict()

    expected = arrays(tmp_path)
    for given in (folder, folder / "generator_ema.pdparams"):
        assert all(np.array_equal(x, expected[k]) for k, x in arrays(given).items())
    plain = arrays(folder / "generator.pdparams")
    assert not all(np.array_equal(x, expected[k]) for k, x in plain.items())
    assert paddle_gans.load(tmp_path / "checkpoints" / "000002").step == 2
    with pytest.raises(InputError, match="discriminator, which pix2pix does not"):
        paddle_gans.load(folder / "discriminator.pdparams")


@pytest.mark.parametrize(
    ("model", "file", "ending"),
    [("stargan_v2", "mapping_network_ema", ""), ("cyclegan", "generator_ba", "b2a")],
)
def test_the_parts_of_a_checkpoint_find_each_other(tmp_path, capsys, model, file, ending):
    out = tmp_path / model
    paddle_gans.train(model, out=str(out), steps=1, **TINY[model])
    folder = out / "checkpoints" / "000001"
    whole, one = paddle_gans.load(folder), paddle_gans.load(folder / f"{file}.pdparams")
    assert whole.step == one.step == 1
    if ending:
        assert one.defaults["direction"] == ending
        write_image(tmp_path / "x.png", noise_image(0, 32, 32))
        for given, said in ((folder / f"{file}.pdparams", ending), (folder, "a2b")):
            assert infer(given, tmp_path / "x.png", tmp_path / f"{said}.png") == 0
            assert f"cyclegan of step 1 on cpu, {said}: 1 image" in capsys.readouterr().out
    for name, layer in one.model.named_children():
        if name == file:
            saved = paddle.load(str(folder / f"{file}.pdparams"))
            assert all(np.array_equal(saved[k], x.numpy()) for k, x in layer.state_dict().items())


def test_weights_without_an_entry_say_what_is_needed(run_folder, tmp_path):
    part = tmp_path / "checkpoints" / "000001" / "generator.pdparams"
    shutil.copytree(run_folder / "checkpoints", tmp_path / "checkpoints")
    with pytest.raises(InputError, match=r"part of a checkpoint, and its run's .*config.json"):
        paddle_gans.load(part)

    plain = tmp_path / "plain.pdparams"
    paddle.save(Generator(4, 1).state_dict(), str(plain))
    for given in (plain, tmp_path):
        with pytest.raises(InputError, match="does not say which model it is of"):
            paddle_gans.load(given)

    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no \.pdparams"):
        paddle_gans.load(tmp_path / "empty")


def test_weights_of_another_version_say_what_to_do(weights, tmp_path):
    arrays, entry = formats.read_network(weights)

    def saved_as(**changes):
        changed = tmp_path / "generator.pdparams"
        with changed.open("wb") as file:
            state = {**arrays, formats.ENTRY: json.dumps({**entry, **changes})}
            paddle_file.dump(state, file)
        return changed

    cases = [
        ({"model": "pix3pix"}, "did you mean pix2pix.*install the version"),
        ({"options": {**entry["options"], "base_dims": 4}}, "base_dims.*did you mean base_dim"),
        ({"options": {**entry["options"], "crop_size": 30}}, "30.*version of paddle_gans"),
        ({"options": {**entry["options"], "base_dim": 8}}, "instead of"),
        ({"network": "discriminator"}, "discriminator.*needs generator"),
        ({"network": 5}, "'network'"),
        ({"translate": {"colour": 1}}, "colour"),
    ]
    for changes, message in cases:
        with pytest.raises(InputError, match=message):
            paddle_gans.load(saved_as(**changes))
    assert paddle_gans.load(saved_as()).step == 1


# A model of three networks: `brush` and `palette` paint together, `wash` alone.


class Scale(nn.Layer):
    def __init__(self, value=0.0):
        super().__init__()
        initial = nn.initializer.Constant(value)
        self.factor = self.create_parameter([1], default_initializer=initial)


class Painter(GANModel):
    inference = {"brush": {"way": "oil"}, "palette": {"way": "oil"}, "wash": {"way": "water"}}

    def __init__(self, *, width: int = 3):
        super().__init__()
        self.brush, self.palette, self.wash = Scale(), Scale(), Scale()

    def translate(
        self,
        inputs,
        *,
        way: Literal["oil", "water"] = "oil",  # which paint
        strength: float = 1.0,  # of the paint, 0 to 1
    ):
        if way == "water":
            return inputs * self.wash.factor * strength
        return inputs * self.brush.factor * self.palette.factor * strength


FACTORS = {"brush": -1.0, "palette": 1.0, "wash": 0.0}
MIDDLE = 128  # what 0 in [-1, 1] is rounded to


def save_painter(folder, names, **changes):
    for name in names:
        entry = {
            "model": "painter", "options": {"width": 3}, "network": name,
            "translate": Painter.inference[name], "step": 9, **changes,
        }  # fmt: skip
        formats.save_network(folder / f"{name}.pdparams", Scale(FACTORS[name]), entry)


def open_painter(folder, *names):
    opened = [loading.open_network(folder / f"{name}.pdparams") for name in names]
    return loading.build(loading.Weights(Painter, loading.complete(opened, Painter)))


def test_networks_that_belong_together_are_found(tmp_path):
    save_painter(tmp_path, ["brush", "palette"])
    image = noise_image(0)
    for name in ("brush", "palette"):
        assert np.array_equal(open_painter(tmp_path, name)(image), 255 - image)

    save_painter(tmp_path, ["wash"])
    water = open_painter(tmp_path, "wash")
    assert water.defaults == {"way": "water", "strength": 1.0}  # the file's, not the signature's
    assert (water(image) == MIDDLE).all()
    with pytest.raises(InputError, match=r"way oil needs brush\.pdparams and palette\.pdparams"):
        water(image, way="oil")

    everything = open_painter(tmp_path, "brush", "palette", "wash")
    assert np.array_equal(everything(image), 255 - image)
    assert (everything(image, way="water") == MIDDLE).all()


def test_partner_that_is_missing_or_of_another_run_is_named(tmp_path):
    save_painter(tmp_path, ["brush"])
    with pytest.raises(InputError, match=r"needs palette\.pdparams beside it"):
        open_painter(tmp_path, "brush")
    save_painter(tmp_path, ["palette"], options={"width": 5})
    with pytest.raises(InputError, match=r"different runs \(--width 3 and 5\)"):
        open_painter(tmp_path, "brush")
    save_painter(tmp_path, ["palette"], network="wash")
    with pytest.raises(InputError, match="holds the network wash"):
        open_painter(tmp_path, "brush")


def test_options_are_checked_and_become_flags(tmp_path):
    save_painter(tmp_path, ["brush", "palette"])
    paint = open_painter(tmp_path, "brush")
    assert (paint(noise_image(0), strength=0) == MIDDLE).all()
    with pytest.raises(InputError, match="strength"):
        paint(noise_image(0), strenght=0.5)
    with pytest.raises(InputError, match="strength takes float"):
        paint(noise_image(0), strength="much")

    parser = command.Parser(prog="x")
    command.add_options(parser, "painter's own options", paint.translate_options)
    text = " ".join(parser.format_help().split())
    assert "painter's own options" in text
    assert "--way {oil,water} which paint (oil)" in text
    assert vars(parser.parse_all(["--strength", "0.5"])) == {"strength": 0.5}


# Images of any size and kind.


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (33, 47), (64, 30)])
def test_size_is_kept(translate, size):
    result = translate(noise_image(0, *size))
    assert result.shape == (*size, 3)
    assert result.dtype == np.uint8


def test_sizes_that_fit_are_not_padded_and_others_are_mirrored(translate):
    generator = translate.model.generator
    image = noise_image(0, 40, 48)
    assert np.array_equal(translate(image), straight_through(generator, image))
    odd = image[:37, :45]
    padded = np.pad(odd, ((0, 3), (0, 3), (0, 0)), mode="reflect")
    assert np.array_equal(translate(odd), straight_through(generator, padded)[:37, :45])


def test_mirror_and_rounding_by_hand():
    assert mirrored(3, 8).tolist() == [0, 1, 2, 1, 0, 1, 2, 1]
    assert mirrored(1, 4).tolist() == [0, 0, 0, 0]
    assert mirrored(4, 4).tolist() == [0, 1, 2, 3]
    assert [round_up(n, 4) for n in (1, 32, 33)] == [32, 32, 36]
    assert round_up(200, 128) == 256


def test_list_grey_and_alpha(translate):
    image = noise_image(0, 20, 30)
    grey, alpha = image[..., 0], image[..., 1]
    as_list = translate([image, grey])
    assert isinstance(as_list, list)
    assert np.array_equal(as_list[0], translate(image))
    assert np.array_equal(as_list[1], translate(np.repeat(grey[..., None], 3, axis=2)))
    assert np.array_equal(translate(grey[..., None]), as_list[1])
    with_alpha = translate(np.dstack([image, alpha]))
    assert np.array_equal(with_alpha[..., :3], translate(image))
    assert np.array_equal(with_alpha[..., 3], alpha)
    assert translate([]) == []


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((8, 8, 3), "float32"), r"float32 \[8, 8, 3\].*uint8"),
        (np.zeros((2, 8, 8, 3), "uint8"), r"\[2, 8, 8, 3\].*list"),
        (np.zeros((8, 8, 2), "uint8"), r"\[8, 8, 2\]"),
        (np.zeros((0, 8, 3), "uint8"), r"\[0, 8, 3\]"),
        (np.uint8(3), "not a NumPy array"),
        ("photo.jpg", "read_image"),
        (None, "give one"),
        ([np.zeros((8, 8, 3), "uint8"), "b.jpg"], "image 1"),
    ],
)
def test_what_is_no_image_is_named(translate, image, message):
    with pytest.raises(InputError, match=message):
        translate(image)


# Tiles.


def test_tiles_give_an_identity_back_exactly():
    image = noise_image(0, 83, 131)
    for multiple in (1, 4, 16):
        for tile, overlap in [(None, None), (32, None), (32, 0), (40, 7), (64, 60), (999, None)]:
            settings = {"multiple": multiple, "tile": tile, "overlap": overlap}
            if overlap == 60 and multiple > 4:
                continue
            assert np.array_equal(run_tiled(lambda x: x, image, **settings), image), settings


def test_tiles_begin_at_multiples_and_weights_sum_to_one():
    for total, size, overlap, multiple in [(132, 32, 8, 4), (96, 64, 48, 16), (500, 96, 0, 4)]:
        tiles = split(total, size, overlap, multiple)
        sums = np.zeros(total)
        for start, tile_weights in tiles:
            assert start % multiple == 0
            assert len(tile_weights) == size
            sums[start : start + size] += tile_weights
        assert np.abs(sums - 1).max() < 1e-6
        starts = [start for start, _ in tiles]
        assert starts[0] == 0
        assert starts[-1] + size == total
        assert max(np.diff(starts)) <= size - overlap
    # Two tiles of 8 that share 4 pixels: the weights fall within the middle two of these.
    (_, left), (_, right) = split(12, 8, 4, 4)
    assert left.tolist() == [1, 1, 1, 1, 1, 0.75, 0.25, 0]
    assert right.tolist() == left.tolist()[::-1]


def test_seams_cannot_be_seen_in_a_local_network(translate):
    """With running statistics the generator is local: only what it sees beyond an edge differs."""
    image = cv2.resize(noise_image(0, 40, 50), (200, 160), interpolation=cv2.INTER_CUBIC)
    whole = translate(image).astype(int)
    assert whole.std() > 20

    def difference(tile, overlap):
        return np.abs(whole - translate(image, tile=tile, overlap=overlap))

    # This one sees about 22 pixels around: less than the quarter of 96 that gets no weight.
    assert difference(128, 96).max() <= 1
    hard, blended = difference(64, 0), difference(64, 32)
    assert hard.max() > 20
    assert blended.max() < hard.max() / 3
    assert blended.mean() < hard.mean() / 5


def test_tiles_need_little_memory():
    """Of a large image, the network never sees more than a tile."""
    sides = set()

    def network(x):
        sides.add(x.shape)
        return x[:, :1]

    image = noise_image(0, 200, 300)
    result = run_tiled(network, image, multiple=4, tile=64, overlap=16)
    assert sides == {(1, 3, 64, 64)}
    assert np.array_equal(result, np.repeat(image[..., :1], 3, axis=2))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"overlap": 8}, "give a tile"),
        ({"tile": 0}, "not 0"),
        ({"tile": 40.5}, "not 40.5"),
        ({"tile": 64, "overlap": -1}, "not -1"),
        ({"tile": 64, "overlap": 64}, "choose a tile of 128"),
        ({"tiles": 64}, "did you mean tile"),
    ],
)
def test_tiles_that_cannot_be(translate, settings, message):
    with pytest.raises(InputError, match=message):
        translate(noise_image(0), **settings)


# The command.


def test_a_folder_keeps_its_structure(weights, translate, tmp_path, capsys):
    photos, out = tmp_path / "photos", tmp_path / "out"
    for name in ("10.png", "2.png", "trip/day 1/x.webp"):
        write_image(photos / name, noise_image(len(name), 24, 30))
    (photos / "notes.txt").write_text("no image")
    assert infer(weights, photos, out) == 0
    assert below(out) == ["10.png", "2.png", "trip/day 1/x.png"]
    assert np.array_equal(read_image(out / "2.png"), translate(read_image(photos / "2.png")))
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert "pix2pix of step 1 on" in lines[0]
    assert lines.pop(1) == "left out, since they are not images that can be read: 1 .txt"
    assert [line.split("]")[0] for line in lines[1:4]] == ["[1/3", "[2/3", "[3/3"]
    assert f"{photos / '2.png'} -> {out / '2.png'}" in lines[1]  # in natural order
    assert lines[-1].startswith(f"3 images in {out}")
    assert said.err == ""


def test_globs_and_one_file(weights, translate, tmp_path):
    photos = tmp_path / "photos"
    for name in ("a.png", "b.png", "in/c.png", "in/d.jpg"):
        write_image(photos / name, noise_image(0, 20, 20))
    (photos / "e.txt").write_text("")
    infer(weights, photos / "*", tmp_path / "flat")
    assert below(tmp_path / "flat") == ["a.png", "b.png"]
    infer(weights, photos / "**" / "*.png", tmp_path / "deep")
    assert below(tmp_path / "deep") == ["a.png", "b.png", "in/c.png"]
    infer(weights, [photos / "b.png", photos / "in" / "d.jpg"], tmp_path / "two")
    assert below(tmp_path / "two") == ["b.png", "d.png"]
    infer(weights, photos / "a.png", tmp_path / "new" / "one.bmp")
    assert np.array_equal(
        read_image(tmp_path / "new" / "one.bmp"), translate(read_image(photos / "a.png"))
    )
    odd = photos / "[x].png"  # a name, not a pattern
    write_image(odd, noise_image(0, 20, 20))
    infer(weights, odd, tmp_path / "odd")
    assert below(tmp_path / "odd") == ["[x].png"]

    message = refused(weights, [photos / "a.png", photos / "b.png"], tmp_path / "both.png")
    assert "is one file" in message
    assert "names 2" in message
    assert "no image or video matches" in refused(weights, photos / "*.tif", tmp_path / "no")


def test_tiles_from_the_command(weights, translate, tmp_path):
    write_image(tmp_path / "a.png", noise_image(0, 70, 90))
    out = tmp_path / "out"
    infer(weights, tmp_path / "a.png", out, "--tile", 32, "--overlap", 8)
    expected = translate(noise_image(0, 70, 90), tile=32, overlap=8)
    assert np.array_equal(read_image(out / "a.png"), expected)
    assert not np.array_equal(expected, translate(noise_image(0, 70, 90)))
    assert "give a tile" in refused(weights, tmp_path / "a.png", tmp_path / "no", "--overlap", 8)
    assert not (tmp_path / "no").exists()


def test_nothing_is_overwritten_unless_told(weights, tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    for name in "abc":
        write_image(photos / f"{name}.png", noise_image(0, 20, 20))
    out.mkdir()
    (out / "b.png").write_text("mine")
    message = refused(weights, photos, out)
    assert "1 of 3 outputs exist already" in message
    assert str(out / "b.png") in message
    assert "--overwrite" in message
    assert below(out) == ["b.png"]  # not even the others
    assert (out / "b.png").read_text() == "mine"
    infer(weights, photos, out, "--overwrite")
    assert below(out) == ["a.png", "b.png", "c.png"]
    assert read_image(out / "b.png").shape == (20, 20, 3)


def test_inputs_are_never_replaced(weights, tmp_path):
    photo = tmp_path / "a.png"
    write_image(photo, noise_image(0, 20, 20))
    before = photo.read_bytes()
    for output in (tmp_path, photo, tmp_path / "." / "a.png"):
        assert "is an input" in refused(weights, photo, output, "--overwrite")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "a.png").symlink_to(photo)
    assert "is an input" in refused(weights, photo, tmp_path / "link", "--overwrite")
    assert photo.read_bytes() == before


def test_equal_names_keep_their_suffix(weights, translate, tmp_path):
    photos = tmp_path / "photos"
    write_image(photos / "a.png", noise_image(1, 20, 20))
    write_image(photos / "a.bmp", noise_image(2, 20, 20))
    write_image(photos / "b.bmp", noise_image(3, 20, 20))
    infer(weights, photos, tmp_path / "out")
    assert below(tmp_path / "out") == ["a_bmp.png", "a_png.png", "b.png"]
    assert np.array_equal(
        read_image(tmp_path / "out" / "a_bmp.png"), translate(noise_image(2, 20, 20))
    )

    other = tmp_path / "other" / "a.png"
    write_image(other, noise_image(4, 20, 20))
    message = refused(weights, [photos / "a.png", other], tmp_path / "no")
    assert str(photos / "a.png") in message
    assert str(other) in message
    infer(weights, [photos / "b.bmp", photos / "b.bmp"], tmp_path / "twice")  # is one input
    assert below(tmp_path / "twice") == ["b.png"]


def test_results_in_the_input_folder_are_no_inputs(weights, tmp_path):
    write_image(tmp_path / "a.png", noise_image(0, 20, 20))
    for _ in range(2):
        infer(weights, tmp_path, tmp_path / "out", "--overwrite")
    assert below(tmp_path) == ["a.png", "out/a.png"]
    infer(weights, tmp_path / "out", tmp_path / "out" / "..", "--overwrite")  # above is no obstacle
    assert not np.array_equal(read_image(tmp_path / "a.png"), noise_image(0, 20, 20))


def test_output_in_an_impossible_place(weights, tmp_path):
    write_image(tmp_path / "a.png", noise_image(0, 20, 20))
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "taken" / "a.png").mkdir(parents=True)
    for output, words in {
        "file": "is a file, not a folder",
        "file/in": "is a file, not a folder",
        "folder.png": "is a folder",
        "taken": "is a folder, where a file would be written",
        "a.mp4": "is an image, and",
    }.items():
        assert words in refused(weights, tmp_path / "a.png", tmp_path / output)


# Bad data and odd data.


def exif_jpeg(path, rgb, orientation):
    """A JPEG with an EXIF orientation."""
    encoded = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    tiff = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 274, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    path.write_bytes(encoded[:2] + struct.pack(">HH", 0xFFE1, len(body) + 2) + body + encoded[2:])


def test_bad_inputs_are_skipped_and_the_rest_is_done(weights, tmp_path, capsys):
    photos, out = tmp_path / "photos", tmp_path / "out"
    write_image(photos / "good.png", noise_image(0, 20, 20))
    write_image(photos / "whole.jpg", noise_image(0, 64, 64))
    jpeg = (photos / "whole.jpg").read_bytes()
    (photos / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (photos / "text.jpg").write_text("text")
    (photos / "zero.png").write_bytes(b"")
    assert refused(weights, photos, out) == "3 of 5 images could not be read"
    assert below(out) == ["good.png", "whole.png"]
    said = capsys.readouterr()
    skipped = said.err.splitlines()
    assert len(skipped) == 3
    for line, name, reason in zip(
        skipped, ("cut.jpg", "text.jpg", "zero.png"), ("truncated", "not an image", "0 bytes")
    ):
        assert line.startswith("skipped: ")
        assert name in line
        assert reason in line
    assert said.out.splitlines()[-1].startswith(f"2 images in {out}")

    alone = refused(weights, photos / "cut.jpg", tmp_path / "alone")  # its own reason
    assert "truncated" in alone
    assert not (tmp_path / "alone").exists()


def test_missing_and_empty_folders_are_named(weights, tmp_path):
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out"
    assert "does not exist" in refused(weights, tmp_path / "nowhere", out)
    assert "holds no images" in refused(weights, tmp_path / "empty", out)
    (tmp_path / "empty" / "clip.mp4").write_bytes(b"")
    assert "*.mp4" in refused(weights, tmp_path / "empty", out)
    assert "nowhere does not exist" in refused(weights, tmp_path / "nowhere" / "*.png", out)
    assert not out.exists()


def test_every_kind_of_image_is_read_as_it_looks(weights, translate, tmp_path):
    rgb, grey = noise_image(0, 24, 32), noise_image(1, 24, 32)[..., 0]
    kinds = tmp_path / "kinds"
    kinds.mkdir()
    write_image(kinds / "alpha.png", rgb, grey)
    cv2.imwrite(str(kinds / "grey.png"), grey)
    cv2.imwrite(str(kinds / "deep.png"), rgb[..., ::-1].astype("uint16") * 257)
    write_image(kinds / "dot.png", rgb[:1, :1])
    exif_jpeg(kinds / "turned.jpg", rgb, 6)  # to be turned clockwise
    out = tmp_path / "out"
    assert infer(weights, kinds, out) == 0

    assert np.array_equal(read_image(out / "alpha.png"), translate(rgb))
    assert np.array_equal(decode_image(out / "alpha.png").alpha, grey)
    assert np.array_equal(read_image(out / "grey.png"), translate(grey))
    assert np.array_equal(read_image(out / "deep.png"), translate(rgb))
    assert np.array_equal(read_image(out / "dot.png"), translate(rgb[:1, :1]))
    stored = cv2.imread(str(kinds / "turned.jpg"), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    upright = np.rot90(stored[..., ::-1], -1)
    assert np.array_equal(read_image(out / "turned.png"), translate(np.ascontiguousarray(upright)))


# Videos.


def save_video(path, levels, fps=12, size=(48, 32)):
    with VideoWriter(path, fps, size) as writer:
        for level in levels:
            writer.write(np.full((size[1], size[0], 3), level, "uint8"))


def test_video_keeps_frames_rate_size_and_order(tmp_path):
    source, target = tmp_path / "clip.avi", tmp_path / "out" / "clip.mp4"
    levels = [30, 60, 90, 120, 150, 180]
    save_video(source, levels)
    ticks = []
    frames = files.translate_video(
        lambda rgb: 255 - rgb, files.Job(source, target), lambda *tick: ticks.append(tick)
    )
    assert frames == (6, 6)
    assert ticks == [(i, 6) for i in range(1, 7)]
    with VideoReader(target) as reader:
        assert reader.fps == pytest.approx(12)
        assert reader.size == (48, 32)
        means = [float(frame.mean()) for frame in reader]
    assert means == pytest.approx([255 - level for level in levels], abs=6)


def test_video_from_the_command(weights, tmp_path, capsys):
    save_video(tmp_path / "clip.mp4", range(0, 200, 40))
    write_image(tmp_path / "a.png", noise_image(0, 20, 20))
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    out = tmp_path / "out"
    assert "1 of 3 files" in refused(weights, [tmp_path / "*.mp4", tmp_path / "a.png"], out)
    assert below(out) == ["a.png", "clip.mp4"]
    said = capsys.readouterr()
    assert "5 frames" in said.out
    assert "broken.mp4 is not a video" in said.err
    with VideoReader(out / "clip.mp4") as reader:
        assert (len(list(reader)), reader.size) == (5, (48, 32))
    infer(weights, tmp_path / "clip.mp4", tmp_path / "one.avi")
    with VideoReader(tmp_path / "one.avi") as reader:
        assert len(list(reader)) == 5
    assert "is a video, and" in refused(weights, tmp_path / "clip.mp4", tmp_path / "clip.png")
    assert "give a tile" in refused(weights, tmp_path / "clip.mp4", tmp_path / "no", "--overlap", 8)
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("name", ["clip.mp4", "a.png"])
def test_ctrl_c_leaves_no_half_file(tmp_path, capsys, name):
    save_video(tmp_path / "clip.mp4", range(0, 200, 40))
    write_image(tmp_path / "a.png", noise_image(0, 20, 20))
    write_image(tmp_path / "first.png", noise_image(0, 20, 20))
    out, calls = tmp_path / "out", []

    def translate(rgb):
        calls.append(rgb)
        if len(calls) == (2 if name == "a.png" else 3):
            raise KeyboardInterrupt
        return rgb

    translate.check = dict
    jobs = files.plan([str(tmp_path / "first.png"), str(tmp_path / name)], str(out))
    with pytest.raises(SystemExit) as caught:
        command.run(lambda: process_all(Task(translate, {}, str(out)), jobs))
    assert caught.value.code == 130
    assert below(out) == ["first.png"]
    noun = "image" if name == "a.png" else "file"
    assert capsys.readouterr().err == f"stopped; 1 {noun} in {out}\n"


# A model that generates from noise.


class Noise(GANModel):
    def translate(
        self,
        inputs=None,
        *,
        count: int = 5,  # images
    ):
        return paddle.full([count, 1, 8, 10], -1.0)


def test_a_model_without_inputs_draws(tmp_path):
    saved = Saved(tmp_path, {}, "noise", {}, "generator", {}, 1)
    draw = Translator(Noise(), {}, [saved], options_of(Noise.translate))
    assert not draw.takes_images
    images = draw()
    assert [p.shape for p in images] == [(8, 10, 3)] * 5
    assert len(draw(count=2)) == 2
    with pytest.raises(InputError, match="takes no images"):
        draw(noise_image(0))

    images[4] = images[4] + 255
    written = files.save_generated(images, str(tmp_path / "grid.png"))
    assert written == [tmp_path / "grid.png"]
    grid = read_image(tmp_path / "grid.png")
    assert grid.shape == (2 * 8 + 2, 3 * 10 + 2 * 2, 3)  # three columns, two rows, gaps of 2
    assert (grid[10:, 12:22] == 255).all()  # the fifth
    assert grid.sum() == 255 * 3 * 80
    files.save_generated(images, str(tmp_path / "many"))
    assert below(tmp_path / "many") == [f"000{i}.png" for i in range(1, 6)]
    with pytest.raises(InputError, match="5 of 5 outputs exist already"):
        files.save_generated(images, str(tmp_path / "many"))


# Flags.


def test_help_with_weights_tells_of_the_model(weights, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--weights", str(weights), "--help"])
    assert caught.value.code == 0
    assert "pix2pix has no options of its own" in capsys.readouterr().out


def test_flags_that_are_wrong_or_missing(weights, tmp_path):
    write_image(tmp_path / "a.png", noise_image(0, 20, 20))
    photo, out = str(tmp_path / "a.png"), str(tmp_path / "out")
    cases = [
        (["--input", photo, "--output", out], "--weights"),
        (["--weights"], "--weights"),
        (["--weights", str(weights), "--input", photo], "--output"),
        (["--weights", str(weights), "--output", out], "--input is missing"),
        (["--weights", str(weights), "--input", photo, "--output", out, "--tlie", "8"], "--tile"),
        (["--weights", str(weights), "--input", photo, "--output", out, "--device", "tpu"], "tpu"),
    ]
    for words, message in cases:
        with pytest.raises(InputError, match=message):
            main(words)
    assert not (tmp_path / "out").exists()


def test_an_animation_says_that_one_frame_is_translated(weights, tmp_path, capsys):
    frames = [Image.fromarray(noise_image(i)) for i in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "b.gif")
    infer(weights, [tmp_path / "a.gif", tmp_path / "b.gif"], tmp_path / "out")
    said = capsys.readouterr().out
    assert said.count("the first of 3 frames (convert it to .mp4 for all)") == 1
    assert said.count("the first of") == 1


@pytest.mark.parametrize("suffix", [".gif", ".heic", ".avif", ".wmv", ".ts"])
def test_outputs_that_are_not_written_are_refused_before_the_work(weights, tmp_path, suffix):
    write_image(tmp_path / "a.png", noise_image(0))
    said = refused(weights, tmp_path / "a.png", tmp_path / f"b{suffix}")
    assert f"no {suffix} is written; use .png" in said or "use --output" in said
    assert below(tmp_path) == ["a.png"]


def test_a_folder_whose_name_is_a_pattern(weights, tmp_path):
    write_image(tmp_path / "[2020]" / "x" / "a.png", noise_image(0))
    write_image(tmp_path / "2" / "b.png", noise_image(0))
    infer(weights, tmp_path / "[2020]" / "**" / "*.png", tmp_path / "out")
    assert below(tmp_path / "out") == ["x/a.png"]
