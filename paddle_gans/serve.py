"""python -m paddle_gans.serve runs/pix2pix runs/cyclegan"""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Optional

from data_reader import framework
from data_reader.errors import InputError
from paddle_gans.command import Parser, run
from paddle_gans.serving import extra

PORT, PORTS = 7860, 100  # the usual one, and how many after it are tried
LOCAL = "127.0.0.1"

EXAMPLE = """
examples:
  python -m paddle_gans.serve runs/pix2pix
      the address of the page is printed; Ctrl-C ends it
  python -m paddle_gans.serve runs/pix2pix runs/cyclegan runs/dcgan/generator.pdparams
      a tab for each
  python -m paddle_gans.serve runs/pix2pix --host 0.0.0.0 --port 8000
      for everyone on your network; the page asks nobody for a password
"""


def build_parser() -> Parser:
    """The flags."""
    parser = Parser(
        prog="python -m paddle_gans.serve",
        description="A page in the browser to try trained models.",
        epilog=EXAMPLE,
    )
    parser.add_argument(
        "runs", metavar="RUN", nargs="*", help="run folders, or .pdparams files that training saved"
    )
    parser.add_argument("--device", metavar="NAME", help="auto, cpu, gpu or gpu:K (auto)")
    address = parser.add_argument_group("address")
    address.add_argument(
        "--host", metavar="NAME", help=f"where it listens ({LOCAL}: this machine alone)"
    )
    address.add_argument(
        "--port", type=int, metavar="N", help=f"that port or none ({PORT}, or the next free one)"
    )
    address.add_argument(
        "--share",
        action="store_true",
        help="a public address too, through Gradio's servers, for whoever knows it",
    )
    limits = parser.add_argument_group("limits")
    limits.add_argument(
        "--max-upload", type=float, metavar="MB", help="a larger file is refused (10)"
    )
    limits.add_argument(
        "--max-pixels",
        type=float,
        metavar="MILLIONS",
        help="a picture with more is reduced to so many (1)",
    )
    limits.add_argument(
        "--queue", type=int, metavar="N", help="clicks that may wait; one is worked on (20)"
    )
    return parser


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Parse, open the models, hand the page out until it is stopped.

    Raises:
        InputError: something given cannot be used; nothing listens then.
        ImportError: Gradio is not installed.
    """
    parser = build_parser()
    given = vars(parser.parse_all(list(sys.argv[1:] if argv is None else argv)))
    runs = given.get("runs", [])
    if not runs:
        raise InputError(f"give a run folder, runs/pix2pix say; {parser.prog} --help has examples")
    missing = [name for name in runs if not Path(name).exists()]
    if missing:
        raise InputError(f"{missing[0]} does not exist; check the spelling")
    queue = given.get("queue", 20)
    if queue < 1:
        raise InputError(f"--queue is at least 1, not {queue}")
    host = given.get("host", LOCAL)
    port = free_port(host, given.get("port"))
    gradio = extra.gradio()
    framework.prepare()
    from paddle_gans.serving import page, uploads

    limits = uploads.Limits(given.get("max_upload", 10.0), given.get("max_pixels", 1.0))
    settings = {"share": given.get("share", False), "queue": queue, "limits": limits}
    # Models are opened and used by one thread: what the framework keeps for a thread stays valid.
    with ThreadPoolExecutor(1) as pool, tempfile.TemporaryDirectory() as folder, quiet_signals():
        os.environ["GRADIO_TEMP_DIR"] = str(Path(folder) / "sent")
        tabs = pool.submit(open_all, runs, given.get("device", "auto"), limits, folder, pool)
        built = page.build(gradio, tabs.result())
        listen(gradio, built, host, port, settings)
    return 0


def listen(gradio, built, host: str, port: int, settings: dict) -> None:
    """Hand the page out until Ctrl-C.

    Raises:
        InputError: something took the port since it was found free.
    """
    from paddle_gans.serving import page

    bypass_proxies()
    try:
        local, public = page.launch(gradio, built, host=host, port=port, **settings)
    except OSError as error:
        raise InputError(f"--host {host} --port {port}: {error}") from error
    try:
        tell(host, local, public, settings["share"])
        threading.Event().wait()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    finally:
        built.close(verbose=False)


def open_all(runs: Sequence[str], device: str, limits, folder: str, pool) -> list:
    """The models' tabs."""
    from paddle_gans.inference import loading
    from paddle_gans.serving import page

    translators = [loading.load(run, device=device) for run in runs]
    return page.make_tabs(translators, limits, Path(folder), pool)


def free_port(host: str, wanted: Optional[int]) -> int:
    """The wanted port, or the usual one or the next after it that is free.

    Raises:
        InputError: the wanted one is taken or none, or this machine has no such address.
    """
    if wanted is not None and not 0 < wanted < 65536:
        raise InputError(f"--port is 1 to 65535, not {wanted}")
    for port in [wanted] if wanted else range(PORT, PORT + PORTS):
        try:
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((host, port))
        except socket.gaierror as error:
            raise InputError(f"--host {host} is no address: {error.strerror}") from error
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            raise InputError(f"--host {host} --port {port}: {error.strerror}") from error
        if wanted is None and port != PORT:
            print(f"port {PORT} is in use; taking {port}", flush=True)
        return port
    if wanted:
        raise InputError(f"port {wanted} is in use; --port takes another, or leave it out")
    raise InputError(f"ports {PORT} to {PORT + PORTS - 1} are in use; --port takes another")


def tell(host: str, local: str, public: Optional[str], share: bool) -> None:
    """Say where the page is."""
    print(f"the page is at {local} (Ctrl-C ends it)", flush=True)
    if host not in (LOCAL, "localhost", "::1"):
        print(f"--host {host}: other machines reach it too, and it asks for no password")
    if public:
        print(f"and at {public}, for everyone who knows this address", flush=True)
    elif share:
        print("--share found no way out to Gradio's servers; the page is local", flush=True)


def bypass_proxies() -> None:
    """Let Gradio look whether the page answers without asking a proxy for this machine."""
    for name in ("no_proxy", "NO_PROXY"):
        known = os.environ.get(name)
        os.environ[name] = ",".join(filter(None, [known, LOCAL, "localhost"]))


class quiet_signals:
    """Within the block SIGTERM and Ctrl-C end the page, also where a shell had them ignored."""

    def __enter__(self):
        stop = signal.default_int_handler
        self.before = {n: signal.signal(n, stop) for n in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *exc):
        for number, handler in self.before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    run(main)
