"""Runs the SDK's tests that kfp's version matters to with another version of kfp than the locked one.

.venv/bin/python -m tests.kfp_version VERSION [pytest options]
"""

import os
import subprocess
import sys

import uv

from penstock.local.caches import cache_root

from .families import IMPORTS, ROOT, pythons, run, warm_command

_DISTRIBUTIONS = ("kfp", "kfp-kubernetes", "kfp-pipeline-spec", "kfp-server-api")
# Without what is for the locked version alone: generated files, byte for byte.
_TESTS = (
    "tests/components/test_contract.py",
    "tests/penstock/compile/test_pinning.py",
    "tests/penstock/kfp_adapter/test_private.py",
    "tests/penstock/lint",
    "tests/penstock/spec",
    "tests/penstock/test_kfp_versions.py",
)
# Without what runs a pipeline here as well, to compare, and without the platform settings that need kfp-kubernetes 2.16.
_TESTS_OF_SUBMISSIONS = (
    "tests/penstock/remote/kubeflow",
    "tests/penstock/remote/test_accelerators.py",
    "tests/penstock/remote/test_submit.py",
)
# With kfp 2.17 and later: `penstock run`, and all platform settings.
_TESTS_OF_RUNS = (
    "tests/penstock/kfp_adapter/test_orchestrator.py",
    "tests/penstock/local/test_control_flow.py",
    "tests/penstock/local/test_run.py",
    "tests/penstock/remote/test_gates.py",
    "tests/penstock/remote/test_platform.py",
    "tests/penstock/remote/test_portable.py",
)
_IMPORTS_OF_RUNS = ("penstock.local.run",)


def main(version: str, *options: str) -> int:
    """Returns pytest's exit code."""
    python = cache_root() / f"kfp-{version}-{sys.version_info.major}.{sys.version_info.minor}" / "bin" / "python"
    _uv("venv", "--quiet", "--clear", "--python", sys.executable, str(python.parents[1]))
    install = ("pip", "install", "--quiet", "--python", str(python))
    _uv(*install, "--require-hashes", "--requirement", str(ROOT / "requirements" / "dev.txt"))
    _uv(*install, *(f"{name}=={version}" for name in _DISTRIBUTIONS))
    _uv(*install, "--no-deps", "--editable", str(ROOT))
    # What plays a cluster runs pipelines itself, with the locked version.
    variables = pythons() | {"PENSTOCK_DOUBLES_PYTHON": sys.executable}
    runs = tuple(map(int, version.split("."))) >= (2, 17)
    tests = _TESTS + _TESTS_OF_SUBMISSIONS + (_TESTS_OF_RUNS if runs else ())
    places = [f"--rootdir={ROOT}", f"--config-file={ROOT / 'pyproject.toml'}", *(str(ROOT / test) for test in tests)]
    with warm_command(python, [name for name in IMPORTS if runs or name not in _IMPORTS_OF_RUNS]) as command:
        return run(python, ["-m", "pytest", "-p", "no:cacheprovider", *options, *places], command | variables).returncode


def _uv(*arguments: str) -> None:
    subprocess.run([uv.find_uv_bin(), *arguments], check=True, env=os.environ)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
