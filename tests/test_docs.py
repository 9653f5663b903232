"""The documents: no dead link, every command runs, every example holds."""

import ast
import gzip
import importlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from urllib.parse import unquote

import numpy as np
import pytest
from conftest import ROOT, TINY, noise_image
from test_contract import EXTRAS

from data_reader import download, prepare
from data_reader.images import write_image
from paddle_gans import __version__, models
from paddle_gans.infer import find_task
from paddle_gans.inference import loading
from paddle_gans.training.options import options_of
from paddle_gans.weights.published import PUBLISHED

slow = pytest.mark.slow


def module_of(path):
    """A file outside the packages, imported."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DOCUMENTS = sorted(p for f in (".", "docs", "notebooks") for p in (ROOT / f).glob("*.md"))
README, README_CN = ROOT / "README.md", ROOT / "README_cn.md"
USAGE, USAGE_CN = ROOT / "docs" / "usage.md", ROOT / "docs" / "usage_cn.md"
GUIDES = (README, README_CN, USAGE, USAGE_CN)  # whose commands and examples are run
EXTEND, PADDLE = ROOT / "docs" / "extend.md", ROOT / "docs" / "paddle.md"
EXAMPLE = ROOT / "examples" / "conditional_dcgan.py"


def named(path):
    return str(path.relative_to(ROOT))


def text_of(path):
    """A document's Markdown; a notebook's without its code cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


# ------------------------------------------------------------------------- links and names


