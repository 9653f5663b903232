"""python -m data_reader.download against a real server on this machine, and hostile archives."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import signal
import stat
import struct
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from data_reader import _fetching, _unpacking
from data_reader._data_sets import DATA_SETS, DataSet, File
from data_reader.download import addresses, by_hand, main
from data_reader.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
IMAGE = random.Random(0).randbytes(400_000)  # does not compress, as images do not


class Handler(BaseHTTPRequestHandler):
    """Serves ``server.files``; the server's other attributes say how badly."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", str(self.server.claimed or 0))
        self.end_headers()

    def do_GET(self):
        server, wanted = self.server, self.headers.get("Range", "")
        if server.statuses:
            return self.send_error(server.statuses.pop(0))
        if self.path not in server.files:
            return self.send_error(404)
        data, first = server.files[self.path], 0
        same = server.ignores_if_range or self.headers.get("If-Range") == server.etag
        if wanted and server.ranges and same:
            first = int(wanted[len("bytes=") : -1])
            if first >= len(data):
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("ETag", server.etag)
        self.send_header("Content-Length", str(server.claimed or len(data) - first))
        self.end_headers()
        body = data[first:]
        cut = server.cuts.pop(0) if server.cuts else None
        server.requests.append((wanted, len(body[:cut])))
        self.close_connection = True
        try:
            for at in range(0, len(body[:cut]), 20_000):
                self.wfile.write(body[:cut][at : at + 20_000])
                time.sleep(server.pause)
        except OSError:
            pass  # the other side was killed, as planned


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(_fetching, "BACKOFF_SECONDS", 0.01)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def server():
    result = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    result.daemon_threads = True
    result.files, result.requests, result.cuts, result.statuses = {}, [], [], []
    result.etag, result.ranges, result.ignores_if_range = '"one"', True, False
    result.pause, result.claimed = 0, None
    result.url = f"http://127.0.0.1:{result.server_port}"
    thread = threading.Thread(target=result.serve_forever, args=(0.02,))
    thread.start()
    yield result
    result.shutdown()
    result.server_close()
    thread.join()


def tar_gz(files: dict[str, bytes], *extra: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for info in extra:
            tar.addfile(info)
    return out.getvalue()


def zipped(files: dict[str, bytes], mode: int = 0) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data, compresslevel=1)
    return out.getvalue()


@pytest.fixture
def facades(server):
    """A server with the facades at ``/f.tar.gz``, and the arguments that take them from it."""
    server.files["/f.tar.gz"] = tar_gz({"facades/train/1.jpg": IMAGE, "facades/val/2.jpg": b"v"})
    server.arguments = ["facades", "--url", f"{server.url}/f.tar.gz"]
    return server


