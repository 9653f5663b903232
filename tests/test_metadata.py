"""What a photograph's file says of it: kept where it stays true, and never in the way."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from conftest import noise_image
from PIL import Image
from PIL.ExifTags import IFD
from test_images import chunk

from data_reader import InputError
from data_reader.images import decode_image
from data_reader.metadata import Metadata, read_metadata, write_photo

RGB = noise_image(0, 20, 30)
PACKET = (
    b'<x:xmpmeta><rdf:Description tiff:Orientation="6" dc:creator="Ada"/>'
    b"<tiff:Orientation>8</tiff:Orientation>"
    b"<xmp:Thumbnails>old\nimage</xmp:Thumbnails></x:xmpmeta>"
)
TIDY_PACKET = (
    b'<x:xmpmeta><rdf:Description tiff:Orientation="1" dc:creator="Ada"/>'
    b"<tiff:Orientation>1</tiff:Orientation></x:xmpmeta>"
)


def exif(order="<", orientation=6, thumbnail=b"the old image"):
    """EXIF as cameras write it: a directory, one inside it, one for the thumbnail, its bytes."""

    def directory(entries, following):
        body = struct.pack(order + "H", len(entries))
        for tag, kind, value in entries:
            number = struct.pack(order + ("H2x" if kind == 3 else "I"), value)
            body += struct.pack(order + "HHI", tag, kind, 1) + number
        return body + struct.pack(order + "I", following)

    inner = 8 + 2 + 12 * 4 + 4
    note = inner + 2 + 12 * 3 + 4
    second = note + 8
    place = second + 2 + 12 * 2 + 4
    return b"".join([
        struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8),
        directory([(0x100, 4, 30), (0x101, 4, 20), (0x112, 3, orientation), (0x8769, 4, inner)],
                  second if thumbnail else 0),
        directory([(0xA001, 3, 65535), (0xA002, 3, 30), (0xA003, 4, 20)], 0),
        b"a note. ",
        directory([(0x201, 4, place), (0x202, 4, len(thumbnail))], 0),
        thumbnail,
    ])  # fmt: skip


def photoshop(*resources):
    body = b"Photoshop 3.0\0"
    for number, name, data in resources:
        label = bytes([len(name)]) + name
        label += bytes(len(label) % 2)
        body += struct.pack(">4sH", b"8BIM", number) + label
        body += struct.pack(">I", len(data)) + data + bytes(len(data) % 2)
    return body


def segment(code, body):
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


def encoded(suffix):
    return cv2.imencode(suffix, RGB[..., ::-1])[1].tobytes()


def jpeg(*segments, dots=(1, 300, 300)):
    start = bytearray(encoded(".jpg")[:20])
    struct.pack_into(">BHH", start, 13, *dots)
    return bytes(start) + b"".join(segments) + encoded(".jpg")[20:]


def png(*chunks):
    return encoded(".png")[:33] + b"".join(chunks) + encoded(".png")[33:]


WORDS = b"\x1c\x02\x78\0\5words"
FULL_JPEG = jpeg(
    segment(0xE1, b"Exif\0\0" + exif()),
    segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + PACKET),
    segment(0xED, photoshop((0x40C, b"a", b"thumbnail"), (0x404, b"", WORDS))),
    segment(0xE2, b"ICC_PROFILE\0\1\1a screen's"),
    segment(0xFE, b"a comment"),
    segment(0xEB, b"JP of a maker"),
)
FULL_PNG = png(
    chunk(b"iCCP", b"my screen\0\0" + zlib.compress(b"a screen's")),
    chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1)),
    chunk(b"eXIf", exif(">")),
    chunk(b"tEXt", b"Title\0A day"),
    chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0en\0x\0" + zlib.compress(PACKET)),
    chunk(b"gAMA", struct.pack(">I", 100000)),
    chunk(b"zTXt", b"Author\0\0" + zlib.compress(b"Ada")),
)


def tags(exif):
    """The directories of EXIF: the first one and the one inside it."""
    found = Image.Exif()
    found.load(exif)
    return dict(found), dict(found.get_ifd(IFD.Exif))


@pytest.mark.parametrize("source", [FULL_JPEG, FULL_PNG])
def test_what_is_true_of_the_upright_image_is_read(source):
    found = read_metadata(source)
    main, inner = tags(found.exif)
    assert [main[tag] for tag in (0x112, 0x100, 0x101)] == [1, 20, 30]  # it lay on its side
    assert [inner[tag] for tag in (0xA001, 0xA002, 0xA003)] == [1, 20, 30]  # 1 is sRGB
    assert b"the old image" not in found.exif
    assert found.xmp == TIDY_PACKET
    assert found.dpi == pytest.approx((300, 300), abs=0.01)


def test_what_only_one_format_has():
    jpeg_only, png_only = read_metadata(FULL_JPEG), read_metadata(FULL_PNG)
    assert (jpeg_only.captions, jpeg_only.comment, jpeg_only.texts) == (WORDS, b"a comment", {})
    assert (png_only.captions, png_only.comment) == (b"", b"")
    assert png_only.texts == {"Title": "A day", "Author": "Ada"}


@pytest.mark.parametrize(("orientation", "width"), [(1, 30), (3, 30), (8, 20)])
def test_sides_are_those_of_the_upright_image(orientation, width):
    source = jpeg(segment(0xE1, b"Exif\0\0" + exif(">", orientation, b"")))
    main, inner = tags(read_metadata(source).exif)
    assert (main[0x112], main[0x100], inner[0xA002]) == (1, width, width)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".png"])
@pytest.mark.parametrize("source", [FULL_JPEG, FULL_PNG])
def test_what_was_read_is_written_and_read_again(tmp_path, source, suffix):
    found = read_metadata(source)
    path = tmp_path / f"a{suffix}"
    write_photo(path, RGB, None, found)
    data = path.read_bytes()
    again = read_metadata(data)
    foreign = {"captions": b"", "comment": b""} if suffix == ".png" else {"texts": {}}
    assert again._replace(dpi=None) == found._replace(dpi=None, **foreign)
    assert again.dpi == pytest.approx((300, 300), abs=0.01)
    assert b"thumbnail" not in data
    assert b"a screen's" not in data

    write_photo(tmp_path / f"plain{suffix}", RGB, None, Metadata())
    plain = read_metadata((tmp_path / f"plain{suffix}").read_bytes())
    assert plain._replace(dpi=None) == Metadata()
    image, plain = decode_image(path), decode_image(tmp_path / f"plain{suffix}")
    assert np.array_equal(image.rgb, plain.rgb)  # the same pixels, not turned again


def test_other_formats_drop_it(tmp_path):
    write_photo(tmp_path / "a.webp", RGB, None, read_metadata(FULL_JPEG))
    assert b"Ada" not in (tmp_path / "a.webp").read_bytes()
    assert read_metadata((tmp_path / "a.webp").read_bytes()) == Metadata()
    assert read_metadata(b"") == Metadata()


def test_what_does_not_fit_into_a_jpeg_is_left_out(tmp_path):
    large = Image.Exif()
    large[0x10E] = "x" * 70000
    metadata = Metadata(exif=large.tobytes(), xmp=PACKET)
    write_photo(tmp_path / "a.jpg", RGB, None, metadata)
    found = read_metadata((tmp_path / "a.jpg").read_bytes())
    assert (found.exif, found.xmp) == (b"", TIDY_PACKET)
    write_photo(tmp_path / "a.png", RGB, None, metadata)
    assert tags(read_metadata((tmp_path / "a.png").read_bytes()).exif)[0][0x10E] == "x" * 70000


def test_bombs_are_not_unpacked():
    packed = chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(2**25)))
    assert read_metadata(png(packed)).xmp == b""


def test_broken_exif_is_left_out_and_the_rest_kept():
    loop = struct.pack("<2sHIH", b"II", 42, 8, 1) + struct.pack("<HHII", 0x8769, 4, 1, 8)
    for broken in (exif()[:40], loop, b"II*\0" + bytes(3), b"MM"):
        found = read_metadata(jpeg(segment(0xE1, b"Exif\0\0" + broken), segment(0xFE, b"words")))
        assert found.comment == b"words", broken


@pytest.mark.parametrize("whole", [FULL_JPEG, FULL_PNG])
def test_no_damage_makes_it_fail(whole, tmp_path):
    stop = whole.find(b"JP of a maker") if whole is FULL_JPEG else whole.find(b"IDAT")
    for end in range(0, stop, 3):
        read_metadata(whole[:end])
    rng = np.random.default_rng(0)
    for _ in range(600):
        damaged = bytearray(whole)
        for place in rng.integers(2 if whole is FULL_JPEG else 8, stop, 3):
            damaged[place] = rng.integers(256)
        found = read_metadata(bytes(damaged))
        write_photo(tmp_path / "a.jpg", RGB, None, found)
        write_photo(tmp_path / "a.png", RGB, None, found)


def test_jpegs_store_the_colour_of_every_pixel_and_pngs_alpha(tmp_path):
    write_photo(tmp_path / "a.jpg", RGB, RGB[..., 0], Metadata())
    data = (tmp_path / "a.jpg").read_bytes()
    frame = data.find(b"\xff\xc0")
    assert [data[frame + 11 + 3 * i] for i in range(3)] == [0x11] * 3
    write_photo(tmp_path / "a.png", RGB, RGB[..., 0], Metadata())
    image = decode_image(tmp_path / "a.png")
    assert np.array_equal(image.rgb, RGB)
    assert np.array_equal(image.alpha, RGB[..., 0])
    with pytest.raises(InputError, match="70000 x 1 pixels do not fit"):
        write_photo(tmp_path / "b.jpg", np.zeros((1, 70000, 3), np.uint8), None, Metadata())
