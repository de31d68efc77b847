"""Cloud Storage, the part of it that clients of pipelines ask for: which buckets there are, and folders that stand for them.

Source: https://cloud.google.com/storage/docs/json_api/v1/buckets.
"""

import re
import shutil
from pathlib import Path
from typing import Any

from .artifacts import Artifacts
from .names import Names
from .web import Answer, Question

_BUCKETS = re.compile(r"/storage/v1/b(?:/([^/]+)(/iam)?)?")


class Buckets:
    """The project's buckets. Those that `Artifacts.folders` has a folder for are there, and those that a client has made."""

    def __init__(self, folder: Path, artifacts: Artifacts, names: Names) -> None:
        self._folder = folder / "buckets"
        self._artifacts = artifacts
        self._names = names
        self._policies: dict[str, Any] = {}

    def clear(self) -> None:
        """Deletes the buckets that clients have made."""
        for uri in [uri for uri, folder in self._artifacts.folders.items() if folder.parent == self._folder]:
            shutil.rmtree(self._artifacts.folders.pop(uri))
        self._policies.clear()

    def create(self, name: str) -> None:
        """Makes a bucket."""
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        self._artifacts.folders[f"gs://{name}"] = folder

    def path(self, uri: str) -> Path | None:
        """Returns where a URI lies; None if there is no such bucket."""
        for prefix, folder in self._artifacts.folders.items():
            if f"{uri}/".startswith(f"{prefix}/"):
                return folder / uri.removeprefix(prefix).strip("/")
        return None

    def uri(self, path: Path | str) -> str:
        """Returns the URI of what lies in a bucket's folder; for all else, what was given."""
        for prefix, folder in self._artifacts.folders.items():
            if Path(path).is_relative_to(folder):
                return f"{prefix}/{Path(path).relative_to(folder).as_posix()}"
        return str(path)

    def answer(self, question: Question) -> Answer | None:
        """Answers Cloud Storage's JSON API; None for what is not about buckets."""
        match = _BUCKETS.fullmatch(question.path)
        if match is None:
            return None
        name, about_policy = match[1] or (question.body or {}).get("name", ""), match[2]
        if question.method == "POST" and not match[1]:
            return self._made(name)
        if self.path(f"gs://{name}") is None:
            return Answer.refusal(404, "The specified bucket does not exist.")
        if about_policy:
            if question.method == "PUT":
                self._policies[name] = question.body
            return Answer(200, self._policies.get(name, {"kind": "storage#policy", "etag": "CAE=", "bindings": []}))
        return Answer(200, self._bucket(name))

    def _made(self, name: str) -> Answer:
        if self.path(f"gs://{name}") is not None:
            return Answer.refusal(409, "Your previous request to create the named bucket succeeded and you already own it.")
        self.create(name)
        return Answer(200, self._bucket(name))

    def _bucket(self, name: str) -> dict[str, Any]:
        return {
            "kind": "storage#bucket",
            "id": name,
            "name": name,
            "projectNumber": self._names.number,
            "location": self._names.location.upper(),
            "storageClass": "STANDARD",
        }
