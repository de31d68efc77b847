"""From the parameter `runs_at` to the place."""

from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from penstock.components.data.local_runs import ROOT
from penstock.components.data.uri_options import check_options
from penstock.components.protocol import TaskError, redact

from .backend import Backend
from .here import Here
from .place import Place

_FORMS = "local://FOLDER, kubeflow:// and vertex://PROJECT/LOCATION"
_RUN = ("experiment", "pipeline_root", "service_account")
_OPTIONS = {"local": (), "kubeflow": ("host", "namespace", *_RUN), "vertex": _RUN}


def open_place(runs_at: str) -> Place:
    """Returns the place that a URI names; connects to nothing.

    Raises:
        TaskError: It names none.
    """
    uri = urlsplit(runs_at)
    if uri.scheme not in _OPTIONS:
        raise TaskError(f"runs_at is {redact(runs_at)!r:.80}; give one of {_FORMS}")
    options, path = dict(parse_qsl(uri.query)), unquote(uri.netloc + uri.path)
    check_options(options, _OPTIONS[uri.scheme], "runs_at", uri.scheme)
    how = _flags({name: options[name] for name in _RUN if name in options})
    if uri.scheme == "local":
        return Here(Path(path or ROOT).absolute())
    if uri.scheme == "kubeflow":
        if path:
            raise TaskError(f"runs_at is {redact(runs_at)!r:.80}; give the address as the option host: kubeflow://?host=URL")
        return Backend(["--target", "kubeflow", *_flags({name: options[name] for name in ("host", "namespace") if name in options})], how)
    project, _, location = path.strip("/").partition("/")
    if not project or not location or "/" in location:
        raise TaskError(f"runs_at is {redact(runs_at)!r:.80}; give vertex://PROJECT/LOCATION")
    return Backend(["--target", "vertex", "--project", project, "--location", location], how)


def _flags(options: dict[str, str]) -> list[str]:
    return [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
