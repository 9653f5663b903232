"""python tools/anchors.py [--fix]: do the documents' links to lines of code still hit their mark?

A link such as ``[`Pix2Pix.train_step`](../paddle_gans/models/pix2pix.py#L199)`` names in backticks
what stands on its line:

* a class, function, method or constant, by its dotted name in the file,
* an option of a model, as it is typed: ``--lambda-l1``,
* or else a piece of the line, which no other line of the file has.

Lines move when code is edited; ``--fix`` writes the new numbers into the documents.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[`(?P<name>[^`]+)`\]\((?P<file>[^()\s#]+)#L(?P<line>\d+)\)")
TO_A_LINE = re.compile(r"\]\([^()\s]*#L\d")
NOT_OURS = {"build", "dist", "runs", "data", "env", "venv"}


class Lost(ValueError):
    """A link that names nothing, or more than one line."""


def documents(root: Path = ROOT) -> list[Path]:
    """The project's Markdown files; hidden folders and what training leaves are not searched."""
    found = []
    for path in sorted(root.rglob("*.md")):
        folders = path.relative_to(root).parts[:-1]
        if not any(part.startswith(".") or part in NOT_OURS for part in folders):
            found.append(path)
    return found


def definitions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, int]]:
    """(dotted name, line) of what a module or class defines; options as ``--name``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield prefix + child.name, child.lineno
            yield from definitions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef):
            yield prefix + child.name, child.lineno
            for option in child.args.kwonlyargs:
                yield "--" + option.arg.replace("_", "-"), option.lineno
        elif isinstance(child, (ast.Assign, ast.AnnAssign)):
            targets = child.targets if isinstance(child, ast.Assign) else [child.target]
            for name in (n for target in targets for n in ast.walk(target)):
                if isinstance(name, ast.Name):
                    yield prefix + name.id, name.lineno


@lru_cache
def defined(code: str) -> list[tuple[str, int]]:
    """``definitions`` of a file's text."""
    return list(definitions(ast.parse(code)))


def line_of(path: Path, name: str) -> int:
    """The line of a Python file that holds what ``name`` names.

    Raises:
        Lost: no line does, or several do.
    """
    text = path.read_text(encoding="utf-8")
    found = [line for known, line in defined(text) if known == name]
    if not found:
        found = [i for i, line in enumerate(text.splitlines(), 1) if name in line]
    if len(found) != 1:
        where = f"lines {', '.join(map(str, found))}" if found else "no line"
        raise Lost(f"{path.name} has `{name}` on {where}")
    return found[0]


def check(document: Path, fix: bool = False) -> list[str]:
    """A sentence for each link of a document that misses; with ``fix``, for what cannot be fixed.

    Other links to lines than the above miss as well: nothing says what they should hit.
    """
    text = document.read_text(encoding="utf-8")
    misses = []
    if len(TO_A_LINE.findall(text)) != len(LINK.findall(text)):
        misses.append(f"{document}: a link to a line is not written [`name`](file.py#L1)")

    def corrected(link: re.Match) -> str:
        name, file, line = link["name"], link["file"], int(link["line"])
        try:
            there = line_of(document.parent / file, name)
        except (Lost, OSError) as error:
            misses.append(f"{document}: [`{name}`]({file}): {error}")
            return link[0]
        if there == line:
            return link[0]
        if not fix:
            misses.append(f"{document}: `{name}` is on line {there} of {file}, not {line}")
        return f"[`{name}`]({file}#L{there})"

    new = LINK.sub(corrected, text)
    if fix and new != text:
        document.write_text(new, encoding="utf-8")
    return misses


def main() -> int:
    """Check or fix all documents; 1 where a link misses."""
    parser = argparse.ArgumentParser(description="Check the documents' links to lines of code.")
    parser.add_argument("--fix", action="store_true", help="write the right line numbers")
    fix = parser.parse_args().fix
    misses = [miss for document in documents() for miss in check(document, fix)]
    print("\n".join(misses) if misses else "every link to a line hits its mark")
    if misses and not fix:
        print("python tools/anchors.py --fix moves those whose code has moved")
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
