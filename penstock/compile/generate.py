"""Everything that is written by a program: compiled pipelines and components, the components' pages, the README's table."""

import json
import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..lint.reference import page
from ..spec.handed_down import handed_down
from ..spec.portable import portable
from .pinning import pinned
from .reference import markdown, names, table


def catalog() -> dict[str, tuple[Any, dict[str, Any]]]:
    """Returns the pipelines by the name of their compiled file, each with the defaults that its compilation fixes."""
    from penstock.pipelines import flight_delay
    from penstock.pipelines.batch_scoring import batch_scoring
    from penstock.pipelines.monitoring import monitoring
    from penstock.pipelines.promote_or_rollback import promote_or_rollback
    from penstock.pipelines.training import training

    return {
        "training": (training, {}),
        "flight_delay_training": (training, flight_delay.parameters()),
        "promote_or_rollback": (promote_or_rollback, {}),
        "batch_scoring": (batch_scoring, {}),
        "monitoring": (monitoring, {}),
    }


def generate(checkout: Path, check: bool, pins: dict[str, str] | None = None) -> list[Path]:
    """Brings the generated files of a checkout up to date.

    Args:
        checkout: The repository's root.
        check: Whether to change nothing.
        pins: Each family's image, where the compiled files shall name others than the released ones.

    Returns:
        The files, relative to the root, that were not up to date (and are now, unless `check`).

    Raises:
        UserError: This is not a checkout of Penstock.
    """
    if not (checkout / "components").is_dir() or not (checkout / "compiled").is_dir():
        raise UserError(
            f"{checkout} is not a checkout of Penstock: run this in the folder with components/ and compiled/, "
            "or use --output DIR to write only the compiled files"
        )
    wanted = {checkout / path: text for path, text in _generated(checkout, pins or {})}
    stale = {*(checkout / "compiled").rglob("*.yaml")} - {*wanted}
    changed = _update(wanted, check)
    if not check:
        for path in stale:
            path.unlink()
    return sorted(path.relative_to(checkout) for path in [*changed, *stale])


def generate_compiled(folder: Path, check: bool, pins: dict[str, str]) -> list[Path]:
    """Brings compiled pipelines and components in a folder up to date; whatever else lies there is left alone.

    Args:
        folder: Where to, as `compiled` is in a checkout; made if need be.
        check: Whether to change nothing.
        pins: Each family's image.

    Returns:
        The files that were not up to date (and are now, unless `check`).

    Raises:
        UserError: The folder cannot be read or written.
    """
    return sorted(_update({folder / path: text for path, text in _compiled_files(pins)}, check))


def _update(wanted: dict[Path, str], check: bool) -> list[Path]:
    """Writes the files whose text is another one, unless it only checks; returns them."""
    try:
        changed = [path for path, text in wanted.items() if not path.exists() or path.read_bytes() != text.encode()]
        for path in [] if check else changed:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {error.filename}: {error.strerror}; choose a folder that you may write to") from error
    return changed


def _generated(checkout: Path, pins: dict[str, str]) -> Iterator[tuple[str, str]]:
    for path, text in _compiled_files(pins):
        yield f"compiled/{path}", text
    for name in names():
        yield f"components/{name}/README.md", markdown(name)
    yield "docs/lint.md", page()
    readme = (checkout / "README.md").read_text(encoding="utf-8")
    yield "README.md", with_table(readme, "components", table())


def _compiled_files(pins: dict[str, str]) -> Iterator[tuple[str, str]]:
    import penstock.components as library

    for name, (pipeline, values) in catalog().items():
        yield f"{name}.yaml", pinned(compiled(pipeline, pipeline_name=name.replace("_", "-"), pipeline_parameters=values), pins)
    for name in names():
        yield f"components/{name}.yaml", pinned(compiled(getattr(library, name)), pins)


def with_table(page: str, name: str, table: str) -> str:
    """Returns a page with a table between its comments `<!-- name: ... -->` and `<!-- /name -->`."""
    place = re.compile(rf"(<!-- {name}:[^\n]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
    return place.sub(lambda match: f"{match[1]}{table}{match[2]}", page)


def compiled(pipeline: Any, **options: Any) -> str:
    """Compiles a pipeline or component.

    Args:
        pipeline: What `@dsl.pipeline` or `@dsl.container_component` made.
        options: Further arguments of kfp's `Compiler.compile`.

    Returns:
        The YAML: one document, the same bytes in every process.
    """
    from kfp import compiler

    from ..kfp_adapter.compiler import HEADER, OVERRIDE

    in_order = HEADER.wrapped(lambda header: lambda spec, description: header(_sorted(spec), description))
    as_portable = OVERRIDE.wrapped(lambda override: lambda **given: _portable(override(**given)))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), in_order, as_portable:
        warnings.simplefilter("ignore", FutureWarning)
        path = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(pipeline, str(path), **options)
        return path.read_text(encoding="utf-8")


def _portable(spec: Any) -> Any:
    from google.protobuf import json_format

    document, _ = portable(handed_down(json_format.MessageToDict(spec)), {})
    return json_format.ParseDict(document, type(spec)())


def _sorted(value: Any) -> Any:
    return json.loads(json.dumps(value, sort_keys=True))
