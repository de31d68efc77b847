"""The error where the installed kfp is older than what a command needs."""

import pytest
from click.testing import CliRunner
from kfp import kubernetes

from penstock.cli import main
from penstock.kfp_adapter import versions
from penstock.kfp_adapter.kubernetes import mount_pvc, set_security_context


def test_run_refuses_a_kfp_that_cannot_run_pipelines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "runs_pipelines", lambda: False)
    monkeypatch.setattr(versions, "installed", lambda: "2.15.2")
    done = CliRunner().invoke(main, ["run", "ingest_examples"])
    assert done.exit_code == 2
    assert done.output.startswith("error: `penstock run` needs kfp 2.17 or later, and kfp 2.15.2 is installed; ")
    assert len(done.output.splitlines()) == 1


def test_settings_that_kfp_kubernetes_does_not_know_yet_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(kubernetes, "set_security_context", raising=False)
    monkeypatch.setattr(kubernetes, "mount_pvc", lambda task, pvc_name, mount_path: None)
    with pytest.raises(ValueError, match=r"kfp-kubernetes 2\.16 or later is needed"):
        set_security_context(None, run_as_user=1000)
    with pytest.raises(ValueError, match=r"sub_path: kfp-kubernetes 2\.16 or later is needed"):
        mount_pvc(None, "data", "/data", "raw")
    mount_pvc(None, "data", "/data")


def test_runs_pipelines_says_whether_the_orchestrator_can_be_imported() -> None:
    try:
        from penstock.kfp_adapter import orchestrator  # noqa: F401
    except ImportError:
        assert not versions.runs_pipelines()
    else:
        assert versions.runs_pipelines()
