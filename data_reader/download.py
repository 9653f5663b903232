"""``python -m data_reader.download facades``: fetches a published data set, checks and unpacks it.

A download that was cut off goes on where it stopped. What is unpacked is treated as hostile: most
of these archives come over plain http, and for some no checksum is published.
"""

from __future__ import annotations

import argparse
import http.client
import shlex
import shutil
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Optional
from urllib.parse import urlsplit

from ._data_sets import DATA_SETS, DataSet
from ._fetching import TIMEOUT_SECONDS, Unusable, again, discard, fetch, length_of, size_of
from ._telling import amount, say, writing
from ._unpacking import gather, unpack
from .command import Parser, exit_code
from .errors import InputError, did_you_mean

ASK_ABOVE = 5_000_000_000  # bytes


def find(name: str) -> DataSet:
    """The data set of that name.

    Raises:
        InputError: there is none; the message names the near ones and all.
    """
    if name not in DATA_SETS:
        hint = did_you_mean(name, DATA_SETS)
        raise InputError(f"there is no data set {name!r}; {hint}there are {', '.join(DATA_SETS)}")
    return DATA_SETS[name]


def addresses(data: DataSet, url: Optional[str]) -> list[str]:
    """Where each file comes from; ``url`` is the file, or the folder of a set of several files.

    Raises:
        InputError: ``url`` is no web address.
    """
    if url is None:
        return [file.url for file in data.files]
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname.encode("idna")
        usable = usable and parts.port != 0
    except (ValueError, AttributeError):  # no host, no such host name, no such port
        usable = False
    if not usable:
        raise InputError(f"--url {url} is no address; it takes http://... or https://...")
    if len(data.files) == 1:
        return [url]
    return [f"{url.rstrip('/')}/{file.name}" for file in data.files]


def is_complete(data: DataSet, target: Path) -> bool:
    """Whether ``target`` holds the data set; an empty folder counts as none.

    Raises:
        InputError: something else is there.
    """
    if all((target / name).exists() for name in data.holds):
        return True
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise InputError(
            f"{target} is there and holds no {' and '.join(data.holds)}; --to names "
            "the data set's own folder, which must be new or empty"
        )
    return False


def download(
    name: str,
    to: Optional[Path] = None,
    *,
    url: Optional[str] = None,
    checked: bool = True,
    retries: int = 5,
) -> Path:
    """Fetch, verify and unpack a data set; its folder is whole or absent, and is given back.

    Raises:
        InputError: the name, the address, the server, the disk or the archive stands against it.
    """
    data = find(name)
    target = Path(to or Path("data") / name)
    if is_complete(data, target):
        return target
    beside = target.parent
    with writing(beside):
        beside.mkdir(parents=True, exist_ok=True)
    archives = [
        fetch(file, address, beside, checked=checked, retries=retries)
        for file, address in zip(data.files, addresses(data, url))
    ]
    try:
        build(data, archives, target)
    except Unusable:
        drop(archives)
        raise
    drop(archives)
    return target


def build(data: DataSet, archives: list[Path], target: Path) -> None:
    """Unpack beside ``target`` and rename at the end, so that it is whole or absent."""
    work = target.parent / f".{target.name}.unpacking"
    shutil.rmtree(work, ignore_errors=True)  # of a run that was killed
    whole = work / "whole"
    try:
        with writing(target.parent):
            whole.mkdir(parents=True)
        for file, archive in zip(data.files, archives):
            if file.name in data.holds:  # used as it is
                with writing(target.parent):
                    shutil.copyfile(archive, whole / file.name)
                continue
            content = work / file.name
            with writing(target.parent):
                content.mkdir()
            say(f"unpacking {archive}")
            unpack(archive, content)
            gather(content, whole, data.holds)
        missing = [name for name in data.holds if not (whole / name).exists()]
        if missing:
            raise Unusable(
                f"{archives[0]} holds no {' and no '.join(missing)}: it is another data "
                f"set; {again(archives[0])}"
            )
        with writing(target.parent):
            if target.exists():
                target.rmdir()
            whole.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def drop(archives: list[Path]) -> None:
    """Remove what was downloaded; what was put there by hand stays."""
    for archive in archives:
        if archive.suffix == ".part":
            discard(archive)


