"""python -m paddle_gans.train --model pix2pix --data photos"""

import sys
from pathlib import Path

if __name__ == "paddle_gans.train":  # loading it as a module would hide the function
    raise ImportError("paddle_gans.train is a function; its command is paddle_gans.train_command")
if __package__ in (None, ""):  # run as a path: paddle.distributed.launch has no -m
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from paddle_gans.command import run
from paddle_gans.train_command import main

if __name__ == "__main__":
    run(main)
