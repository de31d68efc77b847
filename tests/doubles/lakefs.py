"""A lakeFS server on this machine, with what its clients need to write, commit and read: one repository's API and S3 gateway.

From lakeFS 1.84's sources. The tests of ingest_examples that use it also pass with a server of that version, to which `PENSTOCK_LAKEFS_URL`
leads them (`go build ./cmd/lakefs`, then `lakefs run` with a local database and block store):

- One port serves both. A request that AWS's client has signed is the gateway's (`sig.IsAWSSignedRequest` in cmd/lakefs/cmd/run.go).
- The gateway's buckets are repositories, and its keys are `REF/PATH`; REF may be part of a commit's ID. A branch's keys include what is
  not committed, those of a commit do not.
- `refs/REF/commits` gives the commit that a ref names first. Unknown refs are 404, and such as `main$`, of what is not committed, 400.
- Errors of the API are `{"message": ...}`; unknown keys are 401, as is a user without rights.
- An object's ETag is the MD5 of its bytes.
"""

import base64
import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

Files = dict[str, bytes]


@dataclass
class _Commit:
    id: str
    parent: "_Commit | None"
    files: Files
    created: int


@dataclass
class _Repository:
    heads: dict[str, _Commit] = field(default_factory=dict)
    written: dict[str, Files] = field(default_factory=dict)
    tags: dict[str, _Commit] = field(default_factory=dict)
    commits: dict[str, _Commit] = field(default_factory=dict)

    def commit(self, branch: str, message: str) -> _Commit:
        parent = self.heads.get(branch)
        files = (parent.files if parent else {}) | self.written.get(branch, {})
        made = _Commit(hashlib.sha256(f"{message}{len(self.commits)}{sorted(files)}".encode()).hexdigest(), parent, files, int(time.time()))
        self.commits[made.id] = self.heads[branch] = made
        self.written[branch] = {}
        return made

    def named(self, ref: str) -> _Commit:
        """Returns what a ref names.

        Raises:
            LookupError: Nothing.
        """
        name, back = re.fullmatch(r"([^~]*)(?:~(\d*))?", ref).groups()
        matching = [commit for key, commit in self.commits.items() if key.startswith(name)]
        found = self.heads.get(name) or self.tags.get(name) or (matching[0] if len(matching) == 1 else None)
        for _ in range(0 if back is None else int(back or 1)):
            found = found and found.parent
        if not found:
            raise LookupError("ref: not found")
        return found

    def files(self, ref: str) -> Files:
        return self.named(ref).files | self.written.get(ref, {})


