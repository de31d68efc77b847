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
# Metadata has a license in one of three ways, by its age; the field of the middle one sometimes holds the whole text.
"$engine" run --rm --network none "$1" python -c "from importlib.metadata import distributions
for name, metadata in sorted((item.name.lower(), item.metadata) for item in distributions()):
    field = metadata.get('License', '').strip()
    classifiers = {entry.rpartition(' :: ')[2] for entry in metadata.get_all('Classifier', []) if entry.startswith('License ::')}
    short = field if len(field) <= 80 and field != 'UNKNOWN' else ''
    print(name, metadata['Version'], metadata.get('License-Expression') or short or '; '.join(sorted(classifiers)) or 'unknown', sep='\t')" \
    > "$2/licenses.tsv"
