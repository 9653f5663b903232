"""Images and videos: real files, built by hand where the numbers must be known."""

import io
import os
import stat
import struct
import subprocess
import sys
import zlib
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
from PIL import Image

from data_reader import _h264, framework, images, video
from data_reader.errors import InputError
from data_reader.images import (
    WRITTEN_SUFFIXES,
    decode_image,
    list_images,
    natural_key,
    read_image,
    write_image,
)
from data_reader.transforms import denormalise, normalise
from data_reader.video import VideoReader, VideoWriter

LOSSLESS = (".bmp", ".dib", ".png", ".pnm", ".ppm", ".tif", ".tiff")
LOSSY = (".jfif", ".jif", ".jpe", ".jpeg", ".jpg", ".pjp", ".pjpeg", ".webp")


def gradient(height=24, width=32):
    """A smooth image with three different channels: lossy codecs keep it within a few levels."""
    y, x = np.mgrid[:height, :width]
    return np.stack([4 * x + 20, 6 * y + 30, 200 - 3 * x - 2 * y], axis=2).astype(np.uint8)


def noise(height=24, width=32, channels=3):
    shape = (height, width, channels)
    return np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width, height, depth, colour, rows, *chunks):
    """A PNG from its rows (bytes); ``colour`` 0 grey, 2 RGB, 3 palette, 4 grey+alpha, 6 RGBA."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + pixels + chunk(b"IEND", b"")


def tiff(order, tags, data=b""):
    """A TIFF of one directory, with ``data`` behind it; EXIF is a TIFF without pixels.

    ``tags`` are (tag, number type, count, value); the value "data" is the place of ``data``.
    """
    place = 8 + 2 + 12 * len(tags) + 4
    body = struct.pack(order + "2sHIH", b"II" if order == "<" else b"MM", 42, 8, len(tags))
    for tag, kind, count, value in tags:
        value = place if value == "data" else value
        number = struct.pack(order + ("H2x" if kind == 3 and count == 1 else "I"), value)
        body += struct.pack(order + "HHI", tag, kind, count) + number
    return body + struct.pack(order + "I", 0) + data


def encode(suffix, pixels, *options):
    return cv2.imencode(suffix, pixels, options)[1].tobytes()


def with_app1(jpeg, body):
    """Insert a segment after a JPEG's first two bytes."""
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(body)) + body + jpeg[2:]


@pytest.fixture
def save(tmp_path):
    """Write bytes to a file of a temporary folder, and return its path."""

    def write(name, data):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


# Reading.


def test_channels_come_in_rgb_order(save):
    image = decode_image(save("two.ppm", b"P6 2 1 255\n" + bytes([10, 20, 30, 40, 50, 60])))
    assert image.rgb.tolist() == [[[10, 20, 30], [40, 50, 60]]]
    assert image.rgb.dtype == np.uint8
    assert image.alpha is None
    assert not image.grey


