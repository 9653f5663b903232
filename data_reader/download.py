"""``python -m data_reader.download facades``: download a published data set, verify and unpack it.

Interrupted downloads resume. Archives are treated as untrusted: most come over plain HTTP, and some
have no published checksum.
"""

from __future__ import annotations

import argparse
import http.client
import shlex
import shutil
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from ._data_sets import DATA_SETS, DataSet
from ._fetching import (
    HEADERS,
    TIMEOUT_SECONDS,
    Unusable,
    discard,
    fetch,
    format_size,
    length_of,
    retry_advice,
    size_of,
)
from ._unpacking import gather, unpack
from .command import Parser, exit_code
from .errors import InputError, did_you_mean, disk_errors
from .output import say

ASK_ABOVE = 5_000_000_000  # bytes


def find(name: str) -> DataSet:
    """Return a data set by name, or raise InputError with the close names and all of them."""
    if name not in DATA_SETS:
        hint = did_you_mean(name, DATA_SETS)
        raise InputError(f"unknown data set {name!r}; {hint}choose from {', '.join(DATA_SETS)}")
    return DATA_SETS[name]


def addresses(data: DataSet, url: str | None) -> list[str]:
    """Return the address of each file; ``url`` is the file, or the folder of several files."""
    if url is None:
        return [file.url for file in data.files]
    try:
        parts = urlsplit(url)
        named = parts.hostname.encode("idna") and parts.port != 0
        usable = named and parts.scheme in ("http", "https")
    except (ValueError, AttributeError):  # no host, an impossible host or port
        usable = False
    if not usable:
        raise InputError(f"--url {url} is not an address; use http://... or https://...")
    if len(data.files) == 1:
        return [url]
    return [f"{url.rstrip('/')}/{file.name}" for file in data.files]


def is_complete(data: DataSet, target: Path) -> bool:
    """Return whether ``target`` holds the data set; raise InputError if it holds anything else."""
    if all((target / name).exists() for name in data.holds):
        return True
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise InputError(
            f"{target} exists and holds no {' and '.join(data.holds)}; --to names the data set's "
            "own folder, which must be new or empty"
        )
    return False


def build(data: DataSet, archives: list[Path], target: Path) -> None:
    """Unpack next to ``target`` and rename at the end, so that it is complete or absent."""
    work = target.parent / f".{target.name}.unpacking"
    shutil.rmtree(work, ignore_errors=True)  # left by a killed process
    whole = work / "whole"
    try:
        with disk_errors(f"cannot write to {target.parent}"):
            whole.mkdir(parents=True)
            for file, archive in zip(data.files, archives):
                if file.name in data.holds:  # used as it is
                    shutil.copyfile(archive, whole / file.name)
                    continue
                content = work / file.name
                content.mkdir()
                say(f"unpacking {archive}")
                unpack(archive, content)
                gather(content, whole, data.holds)
            missing = [name for name in data.holds if not (whole / name).exists()]
            if missing:
                raise Unusable(
                    f"{archives[0]} holds no {' and no '.join(missing)}: it is another data set; "
                    f"{retry_advice(archives[0])}"
                )
            if target.exists():
                target.rmdir()
            whole.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def by_hand(data: DataSet, urls: list[str], target: Path) -> str:
    """Return what is downloaded, its size, and how to place it without this command."""
    size = sum(file.size for file in data.files)
    shown = format_size(size) if size else "of unknown size"
    holds = " and ".join(data.holds)
    packed = "" if set(data.holds) == {file.name for file in data.files} else "unpack it and "
    elsewhere = data.mirror and not urls[0].startswith(data.mirror)
    mirror = f"; from China: --url {data.mirror}" if elsewhere else ""
    return (
        f"downloading {' and '.join(urls)}, {shown}{mirror}; by hand: {packed}put {holds} into "
        f"{target}"
    )


