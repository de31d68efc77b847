"""What Python files say without being run: what they import and define, and the names under which they are imported."""

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath


def imports(source: bytes, package: PurePosixPath, *, relative: bool = True) -> Iterator[str]:
    """Yields the files that an import in a source may mean, relative to the folder of the main module."""
    tree = parsed(source)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            for name in node.names:
                yield from _candidates(None, name.name)
        elif isinstance(node, ast.ImportFrom) and (relative or not node.level):
            base = [package, *package.parents][min(node.level - 1, len(package.parents))] if node.level else None
            stem = f"{node.module}." if node.module else ""
            for name in node.names:
                yield from _candidates(base, f"{stem}{name.name}")


def _candidates(base: PurePosixPath | None, dotted: str) -> Iterator[str]:
    if base is None and dotted.partition(".")[0] in sys.stdlib_module_names:
        return  # there is no other of that name
    place = base or PurePosixPath()
    for part in dotted.split("."):
        place /= part
        yield f"{place}.py"
        yield f"{place}/__init__.py"


def defines(source: bytes, function: str) -> bool:
    """Tells whether a source defines a function or a class, or assigns its name."""
    tree = parsed(source)
    return any(
        (isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == function)
        or (isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == function for target in node.targets))
        for node in (tree.body if tree else ())
    )


def imports_package(source: bytes, package: str) -> bool:
    """Tells whether a source imports an installed package, or something in it."""
    tree = parsed(source)
    nodes = list(ast.walk(tree)) if tree else []
    plain = [name.name for node in nodes if isinstance(node, ast.Import) for name in node.names]
    named = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    return any(name.partition(".")[0] == package for name in [*plain, *named])


def parsed(source: bytes) -> ast.Module | None:
    """Parses a source; None if it is not Python."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


def dotted_name(file: str) -> str:
    """Returns the name under which a file is imported."""
    parts = PurePosixPath(file).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def first_names(files: Iterable[str]) -> set[str]:
    """Returns the names that imports of some files begin with."""
    return {top_folder(name).removesuffix(".py") for name in files if name.endswith(".py")}


def top_folder(name: str) -> str:
    """Returns the first part of a path; empty for an empty path."""
    return PurePosixPath(name).parts[0] if name else ""