def test_16_bits_are_rounded_to_8(save):
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    rows = [row.astype(">u2").tobytes() for row in every]
    image = decode_image(save("deep.png", png(256, 256, 16, 0, rows)))
    levels = image.rgb[..., 0].reshape(-1)
    by_hand = {0: 0, 128: 0, 129: 1, 257: 1, 32767: 127, 32768: 128, 65406: 254, 65407: 255}
    assert {value: int(levels[value]) for value in by_hand} == by_hand
    assert np.array_equal(levels, (np.arange(65536) + 128) // 257)
    assert image.grey


def test_16_bit_rgba(save):
    row = struct.pack(">8H", 257 * 10, 257 * 20, 257 * 30, 257 * 40, 65535, 0, 129, 65535)
    image = decode_image(save("deep.png", png(2, 1, 16, 6, [row])))
    assert image.rgb.tolist() == [[[10, 20, 30], [255, 0, 1]]]
    assert image.alpha.tolist() == [[40, 255]]


def test_palette(save):
    colours = chunk(b"PLTE", bytes([10, 20, 30, 40, 50, 60, 70, 70, 70]))
    plain = decode_image(save("plain.png", png(3, 1, 8, 3, [b"\2\0\1"], colours)))
    assert plain.rgb.tolist() == [[[70, 70, 70], [10, 20, 30], [40, 50, 60]]]
    assert plain.alpha is None
    assert not plain.grey
    bits = decode_image(save("bits.png", png(3, 1, 1, 3, [b"\x40"], colours)))  # 0, 1, 0
    assert bits.rgb.tolist() == [[[10, 20, 30], [40, 50, 60], [10, 20, 30]]]
    clear = png(2, 1, 8, 3, [b"\0\1"], colours, chunk(b"tRNS", b"\x80"))
    assert decode_image(save("clear.png", clear)).alpha.tolist() == [[128, 255]]


def test_alpha(save):
    rgba = decode_image(save("rgba.png", png(2, 1, 8, 6, [bytes([1, 2, 3, 4, 5, 6, 7, 0])])))
    assert rgba.rgb.tolist() == [[[1, 2, 3], [5, 6, 7]]]
    assert rgba.alpha.tolist() == [[4, 0]]
    assert not rgba.grey
    grey = decode_image(save("grey.png", png(2, 1, 8, 4, [bytes([9, 128, 8, 255])])))
    assert grey.rgb.tolist() == [[[9, 9, 9], [8, 8, 8]]]
    assert grey.alpha.tolist() == [[128, 255]]
    assert grey.grey


def test_grey_files(save):
    for data in (
        png(2, 1, 1, 0, [b"\x40"]),
        b"P5 2 1 255\n\x00\xff",
        b"P4 # a comment\n2 1\n\x80",
        encode(".bmp", np.array([[0, 255]], np.uint8)),
    ):
        image = decode_image(save("grey", data))
        assert image.grey
        assert image.rgb.tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_pnm_white_is_what_the_header_says(save):
    # 50 / 100 * 255 = 127.5, 25 / 100 * 255 = 63.75, 512 / 1023 * 255 = 127.6
    assert read_image(save("a.pgm", b"P5 2 1 100\n\x19\x64"), 1).tolist() == [[[64], [255]]]
    deep = b"P6 1 1 1023\n" + struct.pack(">3H", 512, 1023, 0)
    assert read_image(save("b.ppm", deep)).tolist() == [[[128, 255, 0]]]
    assert read_image(save("c.pgm", b"P2 2 1 100\n25 100\n"), 1)[0, 1, 0] == 255
    assert read_image(save("d.pgm", b"P2 2 1 1023\n512 1023\n"), 1).tolist() == [[[128], [255]]]


def test_luma_is_itu_601(save):
    primaries = b"P6 4 1 255\n" + bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 77, 77, 77])
    luma = read_image(save("primaries.ppm", primaries), channels=1)
    assert luma.tolist() == [[[76], [150], [29], [77]]]  # 0.299, 0.587, 0.114 of 255


STORED = {  # the letters as the file holds them; upright, each of these reads ABC over DEF
    1: ["ABC", "DEF"],
    2: ["CBA", "FED"],
    3: ["FED", "CBA"],
    4: ["DEF", "ABC"],
    5: ["AD", "BE", "CF"],
    6: ["CF", "BE", "AD"],
    7: ["FC", "EB", "DA"],
    8: ["DA", "EB", "FC"],
}
LEVELS = dict(zip("ABCDEF", (20, 60, 100, 140, 180, 220)))


