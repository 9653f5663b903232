"""Every notebook: its content and its execution."""

import ast
import importlib
import inspect
import json
import re
import shutil
import sys

import pytest
from conftest import ROOT

FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MAX_BYTES = 1_500_000
CHINESE = re.compile(r"[\u4e00-\u9fff]")
# Absolute paths, times and dates.
OF_A_MACHINE = re.compile(
    r"(?<![\w.~])/(?:home|root|tmp|work|usr|opt|var|mnt|Users)/|[A-Z]:\\\\|"
    r"\b\d\d:\d\d:\d\d\b|\b20\d\d-\d\d-\d\d\b"
)
# The lines in which a run prints its start and its end, as in the articles.
RUN_TIMES = re.compile(r"^(?:start|end) time: .*$", re.MULTILINE)
# Notebooks train only through `train`.
NOT_OURS = {"backward", "minimize", "clear_grad", "step", "train_step"}

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def cells(path, kind):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def source(cell):
    return "".join(cell["source"])


def prose(path):
    """Return the Markdown of a notebook without its code blocks."""
    text = "\n\n".join(source(cell) for cell in cells(path, "markdown"))
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def python(cell):
    """Parse a cell, with magics and shell lines as `pass`."""
    return ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source(cell), flags=re.MULTILINE))


def texts(cell):
    """Yield the text of a cell's outputs, without images."""
    for output in cell["outputs"]:
        data = {**output.get("data", {}), "text": output.get("text", "")}
        for kind, value in data.items():
            if not kind.startswith("image/"):
                yield value if isinstance(value, str) else "".join(value)


def test_they_are_numbered_without_a_gap():
    numbers = [int(path.name[:2]) for path in NOTEBOOKS]
    assert numbers == list(range(1, len(NOTEBOOKS) + 1))
    assert numbers


@each
def test_it_is_a_valid_notebook(path):
    nbformat = pytest.importorskip("nbformat", reason="nbformat is in the extra `notebooks`")
    nbformat.validate(nbformat.read(path, as_version=4))


@each
def test_it_was_run_once_from_top_to_bottom_without_an_error_or_a_warning(path):
    code = cells(path, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
    assert any("image/png" in o.get("data", {}) or "image/jpeg" in o.get("data", {})
               for o in outputs)  # fmt: skip


@each
def test_it_is_small(path):
    assert path.stat().st_size < MAX_BYTES


@each
def test_it_uses_the_package_and_trains_nothing_by_itself(path):
    nodes = [node for cell in cells(path, "code") for node in ast.walk(python(cell))]
    called = {node.func for node in nodes if isinstance(node, ast.Call)}
    names = {f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in called}
    assert not names & NOT_OURS
    assert "train" in names
    assert "getsource" in names


@each
def test_printed_sources_are_those_of_the_code(path):
    home = {}
    for cell in cells(path, "code"):
        for node in python(cell).body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                text = ast.unparse(node)
                if "paddle_gans" in text or "data_reader" in text:
                    exec(text, home)
        printed = "".join(texts(cell))
        for name in re.findall(r"inspect\.getsource\(([\w.]+)\)", source(cell)):
            assert inspect.getsource(eval(name, home)) in printed, name


@each
def test_it_installs_the_package_where_it_is_missing_and_one_line_names_the_data(path):
    code = [source(cell) for cell in cells(path, "code")]
    assert 'find_spec("paddle_gans") is None' in code[0]
    assert "%pip install -q --no-deps -e .." in code[0]
    assert len(re.findall(r'^DATA = "demo"', "\n".join(code), flags=re.MULTILINE)) == 1


@each
def test_headings_are_chinese_with_some_english_and_prose_is_chinese(path):
    headings = re.findall(r"^#+ .*$", prose(path), flags=re.MULTILINE)
    assert len(headings) >= 8
    assert not [h for h in headings if not (CHINESE.search(h) and re.search("[A-Za-z]", h))]
    assert len(CHINESE.findall(prose(path))) > 1000
    assert prose(path).count("$$") >= 4


# What a reader of an article looks for: functions and classes, settings, optimizers, options.
NAMES = re.compile(
    r"\b(?:def|class) +(\w+)|^[- ]*(?:self\.)?(\w+) = (?:[\d.\"']|True|False)"
    r"|^ *(\w*(?:optimizer|scheduler|criterion)\w*) = |\b(opt\.\w+)|self\.(\w+_weight)\b",
    re.MULTILINE,
)
LOCAL = {"forward", "msg", "pad_dim", "t_time", "first_iteration", "out_features"}


@each
def test_every_name_of_its_articles_listing_is_in_it(path):
    article = ROOT.parent / "shared" / "articles" / f"{path.stem[3:]}.txt"
    if not article.is_file():
        pytest.skip(f"the article is not at {article}")
    text = article.read_text(encoding="utf-8").replace("\xa0", " ")
    names = {name for found in NAMES.findall(text) for name in found if name} - LOCAL
    assert len(names) > 5 or path.stem == "05_colorization"  # the article without a listing
    here = "\n".join([*map(source, cells(path, "markdown")), *map(source, cells(path, "code"))])
    missing = {name for name in names if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", here)}
    assert not missing


@each
def test_nothing_in_it_belongs_to_one_machine(path):
    code = cells(path, "code")
    for text in [prose(path), *map(source, code), *(t for cell in code for t in texts(cell))]:
        found = OF_A_MACHINE.search(RUN_TIMES.sub("", text))
        assert not found, found[0]


@each
def test_links_lead_to_files_of_the_repository(path):
    links = re.findall(r"\]\(([^)\s]+)\)", prose(path))
    local = [link.partition("#")[0] for link in links if not link.startswith("http")]
    assert local
    for link in local:
        assert (FOLDER / link).resolve().is_file(), link
        assert ROOT in (FOLDER / link).resolve().parents, link


@each
def test_the_readme_names_it(path):
    assert path.name in (FOLDER / "README.md").read_text(encoding="utf-8")


# With a kernel


@pytest.fixture
def execute(monkeypatch):
    """The function that `make notebooks` calls."""
    for module in ("nbclient", "nbformat", "ipykernel"):
        pytest.importorskip(module, reason=f"{module} is in the extra `notebooks`")
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module("execute").execute
    sys.modules.pop("execute")


@pytest.mark.slow
def test_an_error_in_a_cell_is_an_error_and_the_kernel_is_this_python(execute, tmp_path):
    from nbclient.exceptions import CellExecutionError
    from nbformat import v4, write

    says = v4.new_code_cell("import sys, paddle_gans\nprint(sys.executable)")
    write(v4.new_notebook(cells=[says]), tmp_path / "good.ipynb")
    (output,) = execute(tmp_path / "good.ipynb").cells[0].outputs
    assert output["text"].strip() == sys.executable
    write(v4.new_notebook(cells=[says, v4.new_code_cell("1 / 0")]), tmp_path / "bad.ipynb")
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        execute(tmp_path / "bad.ipynb")
    psutil = pytest.importorskip("psutil", reason="psutil, which comes with ipykernel")
    left = [child for child in psutil.Process().children() if "ipykernel" in str(child.cmdline())]
    assert not left


@pytest.mark.slow
@each
def test_it_runs(execute, path, tmp_path):
    copy = tmp_path / FOLDER.name / path.name
    copy.parent.mkdir()
    shutil.copy(path, copy)
    notebook = execute(copy)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [o["text"] for o in outputs if o.get("name") == "stderr"]
