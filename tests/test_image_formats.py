"""What tags say about pixels: each kind of file is read right, or refused by name."""

import io
import shutil
import struct
import subprocess

import cv2
import numpy as np
import PIL
import pytest
from conftest import ROOT
from PIL import Image, features
from test_images import chunk, encode, gradient, png

from data_reader.errors import InputError
from data_reader.images import decode_image


def make_tiff(order, bits, colours, samples, pixels, *, big=False, planes=1, **tags):
    """A TIFF of two pixels beside each other; ``tags`` are t338=(2,) and the like."""
    numbers = pixels if bits <= 8 else struct.unpack(f"<{len(pixels) // 2}H", pixels)
    data = pixels if bits <= 8 else struct.pack(f"{order}{len(numbers)}H", *numbers)
    parts = samples if planes == 2 else 1
    known = {254: (0,), 256: (2,), 257: (1,), 258: (bits,) * samples, 259: (1,), 262: (colours,),
             273: (0,) * parts, 277: (samples,), 278: (1,), 279: (len(data) // parts,) * parts,
             284: (planes,)}  # fmt: skip
    known |= {int(name[1:]): values for name, values in tags.items()}
    size, word, count = (8, "Q", "Q") if big else (4, "I", "H")
    place = (16 if big else 8) + struct.calcsize(count) + (4 + 2 * size) * len(known) + size
    arrays = sum(4 * len(values) for values in known.values() if 4 * len(values) > size)
    known[273] = tuple(place + arrays + i * len(data) // parts for i in range(parts))
    directory, tail = struct.pack(order + count, len(known)), b""
    for tag, values in sorted(known.items()):
        content = struct.pack(f"{order}{len(values)}I", *values)
        if len(content) > size:
            content, tail = struct.pack(order + word, place + len(tail)), tail + content
        directory += struct.pack(order + "HH" + word, tag, 4, len(values))
        directory += content.ljust(size, b"\0")
    letters = b"II" if order == "<" else b"MM"
    start = struct.pack(order + "HHHQ", 43, 8, 0, 16) if big else struct.pack(order + "HI", 42, 8)
    return letters + start + directory + struct.pack(order + word, 0) + tail + data


def deep(*values):
    return struct.pack(f"<{len(values)}H", *(257 * value for value in values))


RGB = bytes([10, 20, 30, 200, 100, 0])
RGBA = bytes([10, 20, 30, 128, 200, 100, 0, 255])
COLOURS = [[10, 20, 30], [200, 100, 0]]
LESS = [[20, 40, 60], [200, 100, 0]]  # divided by alpha
# Arguments of make_tiff; then colours and alpha, or the words of the refusal.
TIFFS = {
    "grey": ((8, 1, 1, b"\x0a\x14"), [[10] * 3, [20] * 3], None),
    "grey, white 0": ((8, 0, 1, b"\x0a\x14"), [[245] * 3, [235] * 3], None),
    "grey of 16 bits": ((16, 1, 1, deep(10, 20)), [[10] * 3, [20] * 3], None),
    "16 bits, white 0": ((16, 0, 1, deep(10, 20)), [[245] * 3, [235] * 3], None),
    "grey of 2 bits": ((2, 1, 1, b"\x10"), [[0] * 3, [85] * 3], None),
    "grey of 4 bits": ((4, 1, 1, b"\x1f"), [[17] * 3, [255] * 3], None),
    "bitmap": ((1, 1, 1, b"\x40"), [[0] * 3, [255] * 3], None),
    "bitmap, white 0": ((1, 0, 1, b"\x40"), [[255] * 3, [0] * 3], None),
    "RGB": ((8, 2, 3, RGB), COLOURS, None),
    "RGB in planes": ((8, 2, 3, bytes([10, 200, 20, 100, 30, 0]), 2), COLOURS, None),
    "RGB of 16 bits": ((16, 2, 3, deep(*RGB)), COLOURS, None),
    "16 bits in planes": ((16, 2, 3, deep(10, 200, 20, 100, 30, 0), 2), "16-bit channels", None),
    "RGBA": ((8, 2, 4, RGBA, 1, 2), COLOURS, [128, 255]),
    "RGBA in planes": ((8, 2, 4, bytes([10, 200, 20, 100, 30, 0, 128, 255]), 2, 2), COLOURS,
                       [128, 255]),
    "associated": ((8, 2, 4, RGBA, 1, 1), [[19, 39, 59], [200, 100, 0]], [128, 255]),
    "unnamed alpha": ((8, 2, 4, RGBA), COLOURS, [128, 255]),
    "a fourth band": ((8, 2, 4, RGBA, 1, 0), COLOURS, None),
    "16-bit RGBA": ((16, 2, 4, deep(*RGBA), 1, 2), COLOURS, [128, 255]),
    "16-bit associated": ((16, 2, 4, deep(*RGBA), 1, 1), LESS, [128, 255]),
    "16 bits, a fourth band": ((16, 2, 4, deep(*RGBA), 1, 0), COLOURS, None),
    "five bands": ((8, 2, 5, bytes(10), 1, (0, 0)), "5 channels", None),
    "grey and alpha": ((8, 1, 2, b"\x0a\x80\x14\xff", 1, 2), [[10] * 3, [20] * 3], [128, 255]),
    "grey and more": ((8, 1, 2, b"\x0a\x80\x14\xff", 1, 0), [[10] * 3, [20] * 3], None),
    "grey and alpha, 16 bits": ((16, 1, 2, deep(1, 2, 3, 4), 1, 2), "second channel", None),
    "CMYK": ((8, 5, 4, bytes([0, 0, 0, 0, 255, 0, 0, 0])), [[255] * 3, [0, 255, 255]], None),
    "CMYK and alpha": ((8, 5, 5, bytes(10), 1, 2), "5 channels", None),
    "CMYK of 16 bits": ((16, 5, 4, deep(*bytes(8))), "cannot decode", None),
    "Lab": ((8, 8, 3, RGB), "Lab colours", None),
    "camera": ((8, 32803, 1, b"\x0a\x14"), "a camera's raw values", None),
}  # fmt: skip


@pytest.mark.parametrize("big", [False, True], ids=["TIFF", "BigTIFF"])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("case", TIFFS)
def test_tiff(tmp_path, case, order, big):
    (bits, colours, samples, pixels, *more), expected, alpha = TIFFS[case]
    planes, extra = [*more, *[1, None][len(more) :]]
    tags = {} if extra is None else {"t338": extra if isinstance(extra, tuple) else (extra,)}
    path = tmp_path / "a.tif"
    path.write_bytes(
        make_tiff(order, bits, colours, samples, pixels, big=big, planes=planes, **tags)
    )
    by_pillow = bits in (2, 4) or (bits == 8 and samples in (2, 4) and colours != 5)
    if big and order == ">" and by_pillow:  # Pillow does not read these
        expected = "Pillow .* cannot decode"
    if case == "grey and more" and int(PIL.__version__.split(".")[0]) < 13:
        expected = "Pillow .* cannot decode"
    check(path, expected, alpha)


def check(path, expected, alpha):
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected):
            decode_image(path)
        return
    image = decode_image(path)
    assert np.abs(image.rgb[0].astype(int) - expected).max() <= 1, image.rgb[0]
    assert (None if image.alpha is None else image.alpha[0].tolist()) == alpha
    assert image.grey == all(len(set(colour)) == 1 for colour in expected)


def test_a_thumbnail_before_the_image_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(make_tiff("<", 8, 1, 1, b"\x01\x02", t254=(1,)))
    check(path, "a thumbnail of another", None)


def bmp(packing, masks=()):
    """32 bits a pixel; the masks are those of red, green, blue and alpha."""
    more = struct.pack(f"<{len(masks)}I", *masks) + bytes(52 if len(masks) == 4 else 0)
    length = 40 + (len(more) if len(masks) == 4 else 0)
    head = struct.pack("<IiiHHIIiiII", length, 2, 1, 1, 32, packing, 8, 0, 0, 0, 0) + more
    pixels = bytes([30, 20, 10, 128, 0, 100, 200, 255])
    return b"BM" + struct.pack("<IHHI", 22 + len(head), 0, 0, 14 + len(head)) + head + pixels


MASKS = (0xFF0000, 0xFF00, 0xFF)


@pytest.mark.parametrize(
    ("data", "alpha"),
    [
        (bmp(0), None),
        (bmp(3, MASKS), None),
        (bmp(3, (*MASKS, 0)), None),
        (bmp(3, (*MASKS, 0xFF000000)), [128, 255]),
    ],
)
def test_the_fourth_byte_of_a_bitmap(tmp_path, data, alpha):
    (tmp_path / "a.bmp").write_bytes(data)
    check(tmp_path / "a.bmp", COLOURS, alpha)


@pytest.mark.parametrize(
    ("depth", "colour", "row", "clear", "expected"),
    [
        (1, 0, b"\x40", (1,), [255, 0]),
        (2, 0, b"\x60", (2,), [255, 0]),
        (4, 0, b"\x4f", (4,), [0, 255]),
        (8, 0, b"\x04\x05", (4,), [0, 255]),
        (16, 0, struct.pack(">2H", 1000, 1001), (1001,), [255, 0]),
        (8, 2, RGB, (200, 100, 0), [255, 0]),
        (16, 2, struct.pack(">6H", *(257 * x for x in RGB)), (2570, 5140, 7710), [0, 255]),
    ],
)
def test_the_transparent_colour_of_a_png(tmp_path, depth, colour, row, clear, expected):
    path = tmp_path / "a.png"
    more = chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear))
    path.write_bytes(png(2, 1, depth, colour, [row], more))
    image = decode_image(path)
    assert image.alpha[0].tolist() == expected
    assert image.grey == (colour == 0)


