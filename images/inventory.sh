#!/bin/sh
# Says what is in an image: sh inventory.sh IMAGE FOLDER writes FOLDER/sbom.cdx.json (CycloneDX) and FOLDER/licenses.tsv.
set -e
engine=${PENSTOCK_CONTAINER_ENGINE:-docker}
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$2"
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT

version=$("$engine" run --rm "$1" python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"${UV:-$root/.venv/bin/uv}" pip install --quiet --target "$tools" --python-version "$version" --only-binary :all: --require-hashes \
    -r "$root/requirements/release.txt"
chmod -R a+rX "$tools"
# Not through PYTHONPATH: the image's own interpreter is asked what it sees, and must not see the tools.
"$engine" run --rm --network none --volume "$tools:/tools:ro" "$1" python -c "import sys; sys.path.append('/tools')
from cyclonedx_py._internal.cli import run; sys.exit(run(argv=['environment', '--output-reproducible', sys.executable]))" \
    > "$2/sbom.cdx.json"
python3 - "$2/sbom.cdx.json" > "$2/licenses.tsv" << 'END'
import json, sys

for component in json.load(open(sys.argv[1]))["components"]:
    given = [entry.get("expression") or entry["license"].get("id") or entry["license"]["name"] for entry in component.get("licenses", [])]
    print(component["name"], component["version"], "; ".join(sorted({" ".join(text.split())[:80] for text in given})) or "unknown", sep="\t")
END