def heading_ids(path):
    """What `#...` may name in a document, by GitHub's rule."""
    text = re.sub(r"^```.*?^```", "", text_of(path), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("path", [*DOCUMENTS, *NOTEBOOKS], ids=named)
def test_no_link_is_dead_inside_the_repository(path):
    dead = []
    for link in re.findall(r"\]\(([^()\s]+)(?: \"[^\"]*\")?\)", text_of(path)):
        if re.match(r"[a-z]+:", link):  # another site
            continue
        file, _, part = unquote(link).partition("#")
        target = (path.parent / file).resolve() if file else path
        there = ROOT in target.parents and target.exists()
        if there and part and target.suffix == ".md":
            there = part in heading_ids(target)
        if not there:
            dead.append(link)
    assert not dead


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_code_that_a_link_names_is_in_the_file(path):
    """[`Pix2Pix.train_step`](../paddle_gans/models/pix2pix.py), [`--lambda-l1`](...)."""
    for name, file in re.findall(r"\[`([^`]+)`\]\(([^()\s#]+\.py)\)", text_of(path)):
        code = (path.parent / file).read_text(encoding="utf-8")
        word = name.lstrip("-").replace("-", "_") if name.startswith("--") else name
        last = re.escape(word.rpartition(".")[2])  # of `Class.method`
        known = word in code or re.search(rf"^\s*(?:def |class )?{last}\b", code, re.MULTILINE)
        assert known or file.endswith(word), f"{file} has no `{name}`"


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_files_that_are_named_are_there(path):
    folders = "|".join(p.name for p in ROOT.iterdir() if p.is_dir())
    for name in re.findall(rf"`((?:{folders})/[\w./-]*)`", text_of(path)):
        # What a model may have, or what a run leaves.
        if not name.startswith(("runs/", "data/")):
            assert (ROOT / name).exists(), name


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_make_targets_that_are_named_are_there(path):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    code = re.findall(r"`make ([\w-]+)`|^ {4,}make ([\w-]+)", text_of(path), re.MULTILINE)
    assert {a or b for a, b in code} <= set(targets)


# Flags of programs that are not ours, and of an article's.
OTHERS = {"--gpus", "--nproc_per_node", "--phase", "--eval"}
# Programs that build their parser in passing.
SCRIPTS = ("paddle_gans/__main__.py", "benchmarks/learn.py", "benchmarks/pretrained.py",
           "benchmarks/step.py")  # fmt: skip


def known_flags():
    """Every flag of the commands, of each model, and of the page's sixth one."""
    names = ("train_command", "infer", "convert", "evaluate", "export", "serve")
    commands = [importlib.import_module(f"paddle_gans.{name}") for name in names]
    parsers = [*(command.build_parser() for command in [*commands, prepare]), download.parser()]
    flags = {flag for parser in parsers for flag in parser._option_string_actions}
    classes = [models.find(name) for name in models.names()] + [module_of(EXAMPLE).MODEL]
    functions = [f for c in classes for f in (c, c.translate)]
    functions += {find_task(c) for c in classes}
    for translator in loading.TRANSLATORS.values():
        flags |= {option.flag for option in translator.own_options.values()}
    flags |= {option.flag for function in functions for option in options_of(function).values()}
    code = "".join((ROOT / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return flags | OTHERS | set(re.findall(r'"(--[\w-]+)"', code))


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_flags_that_are_named_are_there(path):
    named_here = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text_of(path)))
    assert named_here <= known_flags()


def test_both_readmes_lead_to_every_document():
    wanted = {named(p) for p in DOCUMENTS if p.parent in (ROOT, ROOT / "docs")}
    for readme in (README, README_CN):
        linked = set(re.findall(r"\]\(([^()#\s]+\.md)\)", text_of(readme)))
        assert wanted - linked <= {"README.md", "README_cn.md"}, readme.name


def test_the_changelog_begins_with_this_version():
    versions = re.findall(r"^## \[([\d.]+)\]", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == __version__


# ------------------------------------------------------------------------- articles

ARTICLE_OF = {
    "pix2pix": "pix2pix", "CycleGAN": "cyclegan", "StarGAN v2": "stargan_v2",
    "Colorization": "colorization", "DCGAN": "dcgan",
}  # fmt: skip
# What we write, and what the articles print for it.
AS_PRINTED = {
    "2e-4": ("2e-4", "0.0002"), "50,000": ("5w",), "400,000": ("40w",), "100,000": ("100k", "10万"),
    "128": ("128", "df_dim * 2"),
}  # fmt: skip


def claims(text):
    """The first column of a section's tables headed "the article"."""
    tables = re.findall(r"^\| the article \| here \|\n\|.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [re.sub(r"`--[^`]*`", "", row.split("|")[1]) for t in tables for row in t.splitlines()]


def article_and_section(section):
    """Return an article's text, and the section about it in docs/articles.md."""
    folder = ROOT.parent / "shared" / "articles"
    if not folder.is_dir():
        pytest.skip(f"the articles are not at {folder}")
    article = (folder / f"{ARTICLE_OF[section]}.txt").read_text(encoding="utf-8")
    text = text_of(ROOT / "docs" / "articles.md")
    return article, text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("section", ARTICLE_OF)
def test_code_said_to_be_an_articles_occurs_in_it(section):
    article, part = article_and_section(section)
    rows = re.findall(r"^\| (?!not in the article)(.*?) \|", part, re.MULTILINE)
    code = [piece for row in rows for span in re.findall(r"`([^`]+)`", row)
            for piece in span.split("...")]  # fmt: skip
    missing = [x for x in code if re.sub(r"\s", "", x) not in re.sub(r"\s", "", article)]
    assert not missing


@pytest.mark.parametrize("section", ARTICLE_OF)
def test_numbers_said_to_be_an_articles_occur_in_it(section):
    article, part = article_and_section(section)
    found = claims(part)
    assert found
    for claim in found:
        for number in re.findall(r"(?<![\w.])\d[\d,.]*(?:e-\d+)?(?<![,.])(?!x\d|\w)", claim):
            printed = AS_PRINTED.get(number, (number,))
            is_there = [re.search(rf"(?<!\d){re.escape(x)}(?!\d)", article) for x in printed]
            assert any(is_there), f"{claim.strip()}: {number} is not in the article"


# ------------------------------------------------------------------------- commands


PROGRAMS = ("python", "pip", "make", "cp", "git")
# What is looked at, but not run: it makes environments, fetches from the network, or, as the page
# does, stays until it is stopped (tests/test_serve.py starts and stops it).
NOT_RUN = {
    "make demo",
    "make test",
    "pip install -e '.[cpu]'",
    "pip install -e .",
    "pip install paddlepaddle-gpu==3.2.2 -i https://www.paddlepaddle.org.cn/packages/stable/cu126/",
    "python -m data_reader.download facades",
    "python -m paddle_gans.weights fetch cyclegan_horse2zebra",
    "python -m paddle_gans.serve",
    "python -m paddle_gans.serve runs/pix2pix runs/cyclegan",
}


def commands_of(path):
    """The commands of a document, in order: lines of its code blocks, and spans of code."""
    text = re.sub(r"^```python.*?^```", "", text_of(path), flags=re.DOTALL | re.MULTILINE)
    found = []
    for block, span in re.findall(r"^ {4}(\S.*)$|`(python -m [^`]*)`", text, re.MULTILINE):
        command = re.sub(r"\s+#\s.*$", "", block or span)
        if command.startswith(PROGRAMS):
            found.append(command)
        else:  # what lies in a folder
            assert re.match(r"\S*[./]\S*,? ", command), f"neither a command nor a file: {command}"
    return list(dict.fromkeys(found))


def runs(command):
    """Whether a command is run by the tests."""
    fetches = command.startswith("python -m data_reader.download") and "--list" not in command
    fetches = fetches or " fetch " in command
    return command.startswith("python") and not fetches and "paddle_gans.serve" not in command


def small(command):
    """The command as a test runs it: training for two steps, tiny, and on the CPU."""
    if "paddle_gans.train" not in command and "paddle.distributed.launch" not in command:
        return command
    if "--help" in command:
        return command
    command = re.sub(r" --(device|amp) \S+", "", command)
    command = re.sub(r" --(steps|epochs) \d+", "", command)
    command = command.replace("--gpus 0,1", "--nproc_per_node 2")
    words = shlex.split(command)
    options = TINY[words[words.index("--model") + 1]]
    flags = {"--" + name.replace("_", "-"): value for name, value in options.items()}
    flags.update({"--steps": 2, "--workers": 0})
    if "launch" not in command:  # there the batch must be one that the processes can share
        flags["--batch-size"] = 2
    added = [f"{flag} {value}" for flag, value in flags.items() if flag not in words]
    return " ".join([command, *added])


def shell(command, folder, **environment):
    """Run a line of a document in a folder, with this Python and this package."""
    line = f'python() {{ "{sys.executable}" "$@"; }}\n{command}'
    known = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", **environment}
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=known, capture_output=True, text=True, timeout=1200
    )


def idx(array):
    """An array as MNIST's files hold it, packed."""
    sides = b"".join(side.to_bytes(4, "big") for side in array.shape)
    return gzip.compress(b"\0\0\x08" + bytes([array.ndim]) + sides + array.tobytes())


def write_mnist(folder):
    folder.mkdir(parents=True)
    for split, count in (("train", 20), ("t10k", 10)):
        images = np.stack([noise_image(i, 28, 28)[..., 0] for i in range(count)])
        (folder / f"{split}-images-idx3-ubyte.gz").write_bytes(idx(images))
        labels = np.arange(count, dtype="uint8") % 10
        (folder / f"{split}-labels-idx1-ubyte.gz").write_bytes(idx(labels))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder with all images that the guides name, tiny."""
    root = tmp_path_factory.mktemp("work")
    for folder, count, width in (
        ("photos", 6, 64), ("paintings", 6, 64), ("faces", 2, 64),
        ("references/cat", 2, 64), ("references/dog", 2, 64), ("scans", 3, 64), ("drawings", 3, 64),
        ("data/facades/train", 4, 128), ("data/facades/val", 2, 128),
        *((f"data/afhq/{split}/{kind}", 3, 64)
          for split in ("train", "val") for kind in ("cat", "dog", "wild")),
    ):  # fmt: skip
        for i in range(count):
            write_image(root / folder / f"{i + 1}.png", noise_image(i, 64, width))
    write_image(root / "old.jpg", noise_image(7, 80, 96))
    write_mnist(root / "data" / "mnist")
    return root


@pytest.fixture(scope="module")
def failures(pictures):
    """Run the commands of all guides, one after the other; what failed, by command."""
    failed = {}
    for command in dict.fromkeys(c for path in GUIDES for c in commands_of(path)):
        if runs(command):
            done = shell(small(command), pictures)
            if done.returncode:
                failed[command] = (done.stdout[-500:] + done.stderr[-1500:]).strip()
    return failed


@slow
@pytest.mark.parametrize("path", GUIDES, ids=named)
def test_every_command_runs(path, failures):
    mine = {c: failures[c] for c in commands_of(path) if c in failures}
    assert not mine, "\n\n".join(f"{command}\n{said}" for command, said in mine.items())


def test_what_is_not_run_is_known_and_looked_at():
    left = {c for path in GUIDES for c in commands_of(path) if not runs(c)}
    assert left == NOT_RUN
    for command in left:
        words = shlex.split(command)
        if "paddle_gans.serve" in words:
            given = importlib.import_module("paddle_gans.serve").build_parser().parse_all(words[3:])
            assert {run.split("/")[1] for run in getattr(given, "runs", [])} <= set(models.names())
        elif "fetch" in words:
            assert words[4] in PUBLISHED
        elif words[0] == "python":
            assert words[3] in download.DATA_SETS
        elif words[0] == "pip":
            setup = (ROOT / "setup.py").read_text()
            assert all(f'"{extra}": [' in setup for extra in re.findall(r"\[(\w+)\]", command))


def test_there_are_commands_for_every_model():
    for path in (USAGE, USAGE_CN):
        trains = [c for c in commands_of(path) if "paddle_gans.train" in c]
        assert {c.split("--model ")[1].split()[0] for c in trains} == set(models.names())
        weights = " ".join(c for c in commands_of(path) if "paddle_gans.infer" in c)
        missing = {name for name in models.names() if f"runs/{name}" not in weights}
        assert missing <= {"cyclegan", "cut"}  # as pix2pix, but for the name


@pytest.mark.parametrize(("path", "chinese"), [(README, README_CN), (USAGE, USAGE_CN)])
def test_the_chinese_guides_have_every_command(path, chinese):
    assert set(commands_of(path)) - set(commands_of(chinese)) == set()


def python_blocks(path):
    return re.findall(r"^```python\n(.*?)^```", text_of(path), re.DOTALL | re.MULTILINE)


@slow
@pytest.mark.parametrize("path", GUIDES, ids=named)
def test_python_examples_run(path, failures, pictures, monkeypatch):
    monkeypatch.chdir(pictures)
    image = noise_image(3, 48, 56)
    write_image(pictures / "streets" / "testB" / "0000.png", image)
    names = {"image": image, "TINY": {**TINY["pix2pix"], "steps": 2, "workers": 0}}
    (block,) = python_blocks(path)
    exec(block.replace("steps=5000", "**TINY"), names)
    assert names["result"].shape == image.shape
    assert names["result"].dtype == np.uint8


def test_small_keeps_what_a_command_says():
    command = (
        "python -m paddle_gans.train --model dcgan --data d --base-dim 8 --device gpu --epochs 3"
    )
    words = small(command).split()
    assert words[:9] == command.split()[:9]
    assert "gpu" not in words
    assert words[words.index("--steps") + 1] == "2"
    assert words.count("--base-dim") == 1
    assert (
        small("python -m paddle_gans.infer --weights w")
        == "python -m paddle_gans.infer --weights w"
    )


# ------------------------------------------------------------------------- docs/paddle.md


def test_the_frameworks_traps_are_as_described(tmp_path):
    script = tmp_path / "traps.py"
    blocks = python_blocks(PADDLE)
    assert len(blocks) > 10
    # As the package does: Paddle 2.6 needs zlib in first.
    script.write_text("\n".join(["import zlib", *blocks]), encoding="utf-8")
    done = shell(f"python {shlex.quote(str(script))}", tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]


# ------------------------------------------------------------------------- docs/extend.md


def test_the_sixth_model_is_shown_as_it_stands_in_its_file():
    code = EXAMPLE.read_text(encoding="utf-8").splitlines()
    blocks = python_blocks(EXTEND)
    assert len(blocks) >= 8
    for block in blocks:
        lines = textwrap.dedent(block).splitlines()
        parts = ("\n".join(code[i : i + len(lines)]) for i in range(len(code)))
        assert "\n".join(lines) in map(textwrap.dedent, parts), block


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """The project as a user has it who has begun with the page: its first command is done."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("paddle_gans", "data_reader", "examples", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    assert in_copy(commands_of(EXTEND)[0], folder).returncode == 0
    return folder


def in_copy(command, folder):
    return shell(command, folder, PYTHONPATH=str(folder))


def test_the_sixth_model_fulfils_the_contract(copied):
    """The page's last command, in which the contract finds the model by itself."""
    command = commands_of(EXTEND)[-1]
    assert "test_contract.py" in command
    done = in_copy(f"{command} -p no:cacheprovider", copied)
    contract = (ROOT / "tests" / "test_contract.py").read_text(encoding="utf-8")
    count = sum(n.name.startswith("test_") for n in ast.parse(contract).body
                if isinstance(n, ast.FunctionDef))  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    passed, skipped = (
        int(re.search(rf"(\d+) {what}", done.stdout)[1]) for what in ("passed", "skipped")
    )
    count += 2  # of every file of the package
    # The example has neither an average nor outputs of D to show, nor any of the extra options.
    assert (passed, skipped) == (count - 2, 2 + len(EXTRAS) - 1)


@slow
def test_the_sixth_model_resumes_to_the_same_bytes(copied):
    train = "python -m paddle_gans.train --model conditional_dcgan --batch-size 4 --base-dim 4"
    write_mnist(copied / "mnist")
    for data in ("", " --data mnist"):
        for out, steps in (("whole", "4"), ("parts", "2"), ("parts", "4")):
            folder = f"runs/{out}{len(data)}"
            done = in_copy(f"{train}{data} --workers 0 --steps {steps} --out {folder}", copied)
            assert done.returncode == 0, done.stderr[-1000:]
        assert "resuming from" in done.stdout + done.stderr
        whole, parts = (copied / f"runs/{out}{len(data)}" for out in ("whole", "parts"))
        name = "generator.pdparams"
        assert (whole / name).read_bytes() == (parts / name).read_bytes()


ASKED_FOR = """
import numpy as np
from data_reader import demo_path
from data_reader.digits import read_digits
from paddle_gans import load

def unit(pictures):
    flat = np.float32(pictures).reshape(len(pictures), -1)
    flat -= flat.mean(1, keepdims=True)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)

digits = read_digits(demo_path("digits"), train=True, size=28, channels=1)
real = unit(digits.items[:1000])
drawn = unit(np.stack(load("runs/conditional_dcgan")(count=300, seed=1))[..., 0])
print((np.argmax(drawn @ real.T, axis=1) % 10 == np.arange(300) % 10).mean())
"""


@slow
def test_the_sixth_model_learns_what_it_is_asked_for(copied):
    """The page's commands as they are; then, is the nearest drawn digit of the class asked for?"""
    _, *commands, _ = commands_of(EXTEND)
    assert len(commands) == 3
    for command in commands:
        done = in_copy(command, copied)
        assert done.returncode == 0, done.stderr[-1000:]
    assert (copied / "digits.png").is_file()
    assert (copied / "sevens.png").is_file()
    (copied / "asked_for.py").write_text(ASKED_FOR)
    done = in_copy("python asked_for.py", copied)
    assert float(done.stdout.split()[-1]) > 0.9, done.stderr[-1000:]
