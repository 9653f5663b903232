"""What a photograph's file says of it: kept where it stays true, and never in the way."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from conftest import noise_image
from test_images import chunk

from data_reader.images import decode_image, write_image
from data_reader.metadata import Metadata, add_metadata, inflate, read_metadata

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


IPTC = photoshop((0x404, b"", b"\x1c\x02\x78\0\5words"))
FULL_JPEG = jpeg(
    segment(0xE1, b"Exif\0\0" + exif()),
    segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + PACKET),
    segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0more"),
    segment(0xED, photoshop((0x40C, b"a", b"thumbnail"), (0x404, b"", b"\x1c\x02\x78\0\5words"))),
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


def number(data, tag, order="<"):
    """The number that follows a tag in EXIF, wherever it stands."""
    for kind, letter in ((3, "H"), (4, "I")):
        start = data.find(struct.pack(order + "HHI", tag, kind, 1))
        if start >= 0:
            return struct.unpack_from(order + letter, data, start + 8)[0]
    return None


@pytest.mark.parametrize(("data", "order"), [(FULL_JPEG, "<"), (FULL_PNG, ">")])
def test_what_is_true_of_the_upright_image_is_read(data, order):
    found = read_metadata(data)
    old = exif(order)
    assert len(found.exif) == len(old) - len(b"the old image")
    assert number(found.exif, 0x112, order) == 1
    assert [number(old, tag, order) for tag in (0x100, 0x101, 0xA002, 0xA003)] == [30, 20, 30, 20]
    new = [number(found.exif, tag, order) for tag in (0x100, 0x101, 0xA002, 0xA003)]
    assert new == [20, 30, 20, 30]  # it lay on its side
    assert number(found.exif, 0xA001, order) == 1  # sRGB
    assert found.exif.find(b"a note. ") == old.find(b"a note. ")
    assert found.exif[8 + 2 + 48 : 8 + 2 + 48 + 4] == bytes(4)  # no second directory
    assert found.xmp == TIDY_PACKET
    assert found.dots_per_metre == pytest.approx(11811, abs=0.1)


def test_what_only_one_format_has():
    comments = segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0more") + segment(0xED, IPTC)
    assert read_metadata(FULL_JPEG).segments == comments + segment(0xFE, b"a comment")
    assert read_metadata(FULL_JPEG).chunks == b""
    texts = [chunk(b"tEXt", b"Title\0A day"), chunk(b"zTXt", b"Author\0\0" + zlib.compress(b"Ada"))]
    assert read_metadata(FULL_PNG).chunks == b"".join(texts)
    assert read_metadata(FULL_PNG).segments == b""


def test_upright_exif_keeps_its_sides_and_a_thumbnail_inside_is_blanked():
    turned = exif(orientation=3) + b"a later note"
    found = read_metadata(jpeg(segment(0xE1, b"Exif\0\0" + turned))).exif
    assert len(found) == len(turned)
    assert [number(found, tag) for tag in (0x112, 0x100, 0x101, 0xA002)] == [1, 30, 20, 30]
    assert found.endswith(bytes(len(b"the old image")) + b"a later note")
    plain = exif(orientation=1, thumbnail=b"")
    found = read_metadata(png(chunk(b"eXIf", plain))).exif
    assert found == plain.replace(b"\1\xa0\3\0\1\0\0\0\xff\xff", b"\1\xa0\3\0\1\0\0\0\1\0")


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".png"])
@pytest.mark.parametrize("source", [FULL_JPEG, FULL_PNG])
def test_what_was_read_is_written_and_read_again(tmp_path, source, suffix):
    found = read_metadata(source)
    path = tmp_path / f"a{suffix}"
    write_image(path, RGB, metadata=found)
    again = read_metadata(path.read_bytes())
    own = "chunks" if suffix == ".png" else "segments"
    assert again._replace(dots_per_metre=0) == Metadata(
        found.exif, found.xmp, **{own: getattr(found, own)}
    )
    assert again.dots_per_metre == pytest.approx(11811, abs=0.5)

    write_image(tmp_path / f"plain{suffix}", RGB)
    assert read_metadata((tmp_path / f"plain{suffix}").read_bytes()) == Metadata()
    image, plain = decode_image(path), decode_image(tmp_path / f"plain{suffix}")
    assert np.array_equal(image.rgb, plain.rgb)  # the same pixels, not turned again


def test_other_formats_drop_it(tmp_path):
    write_image(tmp_path / "a.webp", RGB, metadata=read_metadata(FULL_JPEG))
    assert b"Ada" not in (tmp_path / "a.webp").read_bytes()
    assert read_metadata((tmp_path / "a.webp").read_bytes()) == Metadata()
    assert read_metadata(b"") == Metadata()


def test_density_without_a_unit_or_of_oblong_pixels_is_left_out():
    assert read_metadata(jpeg(dots=(0, 300, 300))).dots_per_metre == 0
    assert read_metadata(jpeg(dots=(1, 300, 150))).dots_per_metre == 0
    assert read_metadata(jpeg(dots=(2, 100, 100))).dots_per_metre == 10000
    oblong = chunk(b"pHYs", struct.pack(">IIB", 100, 200, 1))
    assert read_metadata(png(oblong)).dots_per_metre == 0


def test_what_does_not_fit_into_a_jpeg_is_left_out():
    large = Metadata(exif=bytes(70000), xmp=PACKET)
    written = add_metadata(encoded(".jpg"), large)
    assert len(written) < len(encoded(".jpg")) + 1000
    assert read_metadata(written).xmp == TIDY_PACKET
    assert bytes(70000) in add_metadata(encoded(".png"), large)


def test_bombs_are_not_unpacked():
    bomb = zlib.compress(bytes(2**25))
    with pytest.raises(ValueError, match="more than"):
        inflate(bomb)
    packed = chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb)
    assert read_metadata(png(packed)) == Metadata()


def test_broken_parts_are_left_out_and_the_others_kept():
    broken = png(
        chunk(b"eXIf", exif()[:40]),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0not packed"),
        chunk(b"tEXt", b"Title\0wrong sum")[:-1] + b"!",
        chunk(b"tEXt", b"Title\0right"),
    )
    assert read_metadata(broken) == Metadata(chunks=chunk(b"tEXt", b"Title\0right"))
    loop = struct.pack("<2sHIH", b"II", 42, 8, 1) + struct.pack("<HHII", 0x8769, 4, 1, 8)
    looped = read_metadata(jpeg(segment(0xE1, b"Exif\0\0" + loop + struct.pack("<I", 8))))
    assert looped.exif == loop + bytes(4)


@pytest.mark.parametrize("whole", [FULL_JPEG, FULL_PNG])
def test_no_damage_makes_it_fail(whole):
    stop = whole.find(b"JP of a maker") if whole is FULL_JPEG else whole.find(b"IDAT")
    for end in range(0, stop, 3):
        read_metadata(whole[:end])
    rng = np.random.default_rng(0)
    for _ in range(600):
        damaged = bytearray(whole)
        for place in rng.integers(2 if whole is FULL_JPEG else 8, stop, 3):
            damaged[place] = rng.integers(256)
        found = read_metadata(bytes(damaged))
        add_metadata(encoded(".jpg"), found)
        add_metadata(encoded(".png"), found)


@pytest.mark.parametrize(("fine", "factors"), [(False, [0x22, 0x11, 0x11]), (True, [0x11] * 3)])
def test_colour_for_each_pixel(tmp_path, fine, factors):
    write_image(tmp_path / "a.jpg", RGB, fine_colour=fine)
    data = (tmp_path / "a.jpg").read_bytes()
    frame = data.find(b"\xff\xc0")
    assert [data[frame + 11 + 3 * i] for i in range(3)] == factors
    write_image(tmp_path / "a.png", RGB, fine_colour=fine)
    assert np.array_equal(decode_image(tmp_path / "a.png").rgb, RGB)
