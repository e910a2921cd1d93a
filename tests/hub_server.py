"""A hub on this machine, for the real huggingface_hub: data sets out of memory, some of them gated, and what was asked."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote


@dataclass
class Hub:
    """`repos`: data set -> its files. Only its newest commit can be had, unless `commits` says which one that is."""

    repos: dict[str, dict[str, bytes]]
    gated: set[str] = field(default_factory=set)
    commits: dict[str, str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    """Files that end too early."""
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def commit(self, repo: str) -> str:
        """The one named, else a digest of the files."""
        parts = [f"{name} {content!r}" for name, content in sorted(self.repos[repo].items())]
        return self.commits.get(repo) or hashlib.sha1("\n".join(parts).encode()).hexdigest()

    def downloads(self) -> list[str]:
        """The files that were sent, as `org/name file`, in the order of asking."""
        return [line.removeprefix("GET ") for line in self.asked if line.startswith("GET ")]

    def environment(self, home: Path) -> dict[str, str]:
        """For a process that is to ask this hub and no other."""
        found = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        return found | {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "NO_PROXY": "*", "HF_HUB_DISABLE_XET": "1"}


@contextmanager
def serving(repos: Mapping[str, Mapping[str, bytes]], gated: set[str] | None = None) -> Iterator[Hub]:
    """A hub with these data sets, until the end of the block."""
    hub = Hub({name: dict(files) for name, files in repos.items()}, gated or set())

    class Handler(_Handler):
        of = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    of: Hub

    def do_GET(self) -> None:
        parts = unquote(self.path.partition("?")[0]).strip("/").split("/")
        api = parts[:2] == ["api", "datasets"]
        parts = parts[2:] if api else parts[parts[0] == "datasets" :]  # a model's files have no such first word
        repo, rest = "/".join(parts[:2]), parts[2:]
        if repo not in self.of.repos:
            self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif len(rest) > 1 and rest[1] not in ("main", self.of.commit(repo)):
            self.answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        elif api:
            self.describe(repo, rest)
        elif repo in self.of.gated:
            self.answer(401, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."})
        else:
            self.give(repo, "/".join(rest[2:]))

    def do_HEAD(self) -> None:
        self.do_GET()

    def describe(self, repo: str, rest: list[str]) -> None:
        files = self.of.repos[repo]
        self.of.asked.append(f"API {repo}")
        if rest[:1] == ["tree"]:
            entries = [
                {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for name, content in files.items()
            ]
            self.answer(200, json.dumps(entries).encode())
        else:
            about = {"id": repo, "sha": self.of.commit(repo), "tags": [], "private": False}
            about |= {"gated": "auto" if repo in self.of.gated else False}
            self.answer(200, json.dumps({**about, "siblings": [{"rfilename": name} for name in files]}).encode())

    def give(self, repo: str, name: str) -> None:
        content = self.of.repos[repo].get(name)
        if content is None:
            self.answer(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": self.of.commit(repo)})
            return
        if self.command == "GET":
            self.of.asked.append(f"GET {repo} {name}")
        etag = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": self.of.commit(repo)}
        self.answer(200, content, etag, cut=name in self.of.broken)

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None, *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
            self.close_connection = cut

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""
