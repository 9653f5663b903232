"""python -m paddle_gans.serve runs/pix2pix runs/cyclegan"""

from __future__ import annotations

import errno
import importlib.util
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from data_reader import framework
from data_reader.errors import InputError
from data_reader.output import say
from paddle_gans.command import Parser, run
from paddle_gans.weights import pretrained

PORT, PORT_COUNT = 7860, 100  # Gradio's usual port, and how many ports to try from there
LOCAL = "127.0.0.1"
MIN_GRADIO = 6
INSTALL = f"{framework.install_command('serve')} installs it (Python 3.10 or newer)"

EXAMPLE = """
examples:
  python -m paddle_gans.serve runs/pix2pix
      prints the address of the page; Ctrl-C stops it
  python -m paddle_gans.serve runs/pix2pix runs/cyclegan runs/dcgan/generator.pdparams
      a tab for each model
  python -m paddle_gans.serve
      a tab for each of the trained weights that come with the package
  python -m paddle_gans.serve runs/pix2pix --host 0.0.0.0 --port 8000
      for everyone on your network; the page has no password
"""


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m paddle_gans.serve",
        description="Try trained models on a page in the browser.",
        epilog=EXAMPLE,
    )
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs="*",
        help="run folders, .pdparams files, or names of trained weights (all that come with the "
        "package)",
    )
    parser.add_argument("--device", metavar="NAME", help="auto, cpu, gpu or gpu:K (auto)")
    address = parser.add_argument_group("address")
    address.add_argument(
        "--host", metavar="NAME", help=f"address to listen on ({LOCAL}: this machine only)"
    )
    address.add_argument(
        "--port", type=int, metavar="N", help=f"port; fails if in use ({PORT}, or the next free)"
    )
    address.add_argument(
        "--share",
        action="store_true",
        help="also get a public address through Gradio's servers, for everyone who knows it",
    )
    limits = parser.add_argument_group("limits")
    limits.add_argument("--max-upload", type=float, metavar="MB", help="largest file (10)")
    limits.add_argument(
        "--max-pixels",
        type=float,
        metavar="MILLIONS",
        help="images with more pixels are reduced to this many (1)",
    )
    limits.add_argument(
        "--queue", type=int, metavar="N", help="requests that may wait; they run one by one (20)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, open the models, serve the page until stopped."""
    parser = build_parser()
    given = vars(parser.parse_all(list(sys.argv[1:] if argv is None else argv)))
    runs = [pretrained.locate(name) for name in given.get("runs") or pretrained.names()]
    missing = [path for path in runs if not path.exists()]
    if missing:
        raise InputError(f"{missing[0]} does not exist; check the spelling")
    if given.get("queue", 1) < 1:
        raise InputError(f"--queue must be at least 1, not {given['queue']}")
    host = given.get("host", LOCAL)
    serve(runs, host, free_port(host, given.get("port")), given)
    return 0


def serve(runs: Sequence[Path], host: str, port: int, given: dict) -> None:
    """Open the models and serve the page until Ctrl-C or SIGTERM."""
    gradio = import_gradio()
    framework.prepare()
    from paddle_gans.inference import loading
    from paddle_gans.serving import app, images

    limits = images.Limits(given.get("max_upload", 10.0), given.get("max_pixels", 1.0))
    share, queue = given.get("share", False), given.get("queue", 20)
    settings = {"share": share, "queue": queue, "limits": limits}

    def open_all(folder: Path) -> list:
        models = [loading.load(run, device=given.get("device", "auto")) for run in runs]
        return app.make_tabs(models, limits, folder, pool)

    # SIGTERM stops the page like Ctrl-C, which some shells let programs ignore.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    # The framework keeps state per thread, so one thread opens and uses the models.
    with ThreadPoolExecutor(1) as pool, tempfile.TemporaryDirectory() as folder:
        os.environ["GRADIO_TEMP_DIR"] = str(Path(folder) / "sent")
        page = app.build(gradio, pool.submit(open_all, Path(folder)).result())
        # Gradio requests its own page to see whether it works; do not ask a proxy for it.
        for name in ("no_proxy", "NO_PROXY"):
            os.environ[name] = ",".join(filter(None, [os.environ.get(name), LOCAL, "localhost"]))
        try:
            local, public = app.launch(gradio, page, host=host, port=port, **settings)
        except OSError as error:
            raise InputError(f"--host {host} --port {port}: {error}") from error
        try:
            print_address(host, local, public, share)
            threading.Event().wait()
        except KeyboardInterrupt:
            say("stopped", error=True)
        finally:
            page.close(verbose=False)


def import_gradio():
    """Import Gradio without its telemetry."""
    if importlib.util.find_spec("gradio") is None:
        version = ".".join(map(str, sys.version_info[:2]))
        raise ImportError(f"the page needs Gradio, which is missing in Python {version}: {INSTALL}")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    found = importlib.import_module("gradio")
    if int(found.__version__.split(".")[0]) < MIN_GRADIO:
        raise ImportError(
            f"the page needs Gradio {MIN_GRADIO} or newer, not {found.__version__}: {INSTALL}"
        )
    return found


def free_port(host: str, wanted: int | None) -> int:
    """Return the wanted port, or the first free one from `PORT` on."""
    if wanted is not None and not 0 < wanted < 65536:
        raise InputError(f"--port must be 1 to 65535, not {wanted}")
    for port in [wanted] if wanted else range(PORT, PORT + PORT_COUNT):
        try:
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((host, port))
        except OSError as error:  # also for a host name that is unknown
            if error.errno == errno.EADDRINUSE:
                continue
            raise InputError(f"--host {host} --port {port}: {error.strerror}") from error
        if wanted is None and port != PORT:
            say(f"port {PORT} is in use; using {port}")
        return port
    taken = f"port {wanted} is" if wanted else f"ports {PORT} to {PORT + PORT_COUNT - 1} are"
    raise InputError(f"{taken} in use; choose another --port")


def print_address(host: str, local: str, public: str | None, share: bool) -> None:
    say(f"the page is at {local} (Ctrl-C stops it)")
    if host not in (LOCAL, "localhost", "::1"):
        say(f"--host {host}: other machines can open it too, and it has no password")
    if public:
        say(f"and at {public}, for everyone who knows this address")
    elif share:
        say("--share could not reach Gradio's servers; the page is local only")


if __name__ == "__main__":
    run(main)
