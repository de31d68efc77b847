"""The pipeline job's placeholders have values here."""

import re

import pytest
from kfp import dsl

from ..pipelines import compiled, say, to


def _pipeline(placeholder: str):
    @dsl.pipeline(name="placeheld")
    def placeheld(folder: str):
        say(text=placeholder, folder=folder)

    return placeheld


@pytest.mark.parametrize(
    ("placeholder", "pattern"),
    [
        (dsl.PIPELINE_JOB_RESOURCE_NAME_PLACEHOLDER, r"placeheld-\d{4}-.*"),
        (dsl.PIPELINE_JOB_CREATE_TIME_UTC_PLACEHOLDER, r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
        (dsl.PIPELINE_JOB_NAME_PLACEHOLDER, r"placeheld-\d{4}-.*"),
    ],
)
def test_placeholder(penstock, tmp_path, placeholder, pattern):
    done = penstock("run", compiled(_pipeline(placeholder), tmp_path), "--param", f"folder={to(tmp_path)}")
    assert done.returncode == 0, done.stdout
    assert re.fullmatch(pattern, (tmp_path / "said").read_text().strip())


def test_placeholder_that_only_vertex_ai_knows(penstock, tmp_path):
    path = compiled(_pipeline("{{$.pipeline_google_cloud_project_id}}"), tmp_path)
    done = penstock("run", path, "--param", f"folder={to(tmp_path)}")
    assert done.returncode == 2, "nothing has started"
    assert "has a value only on Vertex AI" in done.stderr
