"""MLflow's registry, in a local database and behind a server's address."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from penstock.components.protocol import TaskError
from penstock.components.release.registry import Lineage, RegisteredVersion, Registry, open_registry

NAME = "flights"
OLD, NEW = "1" * 64, "2" * 64


@pytest.fixture
def registry(tracking_uri: str) -> Registry:
    return open_registry(NAME, tracking_uri)


def test_nothing_is_registered(registry: Registry, tracking_uri: str):
    assert registry.uri == tracking_uri
    assert registry.aliases() == {}
    assert registry.version("1") is None
    assert registry.resolve("champion") is None


def test_a_version_is_what_was_registered(registry: Registry):
    version = registry.register(OLD, "gs://bucket/model", {"team": "delays", "long": "x" * 6000}, "a-run")
    tags = {"team": "delays", "long": "x" * 5000, "fingerprint": OLD}
    found = registry.version(version)
    assert found
    assert found == RegisteredVersion("1", OLD, "gs://bucket/model", tags, "a-run", found.registered)
    assert found.registered == pytest.approx(time.time(), abs=60)


def test_the_same_bytes_keep_their_version_and_get_the_new_tags(registry: Registry):
    first = registry.register(OLD, "gs://bucket/model", {"metric.auc": "0.7"})
    assert registry.register(NEW, "gs://bucket/other", {}) != first
    assert registry.register(OLD, "gs://bucket/copy", {"metric.auc": "0.8"}) == first
    found = registry.version(first)
    assert found
    assert (found.source, found.tags["metric.auc"]) == ("gs://bucket/model", "0.8")


def test_an_alias_points_to_one_version(registry: Registry):
    first, second = (registry.register(digest, "anywhere", {}) for digest in (OLD, NEW))
    registry.point("champion", first)
    registry.point("champion", second)
    assert registry.aliases() == {"champion": second}
    assert registry.resolve("champion") == registry.version(second)


def test_a_tag_is_set_later(registry: Registry):
    version = registry.register(OLD, "anywhere", {})
    registry.tag(version, "rollback_point", "v1")
    found = registry.version(version)
    assert found
    assert found.tags["rollback_point"] == "v1"
    with pytest.raises(TaskError, match="rejects the request"):
        registry.tag("7", "rollback_point", "v1")


def test_promotion_keeps_the_former_champion(registry: Registry):
    first, second = (registry.register(digest, "anywhere", {}) for digest in (OLD, NEW))
    for version, aliases in [
        (first, {"champion": "1"}),
        (second, {"champion": "2", "previous": "1"}),
        (second, {"champion": "2", "previous": "1"}),
        (first, {"champion": "1", "previous": "2"}),
    ]:
        registry.promote(version, "champion", "previous")
        assert registry.aliases() == aliases


def test_a_promotion_that_was_killed_in_the_middle_is_finished(registry: Registry):
    first, second = (registry.register(digest, "anywhere", {}) for digest in (OLD, NEW))
    registry.point("champion", first)
    registry.point("previous", first)  # as far as it came
    registry.promote(second, "champion", "previous")
    assert registry.aliases() == {"champion": second, "previous": first}


def test_a_version_that_cannot_be_promoted_moves_no_champion(registry: Registry):
    first = registry.register(OLD, "anywhere", {})
    registry.promote(first, "champion", "previous")
    with pytest.raises(TaskError, match="rejects the request"):
        registry.promote("7", "champion", "previous")
    assert registry.aliases()["champion"] == first


def test_lineage_is_what_was_known(registry: Registry):
    known = Lineage(
        run="runs:/a-run",
        data_fingerprint="d" * 64,
        data_span="7",
        baseline_version="4",
        baseline_fingerprint="b" * 64,
        blessing="blessed",
        serving_check="passed",
        penstock_version="1.0",
        source={"version": "3"},
        metrics={"auc": "0.75"},
        measured={"p99_ms": "12.5"},
    )
    version = registry.register(OLD, "anywhere", {"team": "delays"} | known.tags())
    assert registry.lineage(version) == known
    assert registry.lineage(registry.register(NEW, "anywhere", {})) == Lineage()
    with pytest.raises(TaskError, match="has no version 7"):
        registry.lineage("7")


def test_a_registry_of_its_own(tracking_uri: str, tmp_path: Path):
    own = f"sqlite:///{tmp_path}/own.db"
    open_registry(NAME, tracking_uri, own).register(OLD, "anywhere", {})
    assert open_registry(NAME, tracking_uri).version("1") is None
    assert open_registry(NAME, "", own).version("1")


def test_no_other_clients_where_it_is_mlflow(tracking_uri: str, tmp_path: Path):
    """The registry is asked on every cached re-run of a pipeline: what it imports is what a person waits for."""
    code = f"""
import sys
import time
from penstock.components.release.registry import open_registry
open_registry("flights", {tracking_uri!r})
print([name for name in ("google.cloud.aiplatform_v1", "kserve", "fsspec") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]"