def blocks(letters, side=16):
    grid = np.array([[LEVELS[letter] for letter in row] for row in letters], np.uint8)
    return np.kron(grid, np.ones((side, side), np.uint8))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(save, orientation, order):
    stored, upright = blocks(STORED[orientation]), blocks(["ABC", "DEF"])
    exif = tiff(order, [(0x0100, 4, 1, 5), (0x0112, 3, 1, orientation)])
    jpeg = with_app1(encode(".jpg", stored), b"Exif\0\0" + exif)
    height, width = stored.shape
    files = {
        "a.jpg": jpeg,
        "a.png": png(width, height, 8, 0, [row.tobytes() for row in stored], chunk(b"eXIf", exif)),
        "a.webp": webp_with_exif(stored, exif),
        "a.tif": tiff(order, tiff_tags(width, height, orientation), stored.tobytes()),
    }
    for name, data in files.items():
        seen = read_image(save(name, data), channels=1)[..., 0]
        assert seen.shape == upright.shape, name
        assert np.abs(seen.astype(int) - upright).max() <= (4 if name == "a.jpg" else 1), name


def tiff_tags(width, height, orientation):
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 1, 8), (259, 3, 1, 1)]
    tags += [(262, 3, 1, 1), (273, 4, 1, "data"), (274, 3, 1, orientation), (277, 3, 1, 1)]
    return tags + [(278, 3, 1, height), (279, 4, 1, width * height)]


