"""A repository of lakeFS, on the double or on the server that `PENSTOCK_LAKEFS_URL` names."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import requests

from ...doubles.lakefs import KEY_ID, SECRET, lakefs

VARIABLES = ("LAKECTL_SERVER_ENDPOINT_URL", "LAKECTL_CREDENTIALS_ACCESS_KEY_ID", "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY")


@contextmanager
def environment() -> Iterator[dict[str, str]]:
    """Gives the environment of lakeFS's clients while a server runs."""
    if url := os.environ.get("PENSTOCK_LAKEFS_URL"):
        yield {name: os.environ[name] for name in VARIABLES[1:]} | {VARIABLES[0]: url}
        return
    with lakefs() as url:
        yield dict(zip(VARIABLES, (url, KEY_ID, SECRET), strict=True))


@dataclass
class Repository:
    """A repository of lakeFS, which is written to through its API."""

    name: str

    @classmethod
    def make(cls) -> "Repository":
        """Makes one on the server that the environment names."""
        made = cls(f"flights-{uuid.uuid4().hex[:8]}")
        made.post("", json={"name": made.name, "storage_namespace": f"local://{made.name}"})
        return made

    def post(self, path: str, **options) -> dict:
        url, *keys = (os.environ[name] for name in VARIABLES)
        answer = requests.post(f"{url}/api/v1/repositories{path}", auth=tuple(keys), timeout=60, **options)
        assert answer.ok, answer.text
        return answer.json()

    def write(self, path: str, content: bytes) -> None:
        headers = {"Content-Type": "application/octet-stream"}
        self.post(f"/{self.name}/branches/main/objects", params={"path": path}, data=content, headers=headers)

    def commit(self, **files: bytes) -> str:
        """Writes CSV files to `flights/` of main and commits; returns the commit's ID."""
        for name, content in files.items():
            self.write(f"flights/{name}.csv", content)
        return self.post(f"/{self.name}/branches/main/commits", json={"message": "more flights"})["id"]

    def uri(self, ref: str, path: str = "flights") -> str:
        return f"lakefs://{self.name}/{ref}/{path}"
