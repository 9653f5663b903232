"""Images, videos, lists and states from strangers: refused in a sentence, and cheaply."""

import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, noise_image
from test_images import chunk

from benchmarks import fuzz_pickles
from data_reader import video
from data_reader.errors import InputError
from data_reader.images import cv2, decode_image, write_image
from data_reader.layout import Pair, paired, read_list
from data_reader.metadata import read_metadata
from data_reader.video import VideoReader, VideoWriter
from paddle_gans.models.pix2pix import Pix2Pix
from paddle_gans.training import checkpoint
from paddle_gans.training.run_folder import RunFolder
from paddle_gans.training.validation import read_best
from paddle_gans.weights import formats, paddle_file


def png_of(width, height, data, depth=8, colour=2, *chunks):
    """A PNG with this compressed data in it, whatever that holds."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    rest = b"".join(chunks) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + rest


def encoded(suffix):
    return bytearray(cv2.imencode(suffix, noise_image(0))[1].tobytes())


def jpeg_of(width, height):
    data = encoded(".jpg")
    frame = data.index(b"\xff\xc0") + 5
    data[frame : frame + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def webp_of(bits):
    """WebP without loss, whose sides are in 28 bits; there are no pixels."""
    body = b"VP8L" + struct.pack("<I", 10) + b"\x2f" + struct.pack("<I", bits) + bytes(5)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def big_tiff(side):
    """A BigTIFF of this side, without pixels."""
    tags = [(256, side), (257, side), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1),
            (278, side), (279, side)]  # fmt: skip
    entries = b"".join(struct.pack("<HHQQ", tag, 4, 1, value) for tag, value in tags)
    head = b"II\x2b\0" + struct.pack("<HHQ", 8, 0, 16)
    return head + struct.pack("<Q", len(tags)) + entries + bytes(8)


def packed_zeros(mebibytes):
    packer = zlib.compressobj()
    return b"".join(packer.compress(bytes(2**20)) for _ in range(mebibytes)) + packer.flush()


def bombs():
    """Small files that ask for much memory, and words of their refusals; "" where one is read."""
    explosion = packed_zeros(300)
    black = zlib.compress(bytes(8 * 25))  # 8 x 8
    profile = chunk(b"iCCP", b"icc\0\0" + explosion)
    text = chunk(b"zTXt", b"a\0\0" + explosion)
    wide, largest = 16000, struct.pack("<IiiHH", 40, 2**31 - 1, -(2**31), 1, 24)
    return {
        "jpeg.jpg": (jpeg_of(60000, 60000), "claims to be 60000 x 60000"),
        "jpeg_within.jpg": (jpeg_of(wide, wide), "decompression bomb"),
        "png.png": (png_of(60000, 60000, b""), "claims to be 60000 x 60000"),
        "png_within.png": (png_of(wide, wide, b""), "decompression bomb"),
        "png_deep.png": (png_of(wide, wide, explosion, 16, 6), "decompression bomb"),
        "png_overlong.png": (png_of(8, 8, explosion), ""),  # the rest is not unpacked
        "png_profile.png": (png_of(8, 8, black, 8, 2, profile), ""),
        "png_text.png": (png_of(8, 8, black, 8, 2, text), ""),
        "lossless.webp": (webp_of(2**28 - 1), "decompression bomb"),
        "big.tif": (big_tiff(2**19), "claims to be"),
        "huge.bmp": (b"BM" + bytes(12) + largest + bytes(24), "decompression bomb"),
        "many.gif": (b"GIF89a" + struct.pack("<HH", 65535, 65535) + bytes(20), "cannot decode"),
        "digits.pnm": (b"P6 999999999 999999999 255\n", "decompression bomb"),
        "no_sides.png": (png_of(0, 0, b""), "cannot decode"),
        "svg.png": (b"<svg xmlns='http://www.w3.org/2000/svg' width='9e9'/>", "not an image"),
        "film.avi": (b"RIFF\xff\xff\xff\xffAVI " + bytes(99), "not an image"),
    }


MEASURE = """
import re, sys
from pathlib import Path
from data_reader.errors import InputError
from data_reader.images import decode_image
from data_reader.metadata import read_metadata

def memory(what):  # MiB
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) / 1024

for path in sys.argv[1:]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = memory("VmRSS")
    try:
        decode_image(path)
        read_metadata(Path(path).read_bytes())
        outcome = "read"
    except InputError as error:
        outcome = str(error)
    print(memory("VmHWM") - before, outcome.replace(chr(10), "NEWLINE"), sep="|")
