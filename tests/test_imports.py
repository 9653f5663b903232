"""The house stands on its floors: a file imports only from its own floor or a lower one."""

import ast
import graphlib

import pytest
from conftest import ROOT

FLOORS = {
    "data_reader": 0,
    "paddle_gans.networks": 1,
    "paddle_gans.fast_cpu": 1,
    "paddle_gans.weights": 1,
    "paddle_gans.training": 2,
    "paddle_gans.models": 3,
    "paddle_gans.inference": 4,
    "paddle_gans.conversion": 4,
    "paddle_gans.metrics": 4,
    "paddle_gans.exporting": 4,
    "paddle_gans.serving": 4,
    "paddle_gans.weights.__main__": 5,
    "paddle_gans": 5,  # the commands
}
CORE = {"paddle", "numpy", "matplotlib", "PIL", "cv2", "tqdm"}  # Pillow comes with matplotlib
FILES = sorted(
    p for package in ("data_reader", "paddle_gans") for p in (ROOT / package).rglob("*.py")
)


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def floor(module):
    return FLOORS[max((f for f in FLOORS if f"{module}.".startswith(f"{f}.")), key=len)]


def imports(path):
    """Modules that a file imports, wherever in the file."""
    module = module_of(path)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: -node.level] if node.level else []
            name = ".".join([*base, *filter(None, [node.module])])
            yield from (f"{name}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_come_from_lower_floors(path):
    if path == ROOT / "paddle_gans" / "__init__.py":
        return  # the door: `train` and `load` lead upstairs when they are called
    for name in imports(path):
        if (
            name.split(".")[0] in ("data_reader", "paddle_gans")
            and name != "paddle_gans.__version__"
        ):
            assert floor(name) <= floor(module_of(path)), f"{path} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_only_the_core_requirements_are_imported(path):
    import sys

    for name in imports(path):
        top = name.split(".")[0]
        known = sys.stdlib_module_names if hasattr(sys, "stdlib_module_names") else {top}
        if (name, path.name) in (("pillow_heif", "images.py"), ("av", "_h264.py")):
            continue  # extras that are used if they are there
        assert top in known or top in CORE | {"data_reader", "paddle_gans"}, f"{path}: {name}"


def file_of(name, modules):
    """The module of the file that an imported name is in; None for other packages."""
    while name:
        for module in (name, f"{name}.__init__"):
            if module in modules:
                return module
        name = name.rpartition(".")[0]
    return None


def test_no_file_imports_itself_through_others():
    modules = {module_of(path): path for path in FILES}
    graph = {
        module: {file_of(name, modules) for name in imports(path)} - {module, None}
        for module, path in modules.items()
    }
    graph["paddle_gans.__init__"] = set()  # the door, see above
    graphlib.TopologicalSorter(graph).prepare()  # a CycleError names the files


def test_pyav_is_imported_with_the_first_video():
    """Importing it takes a tenth of a second; most commands only have images."""
    import subprocess
    import sys

    program = "import sys, data_reader.video; sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0