def in_process(arguments: list[str], **options) -> subprocess.Popen:
    # A shell may start tests with SIGINT ignored, and children would inherit that.
    return subprocess.Popen(
        [sys.executable, "-m", "data_reader.download", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


def failure(capsys, arguments: list[str]) -> str:
    """The one error line of a command that must end with 2."""
    assert main(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]


def left() -> list[str]:
    return sorted(path.name for path in Path("data").iterdir()) if Path("data").exists() else []


# ---- What it is for ----------------------------------------------------------------------------


def test_the_only_top_folder_becomes_the_target(facades, capsys):
    assert main(facades.arguments) == 0
    assert Path("data/facades/train/1.jpg").read_bytes() == IMAGE
    assert Path("data/facades/val/2.jpg").read_bytes() == b"v"
    assert left() == ["facades"]
    out = capsys.readouterr().out
    assert "python -m paddle_gans.train --model pix2pix --data data/facades --direction b2a" in out
    assert "no checksum is published" in out
    assert "30 MB; by hand: unpack it and put train into data/facades" in out


def test_a_mirror_is_named_unless_it_is_in_use():
    mnist, target = DATA_SETS["mnist"], Path("data/mnist")
    said = by_hand(mnist, addresses(mnist, None), target)
    assert f"12 MB; from China: --url {mnist.mirror}; by hand: put train-images" in said
    assert "from China" not in by_hand(mnist, addresses(mnist, mnist.mirror), target)


def test_a_finished_target_is_said_and_left_alone(facades, capsys):
    main(facades.arguments)
    capsys.readouterr()
    assert main(facades.arguments) == 0
    assert "facades is already in data/facades" in capsys.readouterr().out
    assert len(facades.requests) == 1


def test_to_names_the_folder_itself(facades, tmp_path):
    (tmp_path / "empty").mkdir()
    assert main([*facades.arguments, "--to", "empty"]) == 0
    assert (tmp_path / "empty/train/1.jpg").exists()


def test_an_only_folder_that_the_set_needs_stays(server):
    server.files["/f.tar.gz"] = tar_gz({"./train/1.jpg": b"1", "._train": b"x", ".DS_Store": b""})
    assert main(["facades", "--url", f"{server.url}/f.tar.gz"]) == 0
    assert os.listdir("data/facades") == ["train"]


def test_two_archives_make_one_set(server):
    server.files["/zips/train2017.zip"] = zipped({"train2017/1.jpg": b"1"})
    server.files["/zips/val2017.zip"] = zipped({"val2017/": b"", "val2017/2.jpg": b"2"})
    assert main(["coco2017", "--url", f"{server.url}/zips/", "--no-check"]) == 0
    assert Path("data/coco2017/train2017/1.jpg").read_bytes() == b"1"
    assert Path("data/coco2017/val2017/2.jpg").read_bytes() == b"2"
    assert left() == ["coco2017"]


def test_digits_stay_packed_and_are_compared_with_their_md5(server, monkeypatch, capsys):
    images, labels = gzip.compress(b"images"), gzip.compress(b"labels")
    server.files = {"/images.gz": images, "/labels.gz": labels}
    row = DataSet(
        "dcgan",
        "",
        tuple(
            File(f"{server.url}/{name}", len(data), f"md5:{hashlib.md5(data).hexdigest()}")
            for name, data in (("images.gz", images), ("labels.gz", labels))
        ),
        ("images.gz", "labels.gz"),
    )
    monkeypatch.setitem(DATA_SETS, "digits", row)
    assert main(["digits"]) == 0
    assert Path("data/digits/images.gz").read_bytes() == images
    assert Path("data/digits/labels.gz").read_bytes() == labels
    assert left() == ["digits"]
    assert capsys.readouterr().out.count("md5 as published") == 2


def test_a_file_put_there_by_hand_is_taken_and_kept(facades):
    Path("data").mkdir()
    Path("data/facades.tar.gz").write_bytes(facades.files["/f.tar.gz"])
    assert main(["facades"]) == 0
    assert left() == ["facades", "facades.tar.gz"]
    assert facades.requests == []


# ---- Broken connections ------------------------------------------------------------------------


def test_after_a_cut_only_the_missing_bytes_are_sent(facades, capsys):
    size = len(facades.files["/f.tar.gz"])
    facades.cuts = [150_000, 70_000]
    assert main([*facades.arguments, "--retries", "1"]) == 0  # in a row; these two bring something
    assert facades.requests == [
        ("", 150_000),
        ("bytes=150000-", 70_000),
        ("bytes=220000-", size - 220_000),
    ]
    assert Path("data/facades/train/1.jpg").read_bytes() == IMAGE
    assert capsys.readouterr().out.count("connection lost") == 2


def test_a_killed_process_is_gone_on_with(facades):
    facades.pause = 0.02
    process = in_process(facades.arguments, stdout=subprocess.DEVNULL)
    part = Path("data/facades.tar.gz.part")
    wait_for(lambda: part.exists() and part.stat().st_size >= 60_000)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    size = part.stat().st_size
    assert 0 < size < len(facades.files["/f.tar.gz"])
    facades.pause = 0
    Path("data/.facades.unpacking/whole/half").mkdir(parents=True)  # as if killed while unpacking
    assert main(facades.arguments) == 0
    assert left() == ["facades"]
    assert sorted(os.listdir("data/facades")) == ["train", "val"]
    assert facades.requests[-1] == (f"bytes={size}-", len(facades.files["/f.tar.gz"]) - size)
    assert Path("data/facades/train/1.jpg").read_bytes() == IMAGE


def test_ctrl_c_keeps_the_part_and_says_so(facades):
    facades.pause = 0.05
    process = in_process(facades.arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    part = Path("data/facades.tar.gz.part")
    wait_for(lambda: part.exists() and part.stat().st_size > 0)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=5)
    assert process.returncode == 130
    assert err.count("\n") == 1
    assert ".part" in err
    assert left() == ["facades.tar.gz.part", "facades.tar.gz.part.json"]


def wait_for(condition) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_server_that_cannot_resume_is_asked_from_the_start(facades, capsys):
    size = len(facades.files["/f.tar.gz"])
    facades.ranges, facades.cuts = False, [150_000]
    assert main(facades.arguments) == 0
    assert facades.requests == [("", 150_000), ("bytes=150000-", size)]
    assert Path("data/facades/train/1.jpg").read_bytes() == IMAGE
    assert "this server cannot resume" in capsys.readouterr().out


@pytest.mark.parametrize("ignores_if_range", [False, True])
@pytest.mark.parametrize("size", [400_000, 1000])
def test_a_changed_file_is_not_glued_to_the_old_part(facades, ignores_if_range, size):
    facades.files["/f.tar.gz"] = gzip.decompress(tar_gz({"facades/train/1.jpg": IMAGE}))
    facades.cuts = [150_000]
    assert main([*facades.arguments, "--retries", "0"]) == 2
    assert Path("data/facades.tar.gz.part").stat().st_size == 150_000
    other = random.Random(1).randbytes(size)
    facades.files["/f.tar.gz"] = gzip.decompress(tar_gz({"facades/train/1.jpg": other}))
    facades.etag, facades.ignores_if_range = '"two"', ignores_if_range
    assert main(facades.arguments) == 0
    assert Path("data/facades/train/1.jpg").read_bytes() == other


def test_a_weak_etag_is_no_promise(facades):
    facades.etag, facades.cuts = 'W/"one"', [150_000]
    assert main(facades.arguments) == 0
    assert facades.requests == [("", 150_000), ("", len(facades.files["/f.tar.gz"]))]


def test_a_part_from_another_address_is_not_gone_on_with(facades):
    facades.cuts = [150_000]
    assert main([*facades.arguments, "--retries", "0"]) == 2
    facades.files["/mirror.tar.gz"] = facades.files["/f.tar.gz"]
    assert main(["facades", "--url", f"{facades.url}/mirror.tar.gz"]) == 0
    assert facades.requests[-1] == ("", len(facades.files["/f.tar.gz"]))


def test_a_whole_part_needs_no_server(facades):
    part = Path("data/facades.tar.gz.part")
    part.parent.mkdir()
    url = f"{facades.url}/f.tar.gz"
    _fetching.receive(url, part, None)
    facades.files.clear()
    assert main(facades.arguments) == 0


def test_a_busy_server_is_tried_again_but_not_for_ever(facades, capsys):
    facades.statuses = [503, 429]
    assert main(facades.arguments) == 0
    facades.statuses = [503] * 9
    line = failure(capsys, ["maps", "--url", f"{facades.url}/f.tar.gz", "--retries", "3"])
    assert "HTTP 503, 4 times in a row" in line
    assert len(facades.statuses) == 9 - 4


def test_not_found_names_the_address_and_the_place(facades, capsys):
    line = failure(capsys, ["facades", "--url", f"{facades.url}/moved.tar.gz"])
    assert "HTTP 404" in line
    assert f"{facades.url}/moved.tar.gz" in line
    assert str(Path("data/facades.tar.gz")) in line


def test_no_connection_says_what_to_do_by_hand(server, capsys):
    server.shutdown()
    server.server_close()
    line = failure(capsys, ["mnist", "--url", server.url])
    assert f"no connection to 127.0.0.1:{server.server_port}" in line
    assert f"{server.url}/train-images-idx3-ubyte.gz" in line
    assert str(Path("data/train-images-idx3-ubyte.gz")) in line


def test_the_disk_is_asked_before_the_first_byte(facades, capsys):
    facades.claimed = 10**16
    assert "needs 10000000.0 GB" in failure(capsys, facades.arguments)
    assert left() == []


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "f.tar.gz", "http://", "http://a..b/c", "http://a:999999/b"]
)
def test_an_address_is_http(url, capsys):
    assert "--url" in failure(capsys, ["facades", "--url", url])


