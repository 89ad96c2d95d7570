"""Owns what the docstrings become: the table of modules in README.md, and FACTS.md.

The docstring of a module begins with "Owns …", that of a package with "Service: …". What follows under "AWS facts:",
"Unlike AWS:" and "Unsure:" is a list of points.

    python -m overlay.facts --check    # status 1 if a document differs
    python -m overlay.facts --write
"""

import argparse
import ast
import re
import sys
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parent
README = PACKAGE.parent / "README.md"
FACTS = PACKAGE.parent / "FACTS.md"
_BEGIN, _END = "<!-- made by `python -m overlay.facts --write` -->\n", "<!-- end of what is made -->\n"
_TITLE = """# What the local AWS models

Made from the docstrings of `overlay` by `python -m overlay.facts --write`. "Unsure" is what no source confirms.
"""
#: The sources in parentheses may have parentheses themselves.
_HEADING = re.compile(r"^(AWS facts|Unlike AWS|Unsure)(?: \(((?:[^()]|\([^()]*\))*)\))?:\n", re.MULTILINE)
_END_OF_LIST = re.compile(r"\n\n|^(?=Unlike AWS:|Unsure:)", re.MULTILINE)
_PREFIX = {"AWS facts": "", "Unlike AWS": "Unlike AWS: ", "Unsure": "Unsure: "}


class DocstringError(ValueError):
    """A docstring that has not the form that this module reads."""


class Module(NamedTuple):
    """A module of the overlay, or a package."""

    name: str
    path: Path
    text: str

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def link(self) -> str:
        path = self.path.parent if self.is_package else self.path
        return f"[`{self.name.rpartition('.')[2]}`]({path.relative_to(README.parent).as_posix()})"

    @property
    def first(self) -> str:
        """The first paragraph, on one line."""
        return _one_line(self.text.partition("\n\n")[0])

    @property
    def points(self) -> list[str]:
        """What is listed in the docstring: facts with their sources, what is left out, what is unsure."""
        found = []
        for heading in _HEADING.finditer(self.text):
            text = _END_OF_LIST.split(self.text[heading.end():], maxsplit=1)[0]
            if heading[2]:
                found.append("Sources: " + _one_line(heading[2]))
            for point in re.split(r"\n(?! )", text.strip("\n")):
                if not point.startswith("* "):
                    raise DocstringError(f"{self.name}: {point!r} is in the list {heading[1]!r} and no point ('* …')")
                found.append(_PREFIX[heading[1]] + _one_line(point[2:]))
        return found

    def checked(self) -> "Module":
        """Itself, if its docstring has the form."""
        begin = "[A-Z].*: " if self.is_package else "Owns "
        if not re.match(begin, self.first) or not self.first.endswith("."):
            raise DocstringError(f"{self.name}: {self.first!r} is no sentence that begins as it should")
        return self


def _one_line(text: str) -> str:
    return " ".join(text.split())


def modules(package: Path = PACKAGE) -> list[Module]:
    """All of them; each package before its modules, what all use first."""
    found = []
    for path in sorted(package.rglob("*.py"), key=lambda path: (path.parent, path.name != "__init__.py", path.name)):
        parts = path.relative_to(package).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__") or PACKAGE.name
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        found.append(Module(name, path, text).checked())
    return found


def table(found: list[Module]) -> str:
    """A row for each package, with its modules."""
    rows = ["| package | owns | modules |", "|---|---|---|"]
    for package in (each for each in found if each.is_package):
        own = ", ".join(each.link for each in found if each.path.parent == package.path.parent and not each.is_package)
        rows.append(f"| {package.link} | {package.first} | {own} |")
    return "\n".join(rows) + "\n"


def readme(text: str, found: list[Module]) -> str:
    """The README's text, with the table as the docstrings have it now."""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise DocstringError(f"{README.name} has lost {_BEGIN.strip()} or {_END.strip()}")
    return f"{before}{begin}\n{table(found)}\n{end}{after}"


def facts(found: list[Module]) -> str:
    """A list for each package and module that has some."""
    text = _TITLE
    for each in found:
        if each.is_package and any(other.points for other in found if each.path.parent in other.path.parents):
            text += f"\n## {each.first.removesuffix('.')}\n"
        if each.points:
            text += f"\n{each.link}: {each.first.removeprefix('Owns ')}\n\n" if not each.is_package else "\n"
            text += "".join(f"* {point}\n" for point in each.points)
    return text


def documents() -> dict[Path, str]:
    """Each document with what belongs into it."""
    found = modules()
    return {README: readme(README.read_text(encoding="utf-8"), found), FACTS: facts(found)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m overlay.facts", description="Documents from the docstrings.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="fail if one differs")
    what.add_argument("--write", action="store_true", help="write them")
    is_check = parser.parse_args().check
    try:
        wanted = documents()
    except DocstringError as error:
        sys.exit(f"overlay.facts: {error}")
    for path, text in wanted.items():
        if not is_check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"overlay.facts: {path.name} differs from the docstrings; run `python -m overlay.facts --write`")


if __name__ == "__main__":
    main()
