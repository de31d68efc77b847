"""KFP's own test pipelines: each runs here with the right outputs, or is refused with a reason before it starts.

Fetch them first: `git clone --depth 1 --branch 2.17.0 https://github.com/kubeflow/pipelines`, and its folder
`test_data/sdk_compiled_pipelines/valid` in PENSTOCK_KFP_PIPELINES. `kfp_pipelines.yaml` has, by name, what each does here: `done`, `failed` (where the
pipeline is meant to fail) or `refused`; its parameters; and what it says, computed from the pipeline.
"""

import os
from pathlib import Path

import pytest
import yaml

_FOLDER = os.environ.get("PENSTOCK_KFP_PIPELINES", "")
_EXPECTED = yaml.safe_load(Path(__file__).with_name("kfp_pipelines.yaml").read_text())
_EXIT_CODES = {"done": {0}, "failed": {1}, "refused": {1, 2}}

pytestmark = pytest.mark.skipif(not _FOLDER, reason="PENSTOCK_KFP_PIPELINES names no folder with KFP's test pipelines")


def test_every_pipeline_is_known():
    assert {path.stem for path in Path(_FOLDER).rglob("*.yaml")} == {*_EXPECTED}


@pytest.mark.parametrize("name", _EXPECTED)
def test_pipeline(penstock, tmp_path, name):
    expected = _EXPECTED[name]
    path = min(Path(_FOLDER).rglob(f"{name}.yaml"))  # one occurs twice
    (tmp_path / "rows").write_text("rows")
    given = [part for parameter, value in expected.get("parameters", {}).items() for part in ("-p", f"{parameter}={value}")]
    done = penstock("run", path, *given)
    output = done.stdout + done.stderr
    assert done.returncode in _EXIT_CODES[expected["is"]], output
    for words in expected.get("says", []):
        assert words in " ".join(output.split())
    if expected["is"] == "refused":
        assert done.stderr.startswith("error: ")
        assert len(done.stderr.splitlines()) == 1
        assert not [line for line in done.stdout.splitlines() if " running " in line], "nothing has started"
