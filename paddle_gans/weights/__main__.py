"""python -m paddle_gans.weights: list trained weights, and fetch those that others publish."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote

from data_reader.errors import InputError, did_you_mean, disk_errors
from data_reader.output import say
from paddle_gans.command import Parser, run, table

from . import pretrained, published
from .published import PUBLISHED

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
    f"recorded in {published.RECORD} and compared later."
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
    with published.downloaded(name, target.parent, url, checked=not no_check) as files:
        if not entry.use:
            from paddle_gans import convert

            return convert.main([*map(str, files), "--to", str(target), "--quiet", *entry.flags])
        with disk_errors(f"cannot write to {target}"):
            target.mkdir(exist_ok=True)
            (path,) = [file.replace(target / file.name) for file in files]
    flag = f"{entry.use} {quote(str(path))}"
    say(f"python -m paddle_gans.evaluate --weights RUN --data DATA {flag}")
    return 0


def published_rows() -> Iterator[Sequence[str]]:
    for name, entry in PUBLISHED.items():
        size = sum(file.size for file in entry.files) / 1e6
        checked = "yes" if entry.is_checked else "not tried"
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
