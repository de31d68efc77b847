"""`python -m tests.recordings kserve`, against the double."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

from ...apiserver.server import ADMIN_TOKEN
from ...waiting import until
from .double import KubernetesDouble
from .resources import INFERENCE_SERVICES

ROOT = Path(__file__).parents[3]


def test_what_happens_to_one_inference_service_is_recorded(cluster: KubernetesDouble, tmp_path: Path) -> None:
    predictor = {"containers": [{"name": "x", "image": "y", "env": [{"name": "HF_TOKEN", "value": "secret"}]}]}
    kubeconfig = cluster.write_kubeconfig(tmp_path / "kubeconfig", ADMIN_TOKEN)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.recordings", "kserve", f"{cluster.namespace}/flights", tmp_path / "flights.jsonl.gz"],
        cwd=tmp_path,
        env=os.environ | {"KUBECONFIG": str(kubeconfig), "PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], str(ROOT)])},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "recording\n"
    for name in ("flights", "trains"):
        spec = {
            "metadata": {"name": name},
            "spec": {"predictor": predictor},
        }
        cluster.store.create(INFERENCE_SERVICES, cluster.namespace, spec)
    # A watch that begins later sees what is there, and not what is gone.
    until(lambda: watches(cluster) > 0)
    cluster.store.delete(INFERENCE_SERVICES, cluster.namespace, "flights")
    until(lambda: not cluster.isvc("flights"))
    before = watches(cluster)
    until(lambda: watches(cluster) > before)  # which continues where the one before ended
    process.send_signal(15)
    output, _ = process.communicate(timeout=120)
    lines = [json.loads(line) for line in gzip.decompress((tmp_path / "flights.jsonl.gz").read_bytes()).splitlines()]
    of_service = [line for line in lines if line["object"]["kind"] == "InferenceService"]
    assert (of_service[0]["type"], of_service[-1]["type"]) == ("ADDED", "DELETED")
    assert {line["object"].get("involvedObject", line["object"]["metadata"])["name"].partition("-")[0] for line in lines} == {"flights"}
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    assert f"{len(lines)} events of {cluster.namespace}/flights" in output
    assert "not recorded" not in output
    text = json.dumps(lines)
    assert "secret" not in text
    assert "managedFields" not in text


def watches(cluster: KubernetesDouble) -> int:
    """Returns how many watches of InferenceServices have begun so far."""
    return sum("watch" in call.query and "inferenceservices" in call.path for call in cluster.calls)
