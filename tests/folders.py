"""Which tests are for which family; standard library only, for an image has no more.

`python tests/folders.py FAMILY COMPONENTS` prints the files that a family's environment runs; COMPONENTS is the components' folder.
"""

import re
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent
# Tests that belong to no component: the folder, and the family whose libraries they need.
SHARED = {
    "chaos": "deploy",
    "components/data": "tf",
    "components/evidence": "tf",
    "components/protocol": "tf",
    "components/release": "deploy",
    "doubles/kubernetes": "deploy",
    "doubles/vertex": "deploy",
    "penstock/server": "serve",
    "pipelines/flight_delay": "tf",
}
SDK_TEST = "test_component.py"
_CONTAINER = re.compile(r'\bcontainer\("([a-z-]+)"')


def files_by_family(components: Path) -> dict[str, list[Path]]:
    """Returns each family's test files.

    Args:
        components: The components' folder, whose interfaces name their families.
    """
    families = {f"components/{file.parent.name}": _family(file) for file in sorted(components.glob("*/component.py"))} | SHARED
    files: dict[str, list[Path]] = {}
    for folder, family in families.items():
        others = [TESTS / other for other in families if other.startswith(f"{folder}/")]
        files.setdefault(family, []).extend(
            file
            for file in sorted((TESTS / folder).rglob("test_*.py"))
            if file.name != SDK_TEST and not any(file.is_relative_to(other) for other in others)
        )
    return files


def _family(interface: Path) -> str:
    found = _CONTAINER.search(interface.read_text(encoding="utf-8"))
    assert found, f"{interface} names no family"
    return found[1]


if __name__ == "__main__":
    print(*files_by_family(Path(sys.argv[2])).get(sys.argv[1], []), sep="\n")
