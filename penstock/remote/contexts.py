"""Reads settings: flags take precedence over the environment, and the environment over `penstock.toml`."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from ..errors import UserError
from ..spec.pipeline_file import did_you_mean
from .settings import KubeflowSettings, VertexSettings
from .shapes import check

FILE = "penstock.toml"
TARGETS: dict[str, type[KubeflowSettings] | type[VertexSettings]] = {"kubeflow": KubeflowSettings, "vertex": VertexSettings}

# As kfp's client and Google's tools name them; the first that is set counts.
_VARIABLES: dict[str, dict[str, tuple[str, ...]]] = {
    "kubeflow": {
        "host": ("KF_PIPELINES_ENDPOINT",),
        "ui_host": ("KF_PIPELINES_UI_ENDPOINT",),
        "client_id": ("KF_PIPELINES_IAP_OAUTH2_CLIENT_ID",),
    },
    "vertex": {
        "project": ("GOOGLE_CLOUD_PROJECT",),
        "location": ("GOOGLE_CLOUD_REGION", "CLOUD_ML_REGION", "GOOGLE_CLOUD_LOCATION"),
    },
}
_PATHS = {"token_file", "ca_certificate", "platform"}
_SECRETS = {
    "token": "PENSTOCK_KUBEFLOW_TOKEN or name a token_file",
    "password": "PENSTOCK_KUBEFLOW_PASSWORD",
    "cookies": "PENSTOCK_KUBEFLOW_COOKIES",
}


@dataclass(frozen=True)
class _Context:
    """A section of the file.

    Attributes:
        name: Its name.
        target: Its backend.
        given: The settings that it gives.
    """

    name: str
    target: str
    given: dict[str, Any]


def find_settings(context: str, target: str, flags: dict[str, str]) -> tuple[str, KubeflowSettings | VertexSettings]:
    """Returns the backend and its settings.

    `penstock.toml` is looked for from the working directory upward. Paths in it are relative to it.

    Args:
        context: The context's name; empty: the only one of the target, else the one named like the target, else none.
        target: `kubeflow` or `vertex`; empty: the context's.
        flags: Settings as typed, by field; empty ones count as not given.

    Raises:
        UserError: The file cannot be read or has something that means nothing, or no backend follows from what is given.
    """
    file = _find(Path.cwd())
    chosen = _choose(_read(file) if file else [], context, target, file)
    target = target or chosen.target
    given = chosen.given | _environment(target) | {field: value for field, value in flags.items() if value}
    for key, value in given.items():
        _check(target, key, value, f"--{key.replace('_', '-')}")
    return target, TARGETS[target](**given)


def _find(folder: Path) -> Path | None:
    return next((file for place in (folder, *folder.parents) if (file := place / FILE).is_file()), None)


def _read(file: Path) -> list[_Context]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UserError(f"cannot read {file}: {error}") from error
    for key in document:
        if key != "contexts":
            raise UserError(f"{file} has the unknown key {key}: use sections such as [contexts.kubeflow]")
    contexts = document.get("contexts", {})
    if not isinstance(contexts, dict):
        raise UserError(f"{file}: contexts is not a table: write sections such as [contexts.kubeflow]")
    return [_context(file, name, section) for name, section in contexts.items()]


def _context(file: Path, name: str, section: Any) -> _Context:
    where = f"{file} [contexts.{name}]"
    if not isinstance(section, dict):
        raise UserError(f"{where} is not a table: write its settings below that heading")
    target = section.get("target")
    if target not in TARGETS:
        raise UserError(f"{where}: target must be one of {', '.join(TARGETS)}, not {target!r}")
    given = {key: value for key, value in section.items() if key != "target"}
    for key, value in given.items():
        _check(target, key, value, f"{where}: {key}")
    return _Context(name, target, {key: _absolute(file, value) if key in _PATHS else value for key, value in given.items()})


def _check(target: str, key: str, value: Any, where: str) -> None:
    kinds = get_type_hints(TARGETS[target])
    if key in _SECRETS:
        raise UserError(f"{where} is a secret: remove it and set the environment variable {_SECRETS[key]}")
    if key not in kinds:
        raise UserError(f"{where} is not a setting of {target}{did_you_mean(key, list(kinds))}")
    check(value, kinds[key], where)


def _absolute(file: Path, path: str) -> str:
    return str(file.parent / Path(path).expanduser()) if path else ""


def _choose(contexts: list[_Context], name: str, target: str, file: Path | None) -> _Context:
    if name:
        return _named(contexts, name, target, file)
    fitting = [context for context in contexts if target in ("", context.target)]
    if len(fitting) > 1 and target:
        fitting = [context for context in fitting if context.name == target] or fitting
    if len(fitting) == 1:
        return fitting[0]
    if not target:
        raise UserError(f"no target is given: use --target {' or '.join(TARGETS)}{_or_one_of(fitting, file)}")
    if fitting:
        raise UserError(f"{file} has several contexts of {target}: choose with --context {' or '.join(each.name for each in fitting)}")
    return _Context("", target, {})


def _named(contexts: list[_Context], name: str, target: str, file: Path | None) -> _Context:
    if file is None:
        raise UserError(f"there is no context {name}: there is no {FILE} in {Path.cwd()} or its parents")
    found = next((context for context in contexts if context.name == name), None)
    if found is None:
        raise UserError(f"{file} has no context {name}{did_you_mean(name, [context.name for context in contexts])}")
    if target not in ("", found.target):
        raise UserError(f"context {name} of {file} belongs to {found.target}, not to {target}: omit --target, or choose another context")
    return found


def _or_one_of(contexts: list[_Context], file: Path | None) -> str:
    return f", or --context {' or '.join(context.name for context in contexts)} of {file}" if contexts else ""


def _environment(target: str) -> dict[str, str]:
    values = {field: next(filter(None, map(os.environ.get, names)), "") for field, names in _VARIABLES[target].items()}
    return {field: value for field, value in values.items() if value}
