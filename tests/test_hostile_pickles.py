"""Hostile and damaged weights files are refused in one sentence; nothing is run or grows."""

import contextlib
import os
import pickle
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from data_reader.errors import InputError
from paddle_gans.weights import paddle_file
from paddle_gans.weights.unpickler import SafeUnpickler

ROOT = Path(__file__).resolve().parent.parent

# Parts of pickles, written by hand.


def text(value: str) -> bytes:
    data = value.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(data)) + data


def name(module: str, attribute: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{attribute}\n".encode()


def program(body: bytes, protocol: int = 4) -> bytes:
    return pickle.PROTO + bytes([protocol]) + body + pickle.STOP


def state_dict(value: bytes) -> bytes:
    """A file with one entry, ``weight``."""
    return program(pickle.EMPTY_DICT + text("weight") + value + pickle.SETITEM)


MINUS_1 = pickle.BININT + struct.pack("<i", -1)


def dtype(code: str = "f4", order: bytes = text("<"), fields: bytes = b"NNN") -> bytes:
    made = name("numpy", "dtype") + text(code) + b"\x89\x88\x87R"  # False, True, TUPLE3, REDUCE
    return made + b"(K\x03" + order + fields + MINUS_1 + MINUS_1 + b"K\x00tb"


RECONSTRUCT = name("numpy.core.multiarray", "_reconstruct")
NEW_ARRAY = RECONSTRUCT + name("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R"  # (0,), b"b"
SCALAR = name("numpy.core.multiarray", "scalar")
FLOAT, EIGHT_BYTES = dtype(), b"C\x08" + struct.pack("<2f", 1, 2)


def array(
    shape: bytes = b"K\x02\x85",
    kind: bytes = FLOAT,
    fortran: bytes = pickle.NEWFALSE,
    data: bytes = EIGHT_BYTES,
) -> bytes:
    """float32 [1, 2], in parts that a case can replace."""
    return NEW_ARRAY + b"(K\x01" + shape + kind + fortran + data + b"tb"


def latin1(value: str) -> bytes:
    """Bytes in the way of protocol 2."""
    return name("_codecs", "encode") + text(value) + text("latin1") + b"\x86R"


def load_bytes(folder: Path, data: bytes):
    path = folder / "file.pdparams"
    path.write_bytes(data)
    return paddle_file.load(path)


def refusal(folder: Path, data: bytes) -> str:
    with pytest.raises(InputError) as caught:
        load_bytes(folder, data)
    message = str(caught.value)
    assert message.startswith(str(folder / "file.pdparams")), "the message names the file"
    assert "\n" not in message
    return message


# Files that would run code.


def calls(sentinel: Path) -> dict[str, bytes]:
    """Programs with which ``pickle.load`` makes the folder ``sentinel``."""
    argument = text(str(sentinel))
    mkdir = name("os", "mkdir")
    call = mkdir + argument + b"\x85R"
    optimizer = pickle.EMPTY_DICT + text("LR_Scheduler") + pickle.EMPTY_DICT + text("last_lr")
    return {
        "GLOBAL": state_dict(call),
        "STACK_GLOBAL": state_dict(text("os") + text("mkdir") + b"\x93" + argument + b"\x85R"),
        "INST": state_dict(b"(" + argument + b"ios\nmkdir\n"),
        "OBJ": state_dict(b"(" + mkdir + argument + b"o"),
        "popped": state_dict(call + b"0" + array()),
        "top": program(call),
        "key": program(b"}" + call + array() + b"s"),
        "optimizer": program(optimizer + call + b"ss"),
        "after an array": program(b"}(" + text("a") + array() + text("b") + call + b"u"),
        "eval": state_dict(
            name("builtins", "eval") + text(f"__import__('os').mkdir({str(sentinel)!r})") + b"\x85R"
        ),
        "array's shape": state_dict(array(shape=call)),
        "array's dtype": state_dict(array(kind=call)),
        "array's data": state_dict(array(data=call)),
        "dtype's order": state_dict(array(kind=dtype(order=call))),
        "dtype's fields": state_dict(array(kind=dtype(fields=call + b"NN"))),
        "array's state": state_dict(NEW_ARRAY + call + b"b"),
        "dtype's code": state_dict(name("numpy", "dtype") + call + b"\x85R"),
        "_reconstruct's class": state_dict(RECONSTRUCT + call + b"K\x00\x85C\x01b\x87R"),
        "scalar": state_dict(SCALAR + FLOAT + call + b"\x86R"),
        "tuple": state_dict(name("builtins", "tuple") + call + b"\x85R"),
        "encode": state_dict(name("_codecs", "encode") + call + text("latin1") + b"\x86R"),
        "OrderedDict": state_dict(name("collections", "OrderedDict") + call + b"\x85R"),
        "object array": state_dict(array(kind=dtype("O8"), data=b"]" + call + b"a")),
    }


CALLS = list(calls(Path()))


@pytest.mark.parametrize("case", CALLS)
def test_nothing_is_run(tmp_path, case):
    sentinel = tmp_path / "made"
    data = calls(sentinel)[case]
    message = refusal(tmp_path, data)
    assert not sentinel.exists()
    met = {"INST": "INST", "eval": "builtins.eval", "object array": "'O8'"}.get(case, "os.mkdir")
    assert met in message


@pytest.mark.parametrize("case", CALLS)
def test_the_cases_above_are_hostile(tmp_path, case):
    """``pickle.load`` does run them, so that the test above is one."""
    sentinel = tmp_path / "made"
    data = calls(sentinel)[case]
    with contextlib.suppress(Exception):  # some fail after the call
        pickle.loads(data)
    assert sentinel.exists()


# Files that are wrong in other ways.


def test_the_parts_of_the_cases_below_are_sound(tmp_path):
    assert pickle.loads(state_dict(array()))["weight"].tolist() == [1, 2]
    assert load_bytes(tmp_path, state_dict(array()))["weight"].tolist() == [1, 2]
    scalar = state_dict(SCALAR + FLOAT + b"C\x04" + struct.pack("<f", 3) + b"\x86R")
    assert load_bytes(tmp_path, scalar) == {"weight": 3}


def long_bytes(claim: int, data: bytes = b"") -> bytes:
    return pickle.BINBYTES8 + struct.pack("<Q", claim) + data


def side(value: int) -> bytes:
    return pickle.LONG1 + b"\x0a" + value.to_bytes(10, "little", signed=True)


LOOP = b"]q\x00h\x00a"  # a list that holds itself
CUT, DAMAGED, SIZE = "cut short", "damaged", "without data of that size"
REFUSED = {
    # Not such a file.
    "empty": (b"", "is empty"),
    "text": (b"<!DOCTYPE html>\n<title>404</title>", "text file"),
    "text in Chinese": ("未找到文件".encode(), "text file"),
    "zip": (b"PK\x03\x04" + bytes(30), "begins with b'PK"),
    "zeros": (bytes(100), "begins with"),
    "protocol 0": (pickle.dumps({"a": 1}, 0), "text file"),
    "protocol 1": (pickle.dumps({"a": 1}, 1), "begins with"),
    "protocol 5": (pickle.dumps({"a": 1}, 5), "protocol 5"),
    "one byte": (b"\x80", CUT),
    "only PROTO": (b"\x80\x04", CUT),
    "nothing on the stack": (program(b""), DAMAGED),
    "two on the stack": (program(b"}}"), DAMAGED),
    "open mark": (program(b"(}"), DAMAGED),
    "more behind": (program(b"}") + b"x", DAMAGED),
    "list": (program(b"]" + array() + b"a"), "no dict"),
    "number": (program(b"K\x01"), "no dict"),
    "pieces": (program(b"}" + text("UnpackBigParamInfor@@") + b"}s"), "in pieces"),
    # Instructions that weights do not need.
    "NEWOBJ": (state_dict(name("numpy", "ndarray") + b")\x81"), "NEWOBJ"),
    "NEWOBJ_EX": (state_dict(name("numpy", "ndarray") + b")}\x92"), "NEWOBJ_EX"),
    "EXT1": (state_dict(b"\x82\x01"), "EXT1"),
    "EXT2": (state_dict(b"\x83\x01\0"), "EXT2"),
    "EXT4": (state_dict(b"\x84\x01\0\0\0"), "EXT4"),
    "PERSID": (state_dict(b"Pid\n"), "PERSID"),
    "BINPERSID": (state_dict(text("id") + b"Q"), "BINPERSID"),
    "NEXT_BUFFER": (state_dict(b"\x97"), "NEXT_BUFFER"),
    "READONLY_BUFFER": (state_dict(b"\x97\x98"), "NEXT_BUFFER"),
    "BYTEARRAY8": (state_dict(b"\x96" + struct.pack("<Q", 2**62)), "BYTEARRAY8"),
    "INT": (state_dict(b"I" + b"9" * 10**5 + b"\n"), "INT"),
    "LONG": (state_dict(b"L" + b"9" * 10**5 + b"L\n"), "LONG"),
    "LONG4": (state_dict(b"\x8b" + struct.pack("<i", 2**31 - 1)), "LONG4"),
    "FLOAT": (state_dict(b"F1e999999999\n"), "FLOAT"),
    "STRING": (state_dict(b"S'a'\n"), "STRING"),
    "DUP": (state_dict(b"]2a"), "DUP"),
    "set": (state_dict(b"\x8f"), "EMPTY_SET"),
    "no instruction": (state_dict(b"\xff"), DAMAGED),
    # Names.
    "other function of numpy": (state_dict(name("numpy", "load")), "numpy.load"),
    "subclass": (state_dict(name("numpy", "memmap")), "numpy.memmap"),
    "dotted name": (state_dict(name("numpy", "ndarray.tofile")), "numpy.ndarray.tofile"),
    "unprintable name": (state_dict(text("\x1b[2J\n") + text("x") + b"\x93"), "\\x1b[2J\\n.x"),
    "endless name": (state_dict(b"c" + b"a" * 10**6 + b"\n"), DAMAGED),
    "name that is no text": (state_dict(b"]]\x93"), DAMAGED),
    "name without end": (b"\x80\x04cos", CUT),
    "class among the values": (state_dict(name("numpy", "ndarray")), "a function or class"),
    "call of a dict": (state_dict(b"})R"), DAMAGED),
    "arguments that are no tuple": (state_dict(name("numpy", "dtype") + b"]R"), DAMAGED),
    "a TB of bytes": (state_dict(name("__builtin__", "bytes") + side(10**12) + b"\x85R"), DAMAGED),
    "full OrderedDict": (state_dict(name("collections", "OrderedDict") + b"]\x85R"), DAMAGED),
    "tuple of a list": (state_dict(name("builtins", "tuple") + b"]\x85R"), DAMAGED),
    "other codec": (
        state_dict(name("_codecs", "encode") + text("a") + text("zlib") + b"\x86R"),
        DAMAGED,
    ),
    # Arrays.
    "no data": (state_dict(NEW_ARRAY), "without data"),
    "too little data": (state_dict(array(shape=b"K\x03\x85")), SIZE),
    "too much data": (state_dict(array(shape=b"K\x01\x85")), SIZE),
    "4 TB": (state_dict(array(shape=side(10**12) + b"\x85")), SIZE),
    "sides that overflow": (state_dict(array(shape=side(2**62) + side(4) + b"\x86")), DAMAGED),
    "empty but endless": (
        state_dict(array(shape=b"K\x00" + side(2**62) + b"\x86", data=b"C\x00")),
        DAMAGED,
    ),
    "negative side": (state_dict(array(shape=side(-2) + side(-1) + b"\x86")), DAMAGED),
    "side that is no integer": (state_dict(array(shape=b"\x88\x85")), DAMAGED),
    "33 sides": (state_dict(array(shape=b"(" + b"K\x01" * 33 + b"t")), DAMAGED),
    "shape that is a list": (state_dict(array(shape=b"]")), DAMAGED),
    "dtype that is a class": (state_dict(array(kind=name("numpy", "dtype"))), DAMAGED),
    "data in a list": (state_dict(array(data=b"]")), DAMAGED),
    "order that is no flag": (state_dict(array(fortran=b"K\x01")), DAMAGED),
    "text of too many bytes": (state_dict(array(data=latin1("a" * 9))), DAMAGED),
    "text of too few bytes": (state_dict(array(data=latin1("é" * 7))), DAMAGED),
    "text of no bytes": (state_dict(array(data=latin1("€" * 4))), DAMAGED),
    "two states": (state_dict(array() + b"(K\x01)" + FLOAT + b"\x89C\x04\0\0\0\0tb"), DAMAGED),
    "state of a dict": (state_dict(b"}}b"), DAMAGED),
    "state of a class": (state_dict(name("numpy", "ndarray") + b"}b"), DAMAGED),
    "objects": (state_dict(array(kind=dtype("O8"))), "'O8'"),
    "strings": (state_dict(array(kind=dtype("U2"))), "'U2'"),
    "void": (state_dict(array(kind=dtype("V8"))), "'V8'"),
    "fields in the type": (state_dict(array(kind=dtype("f4,f4"))), "'f4,f4'"),
    "fields in the state": (state_dict(array(kind=dtype(fields=b"N)}"))), "fields"),
    "big-endian": (state_dict(array(kind=dtype(order=text(">")))), "big-endian"),
    "scalar without data": (state_dict(SCALAR + FLOAT + b"\x85R"), DAMAGED),
    "scalar of a wrong size": (state_dict(SCALAR + FLOAT + b"C\x01a\x86R"), SIZE),
    # Containers.
    "raw bytes": (state_dict(b"C\x01a"), "raw bytes"),
    "bare dtype": (state_dict(FLOAT), "among its values"),
    "key that is a number": (program(b"}K\x01" + array() + b"s"), DAMAGED),
    "key that is a list": (program(b"}]" + array() + b"s"), DAMAGED),
    "odd items": (program(b"}(" + text("a") + b"u"), DAMAGED),
    "items of a list": (program(b"]" + text("a") + array() + b"s"), DAMAGED),
    "append to a dict": (program(b"}" + array() + b"a"), DAMAGED),
    "not UTF-8": (state_dict(b"\x8c\x01\xff"), DAMAGED),
    "memo never written": (state_dict(b"h\x07"), DAMAGED),
    "pop from nothing": (program(b"\x87"), DAMAGED),
    "pop below a mark": (program(b"}(\x85"), DAMAGED),
    "mark never set": (program(b"}u"), DAMAGED),
    "list in itself": (state_dict(LOOP), "nested containers"),
    "tuple in itself": (state_dict(b"]q\x00h\x00\x85a"), "nested containers"),
    "deep lists": (state_dict(b"]" * 17 + b"a" * 16), "nested containers"),
    "very deep tuples": (state_dict(b")" + b"\x85" * 10**5), "nested containers"),
    # Lengths that are not there.
    "BINBYTES8": (state_dict(long_bytes(2**63)), CUT),
    "BINBYTES": (state_dict(b"B" + struct.pack("<I", 2**32 - 1)), CUT),
    "BINUNICODE": (state_dict(b"X" + struct.pack("<I", 2**32 - 1)), CUT),
    "BINUNICODE8": (state_dict(b"\x8d" + struct.pack("<Q", 2**64 - 1)), CUT),
    "FRAME": (state_dict(b"\x95" + struct.pack("<Q", 2**40)), CUT),
    "LONG1": (state_dict(b"\x8a\xff" + b"\x7f" * 255), DAMAGED),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_a_sentence_of_its_own(tmp_path, case):
    data, words = REFUSED[case]
    assert words in refusal(tmp_path, data)


def test_sixteen_lists_in_each_other_are_read(tmp_path):
    """One fewer than the case above."""
    got = load_bytes(tmp_path, state_dict(b"]" * 16 + b"a" * 15))
    assert str(got["weight"]) == "[" * 16 + "]" * 16


def test_absent_and_folder(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        paddle_file.load(tmp_path / "none.pdparams")
    with pytest.raises(InputError, match="is a folder"):
        paddle_file.load(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="does not exist"):
        paddle_file.load(tmp_path / "pipe")


@pytest.mark.parametrize("left", [60, 2**18])  # inside the names, inside the data
def test_a_file_that_is_cut_while_it_is_read(tmp_path, left):
    path = tmp_path / "file.pdparams"
    path.write_bytes(pickle.dumps({"w": np.ones(2**17)}, 4))
    with path.open("rb") as file:
        machine = SafeUnpickler(path, file)
        os.truncate(path, left)
        with pytest.raises(InputError, match=DAMAGED):
            machine.load()


# Damage by chance.


@pytest.mark.parametrize("protocol", [2, 4])
def test_cut_anywhere(tmp_path, protocol):
    whole = pickle.dumps({"a": np.ones((3, 4)), "b": [1, 2.5, "x"], "c": np.zeros(100)}, protocol)
    for length in range(1, len(whole), 5):
        assert CUT in refusal(tmp_path, whole[:length])


@pytest.mark.parametrize("protocol", [2, 4])
def test_flipped_bytes_are_refused_or_give_plain_data(tmp_path, protocol):
    rng = np.random.default_rng(protocol)
    arrays = {f"{i}.weight": rng.random((4, 3, 3), np.float32) for i in range(6)}
    sound = pickle.dumps({"model": arrays, "epoch": 3, "names": ["a", ("b", None)]}, protocol)
    refused = 0
    started = time.monotonic()
    for _ in range(1500):
        data = bytearray(sound)
        for position in rng.integers(0, len(data), rng.integers(1, 5)):
            data[position] = rng.integers(256)
        try:
            assert_plain(load_bytes(tmp_path, bytes(data)))
        except InputError:
            refused += 1
    assert 500 < refused < 1500  # both ways were taken
    assert time.monotonic() - started < 60


def assert_plain(value) -> None:
    assert type(value) in (dict, list, tuple, str, int, float, bool, type(None), np.ndarray)
    if isinstance(value, dict):
        assert all(type(key) is str for key in value)
    if isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            assert_plain(item)


# Memory and time.

MEASURE = """
import sys, time
from pathlib import Path
from data_reader.errors import InputError
from paddle_gans.weights import paddle_file

def memory(what):  # MiB
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) / 1024

for path in sys.argv[1:]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, started = memory("VmRSS"), time.monotonic()
    try:
        state, outcome = paddle_file.load(path), "read"
    except InputError as error:
        state, outcome = None, str(error)
    print(memory("VmHWM") - before, time.monotonic() - started, outcome, sep="|")
    del state
"""


def bombs() -> dict[str, tuple[bytes, str]]:
    """Files of some MiB at most that ask for much more, and the words of their refusals."""
    million = 10**6
    shared_lists = b"]q\x00" + b"".join(  # each holds the one before twenty times
        b"](" + b"h%c" % i * 20 + b"eq%c" % (i + 1) for i in range(12)
    )
    data = b"\x8e" + struct.pack("<Q", 2**20) + bytes(2**20) + b"q\x07"
    again = array(shape=side(2**18) + b"\x85", data=b"h\x07")
    wide = "a" * 2**23 + "\N{SLIGHTLY SMILING FACE}"
    content = "more than 1 MiB"
    return {
        "dicts": (program(b"}" * million), content),
        "lists": (program(b"]" * million), content),
        "marks": (program(b"(" * million), content),
        "memo": (program(b"]" + b"\x94" * million), content),
        "empty strings": (program(b"\x8c\x00" * million), content),
        "numbers": (program(b"G\x3f\xf0\0\0\0\0\0\1" * million), content),
        "names": (program(name("numpy", "ndarray") * 300_000), content),
        "nested tuples": (program(b")" + b"\x85" * million), content),
        "empty arrays": (
            program(name("numpy", "ndarray") + b"q\x00" + b"h\x00)R" * million),
            content,
        ),
        "lists of lists of lists": (state_dict(b"](" + shared_lists + b"e"), content),
        "the same megabyte again": (state_dict(b"](" + data + again * 500 + b"e"), DAMAGED),
        "one long string": (state_dict(text("a" * 2**21)), content),
        "wide characters": (
            state_dict(array(shape=side(2**21) + b"\x85", data=latin1(wide))),
            DAMAGED,
        ),
        "claim of 4 TB": (state_dict(array(shape=side(10**12) + b"\x85")), SIZE),
        "claim of 2 EiB": (state_dict(long_bytes(2**61)), CUT),
        "memo at 2**32": (program(b"]r" + b"\xff" * 4), "no dict"),
    }


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="measures with Linux's /proc"
)
def test_memory_and_time_are_bounded(tmp_path):
    files = bombs()
    for protocol in (2, 4):
        rng = np.random.default_rng(0)
        state = {str(i): rng.integers(0, 256, 2**24, dtype="uint8") for i in range(2)}
        files[f"32 MiB of arrays, protocol {protocol}"] = (pickle.dumps(state, protocol), "read")
    paths = [tmp_path / f"{i}.pdparams" for i in range(len(files))]
    for path, (data, _) in zip(paths, files.values()):
        path.write_bytes(data)
    command = [sys.executable, "-c", MEASURE, *map(str, paths)]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert len(output.splitlines()) == len(files)
    for line, path, (case, (_, words)) in zip(output.splitlines(), paths, files.items()):
        grown, seconds, outcome = line.split("|")
        assert words in outcome, case
        assert float(grown) < 2 * path.stat().st_size / 2**20 + 64, case
        assert float(seconds) < 20, case
