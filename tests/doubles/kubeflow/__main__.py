"""Runs the double in a process of its own: `python -m tests.doubles.kubeflow --folder FOLDER [--port P]`."""

import argparse
import signal
from pathlib import Path

from .double import NAMESPACE, USER, KubeflowDouble


def main() -> None:
    """Runs until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.doubles.kubeflow", description="A Kubeflow Pipelines API that runs what it gets."
    )
    parser.add_argument("--folder", type=Path, required=True, help="where the runs' artifacts and logs lie")
    parser.add_argument("--port", type=int, default=0, help="the port to listen on; 0 for any")
    parser.add_argument("--multi-user", action="store_true", help=f"with namespaces; {NAMESPACE} is {USER}'s")
    parser.add_argument("--token", default="", help="the bearer token to ask for")
    parser.add_argument("--password", default="", help=f"{USER}'s password at the login page")
    given = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with KubeflowDouble(
        given.folder.absolute(), port=given.port, multi_user=given.multi_user, token=given.token, password=given.password
    ) as double:
        print(double.url, flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
