"""What the tests lay over an environment: it comes first on the path, so it must not be another version of what is there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_PIN = re.compile(r"^(?P<name>[a-z0-9-]+)(\[.*?\])?==(?P<version>\S+)", re.MULTILINE)


def pins(lock: Path) -> dict[str, set[str]]:
    """Returns the versions of each package in a lock; several where they depend on the Python."""
    found: dict[str, set[str]] = {}
    for pin in _PIN.finditer(lock.read_text()):
        found.setdefault(pin["name"], set()).add(pin["version"])
    return found


def test_the_doubles_agree_with_the_deploy_family():
    family, doubles = pins(ROOT / "images/deploy/requirements.txt"), pins(ROOT / "requirements/doubles.txt")
    shared = family.keys() & doubles.keys()
    assert "botocore" in shared
    assert {name: doubles[name] for name in shared} == {name: family[name] & doubles[name] for name in shared}


def test_what_dvc_adds_to_the_tf_family_is_not_in_it():
    family, dvc = pins(ROOT / "images/tf/requirements.txt"), pins(ROOT / "images/tf/requirements-dvc.txt")
    assert "dvc" in dvc
    assert family.keys() & dvc.keys() == set()
