"""python -m paddle_gans.weights: list trained weights, and fetch those that others publish."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Any

from data_reader import _fetching
from data_reader._data_sets import DataSet, File
from data_reader._unpacking import unpack
from data_reader.atomic import atomic_write
from data_reader.download import addresses
from data_reader.errors import InputError, did_you_mean, disk_errors
from data_reader.output import say
from paddle_gans.command import Parser, run, table

from . import pretrained
from .published import PUBLISHED

RECORD = "checksums.json"  # of the files that were fetched into a folder, by address
EXAMPLE = """
examples:
  python -m paddle_gans.weights
      a line for each: those that come with the package, and those that others publish
  python -m paddle_gans.weights pix2pix_demo
      its model card: data and terms of use, training command, metrics on held-out images, limits
  python -m paddle_gans.infer --weights pix2pix_demo --input maps --output scenes
      use them: all commands take the name where they take a path
  python -m paddle_gans.weights fetch cyclegan_horse2zebra
      download what others publish, and convert it; interrupted downloads resume
"""
COLUMNS = ("name", "model", "trained on", "pixels", "steps", "MB")
OTHERS = ("name", "for", "what", "MB", "from", "licence", "checked")
EXPLAINED = (
    "checked: `fetch` compares the file with the one that was converted here. The other addresses "
    "are from the publishers' documents and could not be tried; the SHA-256 of a first download is "
    f"recorded in {RECORD} and compared later."
)


def main(argv: Sequence[str] | None = None) -> int:
    """List the weights, print the model cards of those named, or fetch published ones.

    Raises:
        InputError: a name is unknown, or the weights cannot be fetched or converted.
    """
    parser = Parser(
        prog="python -m paddle_gans.weights",
        description="List trained weights, print a model card, or fetch what others publish.",
        epilog=EXAMPLE,
    )
    parser.add_argument(
        "names",
        metavar="NAME",
        nargs="*",
        help="print the model cards of these; `fetch NAME` downloads and converts",
    )
    parser.add_argument("--to", metavar="DIR", help="fetch: the new folder (weights/NAME)")
    parser.add_argument("--url", help="fetch: another address of the file, or the files' folder")
    parser.add_argument(
        "--no-check",
        action="store_true",
        help="fetch: accept a file that differs from the published or the recorded one",
    )
    given = vars(parser.parse_all(list(sys.argv[1:] if argv is None else argv)))
    names = given.pop("names", [])
    if names[:1] == ["fetch"]:
        return fetch(names[1:], **given)
    if given:
        raise InputError(f"--{next(iter(given)).replace('_', '-')} is for `fetch NAME`")
    cards = [published_card(n) if n in PUBLISHED else own_card(n) for n in names]
    for card in cards:
        say("\n".join([*card, ""]))
    if not cards:
        say(table([COLUMNS, *own_rows()]) + "\n\npublished by others:")
        say(table([OTHERS, *published_rows()]) + "\n")
        say(textwrap.fill(EXPLAINED, 96))
    return 0


def fetch(names: Sequence[str], to="", url=None, no_check=False) -> int:
    """Download and convert published weights, and print how to use them."""
    if len(names) != 1:
        raise InputError("fetch takes one NAME; python -m paddle_gans.weights lists them")
    (name,) = names
    if name not in PUBLISHED:
        hint = did_you_mean(name, PUBLISHED)
        raise InputError(f"no published weights are called {name!r}; {hint}{pretrained.LIST}")
    entry, target = PUBLISHED[name], Path(to or Path("weights") / name)
    if target.is_dir() and any(target.iterdir()):
        say(f"{target} is not empty: {name} may be there already; --to names another folder")
        return 0
    say(f"{name}: {entry.what}, from {entry.publisher}; licence: {entry.licence}")
    with downloaded(name, target.parent, url, checked=not no_check) as files:
        if not entry.use:
            from paddle_gans import convert

            return convert.main([*map(str, files), "--to", str(target), "--quiet", *entry.flags])
        with disk_errors(f"cannot write to {target}"):
            target.mkdir(exist_ok=True)
            (path,) = [file.replace(target / file.name) for file in files]
    flag = f"{entry.use} {quote(str(path))}"
    say(f"python -m paddle_gans.evaluate --weights RUN --data DATA {flag}")
    return 0


@contextmanager
def downloaded(name: str, folder: Path, url: str | None, *, checked: bool) -> Iterator[list[Path]]:
    """Download and unpack; yield the weight files, in a hidden folder that is removed afterwards.

    Files without a published checksum get the one that ``RECORD`` has of an earlier download. A
    download is kept until the block has used it.

    Raises:
        InputError: address, server, disk, checksum or archive is at fault, or the block says so.
    """
    from .formats import checksum  # which imports the framework

    entry, record = PUBLISHED[name], read_record(folder)
    urls = addresses(DataSet(entry.model, entry.what, entry.files, ()), url)
    work = folder / f".{name}.unpacking"
    shutil.rmtree(work, ignore_errors=True)  # left by a killed process
    parts, paths = [], []
    try:
        with disk_errors(f"cannot write to {folder}"):
            work.mkdir(parents=True)
        for file, address in zip(entry.files, urls):
            known = file if file.checksum else File(file.url, *record.get(address, (file.size, "")))
            part = _fetching.fetch(known, address, folder, checked=checked, retries=5)
            parts.append(part)
            paths.append(opened(part, file.name, entry.member, work))
            record[address] = (part.stat().st_size, f"sha256:{checksum(part)}")
        try:
            yield paths
        except InputError as error:
            kept = " and ".join(map(str, parts))
            raise InputError(
                f"{error}; the download is kept, delete {kept} to repeat it"
            ) from error
        with atomic_write(folder / RECORD) as stream:
            stream.write(json.dumps(record, indent=1).encode())
    except _fetching.Unusable:
        _fetching.discard(*(part for part in parts if part.suffix == ".part"))
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    _fetching.discard(*(part for part in parts if part.suffix == ".part"))


def opened(part: Path, name: str, member: str, work: Path) -> Path:
    """Give a download its name in ``work``, or unpack it there; returns the weights."""
    if not member:
        with disk_errors(f"cannot write to {work}"):
            try:
                os.link(part, work / name)
            except OSError:  # a file system without links
                shutil.copyfile(part, work / name)
        return work / name
    content = work / "content"
    content.mkdir()
    unpack(part, content)
    if not (content / member).is_file():
        raise _fetching.Unusable(f"{part} holds no {member}; {_fetching.retry_advice(part)}")
    return content / member


def read_record(folder: Path) -> dict[str, Any]:
    """Return size and checksum of earlier downloads by address."""
    try:
        return json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / RECORD} is damaged; delete it ({error})") from error


def published_rows() -> Iterator[Sequence[str]]:
    for name, entry in PUBLISHED.items():
        size = sum(file.size for file in entry.files) / 1e6
        checked = "yes" if all(file.checksum for file in entry.files) else "not tried"
        about = (entry.publisher, entry.licence, checked)
        yield name, entry.model, entry.what, f"{size:.0f}" if size else "?", *about


def own_rows() -> Iterator[Sequence[str]]:
    for name in pretrained.names():
        card = pretrained.card(name)
        size = sum(file.stat().st_size for file in (pretrained.FOLDER / name).glob("*.pdparams"))
        numbers = (str(card["pixels"]), str(card["steps"]), f"{size / 1e6:.1f}")
        yield name, card["model"], card["data"], *numbers


def described(name: str, about: str, fields: dict[str, str]) -> list[str]:
    """A heading, and each field beside its title."""
    lines = [f"{name}: {about}"]
    for title, text in fields.items():
        indent = f"  {title:<13} "
        lines += textwrap.wrap(text, 96, initial_indent=indent, subsequent_indent=" " * len(indent))
    return lines


def published_card(name: str) -> list[str]:
    """The lines of what is known of published weights."""
    entry = PUBLISHED[name]
    fields = {"published by": entry.publisher, "licence": entry.licence}
    addresses = [f"  address       {file.url} {file.checksum}".rstrip() for file in entry.files]
    command = f"  python -m paddle_gans.weights fetch {name}"
    return [*described(name, f"{entry.what}, for {entry.model}", fields), *addresses, command]


def own_card(name: str) -> list[str]:
    """The lines of a model card."""
    card = pretrained.card(name)
    fields = {
        "model": card["model"],
        "trained on": f"{card['data']}: {card['source']}",
        "terms of use": card["terms"],
        "images": f"{card['pixels']} pixels",
        "training": f"{card['steps']} steps, {card['hours']} hours on {card['machine']}",
        "limits": card["limits"],
    }
    lines = described(name, card["title"], fields)
    lines += ["  trained by", *(f"    {command}" for command in card["commands"])]
    for command, figures in card["figures"].items():
        lines.append(f"  {command}")
        for key, value in figures.items():
            if isinstance(value, dict):
                value = ", ".join(f"{name} {number}" for name, number in value.items())
            lines.append(f"    {key:<24} {value}")
    return lines


if __name__ == "__main__":
    run(main)
