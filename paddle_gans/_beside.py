"""Imports the ``data_reader`` that is installed beside this package.

Tutorials call their own file ``data_reader.py``, and Python looks for a name in the working
directory (``python -m``), or in a script's folder, before it looks where packages are installed.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent

sys.path.insert(0, str(HERE))
try:
    import data_reader
finally:
    sys.path.remove(str(HERE))

found = Path(vars(data_reader).get("__file__") or "data_reader.py")
if found.resolve().parent.parent != HERE:
    raise ImportError(
        f"{found} was imported before paddle_gans, whose own data_reader has the same name: "
        "import paddle_gans first, or rename that file"
    )