def webp_with_exif(pixels, exif):
    """Wrap a lossless WebP's image chunk in the extended format, with an EXIF chunk behind it."""
    height, width = pixels.shape
    inner = encode(".webp", cv2.merge([pixels] * 3), cv2.IMWRITE_WEBP_QUALITY, 101)[12:]
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x08\0\0\0" + sides + inner
    body += b"EXIF" + struct.pack("<I", len(exif)) + exif + b"\0" * (len(exif) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_damaged_exif_leaves_the_image_as_stored(save):
    stored = blocks(["ABC", "DEF"])
    unknown, broken = tiff("<", [(0x0112, 3, 1, 9)]), tiff(">", [(0x0112, 3, 1, 6)])[:-9]
    for exif in (b"", b"II*\0", unknown, broken):
        path = save("a.jpg", with_app1(encode(".jpg", stored), b"Exif\0\0" + exif))
        assert read_image(path).shape == (32, 48, 3)


# Files that are no whole image.


@pytest.mark.parametrize("progressive", [0, 1])
def test_truncated_jpeg(save, progressive):
    whole = encode(".jpg", noise(64, 64), cv2.IMWRITE_JPEG_PROGRESSIVE, progressive)
    assert read_image(save("whole.jpg", whole + b"\0behind the end\xff")).shape == (64, 64, 3)
    for length in (3, 10, 200, len(whole) // 2, len(whole) - 100, len(whole) - 2, len(whole) - 1):
        for rest in (b"", bytes(len(whole) - length)):  # broken off, and reserved but not written
            with pytest.raises(InputError, match=r"cut\.jpg is truncated: the JPEG") as raised:
                read_image(save("cut.jpg", whole[:length] + rest))
            assert "\n" not in str(raised.value)


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_image(save):
    small, large = encode(".jpg", noise(8, 8)), encode(".jpg", noise(64, 64))
    whole = with_app1(large, b"Exif\0\0" + tiff("<", []) + small)
    assert read_image(save("whole.jpg", whole)).shape == (64, 64, 3)
    with pytest.raises(InputError, match="truncated"):
        read_image(save("cut.jpg", whole[: len(whole) * 3 // 4]))


def test_jpeg_with_restart_marks_is_whole(save):
    data = encode(".jpg", noise(64, 64), cv2.IMWRITE_JPEG_RST_INTERVAL, 1)
    assert data.count(b"\xff\xd0") > 0
    assert read_image(save("restart.jpg", data)).shape == (64, 64, 3)


def test_truncated_png(save):
    whole = encode(".png", noise(32, 32))
    assert read_image(save("whole.png", whole + b"behind")).shape == (32, 32, 3)
    for length in (9, 20, 33, 50, len(whole) // 2, len(whole) - 13, len(whole) - 1):
        with pytest.raises(InputError, match=r"cut\.png is truncated: the PNG"):
            read_image(save("cut.png", whole[:length]))


@pytest.mark.parametrize("suffix", sorted(WRITTEN_SUFFIXES))
def test_no_half_image_in_any_format(save, suffix):
    pixels = noise(32, 32, 1 if suffix == ".pgm" else 3)
    whole = encode(".jpg" if suffix in images.JPEG_SUFFIXES else suffix, pixels)
    for length in (12, len(whole) // 2, len(whole) - 1):
        with pytest.raises(
            InputError, match=r"cut\.\w+ is .*(truncated|a \w+ that|not a)"
        ) as raised:
            read_image(save(f"cut{suffix}", whole[:length]))
        assert "truncated" in str(raised.value) or suffix not in (".png", ".webp", ".jpg")


def test_damaged_png(save):
    data = bytearray(encode(".png", noise(32, 32)))
    data[200] ^= 0xFF
    with pytest.raises(InputError, match=r"bad\.png is a PNG that OpenCV .* cannot decode"):
        read_image(save("bad.png", bytes(data)))


def test_what_is_no_image(save, tmp_path):
    for data, message in (
        (b"", r"a\.jpg is empty \(0 bytes\)"),
        (b"<!DOCTYPE html><html>404</html>", r"a\.jpg is not an image \(it begins with b'<!DOC"),
        (b"RIFF\x10\0\0\0WAVEfmt ", r"a\.jpg is not an image \(it begins with b'RIFF"),
        (b"Preface\n", r"a\.jpg is not an image \(it begins with b'Preface"),
        (b"BMW is a maker of cars in Munich", r"a\.jpg is not an image \(it begins with b'BMW"),
        (encode(".ras", gradient()), r"a\.jpg is not an image"),  # OpenCV could, by chance
    ):
        with pytest.raises(InputError, match=message):
            decode_image(save("a.jpg", data))
    with pytest.raises(InputError, match=r"nowhere\.png does not exist"):
        decode_image(tmp_path / "nowhere.png")
    with pytest.raises(InputError, match="is a folder"):
        decode_image(tmp_path)


def test_float_images_are_refused(save):
    data = encode(".tif", np.ones((4, 4, 3), np.float32))
    with pytest.raises(InputError, match=r"a\.tif holds float32 values"):
        decode_image(save("a.tif", data))


def test_bombs_are_refused_by_their_header(save):
    side = 16385  # 16385 ** 2 = 2 ** 28 + 2 ** 15 + 1
    jpeg = encode(".jpg", noise(8, 8), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    frame = jpeg.index(b"\xff\xc2") + 5
    gif = io.BytesIO()
    Image.fromarray(noise(8, 8)).save(gif, "GIF")
    sides = 2 * (side - 1).to_bytes(3, "little")
    bombs = {
        "PNG": png(side, side, 8, 2, [b"short"]),
        "JPEG": jpeg[:frame] + struct.pack(">HH", side, side) + jpeg[frame + 4 :],
        "BMP": b"BM" + bytes(12) + struct.pack("<IiiHH", 40, side, -side, 1, 24) + bytes(24),
        "GIF": gif.getvalue()[:6] + struct.pack("<HH", side, side) + gif.getvalue()[10:],
        "WebP": b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(4) + sides,
        "TIFF": tiff(">", tiff_tags(side, side, 1)),
        "PNM": b"P5\n# large\n16385 16385\n255\n",
        "PBM": b"P4\n16385 16385\n\xff\0",
    }
    for name, data in bombs.items():
        words = r"16385 x 16385|268468225|WebP that Pillow|damaged WebP"  # as Pillow's version says
        with pytest.raises(InputError, match=words):
            decode_image(save(name, data))


# Writing.


@pytest.mark.parametrize("suffix", [*LOSSLESS, *LOSSY])
@pytest.mark.parametrize("size", [(24, 32), (1, 1), (7, 13)])
def test_round_trip(tmp_path, suffix, size):
    path = tmp_path / f"image{suffix.upper()}"
    sent = gradient(*size)
    write_image(path, sent)
    seen = read_image(path).astype(int)
    assert seen.shape == sent.shape
    assert np.abs(seen - sent).max() <= (0 if suffix in LOSSLESS else 12)


def test_every_suffix_is_tried():
    assert {*LOSSLESS, *LOSSY, ".pgm"} == WRITTEN_SUFFIXES


def test_pgm_holds_the_luma(tmp_path):
    write_image(tmp_path / "a.pgm", np.array([[[255, 0, 0], [0, 255, 0]]], np.uint8))
    assert (tmp_path / "a.pgm").read_bytes() == b"P5\n2 1\n255\n" + bytes([76, 150])


@pytest.mark.parametrize("suffix", sorted(WRITTEN_SUFFIXES))
def test_alpha_is_kept_where_the_format_has_it(tmp_path, suffix):
    sent = np.tile(np.arange(100, 132, dtype=np.uint8), (24, 1))
    write_image(tmp_path / f"a{suffix}", gradient(), alpha=sent)
    seen = decode_image(tmp_path / f"a{suffix}")
    assert seen.rgb.shape == (24, 32, 3)
    if suffix in (".png", ".webp", ".tif", ".tiff"):
        assert np.array_equal(seen.alpha, sent)
    else:
        assert seen.alpha is None


def test_quality_is_heard(tmp_path):
    for suffix in (".jpg", ".webp"):
        write_image(tmp_path / f"low{suffix}", noise(), quality=20)
        write_image(tmp_path / f"high{suffix}", noise())
        low, high = (tmp_path / f"{name}{suffix}" for name in ("low", "high"))
        assert 1.5 * low.stat().st_size < high.stat().st_size


def test_any_name_and_new_folders(tmp_path):
    path = tmp_path / "новая папка" / "图片" / "été 100% (1).png"
    write_image(path, gradient())
    assert np.array_equal(read_image(str(path)), gradient())
    assert list_images(tmp_path) == [path]
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_a_new_file_has_the_rights_of_any_new_file(tmp_path):
    write_image(tmp_path / "a.png", gradient())
    (tmp_path / "b.txt").write_text("")
    rights = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a.png", "b.txt")]
    assert rights[0] == rights[1]


@contextmanager
def files_limited_to(size):
    """Let the operating system refuse to make files longer than ``size`` bytes: a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.png"
    write_image(path, gradient())
    before = path.read_bytes()
    with files_limited_to(1000), pytest.raises(InputError, match=r"a\.png: File too large"):
        write_image(path, noise())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_places_that_cannot_be_written(tmp_path, save):
    save("file", b"x")
    (tmp_path / "folder.png").mkdir()
    for name, message in (
        ("file/a.png", r"cannot write .*file.a\.png: .*file is a file, not a folder"),
        ("file/below/a.png", "cannot write"),
        ("folder.png", "cannot write"),
    ):
        with pytest.raises(InputError, match=message):
            write_image(tmp_path / name, gradient())
    with pytest.raises(InputError, match=r"a\.gif: its suffix is none of \.bmp, \.dib, \.jfif"):
        write_image(tmp_path / "a.gif", gradient())
    with pytest.raises(InputError, match=r"70000 x 1 pixels do not fit \.jpg"):
        write_image(tmp_path / "long.jpg", np.zeros((1, 70000, 3), np.uint8))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.png"]


def test_wrong_arrays_are_refused(tmp_path):
    for wrong in (gradient().astype(np.float32), gradient()[..., 0], noise(channels=4)):
        with pytest.raises(ValueError, match=r"uint8 \[H, W, 3\]"):
            write_image(tmp_path / "a.png", wrong)
    with pytest.raises(ValueError, match="alpha"):
        write_image(tmp_path / "a.png", gradient(), alpha=np.zeros((3, 3), np.uint8))


# Listing.


def test_list_images(tmp_path):
    kept = ["1.JPG", "2.png", "10.Jpeg", "a/img2.png", "a/img10.png", "a10/x.png", "b.tiff"]
    hidden = [".git/a.png", ".a.png", "a/.thumbs/x.png", "note.txt", "movie.mp4", "jpg"]
    for name in kept + hidden:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    assert [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)] == kept
    assert list_images(tmp_path / "folder.png") == []


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path, save):
    (tmp_path / "a").mkdir()
    save("a/1.png", b"")
    try:
        (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
        (tmp_path / "b").symlink_to(tmp_path / "a", target_is_directory=True)
    except OSError as error:
        pytest.skip(f"no links here: {error}")
    assert list_images(tmp_path) == [tmp_path / "a" / "1.png", tmp_path / "b" / "1.png"]


def test_natural_key():
    names = ["b1", "a10", "A2", "a2", "a02", "a", "2", "10", "٣", "x²", "a2/z", "a2/b10", "a2/b9"]
    expected = ["2", "10", "a", "A2", "a02", "a2", "a2/b9", "a2/b10", "a2/z", "a10", "b1"]
    assert sorted(names, key=natural_key) == [*expected, "x²", "٣"]


def test_folders_that_cannot_be_listed(tmp_path, save):
    with pytest.raises(InputError, match="missing does not exist"):
        list_images(tmp_path / "missing")
    with pytest.raises(InputError, match="is a file"):
        list_images(save("a.png", b""))


# Arrays.


def test_normalise_and_back():
    image = np.array([[[0, 51, 255], [102, 127, 128]]], np.uint8)
    chw = normalise(image)
    assert chw.dtype == np.float32
    assert chw.shape == (3, 1, 2)
    assert chw.flags.c_contiguous
    # 51 / 127.5 = 0.4, 102 / 127.5 = 0.8, 127 / 127.5 = 1 - 1 / 255
    by_hand = [[[-1, -0.2]], [[-0.6, -1 / 255]], [[1, 1 / 255]]]
    assert np.allclose(chw, by_hand, rtol=0, atol=1e-7)
    every = np.arange(256, dtype=np.uint8).reshape(4, 64, 1)
    assert np.array_equal(denormalise(normalise(every)), every)
    assert normalise(every).min() == -1
    assert normalise(every).max() == 1


def test_denormalise_clips_and_rounds():
    values = np.array([-7, -1, -0.997, -0.995, 0.6, 0.995, 1, np.inf], np.float64)
    # (x + 1) * 127.5: 0.38, 0.64 near black; 204; 254.36 near white
    levels = denormalise(values.reshape(1, 1, 8))[0, :, 0].tolist()
    assert levels == [0, 0, 0, 1, 204, 254, 255, 255]


# The library behind.


def test_a_missing_libgl_is_named(tmp_path):
    (tmp_path / "cv2.py").write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file')"
    )
    root = os.fspath(images.Path(images.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.fspath(tmp_path), root])}
    command = [sys.executable, "-c", "import data_reader.images"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: OpenCV cannot be imported (libGL.so.1")
    assert "install opencv-python-headless" in last
    assert last.endswith("the system package libgl1")


@pytest.mark.skipif(
    os.environ.get("OPENCV_LOG_LEVEL") != framework.OPENCV["OPENCV_LOG_LEVEL"]
    or tuple(map(int, cv2.__version__.split(".")[:2])) < (4, 11),
    reason="OpenCV was told to talk, or is a version that always does",
)
def test_opencv_keeps_quiet(save, capfd):
    whole = encode(".tif", noise())
    with pytest.raises(InputError, match="is a TIFF that OpenCV"):
        read_image(save("a.tif", whole[:8] + bytes(len(whole) - 8)))
    assert capfd.readouterr().err == ""


# Video.


def clip(height=48, width=64, count=9):
    """Frames whose left half brightens by 20 a frame, from 40, beside an orange right half."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    frames[:, :, : width // 2] = 40 + 20 * np.arange(count)[:, None, None, None]
    frames[:, :, width // 2 :] = (200, 100, 40)
    return frames


def write_video(path, frames, fps=25.0):
    with VideoWriter(path, fps, (frames.shape[2], frames.shape[1])) as writer:
        for frame in frames:
            writer.write(frame)


@pytest.fixture(params=["PyAV", "OpenCV"])
def encoder(request, monkeypatch):
    if request.param == "OpenCV":
        monkeypatch.setattr(_h264, "av", None)
    elif _h264.av is None:
        pytest.skip("PyAV is in the extra `video`")


@pytest.mark.parametrize("suffix", sorted(video.CODECS))
@pytest.mark.usefixtures("encoder")
def test_video_round_trip(tmp_path, suffix):
    path = tmp_path / "new folder" / f"видео{suffix}"
    write_video(path, clip(), 30000 / 1001)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    with VideoReader(path) as reader:
        assert reader.size == (64, 48)
        assert reader.frames == 9
        assert reader.fps == pytest.approx(29.97, abs=0.001)
        for _ in range(2):  # a second iteration starts again
            seen = np.stack(list(reader)).astype(int)
            assert seen.shape == (9, 48, 64, 3)
            assert np.abs(seen[:, 8:40, 8:24] - clip()[:, 8:40, 8:24]).max() <= 8
            assert np.abs(seen[:, 8:40, 40:56] - [200, 100, 40]).max() <= 12
    bgr = cv2.VideoCapture(os.fspath(path)).read()[1]
    assert np.abs(bgr[24, 48].astype(int) - [40, 100, 200]).max() <= 12


def test_odd_sides_are_doubled_at_the_edge(tmp_path):
    frames = clip(47, 63)
    frames[:, :, -1] = (255, 255, 255)
    write_video(tmp_path / "odd.mp4", frames)
    with VideoReader(tmp_path / "odd.mp4") as reader:
        assert reader.size == (64, 48)
        last = next(iter(reader))
    assert last[:, 62:].min() > 200  # the white column, and its double
    assert np.abs(last[47, :60].astype(int) - last[46, :60]).max() <= 20


def test_an_error_in_the_block_leaves_the_old_video(tmp_path, save):
    path = save("a.mp4", b"old")

    def write_and_fail():
        with VideoWriter(path, 25, (64, 48)) as writer:
            writer.write(clip()[0])
            raise KeyError("the network failed")

    with pytest.raises(KeyError, match="the network failed"):
        write_and_fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", sorted(video.CODECS))
@pytest.mark.usefixtures("encoder")
def test_a_full_disk_is_noticed(tmp_path, suffix):
    frames = np.random.default_rng(1).integers(0, 256, (40, 64, 64, 3), dtype=np.uint8)
    with files_limited_to(15000), pytest.raises(InputError, match="not all of its 40 frames"):
        write_video(tmp_path / f"a{suffix}", frames)
    assert list(tmp_path.iterdir()) == []


def test_videos_that_cannot_be_written(tmp_path, save, monkeypatch):
    monkeypatch.setattr(_h264, "av", None)  # x264 takes the wide one
    save("file", b"x")
    for path, fps, size, message in (
        ("a.gif", 25, (64, 48), r"a\.gif: its suffix is none of \.mp4, \.m4v, \.mov, \.avi, \.mkv"),
        ("a.mp4", 0, (64, 48), "0 frames a second"),
        ("a.mp4", float("nan"), (64, 48), "nan frames a second"),
        ("a.mp4", 25, (64, 15), "64 x 15 pixels; a video's sides are at least 16"),
        ("a.m4v", 25, (9000, 16), r"no codec for 9000 x 16 .* in \.m4v; try another suffix: \.mp4"),
        ("file/a.mp4", 25, (64, 48), "cannot write"),
        ("a.mp4", 25, (64, 48), "no frame to write"),
    ):
        with pytest.raises(InputError, match=message), VideoWriter(tmp_path / path, fps, size):
            pass
    if images.Path("/proc/self").is_dir():  # a folder in which even root makes no file
        with pytest.raises(InputError, match=r"cannot write /proc/a\.mp4: (No|Perm|Oper)"):
            write_video(images.Path("/proc/a.mp4"), clip())
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_another_codec_takes_what_the_first_cannot(tmp_path, monkeypatch):
    monkeypatch.setattr(_h264, "av", None)
    write_video(tmp_path / "wide.mp4", clip(16, 9000, 2))
    with VideoReader(tmp_path / "wide.mp4") as reader:
        assert reader.size == (9000, 16)


def test_wrong_frames_are_refused(tmp_path):
    writer = VideoWriter(tmp_path / "a.mp4", 25, (64, 48))
    with pytest.raises(ValueError, match=r"uint8 \[48, 64, 3\], not uint8 \[64, 48, 3\]"):
        writer.write(clip(64, 48)[0])
    with pytest.raises(ValueError, match="within `with VideoWriter"):
        writer.write(clip()[0])


def test_what_is_no_video(save, tmp_path):
    for data, message in ((b"", "is empty"), (b"<!DOCTYPE html>" * 99, "is not a video")):
        with pytest.raises(InputError, match=message):
            VideoReader(save("a.mp4", data))
    with pytest.raises(InputError, match="does not exist"):
        VideoReader(tmp_path / "b.mp4")


def test_a_video_without_its_index_is_no_video(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, clip())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"a\.mp4 is not a video"):
        VideoReader(path)


def test_a_trailer_of_the_maker_in_place_of_the_end(save):
    whole = encode(".jpg", noise(64, 64))
    trailer = b"\0\0\x01\n\x0e\0\0\0Image_UTC_Data1700000000000SEFHe\0\0\0\xff\xd7SEFT"
    seen = read_image(save("telephone.jpg", whole[:-2] + trailer))
    assert np.array_equal(seen, read_image(save("whole.jpg", whole)))
    for data in (whole[:300] + trailer[:-4], trailer, whole[:20] + b"SEFT"):
        with pytest.raises(InputError):
            read_image(save("cut.jpg", data))


def test_a_variable_rate_keeps_its_duration(tmp_path):
    """The last five of nine frames come 1.52 s late, as in a recording of a screen."""
    write_video(tmp_path / "a.mkv", clip())
    data = bytearray((tmp_path / "a.mkv").read_bytes())
    for i in range(4, 9):
        place = data.index(b"\x81" + struct.pack(">h", 40 * i)) + 1
        data[place : place + 2] = struct.pack(">h", 40 * i + 1520)
    (tmp_path / "b.mkv").write_bytes(data)
    for name, counts in (("a.mkv", [1] * 9), ("b.mkv", [1, 1, 1, 39, 1, 1, 1, 1, 1])):
        with VideoReader(tmp_path / name) as reader:
            assert [count for _, count in reader.timed()] == counts


def test_pixels_that_are_not_square_are_widened(tmp_path):
    write_video(tmp_path / "a.avi", clip())
    data = bytearray((tmp_path / "a.avi").read_bytes())
    start, changed = b"\0\0\1\x20", 0
    for at in range(len(data) - 8):
        if data[at : at + 4] == start:  # the header of MPEG-4's layer
            bits = int.from_bytes(data[at + 4 : at + 8], "big")
            skipped = 17 if bits >> 22 & 1 else 10
            place = 32 - skipped - 4
            assert bits >> place & 15 == 1  # square
            bits += 3 << place  # 16 : 11
            data[at + 4 : at + 8] = bits.to_bytes(4, "big")
            changed += 1
    assert changed
    (tmp_path / "b.avi").write_bytes(data)
    with VideoReader(tmp_path / "b.avi") as reader:
        assert reader.size == (93, 48)  # 64 * 16 / 11
        assert next(iter(reader)).shape == (48, 93, 3)
