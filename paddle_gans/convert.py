"""python -m paddle_gans.convert latest_net_G_A.pth --to runs/horse2zebra"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from data_reader import framework
from data_reader.errors import InputError
from paddle_gans.command import Parser, run

EXAMPLE = """
examples:
  python -m paddle_gans.convert facades/latest_net_G.pth --to runs/facades --direction b2a
      pix2pix of its authors; then: python -m paddle_gans.infer --weights runs/facades ...
  python -m paddle_gans.convert latest_net_G_A.pth latest_net_G_B.pth --to runs/horse2zebra
      both directions of a CycleGAN; a folder of such files will do, too
  python -m paddle_gans.convert 100000_nets_ema.ckpt --to runs/afhq --domains cat dog wild
      StarGAN v2 of its authors; for faces give their wing.ckpt beside it
  python -m paddle_gans.convert runs/pix2pix --to-torch for_pytorch
      the way back: files that the authors' code loads

The file is recognised by its names and shapes, and read without PyTorch and without running its
code. docs/convert.md lists what is known and what is refused.
"""


def build_parser() -> Parser:
    """The flags."""
    parser = Parser(
        prog="python -m paddle_gans.convert",
        description="Bring other people's trained weights here, or ours to PyTorch.",
        epilog=EXAMPLE,
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        nargs="*",
        help=".pth, .ckpt or .pdparams files, or folders of them; with --to-torch a run folder",
    )
    parser.add_argument("--to", metavar="DIR", help="a new folder for our .pdparams files")
    parser.add_argument(
        "--to-torch", metavar="PATH", help="the way back: a folder, or a file for one network"
    )
    parser.add_argument("--quiet", action="store_true", help="no table, the summary alone")
    more = parser.add_argument_group("what no file says")
    more.add_argument(
        "--direction",
        choices=["a2b", "b2a"],
        help="of a CycleGAN's generator whose file is not called G_A or G_B, and of pix2pix's "
        "training data (a2b)",
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
        help="pix2pix: batch norm goes by the statistics of training, as the authors' test.py "
        "--eval does, or by each picture's own, as without --eval (running; instance for "
        "PaddleGAN's, which has it so)",
    )
    return parser


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Parse, convert, report.

    Raises:
        InputError: something given cannot be used; nothing is written then.
    """
    parser = build_parser()
    given = vars(parser.parse_all(list(sys.argv[1:] if argv is None else argv)))
    sources = [Path(name) for name in given.get("source", [])]
    if not sources:
        raise InputError(f"give a file of weights; {parser.prog} --help has examples")
    if ("to" in given) == ("to_torch" in given):
        raise InputError("give either --to DIR, a folder for our files, or --to-torch PATH")
    framework.prepare()
    if "to_torch" in given:
        return back(sources, given)
    return here(sources, given)


def here(sources: Sequence[Path], given: dict) -> int:
    """Other people's weights to ours."""
    from paddle_gans.conversion import plan

    keys = ("direction", "domains", "w_hpf", "norm_mode")
    choice = plan.Choice(**{key: given[key] for key in keys if key in given})
    result = plan.convert(sources, choice)
    folder = Path(given["to"])
    paths = plan.write(result, folder)
    for one in result.networks:
        print(f"{one.piece}: {one.found.what}")
        if not given.get("quiet"):
            print_rows(one.rows)
    for one, path in zip(result.networks, paths):
        left = sum(not row.ours for row in one.rows)
        size = sum(tensor.size for tensor in one.network.layer.state_dict().values())
        counted = f"{len(one.rows) - left} arrays, {size / 1e6:.1f} million numbers"
        print(f"{path}: {counted}" + (f"; {left} left out" if left else ""))
    for remark in result.remarks:
        print(f"note: {remark}")
    if result.is_fan_alone:
        print(f"training for faces takes it: --w-hpf 1 --fan-weights {paths[0]}")
    elif any(one.name.startswith("generator") for one in result.networks):
        print(f"python -m paddle_gans.infer --weights {given['to']} --input PHOTOS --output OUT")
    return 0


def back(sources: Sequence[Path], given: dict) -> int:
    """Our weights to other people's code."""
    from paddle_gans.conversion import back as conversion

    wrong = [key for key in ("direction", "domains", "w_hpf", "norm_mode") if key in given]
    if wrong:
        raise InputError(f"--{wrong[0].replace('_', '-')} is for --to; our weights know it")
    if len(sources) > 1:
        raise InputError("--to-torch takes one SOURCE: a run folder or a .pdparams file")
    found, remarks = conversion.exports(sources[0])
    planned = conversion.targets(found, Path(given["to_torch"]))
    conversion.write(planned)
    for path, export in planned.items():
        if not given.get("quiet"):
            print_rows(export.rows)
        print(f"{path}: {len(export.rows)} arrays for {export.loads}")
        print(f"    {conversion.load_line(path, export)}")
    for remark in remarks:
        print(f"note: {remark}")
    return 0


def print_rows(rows) -> None:
    """A table: where an array comes from, its shape, where it goes, and what was done."""
    lines = [(row.source or "-", str(list(row.shape)), row.ours or "-", row.note) for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(3)]
    for line in lines:
        cells = [f"{cell:<{width}}" for cell, width in zip(line, widths)]
        print(f"  {cells[0]}  {cells[1]}  -> {cells[2]}  {line[3]}".rstrip())


if __name__ == "__main__":
    run(main)
