"""Records what an installation says, so that doubles can say it again.

python -m tests.recordings kubeflow RUN_ID FILE.json.gz       one run: as the API tells of it, its workflow, its tasks' logs
python -m tests.recordings kserve NAMESPACE/NAME FILE.jsonl.gz   all that happens to one InferenceService, until Ctrl-C

Kubeflow is found as `penstock runs` finds it: --context, --host, penstock.toml, PENSTOCK_KUBEFLOW_TOKEN. The cluster is KUBECONFIG's.
"""

import argparse
import signal
import sys
from pathlib import Path

import click
from kubernetes import client, config

from . import kserve


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.recordings", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    run = kinds.add_parser("kubeflow", help="one run")
    run.add_argument("run_id")
    run.add_argument("file", type=Path)
    for option in ("context", "host", "namespace"):
        run.add_argument(f"--{option}", default="", help="as `penstock runs show` takes it")
    service = kinds.add_parser("kserve", help="what happens to one InferenceService")
    service.add_argument("service", metavar="NAMESPACE/NAME")
    service.add_argument("file", type=Path)
    service.add_argument("--seconds", type=float, help="for how long; until Ctrl-C if not given")
    given = parser.parse_args()
    try:
        return {"kubeflow": _kubeflow, "kserve": _kserve}[given.kind](given)
    except click.ClickException as error:
        error.show()
        return error.exit_code


def _kubeflow(given: argparse.Namespace) -> int:
    from penstock.kfp_adapter.lazy_import import import_kfp
    from penstock.remote.contexts import find_settings
    from penstock.remote.kubeflow.connection import Connection
    from penstock.remote.settings import KubeflowSettings

    from . import kubeflow

    import_kfp()
    _, settings = find_settings(given.context, "kubeflow", {"host": given.host, "namespace": given.namespace})
    assert isinstance(settings, KubeflowSettings)
    recording = kubeflow.record(Connection(settings), given.run_id, given.file)
    print(f"{given.file}: run {given.run_id}, {recording['v2'].get('state', 'no state yet')}, logs of {len(recording['logs'])} pods")
    return 0


def _kserve(given: argparse.Namespace) -> int:
    namespace, _, name = given.service.partition("/")
    if not name:
        raise click.UsageError(f"{given.service} is no NAMESPACE/NAME")
    config.load_config()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    with kserve.Recorder(client.ApiClient(), namespace, name, given.file) as recorder:
        print("recording", flush=True)
        _wait(given.seconds)
    print(f"{given.file}: {recorder.count} events of {given.service}")
    for lacking in recorder.lacking:
        print(f"not recorded, for the cluster does not have or show them: {lacking}")
    return 0


def _wait(seconds: float | None) -> None:
    ends = {signal.SIGINT, signal.SIGTERM}
    if seconds is None:
        signal.sigwait(ends)
    else:
        signal.sigtimedwait(ends, seconds)


if __name__ == "__main__":
    sys.exit(main())
