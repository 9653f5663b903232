"""python -m paddle_gans.convert latest_net_G_A.pth --to runs/horse2zebra"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from data_reader import framework
from data_reader.errors import InputError
from data_reader.output import say
from paddle_gans.command import Parser, run, table

EXAMPLE = """
examples:
  python -m paddle_gans.convert facades/latest_net_G.pth --to runs/facades --direction b2a
      pix2pix of its authors; then: python -m paddle_gans.infer --weights runs/facades ...
  python -m paddle_gans.convert latest_net_G_A.pth latest_net_G_B.pth --to runs/horse2zebra
      both directions of a CycleGAN; or give a folder of such files
  python -m paddle_gans.convert 100000_nets_ema.ckpt --to runs/afhq --domains cat dog wild
      StarGAN v2 of its authors; for faces add their wing.ckpt
  python -m paddle_gans.convert runs/pix2pix --to for_others --format safetensors
      our own weights as safetensors
  python -m paddle_gans.convert runs/pix2pix --to-torch for_pytorch
      our own weights for the authors' PyTorch code

Files are recognised by names and shapes, and read without PyTorch and without running their code.
docs/convert.md lists the supported networks.
"""
HINTS = ("direction", "domains", "w_hpf", "norm_mode")


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m paddle_gans.convert",
        description="Convert weights: other people's to ours, and ours to PyTorch or safetensors.",
        epilog=EXAMPLE,
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        nargs="*",
        help=".pth, .ckpt, .pdparams or .safetensors files, or folders of them; with --to-torch a "
        "run folder",
    )
    parser.add_argument("--to", metavar="DIR", help="a new folder for our files")
    parser.add_argument(
        "--format",
        choices=["pdparams", "safetensors"],
        help="of the files in --to DIR (pdparams); also converts our own files",
    )
    parser.add_argument(
        "--to-torch",
        metavar="PATH",
        help="convert ours to PyTorch: a folder, or a file for one network",
    )
    parser.add_argument("--quiet", action="store_true", help="print the summary only, no table")
    more = parser.add_argument_group("what no file says")
    more.add_argument(
        "--direction",
        choices=["a2b", "b2a"],
        help="of a CycleGAN generator whose file is not called G_A or G_B, and of the training "
        "data of pix2pix and CUT (a2b)",
    )
    more.add_argument(
        "--domains",
        metavar="NAME",
        nargs="+",
        help="StarGAN v2's domains, in the order of their folders' names (domain1 domain2 ...)",
    )
    more.add_argument(
        "--w-hpf", type=float, metavar="X", help="StarGAN v2's high-pass weight, for faces (1)"
    )
    more.add_argument(
        "--norm-mode",
        choices=["running", "instance"],
        help="pix2pix: batch norm uses the statistics of training, as the authors' test.py --eval "
        "does, or each image's own, as without --eval (default: running; instance for PaddleGAN's)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, convert, report."""
    parser = build_parser()
    given = vars(parser.parse_all(list(sys.argv[1:] if argv is None else argv)))
    sources = [Path(name) for name in given.get("source", [])]
    if not sources:
        raise InputError(f"give a weight file; {parser.prog} --help has examples")
    if ("to" in given) == ("to_torch" in given):
        raise InputError("give either --to DIR, a folder for our files, or --to-torch PATH")
    framework.prepare()
    if "to_torch" in given:
        return to_torch(sources, given)
    return from_others(sources, given)


def from_others(sources: Sequence[Path], given: dict) -> int:
    """Convert other people's weights to ours, or ours to another format."""
    from paddle_gans.conversion import from_others as conversion

    folder, suffix = Path(given["to"]), f".{given.get('format', 'pdparams')}"
    hints = {key: given[key] for key in HINTS if key in given}
    files = conversion.weight_files(sources)
    if "format" in given and not hints and all(map(conversion.is_ours, files)):
        for path in conversion.resave(files, folder, suffix):
            say(path)
        return 0
    result = conversion.convert(files, hints)
    paths = conversion.write(result, folder, suffix)
    for one in result.networks:
        say(f"{one.source}: {one.match.what}")
        if not given.get("quiet"):
            print_rows(one.rows)
    for one, path in zip(result.networks, paths):
        skipped = sum(not row.ours for row in one.rows)
        size = sum(tensor.size for tensor in one.layer.state_dict().values())
        counted = f"{len(one.rows) - skipped} arrays, {size / 1e6:.1f} million numbers"
        say(f"{path}: {counted}" + (f"; {skipped} skipped" if skipped else ""))
    for note in result.notes:
        say(f"note: {note}")
    if result.is_fan_alone:
        say(f"to train on faces with it: --w-hpf 1 --fan-weights {paths[0]}")
    elif any(one.name.startswith("generator") for one in result.networks):
        source = "--count 64" if result.model == "dcgan" else "--input PHOTOS"
        say(f"python -m paddle_gans.infer --weights {given['to']} {source} --output OUT")
    return 0


def to_torch(sources: Sequence[Path], given: dict) -> int:
    from paddle_gans.conversion import to_torch as conversion

    for key in (*HINTS, "format"):
        if key in given:
            raise InputError(f"--{key.replace('_', '-')} is for --to; leave it out")
    if len(sources) > 1:
        raise InputError("--to-torch takes one SOURCE: a run folder or a weight file")
    files, notes = conversion.convert(sources[0])
    paths = conversion.targets(files, Path(given["to_torch"]))
    conversion.write(paths)
    for path, file in paths.items():
        if not given.get("quiet"):
            print_rows(file.rows)
        say(f"{path}: {len(file.rows)} arrays for {file.loads}")
        say(f"    {file.load_line(path)}")
    for note in notes:
        say(f"note: {note}")
    return 0


def print_rows(rows) -> None:
    """Print a table: where an array comes from, its shape, where it goes, and what was done."""
    cells = [(row.source or "-", str(list(row.shape)), f"-> {row.ours or '-'}", row.note)
             for row in rows]  # fmt: skip
    say(textwrap.indent(table(cells), "  "))


if __name__ == "__main__":
    run(main)
