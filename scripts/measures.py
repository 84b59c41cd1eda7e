"""Measures of the code's build, by its syntax alone: run it on two checkouts and compare.

    python scripts/measures.py [FOLDER] [--json]

Counts the packages, without tests. A function's length is from its ``def`` to its last line,
docstring included. A container is a class that only holds values, and a window's data or vector:
what there is from Sample to Embedding. A spelling of identity is a class, a call or a signature
that lists, by name, four or more of the seven values that say which window it is. A twin is a run
of six lines of code that stands in two places.
"""

from __future__ import annotations

import argparse
import ast
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles

PACKAGES = ("bindstream", "sensors", "pipeline", "encoders", "deploy")
IDENTITY = frozenset({"robot", "stream", "modality", "epoch", "seq", "start_ns", "end_ns"})
SPELT = 4
PARAMETERS, METHODS, LINES, TWIN_LINES = 6, 12, 400, 6
VALUES = frozenset({"dataclass", "Struct", "NamedTuple", "TypedDict"})
Function = ast.FunctionDef | ast.AsyncFunctionDef


def main() -> None:
    """Print a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_AS_IT_STANDS)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    found = measures(args.folder)
    if not found["files"]:
        parser.error(f"{args.folder}: holds none of {', '.join(PACKAGES)}")
    print(json.dumps(found, indent=1) if args.json else table(found))


_AS_IT_STANDS = argparse.RawDescriptionHelpFormatter


def measures(root: Path) -> dict[str, object]:
    """All of them, of the packages in a checkout."""
    files = sorted(f for package in PACKAGES for f in (root / package).rglob("*.py"))
    texts = {f.relative_to(root): f.read_text() for f in files}
    trees = {f: ast.parse(text) for f, text in texts.items()}
    classes = {f"{f}:{c.name}": c for f, t in trees.items() for c in _all(t, ast.ClassDef)}
    lengths = [_length(d) for t in trees.values() for d in _functions(t)]
    lines = {str(f): text.count("\n") for f, text in texts.items()}
    folders: dict[str, int] = defaultdict(int)
    for file in trees:
        folders[str(file.parent)] += 1
    fullest = max(folders, key=lambda name: folders[name], default="")
    return {
        "lines": sum(lines.values()),
        "files": len(files),
        "lines of a file, median": median(lines.values()) if lines else 0,
        "lines of a file, most": _most(lines),
        f"files over {LINES} lines": [f for f, n in lines.items() if n > LINES],
        "folders": len(folders),
        "files of a folder, most": f"{folders[fullest]} ({fullest})",
        "functions": len(lengths),
        "lines of a function, median": median(lengths) if lengths else 0,
        "lines of a function, p90": quantiles(lengths, n=10)[-1] if len(lengths) > 1 else 0,
        "lines of a function, most": max(lengths, default=0),
        f"constructors over {PARAMETERS} parameters": _many(classes, _parameters, PARAMETERS),
        f"classes over {METHODS} methods": _many(classes, _methods, METHODS),
        "containers of a window": sorted(_containers(classes)),
        "spellings of its identity": [s for f, t in trees.items() for s in _spellings(f, t)],
        "twins": _twins(texts),
    }


def table(found: dict[str, object]) -> str:
    """As Markdown: lists by their length, and what they hold."""
    rows = ["| measure | value | |", "| --- | ---: | --- |"]
    for name, value in found.items():
        held = ", ".join(value) if isinstance(value, list) else ""
        rows.append(f"| {name} | {len(value) if isinstance(value, list) else value} | {held} |")
    return "\n".join(rows)


def _all(tree: ast.AST, kind: type[ast.ClassDef]) -> list[ast.ClassDef]:
    return [node for node in ast.walk(tree) if isinstance(node, kind)]


def _functions(tree: ast.AST) -> list[Function]:
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def _length(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _most(lines: dict[str, int]) -> str:
    longest = max(lines, key=lambda name: lines[name], default="")
    return f"{lines.get(longest, 0)} ({longest})"


def _many(
    classes: dict[str, ast.ClassDef], count: Callable[[ast.ClassDef], int], most: int
) -> list[str]:
    counts = {name: count(node) for name, node in classes.items()}
    many = sorted((n, name.rpartition(":")[2]) for name, n in counts.items() if n > most)
    return [f"{name} {n}" for n, name in reversed(many)]


def _own(node: ast.ClassDef) -> list[Function]:
    return [item for item in node.body if isinstance(item, Function)]


def _methods(node: ast.ClassDef) -> int:
    return len(_own(node))


def _parameters(node: ast.ClassDef) -> int:
    made = [f.args for f in _own(node) if f.name == "__init__"]
    return sum(len([*a.posonlyargs, *a.args, *a.kwonlyargs]) - 1 for a in made)


def _fields(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> set[str]:
    """Those that it states, and those of its bases."""
    marks = {_last(base) for base in node.bases}
    bases = [c for c in classes.values() if c.name in marks and c is not node]
    return _stated(node).union(*(_fields(base, classes) for base in bases))


def _stated(node: ast.ClassDef) -> set[str]:
    return {_last(item.target) for item in node.body if isinstance(item, ast.AnnAssign)}


def _holds_values(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> bool:
    marks = {_last(expression) for expression in (*node.decorator_list, *node.bases)}
    bases = [c for c in classes.values() if c.name in marks and c is not node]
    return bool(marks & VALUES) or any(_holds_values(base, classes) for base in bases)


def _last(expression: ast.expr) -> str:
    """The last name of ``dataclass(...)``, ``msgspec.Struct``."""
    if isinstance(expression, ast.Call):
        return _last(expression.func)
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""


def _containers(classes: dict[str, ast.ClassDef]) -> Iterator[str]:
    """Those of many windows at once, which have members, are none."""
    for node in classes.values():
        fields = _fields(node, classes) if _holds_values(node, classes) else set()
        of_a_window = fields & {"seq", "meta", "encoder_id"} and "members" not in fields
        if of_a_window and fields & {"data", "vector"}:
            yield node.name


def _spellings(file: Path, tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            names = _stated(node)
        elif isinstance(node, ast.Call):
            names = {k.arg for k in node.keywords if k.arg} | {_last(a) for a in node.args}
        elif isinstance(node, Function):
            names = {a.arg for a in (*node.args.args, *node.args.kwonlyargs)}
        else:
            continue
        if len(names & IDENTITY) >= SPELT:
            yield f"{file}:{node.lineno}"


def _twins(texts: dict[Path, str]) -> list[str]:
    """Pairs of places with the same six lines; runs that overlap are one pair."""
    places: dict[tuple[str, ...], list[tuple[Path, int, int]]] = defaultdict(list)
    for file, text in texts.items():
        code = _code(text)
        for at in range(len(code) - TWIN_LINES + 1):
            run = code[at : at + TWIN_LINES]
            places[tuple(line for _, line in run)].append((file, at, run[0][0]))
    pairs = {
        (a, b) for found in places.values() for i, a in enumerate(found) for b in found[i + 1 :]
    }
    starts = {(a[0], a[1], b[0], b[1]) for a, b in pairs}
    fresh = [p for p in pairs if (p[0][0], p[0][1] - 1, p[1][0], p[1][1] - 1) not in starts]
    return sorted(f"{a[0]}:{a[2]} = {b[0]}:{b[2]}" for a, b in fresh)


def _code(text: str) -> list[tuple[int, str]]:
    """Lines (number, words) without imports, docstrings, comments and lone brackets."""
    tree = ast.parse(text)
    told: set[int] = set()
    for node in ast.walk(tree):
        said = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.stmt) and (said or isinstance(node, ast.Import | ast.ImportFrom)):
            told |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate((line.split("#")[0].strip() for line in text.splitlines()), 1)
    return [(n, line) for n, line in lines if n not in told and len(line) > 3]


if __name__ == "__main__":
    main()