"""


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="measures with Linux's /proc"
)
def test_image_bombs_are_refused_without_taking_memory(tmp_path):
    cases = bombs()
    for name, (data, _) in cases.items():
        (tmp_path / name).write_bytes(data)
    command = [sys.executable, "-c", MEASURE, *(str(tmp_path / name) for name in cases)]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert len(output.splitlines()) == len(cases)
    for line, (name, (data, words)) in zip(output.splitlines(), cases.items()):
        grown, outcome = line.split("|", 1)
        if words:
            assert any(word in outcome for word in words.split("|")), (name, outcome)
        assert "NEWLINE" not in outcome, name
        assert float(grown) < 2 * len(data) / 2**20 + 64, (name, grown)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".bmp", ".ppm"])
def test_damaged_images_are_refused_or_read(tmp_path, suffix):
    """Byte by byte at random; an image with noise in it may well be read."""
    rng = np.random.default_rng(len(suffix))
    sound = encoded(suffix)
    if suffix == ".jpg":  # with EXIF, whose offsets break too
        exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
        sound[2:2] = b"\xff\xe1" + struct.pack(">H", 2 + len(exif)) + exif
    path = tmp_path / f"a{suffix}"
    refusals = []
    for _ in range(60):
        data = bytearray(sound)
        for position in rng.integers(0, min(len(data), 200), rng.integers(1, 8)):
            data[position] = rng.choice([0, 1, 127, 128, 255, rng.integers(256)])
        path.write_bytes(data)
        try:
            image = decode_image(path)
            read_metadata(bytes(data))
            assert image.rgb.dtype == np.uint8
        except InputError as error:
            refusals.append(str(error))
    assert len(refusals) > 0  # of a PNG all, for each chunk has a checksum
    assert all(said.startswith(str(path)) for said in refusals)


def film(path):
    """Three frames of 64 x 48 as they are in the file."""
    with VideoWriter(path, 25, (64, 48)) as writer:
        for _ in range(3):
            writer.write(noise_image(1, 48, 64))
    return path.read_bytes()


def replaced(data, old, new):
    assert old in data
    return data.replace(old, new)


def test_a_video_without_a_frame(tmp_path):
    path = tmp_path / "none.avi"
    sound = film(path)
    path.write_bytes(sound[: sound.index(b"movi") + 4])
    with pytest.raises(InputError, match=r"none\.avi is not a video .*or has no frame"):
        VideoReader(path)


def test_videos_that_claim_absurd_sizes(tmp_path, monkeypatch):
    path = tmp_path / "a.avi"
    sides = struct.pack("<II", 64, 48)
    path.write_bytes(replaced(film(path), sides, struct.pack("<II", 60000, 60000)))
    with VideoReader(path) as reader:  # the frames themselves say 64 x 48, and are believed
        assert reader.size == (64, 48)

    monkeypatch.setitem(video.CODECS, ".avi", ("MJPG",))
    sound, frame = film(path), struct.pack(">HH", 48, 64)
    for height, width in ((60000, 60000), (17000, 16000)):  # FFmpeg refuses the first by itself
        path.write_bytes(replaced(sound, frame, struct.pack(">HH", height, width)))
        with pytest.raises(InputError, match=r"16000 x 17000 pixels a frame|is not a video"):
            VideoReader(path)


# Lists.

OUTSIDE = ["/etc/a.png", " /etc/a.png", "../a.png", "b/../../a.png", "C:\\a.png", "..\\a.png",
           "\\\\server\\a.png"]  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_list_names_nothing_outside_unless_it_may(tmp_path, name):
    listing = tmp_path / "list.txt"
    listing.write_text(f"a.png\t{name}\n")
    with pytest.raises(InputError, match=r"is outside .* --allow-outside"):
        read_list(listing, tmp_path)
    with pytest.raises(InputError, match="is outside"):
        paired(listing, train=True)
    (pair,), _ = paired(listing, train=True, allow_outside=True)
    assert pair == Pair(tmp_path / "a.png", tmp_path / name.strip())


def test_pix2pix_has_the_flag(tmp_path):
    for side in "ab":
        write_image(tmp_path / f"{side}.png", noise_image(0))
    listing = tmp_path / "lists" / "train.txt"
    listing.parent.mkdir()
    listing.write_text("../a.png\t../b.png\n")
    options = {"base_dim": 4, "residual_num": 1, "load_size": 0, "crop_size": 32}
    with pytest.raises(InputError, match="--allow-outside"):
        Pix2Pix(**options).dataset(str(listing), train=True)
    items = Pix2Pix(**options, allow_outside=True).dataset(str(listing), train=True)
    assert items.item(0, np.random.default_rng(0))["a"].shape == (3, 32, 32)


# The states beside weights.

SOUND_STATE = {"step": 1, "world_size": 1, "seconds": 1.5, "scaler": {}, "sha256": {}}
DEEP = "[" * 10**5 + "]" * 10**5


def state(**changes):
    return json.dumps({**SOUND_STATE, **changes})


HOSTILE_STATES = {
    "empty": "",
    "list": "[]",
    "null": "null",
    "deep": DEEP,
    "deep within": state().replace("1.5", DEEP),
    "large": " " * (2**24 + 1),
    "no UTF-8": b"\xff\xfe\xff",
    "missing": "{}",
    "step a text": state(step="1"),
    "step a list": state(step=[1]),
    "step true": state(step=True),
    "step half": state(step=1.5),
    "step below 0": state(step=-1),
    "step endless": state(step=10**40),
    "step of many digits": '{"step": ' + "9" * 10**5 + "}",
    "seconds NaN": state(seconds=float("nan")),
    "seconds endless": state(seconds=float("inf")),
    "scaler a text": state(scaler="x"),
    "sums a list": state(sha256=["generator.pdparams"]),
    "sum a number": state(sha256={"weights": 1}),
    "endless device": state(sha256={"/dev/zero": "0" * 64}),
    "outside": state(sha256={"../../x": "0" * 64}),
    "absent": state(sha256={"none.pdparams": "0" * 64}),
    "pipe": state(sha256={"pipe": "0" * 64}),
    "zero byte": state(sha256={"a\0b": "0" * 64}),
}


@pytest.mark.parametrize("case", HOSTILE_STATES)
def test_a_hostile_state_is_refused_and_the_one_before_is_used(tmp_path, case):
    for step in (1, 2):
        folder = tmp_path / f"{step:06d}"
        folder.mkdir()
        (folder / "weights").write_bytes(b"x")
        (folder / "state.json").write_text(state(step=step))
    text = HOSTILE_STATES[case]
    (folder / "state.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    if case == "pipe":
        os.mkfifo(folder / "pipe")
    with pytest.raises(InputError) as caught:
        checkpoint.verify(folder)
    assert str(folder) in str(caught.value)
    assert len(str(caught.value)) < 500
    path, sound, remarks = checkpoint.newest(tmp_path)
    assert (path.name, sound["step"]) == ("000001", 1)
    assert "using the previous checkpoint" in remarks[0]


@pytest.mark.parametrize("text", ["", "[]", DEEP, "{}", '{"options": 1, "data": {}}'])
def test_a_hostile_configuration_is_refused(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"config\.json is damaged"):
        RunFolder(tmp_path).config()


@pytest.mark.parametrize(
    "text", ["", "[]", DEEP, "{}", '{"figure": "a", "value": "1", "step": [2]}']
)
def test_a_hostile_best_is_refused(tmp_path, text):
    (tmp_path / "best.json").write_text(text)
    with pytest.raises(InputError, match=r"best\.json"):
        read_best(tmp_path)


def test_a_deep_entry_beside_weights_is_refused(tmp_path):
    path = tmp_path / "generator.pdparams"
    for text in (DEEP, "[]", "9" * 10**5):
        with path.open("wb") as file:
            paddle_file.dump({"weight": np.ones(2), formats.ENTRY: text}, file)
        with pytest.raises(InputError, match="its entry"):
            formats.read_network(path)


# Programs at random.


def test_random_programs_end_in_plain_data_or_a_refusal():
    """A few seconds of `python benchmarks/fuzz_pickles.py --minutes 10`."""
    counts = fuzz_pickles.fuzz(4, seed=1)
    assert counts["tried"] >= 100
    assert counts["read"] + counts["refused"] == counts["tried"]
    assert counts["read"] > 0
    assert counts["peak_growth"] < 64 * 1024


def test_the_fuzzer_notices_what_runs(monkeypatch):
    """With the real unpickler in the loader's place, a program gets through."""
    import pickle

    monkeypatch.setattr(paddle_file, "read_open", lambda path, file: pickle.load(file))
    with pytest.raises(AssertionError, match="program: "):
        fuzz_pickles.fuzz(20, seed=1)
