"""The programs of a Kubernetes API and the definitions that it serves, in Penstock's cache.

The programs are those in the folder that KUBEBUILDER_ASSETS names, as for controller-runtime's envtest; else they are built from their Go
modules, whose versions and checksums go.mod and go.sum pin. The definitions come from the modules of the projects that define them.
"""

import base64
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import urllib.request
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import yaml

from penstock.errors import UserError
from penstock.local.caches import cache_root, is_kept, keep

ASSETS, DEFINITIONS = "KUBEBUILDER_ASSETS", "PENSTOCK_KUBERNETES_DEFINITIONS"
_HERE = Path(__file__).parent
_VERSION = "v1.34.4"
_PACKAGES = {"etcd": "go.etcd.io/etcd/server/v3", "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver"}
_KUBERNETES = "k8s.io/component-base/version"
_LINK = f"-s -w -X {_KUBERNETES}.gitVersion={_VERSION} -X {_KUBERNETES}.gitMajor=1 -X {_KUBERNETES}.gitMinor=34"
# Each module, the checksum that go.sum would have of it, and the files in it.
_MODULES = {
    "sigs.k8s.io/gateway-api@v1.4.1": ("h1:NPxFutNkKNa8UfLd2CMlEuhIPMQgDQ6DXNKG9sHbJU8=", "config/crd/standard/*_httproutes.yaml"),
    "knative.dev/serving@v0.48.0": ("h1:1I5WVW6fPvzMVtAouaWFrRjRpSBAyfzSx4vZRjJtrm4=", "config/core/300-resources/*.yaml"),
    "github.com/argoproj/argo-workflows/v4@v4.0.5": (
        "h1:/1lru5oXUd+k6KEDUps6rLX5OKfi1jTfabgXTly/VFU=",
        "manifests/base/crds/minimal/*_workflows.yaml",
    ),
    "github.com/kubeflow/trainer/v2@v2.3.0": (
        "h1:Je+e7zvTLzB4qW09J1fB7pZrqvPtWuGng2NqdN5p5QU=",
        "manifests/base/crds/*_train*.yaml",
    ),
}


def variables() -> dict[str, str]:
    """Returns the variables that name the programs and the definitions for tests; those that are not there yet are left out."""
    found = {ASSETS: programs(), DEFINITIONS: _definitions()}
    return {name: str(folder) for name, folder in found.items() if name in os.environ or is_kept(folder)}


def programs() -> Path:
    """Returns the folder of etcd and kube-apiserver, which may not be there yet."""
    built = _folder("programs", (_HERE / "go.mod").read_bytes() + (_HERE / "go.sum").read_bytes())
    return Path(os.environ.get(ASSETS) or built)


def make() -> str:
    """Makes what is missing.

    Returns:
        Why it cannot be made here; empty if all is there.

    Raises:
        UserError: It could not be built, or fetched.
    """
    if not os.environ.get(ASSETS) and not is_kept(programs()):
        if not shutil.which("go"):
            return f"there is no Go to build etcd and kube-apiserver with, and {ASSETS} names no folder of theirs"
        print(f"building etcd and kube-apiserver {_VERSION} in {programs()} (about ten minutes, once)", flush=True)
        keep(programs(), _build)
    keep(_definitions(), _define)
    return ""


def _definitions() -> Path:
    return _folder("definitions", repr(_MODULES).encode() + b"".join(file.read_bytes() for file in _kserves()))


def _kserves() -> list[Path]:
    return sorted((_HERE / "kserve").glob("serving.*.yaml"))


def _folder(name: str, made_from: bytes) -> Path:
    return cache_root() / "kubernetes" / f"{name}-{hashlib.sha256(made_from).hexdigest()[:12]}"


def _build(folder: Path) -> None:
    for program, package in _PACKAGES.items():
        command = ["go", "build", "-mod=readonly", "-trimpath", "-ldflags", _LINK, "-o", str(folder / program), package]
        done = subprocess.run(command, cwd=_HERE, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UserError(f"cannot build {program}: {' '.join(done.stderr.split()[-60:])}; `go env GOPROXY` says where modules come from")


def _define(folder: Path) -> None:
    """Writes all definitions as JSON, which the API reads many times faster."""
    fetched = (file for module, (checksum, pattern) in _MODULES.items() for file in _fetch(module, checksum, pattern))
    for content in (*(file.read_bytes() for file in _kserves()), *fetched):
        definition = yaml.load(content, yaml.CSafeLoader)
        (folder / f"{definition['metadata']['name']}.json").write_text(json.dumps(definition), encoding="utf-8")


def _fetch(module: str, checksum: str, pattern: str) -> Iterator[bytes]:
    """Returns some files of a Go module."""
    name, _, version = module.partition("@")
    url = f"{_proxy()}/{name}/@v/{version}.zip"
    try:
        with urllib.request.urlopen(url, timeout=120) as answer:
            content = io.BytesIO(answer.read())
    except OSError as error:
        raise UserError(f"cannot fetch {url} ({error}); GOPROXY names another module proxy") from error
    with zipfile.ZipFile(content) as archive:
        if (found := _checksum(archive)) != checksum:
            raise UserError(f"{url} is not the module that it was: its checksum is {found}, not {checksum}")
        yield from (archive.read(file) for file in archive.namelist() if fnmatch(file, f"{module}/{pattern}"))


def _proxy() -> str:
    proxies = [word for word in re.split("[,|]", os.environ.get("GOPROXY", "")) if word.startswith("http")]
    return (proxies or ["https://proxy.golang.org"])[0].rstrip("/")


def _checksum(archive: zipfile.ZipFile) -> str:
    """Returns a module's checksum as go.sum has it."""
    lines = [f"{hashlib.sha256(archive.read(name)).hexdigest()}  {name}\n" for name in sorted(archive.namelist())]
    return f"h1:{base64.b64encode(hashlib.sha256(''.join(lines).encode()).digest()).decode()}"