class _Server(BaseHTTPRequestHandler):
    """Answers requests of both kinds."""

    protocol_version = "HTTP/1.1"
    repositories: ClassVar[dict[str, _Repository]] = {}

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_GET

    def log_message(self, *_: Any) -> None: ...

    def _answer(self) -> None:
        url = urlsplit(self.path)
        self._body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._query = {key: value for key, (value, *_) in parse_qs(url.query, keep_blank_values=True).items()}
        credentials = self.headers.get("Authorization", "")
        if credentials.startswith("AWS4-HMAC-SHA256"):
            self._gateway(unquote(url.path), f"Credential={KEY_ID}/" in credentials)
        elif credentials == f"Basic {base64.b64encode(f'{KEY_ID}:{SECRET}'.encode()).decode()}":
            self._api([unquote(part) for part in url.path.removeprefix("/api/v1/").split("/")])
        else:
            self._say(401, {"message": "error authenticating request"})

    def _say(self, status: int, content: Any, kind: str = "application/json", **headers: str) -> None:
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": kind, "Content-Length": str(len(text))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def _api(self, parts: list[str]) -> None:
        _, repository, *rest = [*parts, ""]
        content = json.loads(self._body) if self.headers.get("Content-Type") == "application/json" else {}
        if self.command == "POST" and not repository:
            made = self.repositories[content["name"]] = _Repository()
            made.commit("main", "Repository created")
            return self._say(201, {"id": content["name"], "default_branch": "main"})
        found = self.repositories.get(repository)
        if not found:
            return self._say(404, {"message": "repository not found"})
        match [self.command, *filter(None, rest)]:
            case ["GET", "refs", ref, "commits"]:
                return self._log(found, ref)
            case ["POST", "branches", branch, "objects"]:
                found.written[branch] |= {self._query["path"]: self._body}
                return self._say(201, {"path": self._query["path"]})
            case ["POST", "branches", branch, "commits"]:
                return self._say(201, {"id": found.commit(branch, content["message"]).id})
            case ["POST", "tags"]:
                found.tags[content["id"]] = found.named(content["ref"])
                return self._say(201, {"id": content["id"], "commit_id": found.tags[content["id"]].id})
        return self._say(404, {"message": "invalid API endpoint"})

    def _log(self, repository: _Repository, ref: str) -> None:
        if ref.endswith("$"):
            return self._say(400, {"message": "ref: invalid ref: should point to a commit"})
        try:
            commit = repository.named(ref)
        except LookupError as error:
            return self._say(404, {"message": str(error)})
        results = [{"id": commit.id, "creation_date": commit.created, "parents": [commit.parent.id] if commit.parent else []}]
        return self._say(200, {"results": results, "pagination": {"has_more": bool(commit.parent), "results": 1}})

    def _gateway(self, path: str, is_known: bool) -> None:
        if not is_known:
            return self._refuse(403, "AccessDenied")
        repository, _, key = path.lstrip("/").partition("/")
        found = self.repositories.get(repository)
        if not found:
            return self._refuse(404, "NoSuchBucket")
        if not key:
            return self._list(repository, found)
        ref, _, name = key.partition("/")
        try:
            content = found.files(ref)[name]
        except LookupError:
            return self._refuse(404, "NoSuchKey")
        headers = {"ETag": f'"{hashlib.md5(content).hexdigest()}"', "Last_Modified": formatdate(usegmt=True), "Accept_Ranges": "bytes"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not wanted:
            return self._say(200, content, "application/octet-stream", **headers)
        first, last = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
        headers["Content_Range"] = f"bytes {first}-{last}/{len(content)}"
        return self._say(206, content[first : last + 1], "application/octet-stream", **headers)

    def _refuse(self, status: int, code: str) -> None:
        self._say(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode(), "application/xml")

    def _list(self, name: str, repository: _Repository) -> None:
        prefix, delimiter = self._query.get("prefix", ""), self._query.get("delimiter", "")
        after, most = self._query.get("continuation-token") or self._query.get("start-after", ""), int(self._query.get("max-keys", 1000))
        ref = prefix.partition("/")[0]
        try:
            files = {f"{ref}/{path}": content for path, content in repository.files(ref).items()}
        except LookupError:
            return self._refuse(400, "BadRequest")
        entries: dict[str, str] = {}
        for key, content in sorted(files.items()):
            head, mark, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
            if not key.startswith(prefix):
                continue
            if mark:
                folder = escape(f"{prefix}{head}{mark}")
                entries[folder] = f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"
            else:
                stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
                entries[escape(key)] = (
                    f"<Contents><Key>{escape(key)}</Key><LastModified>{stamp}</LastModified><ETag>&#34;{hashlib.md5(content).hexdigest()}"
                    f"&#34;</ETag><Size>{len(content)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
                )
        left = [key for key in entries if key > after]
        shown = left[:most]
        more = f"<NextContinuationToken>{shown[-1]}</NextContinuationToken>" if len(left) > most else ""
        xml = (
            f"<ListBucketResult><Name>{name}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(shown)}</KeyCount><MaxKeys>{most}</MaxKeys>"
            f"<IsTruncated>{str(bool(more)).lower()}</IsTruncated>{more}{''.join(entries[key] for key in shown)}</ListBucketResult>"
        )
        return self._say(200, xml.encode(), "application/xml")


@contextmanager
def lakefs() -> Iterator[str]:
    """Serves an empty lakeFS while the context lasts, in a process of its own: clients in Rust hold Python's lock while they wait.

    Yields:
        Its URL.
    """
    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), _Server) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