def ask(name: str, data: DataSet, urls: list[str], folder: Path, *, yes: bool) -> None:
    """Log size and duration of a large download; on a terminal, ask for confirmation."""
    if 0 < sum(file.size for file in data.files) <= ASK_ABOVE:
        return
    sizes = [real_size(url) or file.size for url, file in zip(urls, data.files)]
    if 0 in sizes:
        say(f"{name}: size unknown")
    else:
        done = sum(size_of(folder / f"{file.name}.part") for file in data.files)
        rest = max(0, sum(sizes) - done)
        say(
            f"{name}: {format_size(rest)} to download, about {rest / 6e8:.0f} minutes at 10 MB/s "
            f"or {rest / 3.6e9:.1f} hours at 1 MB/s; unpacking needs as much space again"
        )
    if yes or not sys.stdin.isatty():
        return
    try:
        answer = input("download it? [y/N] ").strip().lower()
    except EOFError:  # Ctrl-D
        answer = ""
    if answer not in ("y", "yes"):
        raise InputError(f"{name} was not downloaded: answer y, or use --yes")


def real_size(url: str) -> int:
    """Return the size in bytes that the server reports; 0 if it is unknown or unreachable."""
    request = urllib.request.Request(url, method="HEAD", headers=HEADERS)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            return length_of(response) or 0
    except (OSError, http.client.HTTPException):
        return 0  # the download will report the error


def listing() -> str:
    lines = ["name                    model         size          checksum  what"]
    for name, data in DATA_SETS.items():
        size = sum(file.size for file in data.files)
        known = all(file.checksum for file in data.files)
        shown = ("" if known else "about ") + format_size(size) if size else "not known"
        lines.append(
            f"{name:<23} {data.model:<13} {shown:<13} {'yes' if known else 'none':<9} {data.what}"
        )
    return "\n".join(lines)


def parser() -> Parser:
    result = Parser(
        argument_default=None,
        formatter_class=argparse.HelpFormatter,
        prog="python -m data_reader.download",
        description="Download a published data set, verify and unpack it. Interrupted downloads "
        "resume.",
        epilog=f"data sets: {', '.join(DATA_SETS)}",
    )
    add = result.add_argument
    add("name", nargs="?", help="data set")
    add("--list", action="store_true", help="list all data sets with size and model")
    add("--to", type=Path, metavar="DIR", help="target folder (default: data/<name>)")
    add("--url", help="mirror: address of the archive, or of the folder for coco2017 and mnist")
    add("--yes", action="store_true", help="do not ask before a large download")
    add("--no-check", action="store_true", help="accept a file that differs from the published one")
    add("--retries", type=int, default=5, metavar="N",
        help="consecutive retries that receive nothing (default: 5)")  # fmt: skip
    return result


def run(options: argparse.Namespace) -> int:
    if options.list:
        say(listing())
        return 0
    if options.name is None:
        raise InputError(f"name a data set: {', '.join(DATA_SETS)}; --list describes them")
    name, data = options.name, find(options.name)
    target = options.to or Path("data") / name
    if is_complete(data, target):
        say(f"{name} is already in {target}")
    else:
        urls = addresses(data, options.url)
        say(by_hand(data, urls, target))
        ask(name, data, urls, target.parent, yes=options.yes)
        with disk_errors(f"cannot write to {target.parent}"):
            target.parent.mkdir(parents=True, exist_ok=True)
        archives = [
            fetch(file, url, target.parent, checked=not options.no_check, retries=options.retries)
            for file, url in zip(data.files, urls)
        ]
        parts = [archive for archive in archives if archive.suffix == ".part"]
        try:
            build(data, archives, target)
        except Unusable:
            discard(*parts)
            raise
        discard(*parts)
        say(f"{name} is in {target}")
    where = shlex.quote(str(target / data.train_on))
    command = f"python -m paddle_gans.train --model {data.model} --data {where} {data.flags}"
    say(f"train on it: {command.rstrip()}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 0, 2 after a user error, or 130 after Ctrl-C."""
    return exit_code(lambda: run(parser().parse_all(argv)))


if __name__ == "__main__":
    sys.exit(main())