# ---- Checksums ---------------------------------------------------------------------------------


def test_a_wrong_checksum_removes_the_download(server, capsys, monkeypatch):
    data = zipped({"trainA/1.jpg": b"1", "trainB/1.jpg": b"2"})
    server.files["/set.zip"] = data
    wrong, right = "0" * 64, hashlib.sha256(data).hexdigest()
    for checksum in (wrong, right):
        file = File(f"{server.url}/set.zip", len(data), f"sha256:{checksum}")
        row = DataSet("cyclegan", "", (file,), ("trainA", "trainB"))
        monkeypatch.setitem(DATA_SETS, "set", row)
        if checksum == wrong:
            line = failure(capsys, ["set"])
            assert wrong in line
            assert right in line
            assert left() == []
    assert main(["set"]) == 0


def test_another_size_than_the_published_is_refused_before_it_is_fetched(server, capsys):
    server.files["/h.zip"] = zipped({"trainA/1.jpg": b"1", "trainB/1.jpg": b"2"})
    arguments = ["horse2zebra", "--url", f"{server.url}/h.zip"]
    assert "116867962" in failure(capsys, arguments)
    assert main([*arguments, "--no-check"]) == 0
    assert Path("data/horse2zebra/trainA/1.jpg").read_bytes() == b"1"


