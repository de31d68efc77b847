"""A cluster and Beam's job server for it: jars from Maven's repository in Penstock's cache, as NAME.pom.xml and NAME.sha256 pin them."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from penstock.components.protocol.fingerprint import file_sha256
from penstock.errors import UserError
from penstock.local.caches import cache_root, keep

_HERE = Path(__file__).parent
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def jars(name: str) -> Path:
    """Returns the folder of the jars of a cluster; fetches them if need be.

    Args:
        name: `flink` or `spark`.

    Raises:
        UserError: Java or Maven is missing, the repository does not answer, or a jar is not the one that it was.
    """
    if missing := [name for name in ("java", "mvn") if not shutil.which(name)]:
        raise UserError(f"{' and '.join(missing)} cannot be found; install a JDK of version 11 or 17, and Maven")
    pom, sums = _HERE / f"{name}.pom.xml", _HERE / f"{name}.sha256"
    digest = hashlib.sha256(pom.read_bytes() + sums.read_bytes()).hexdigest()[:12]
    return keep(cache_root() / name / digest, lambda folder: _fetch(pom, sums, folder))


def _fetch(pom: Path, sums: Path, folder: Path) -> None:
    print(f"fetching the jars of {pom} into {folder} (150 to 200 MB, once)", flush=True)
    command = ["mvn", "--quiet", "--batch-mode", "--strict-checksums", "--file", str(pom), _COPY, f"-DoutputDirectory={folder}"]
    done = subprocess.run([*command, "-DincludeScope=runtime"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"Maven cannot fetch what {pom} names: {' '.join((done.stdout + done.stderr).split())[:500]}")
    pinned = dict(reversed(line.split()) for line in sums.read_text(encoding="utf-8").splitlines())
    found = {file.name: file_sha256(file) for file in folder.glob("*.jar")}
    if wrong := sorted(name for name in found.keys() | pinned.keys() if found.get(name) != pinned.get(name)):
        raise UserError(f"these jars are not the ones that {sums} pins: {', '.join(wrong)}")