def ask(name: str, data: DataSet, urls: list[str], folder: Path, *, yes: bool) -> None:
    """Say how much is to come and how long it takes; on a terminal, ask before a large one.

    Raises:
        InputError: the answer is no.
    """
    sizes = [file.size for file in data.files]
    if 0 < sum(sizes) <= ASK_ABOVE:
        return
    sizes = [real_size(url) or size for url, size in zip(urls, sizes)]
    if 0 in sizes:
        say(f"{name}: the size is not known before it starts")
    else:
        here = sum(size_of(folder / f"{file.name}.part") for file in data.files)
        rest = max(0, sum(sizes) - here)
        say(
            f"{name}: {amount(rest)} to download, about {rest / 6e8:.0f} minutes at 10 MB/s or "
            f"{rest / 3.6e9:.1f} hours at 1 MB/s, and as much room again to unpack it"
        )
    if yes or not sys.stdin.isatty():
        return
    try:
        answer = input("download it? [y/N] ").strip().lower()
    except EOFError:  # Ctrl-D
        answer = ""
    if answer not in ("y", "yes"):
        raise InputError(f"{name} was not downloaded: not confirmed; --yes asks no question")


def real_size(url: str) -> int:
    """The size the server names, in bytes; 0 where it names none or cannot be reached."""
    request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "paddle-gans"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            return length_of(response) or 0
    except (OSError, http.client.HTTPException):
        return 0  # the download will say what is wrong


def listing() -> str:
    lines = ["name                    article       size          checksum  what"]
    for name, data in DATA_SETS.items():
        size = sum(file.size for file in data.files)
        known = all(file.checksum for file in data.files)
        shown = ("" if known else "about ") + amount(size) if size else "not known"
        lines.append(
            f"{name:<23} {data.model:<13} {shown:<13} {'yes' if known else 'none':<9} {data.what}"
        )
    return "\n".join(lines)


def parser() -> Parser:
    result = Parser(
        argument_default=None,
        formatter_class=argparse.HelpFormatter,
        prog="python -m data_reader.download",
        description="Fetch a published data set, check it and unpack it. A download that was cut "
        "off goes on where it stopped.",
        epilog=f"data sets: {', '.join(DATA_SETS)}",
    )
    result.add_argument("name", nargs="?", help="the data set")
    result.add_argument("--list", action="store_true", help="all data sets with size and article")
    result.add_argument("--to", type=Path, metavar="DIR", help="its folder (default: data/<name>)")
    result.add_argument(
        "--url",
        help="a mirror: the archive's address, or the address of the folder for coco2017 and mnist",
    )
    result.add_argument("--yes", action="store_true", help="do not ask before a large download")
    result.add_argument(
        "--no-check", action="store_true", help="take a file that differs from the published one"
    )
    result.add_argument(
        "--retries",
        type=int,
        default=5,
        metavar="N",
        help="tries in a row that bring nothing (default: 5)",
    )
    return result


def run(options: argparse.Namespace) -> int:
    if options.list:
        say(listing())
        return 0
    if options.name is None:
        raise InputError(f"name a data set: {', '.join(DATA_SETS)}; --list says more of them")
    data = find(options.name)
    target = options.to or Path("data") / options.name
    if is_complete(data, target):
        say(f"{options.name} is already in {target}")
    else:
        ask(options.name, data, addresses(data, options.url), target.parent, yes=options.yes)
        download(
            options.name,
            target,
            url=options.url,
            checked=not options.no_check,
            retries=options.retries,
        )
        say(f"{options.name} is in {target}")
    where = shlex.quote(str(target / data.train_on))
    say(
        f"train on it: python -m paddle_gans.train --model {data.model} --data {where} "
        f"{data.flags}".rstrip()
    )
    return 0


def main(argv: Optional[list[str]] = None) -> int:
    """Run the command; return 0, 2 if the user can fix the problem, or 130 after Ctrl-C."""

    def advised() -> int:
        try:
            return run(parser().parse_all(argv))
        except KeyboardInterrupt as stop:
            stop.advice = (
                "stopped; the partial download stays beside the target, its name ends in .part; "
                "the same command resumes it"
            )
            raise

    return exit_code(advised)


if __name__ == "__main__":
    sys.exit(main())
