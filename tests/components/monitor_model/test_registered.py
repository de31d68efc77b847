"""The reference that the registry names for the champion."""

from pathlib import Path

import pytest

from penstock.components.protocol import fingerprint
from penstock.components.release.registry import Lineage, open_registry

from .conftest import CANARY, FINGERPRINT, logged, rows


@pytest.fixture
def champion(monitor, write_log, tmp_path: Path, reference: Path):
    """Returns `run(lineage, **parameters)`, which monitors a champion that was registered with a lineage."""

    def run(lineage: Lineage | None, **parameters):
        uri = f"sqlite:///{tmp_path}/mlflow.db"
        registry = open_registry("flights", uri)
        if lineage is not None:
            registry.point("champion", registry.register(FINGERPRINT, str(tmp_path), lineage.tags()))
        given = {"reference_uri": "", "model_name": "flights", "champion_alias": "champion", "tracking_uri": uri}
        return monitor(write_log(logged(rows(2_000)) + logged(rows(500), CANARY)), **given, **parameters)

    return run


def test_the_examples_of_the_champion(champion, reference):
    result = champion(Lineage(data_uri=str(reference), data_fingerprint=fingerprint(reference)))
    assert result.parameters == {"verdict": "ok"}, result.error
    assert (result.found["fingerprint"], result.found["reference"]["uri"]) == (FINGERPRINT, str(reference))


def test_examples_that_have_changed(champion, reference):
    result = champion(Lineage(data_uri=str(reference), data_fingerprint="d" * 64))
    assert f"differ from those that the model {FINGERPRINT[:12]} was made from; give reference_uri" in result.error


def test_examples_that_are_gone(champion, tmp_path):
    result = champion(Lineage(data_uri=str(tmp_path / "gone"), data_fingerprint="d" * 64))
    assert "gone does not exist; give existing Examples" in result.error


def test_a_champion_without_examples(champion):
    assert "was registered without the URI of its Examples; give reference_uri" in champion(Lineage()).error
    assert f"and {CANARY[:12]} is monitored; give reference_uri" in champion(None, fingerprint=CANARY).error


def test_no_champion(champion):
    assert "no version of flights has the alias champion, so its Examples are unknown; give reference_uri" in champion(None).error