# ---- Hostile and damaged archives --------------------------------------------------------------


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def huge(name: str) -> bytes:
    """A tar.gz whose only header claims 1000 terabytes."""
    info = tarfile.TarInfo(name)
    info.size = 10**15
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


def encrypted(data: bytes) -> bytes:
    """A zip of one member that claims to be encrypted, in both its headers."""
    directory = data.index(b"PK\1\2")
    flags = struct.pack("<H", 1)
    return data[:6] + flags + data[8 : directory + 8] + flags + data[directory + 10 :]


GOOD = {"facades/train/1.jpg": b"1"}
HOSTILE = {
    "tar parent": (tar_gz({**GOOD, "facades/../../up.txt": b"x"}), "facades/../../up.txt"),
    "tar absolute": (tar_gz({**GOOD, "/tmp/up.txt": b"x"}), "/tmp/up.txt"),
    "tar symlink": (tar_gz(GOOD, special("facades/out", tarfile.SYMTYPE, "../../..")), "a link"),
    "tar hardlink": (tar_gz(GOOD, special("facades/l", tarfile.LNKTYPE, "/etc/passwd")), "a link"),
    "tar device": (tar_gz(GOOD, special("facades/dev", tarfile.CHRTYPE)), "facades/dev"),
    "tar pipe": (tar_gz(GOOD, special("facades/pipe", tarfile.FIFOTYPE)), "facades/pipe"),
    "tar bomb": (huge("facades/train/big.jpg"), "1000000.0 GB"),
    "zip parent": (zipped({**GOOD, "../up.txt": b"x"}), "../up.txt"),
    "zip absolute": (zipped({**GOOD, "/up.txt": b"x"}), "/up.txt"),
    "zip windows": (zipped({**GOOD, "a\\..\\..\\up.txt": b"x"}), "up.txt"),
    "zip drive": (zipped({**GOOD, "C:up.txt": b"x"}), "C:up.txt"),
    "zip symlink": (zipped({"facades/out": b"../.."}, stat.S_IFLNK | 0o777), "a link"),
    "zip encrypted": (encrypted(zipped(GOOD)), "encrypted"),
    "zip device": (zipped({"facades/dev": b""}, stat.S_IFCHR), "facades/dev"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_member_is_named_and_nothing_is_written(server, capsys, tmp_path, case):
    data, named = HOSTILE[case]
    server.files["/f"] = data
    line = failure(capsys, ["facades", "--url", f"{server.url}/f"])
    assert named in line
    assert "do not use" in line
    assert left() == []
    assert os.listdir(tmp_path) == ["data"]


def test_a_zip_bomb_is_refused_before_it_is_unpacked(server, capsys):
    server.files["/f"] = zipped({"facades/train/1.jpg": bytes(101_000_000)})
    assert len(server.files["/f"]) < 1_000_000
    line = failure(capsys, ["facades", "--url", f"{server.url}/f"])
    assert "'facades/train/1.jpg'" in line
    assert "101 MB" in line
    assert left() == []


def test_an_archive_too_large_for_the_disk_waits_for_room(server, capsys, monkeypatch):
    monkeypatch.setattr(_unpacking, "UNPACK_FLOOR", 10**18)
    server.files["/f"] = huge("facades/train/big.jpg")
    assert "1000000.0 GB" in failure(capsys, ["facades", "--url", f"{server.url}/f"])
    assert left() == ["facades.tar.gz.part", "facades.tar.gz.part.json"]


@pytest.mark.parametrize("length", [5, 15, 1000])
def test_a_member_is_as_long_as_it_declares(tmp_path, length):
    archive, folder = tmp_path / "a.zip", tmp_path / "folder"
    archive.write_bytes(lying_zip(length))
    folder.mkdir()
    with pytest.raises(InputError, match="damaged"):
        _unpacking.unpack(archive, folder)
    assert (folder / "facades/train/1.jpg").stat().st_size <= 10


def lying_zip(length: int = 1000) -> bytes:
    """A zip whose directory says 10 bytes where another number comes out."""
    data = zipped({"facades/train/1.jpg": b"x" * length})
    directory = data.index(b"PK\1\2")
    return data[: directory + 24] + struct.pack("<I", 10) + data[directory + 28 :]


def hungry_header() -> bytes:
    """A tar.gz whose extended header asks to be read into memory whole, all 2 GB of it."""
    info = special("pax", tarfile.XHDTYPE)
    info.size = 2 * 10**9
    return gzip.compress(info.tobuf() + bytes(4096))


def backwards() -> bytes:
    """A tar whose member is -1024 bytes long, so that the next one is itself."""
    header = bytearray(tarfile.TarInfo("facades/._1.jpg").tobuf())
    header[124:136] = (256**12 - 1024).to_bytes(12, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(2048)


def broken_header() -> bytes:
    """A plain tar of two images with one byte of the second one's header wrong."""
    data = bytearray(gzip.decompress(tar_gz({**GOOD, "facades/train/2.jpg": b"2"})))
    data[1024 + 100] ^= 1
    return bytes(data)


def flipped(data: bytes) -> bytes:
    """One bit wrong in the image, where no tar header can notice it."""
    return data[:200_000] + bytes([data[200_000] ^ 1]) + data[200_001:]


DAMAGED = {
    "cut tar.gz": (tar_gz({"facades/train/1.jpg": IMAGE})[:200_000], "damaged"),
    "cut zip": (zipped({"facades/train/1.jpg": IMAGE})[:200_000], "damaged"),
    "flipped tar.gz": (flipped(tar_gz({"facades/train/1.jpg": IMAGE})), "damaged"),
    "flipped zip": (flipped(zipped({"facades/train/1.jpg": IMAGE})), "damaged"),
    "lying zip": (lying_zip(), "damaged"),
    "hungry header": (hungry_header(), "impossible size"),
    "backwards": (backwards(), "negative size"),
    "broken header": (broken_header(), "belong to no member"),
    "web page": (b"\n<!DOCTYPE html><html><body>Please log in</body></html>", "web page"),
    "noise": (IMAGE[:5000], "damaged"),
    "nothing": (b"", "damaged"),
    "another set": (tar_gz({"maps/test/1.jpg": b"1"}), "holds no train"),
    "same name twice": (tar_gz(GOOD, tarfile.TarInfo("facades/train/1.jpg")), "comes twice"),
    "file as folder": (tar_gz({**GOOD, "facades/train/1.jpg/2.jpg": b"2"}), "comes twice"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_archive_leaves_no_target(server, capsys, case):
    server.files["/f"], said = DAMAGED[case]
    assert said in failure(capsys, ["facades", "--url", f"{server.url}/f"])
    assert left() == []


def test_a_damaged_file_put_there_by_hand_is_not_deleted(capsys):
    Path("data").mkdir()
    Path("data/facades.tar.gz").write_bytes(DAMAGED["cut tar.gz"][0])
    assert "delete it" in failure(capsys, ["facades"])
    assert left() == ["facades.tar.gz"]


def test_any_broken_bit_is_an_input_error_or_does_no_harm(tmp_path):
    """A hundred archives with random bytes changed: the same image, or an InputError."""
    rng = random.Random(3)
    packed = [make({"train/1.jpg": IMAGE[:3000]}) for make in (tar_gz, zipped)]
    packed.append(gzip.decompress(packed[0]))
    refused = 0
    for turn in range(120):
        data = bytearray(packed[turn % 3])
        for _ in range(rng.choice((1, 3, 30))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        archive, folder = tmp_path / f"{turn}.bin", tmp_path / f"deep/{turn}"
        archive.write_bytes(data)
        folder.mkdir(parents=True)
        try:
            _unpacking.unpack(archive, folder)
        except InputError:
            refused += 1
    assert 40 < refused < 120
    assert all(path.name.endswith(".bin") or path.name == "deep" for path in tmp_path.iterdir())


# ---- The command -------------------------------------------------------------------------------


def test_a_typing_error_names_the_near_ones_and_all(capsys):
    line = failure(capsys, ["horse2zebr"])
    assert "did you mean horse2zebra?" in line
    assert "facades, cityscapes, maps" in line


@pytest.mark.parametrize("arguments", [[], ["maps", "--where", "x"], ["maps", "--retries", "x"]])
def test_a_wrong_command_line_is_one_error_line(capsys, arguments):
    failure(capsys, arguments)


def test_a_folder_with_other_things_is_not_touched(facades, capsys):
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("keep")
    line = failure(capsys, [*facades.arguments, "--to", "mine"])
    assert "mine exists and holds no train" in line
    assert os.listdir("mine") == ["notes.txt"]
    assert facades.requests == []


def test_list_has_every_set_with_size_and_model(capsys):
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(DATA_SETS)
    coco = next(line for line in lines if line.startswith("coco2017"))
    assert "colorization" in coco
    assert "20.2 GB" in coco


def test_plain_lines_where_there_is_no_terminal(facades, capsys, monkeypatch):
    monkeypatch.setattr(_fetching, "LINE_SECONDS", 0)
    assert main(facades.arguments) == 0
    out = capsys.readouterr().out
    assert "facades.tar.gz: 400k (100 %), " in out


@pytest.mark.parametrize("answer", [b"n\n", b"\x04"])
def test_a_large_one_is_asked_for_on_a_terminal(server, answer):
    """The size said is the server's: two files of 30 GB, 100 minutes at 10 MB/s."""
    pty = pytest.importorskip("pty")
    server.claimed = 30 * 10**9
    ours, theirs = pty.openpty()
    arguments = ["coco2017", "--url", server.url, "--no-check"]
    process = in_process(arguments, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.write(ours, answer)
    out, err = process.communicate(timeout=5)
    assert process.returncode == 2
    assert "60.0 GB to download, about 100 minutes at 10 MB/s" in out
    assert err.startswith("error: ")
    assert "--yes" in err
    assert server.requests == []
    os.close(ours)
    os.close(theirs)


def test_a_terminal_gets_a_bar(facades):
    pty, fcntl, termios = (pytest.importorskip(name) for name in ("pty", "fcntl", "termios"))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))  # rows, columns
    process = in_process(facades.arguments, stdout=subprocess.DEVNULL, stderr=theirs)
    assert process.wait(timeout=5) == 0
    assert b"100%|" in os.read(ours, 100_000)
    os.close(ours)
    os.close(theirs)


def test_help_is_quick_and_imports_no_framework():
    seconds = []
    for _ in range(3):
        start = time.monotonic()
        process = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "data_reader.download", "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        seconds.append(time.monotonic() - start)
    assert "--list" in process.stdout
    names = [line.rsplit("|", 1)[-1].strip() for line in process.stderr.splitlines()]
    imported = {name.split(".")[0] for name in names}
    assert "tarfile" in imported
    assert not imported & {"paddle", "numpy", "cv2", "matplotlib", "tqdm", "paddle_gans"}
    assert min(seconds) < 0.8


@pytest.mark.parametrize("case", ["tar parent", "tar symlink", "tar device"])
def test_a_python_without_extraction_filters_is_as_strict(server, capsys, monkeypatch, case):
    monkeypatch.setattr(_unpacking, "FILTER", {})
    test_a_hostile_member_is_named_and_nothing_is_written(server, capsys, Path.cwd(), case)
    server.files["/f"] = tar_gz(GOOD)
    assert main(["facades", "--url", f"{server.url}/f"]) == 0
    assert Path("data/facades/train/1.jpg").read_bytes() == b"1"