def pillow(kind, image, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def written():
    """One smooth image in every format, by OpenCV or Pillow, and by how much it may differ."""
    rgb = gradient()
    image, bgr = Image.fromarray(rgb), np.ascontiguousarray(rgb[..., ::-1])
    files = {
        "a.gif": (pillow("GIF", image), 16),
        "a.jp2": (pillow("JPEG2000", image), 0),
        "a.jfif": (pillow("JPEG", image, quality=95), 8),
        "a.tga.png": (encode(".png", bgr), 0),
        "a.webp": (pillow("WEBP", image, lossless=True), 0),
        "a.tif": (pillow("TIFF", image, compression="tiff_lzw"), 0),
        "a.ppm": (pillow("PPM", image), 0),
        "a.bmp": (pillow("BMP", image), 0),
    }
    if features.check("avif"):
        files["a.avif"] = (pillow("AVIF", image, quality=95), 8)
    return files


@pytest.mark.parametrize("name", written())
def test_every_format_is_read_as_other_programs_read_it(tmp_path, name):
    data, tolerance = written()[name]
    path = tmp_path / name
    path.write_bytes(data)
    image = decode_image(path).rgb
    assert image.flags.writeable
    assert image.flags.c_contiguous
    seen = image.astype(int)
    others = {"as written": gradient(), "Pillow": np.asarray(Image.open(path).convert("RGB"))}
    if (opencv := cv2.imread(str(path))) is not None:
        others["OpenCV"] = opencv[..., ::-1]
    if convert := shutil.which("convert"):
        done = subprocess.run([convert, path, "-depth", "8", "rgb:-"], capture_output=True)
        if done.returncode == 0 and len(done.stdout) == seen.size:
            others["ImageMagick"] = np.frombuffer(done.stdout, np.uint8).reshape(seen.shape)
    for other, pixels in others.items():
        assert np.abs(seen - pixels).max() <= tolerance, other


def test_transparent_gif(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([10, 20, 30, 200, 100, 0])
    (tmp_path / "a.gif").write_bytes(pillow("GIF", image, transparency=1))
    check(tmp_path / "a.gif", COLOURS, [255, 0])


def test_formats_that_need_a_package_name_it(tmp_path):
    head = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)
    (tmp_path / "a.heic").write_bytes(head)
    check(
        tmp_path / "a.heic",
        "a HEIC that .* cannot decode; .*pip install pillow-heif|damaged HEIC",
        None,
    )


CASES = {
    "grey16_trns.png": None, "grey_trns.png": None, "pillow_rgba.tif": None, "t_la8.tif": None,
    "t_lab.tif": "Lab", "t_miniswhite16.tif": None, "t_rgb16_planar.tif": "16-bit channels",
    "t_rgba_assoc.tif": None, "t_rgba_unassoc.tif": None, "t_rgbnir_extra0.tif": None,
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_files_of_the_field(name):
    path = ROOT.parent / "shared" / "cases" / "tiff_pixels" / name
    if not path.exists():
        pytest.skip(f"{path} is absent")
    if CASES[name]:
        check(path, CASES[name], None)
        return
    image, stored = decode_image(path), Image.open(path)
    if stored.mode.startswith("I;16"):
        grey = np.rint(np.asarray(stored) / 257)
        expected = np.dstack([255 - grey if "white" in name else grey] * 3)
    else:
        expected = np.asarray(stored.convert("RGB"))
    assert np.abs(image.rgb.astype(int) - expected).max() <= 1
    assert (image.alpha is None) == ("nir" in name or "white" in name)
