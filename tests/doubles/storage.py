"""Object stores on this machine: Google's by gcp-storage-emulator, S3's by moto, and volumes as folders.

python -m tests.doubles.storage BUCKET...    serves them until it is interrupted, and prints the environment that leads there
"""

import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import fsspec

from ..ports import free_port

# gcsfs asks for a bucket's layout through gRPC, which no emulator answers.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")

# Of more than five connections that wait, Linux makes the others try again after seconds.
_GCS = """
import http.server
http.server.HTTPServer.request_queue_size = 128
from gcp_storage_emulator.__main__ import main
main()
"""
START_SECONDS = 60.0
_PVC = "pvc://"
_downloads: list[tempfile.TemporaryDirectory[str]] = []


@contextmanager
def stores(root: Path, *buckets: str) -> Iterator[dict[str, str]]:
    """Serves both stores while the context lasts.

    Args:
        root: A folder for the volumes and the logs.
        buckets: The buckets to make in each store.

    Yields:
        The environment variables that lead every client, in this process or in another, to them.
    """
    with ExitStack() as stack:
        gcs = stack.enter_context(_serving(root / "gcs.log", "-c", _GCS, "start", "--in-memory", "--port"))
        s3 = stack.enter_context(_serving(root / "s3.log", "-m", "moto.server", "-H", "127.0.0.1", "-p"))
        variables = {
            "STORAGE_EMULATOR_HOST": f"http://localhost:{gcs}",
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{s3}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "PENSTOCK_PVC_ROOT": str(root / "volumes"),
        }
        (root / "volumes").mkdir(exist_ok=True)
        for bucket in buckets:
            _make_bucket(bucket, variables)
        yield variables


def resolve(uri: str) -> Path | None:
    """Gives what KServe's storage initializer or Vertex AI would give a model server: the files at a URI, as they are now.

    Args:
        uri: A `gs://`, `s3://`, `minio://` or `pvc://CLAIM/PATH` URI.

    Returns:
        A folder with the files, which a later call does not touch; None where nothing is.
    """
    if uri.startswith(_PVC):
        folder = Path(os.environ["PENSTOCK_PVC_ROOT"]) / uri.removeprefix(_PVC)
        return folder if folder.is_dir() else None
    # Nothing that an earlier call has seen may be remembered, and requests to an emulator are not signed.
    options = {"skip_instance_cache": True, "use_listings_cache": False}
    anonymous = {"token": "anon"} if uri.startswith("gs://") else {}
    files, path = fsspec.core.url_to_fs(uri.replace("minio://", "s3://", 1), **options, **anonymous)
    # From S3 KServe fetches every key that begins so (_download_s3 in kserve_storage.py), from Cloud Storage those below a folder.
    is_prefix = not uri.startswith("gs://") and not uri.endswith("/")
    with suppress(FileNotFoundError):
        keys = files.find(path.rpartition("/")[0]) if is_prefix else files.find(path)
        if found := [key for key in keys if key.startswith(path) and not key.endswith("/")]:
            return _download(files, path, found)
    return None


def _download(files: Any, path: str, keys: list[str]) -> Path:
    _downloads.append(tempfile.TemporaryDirectory(prefix="storage-"))
    folder = Path(_downloads[-1].name) / "model"
    files.get(keys, [str(folder / key.removeprefix(path).lstrip("/")) for key in keys])
    return folder


@contextmanager
def _serving(log: Path, *arguments: str) -> Iterator[int]:
    """Runs Python with these arguments, and a port as the last one, until the context ends."""
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments, str(port)],
            stdout=output,
            stderr=output,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _listens(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _make_bucket(name: str, variables: dict[str, str]) -> None:
    where: dict[str, dict[str, Any]] = {
        "gs": {"endpoint_url": variables["STORAGE_EMULATOR_HOST"], "token": "anon", "project": "test"},
        "s3": {"endpoint_url": variables["AWS_ENDPOINT_URL_S3"], "key": "test", "secret": "test"},
    }
    for scheme, options in where.items():
        fsspec.filesystem(scheme, **options, skip_instance_cache=True).mkdir(name)


if __name__ == "__main__":
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory() as folder, stores(Path(folder), *sys.argv[1:]) as environment:
        for name, value in environment.items():
            print(f"export {name}={shlex.quote(value)}", flush=True)
        signal.pause()
