"""Rows of a benchmark from a hub: `datasets` as it is, in processes of their own, and a hub on this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

import pytest

pytestmark = pytest.mark.contract

COMMIT = "1" * 40
CARD = "---\nconfigs:\n- config_name: one\n  data_files:\n  - split: val\n    path: one/val.jsonl\n---\n"
FILES = {"README.md": CARD.encode(), "one/val.jsonl": b'{"id": "a"}\n{"id": "b"}\n'}


class Hub(BaseHTTPRequestHandler):
    """A hub with the data set org/parts, the gated Idavidrein/gpqa, and nothing else."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        if "Idavidrein/gpqa" in path:
            self.answer(401, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."})
        elif "org/parts" not in path:
            self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif path.startswith("/api/datasets/org/parts/tree/"):
            entries = [{"type": "file", "path": file, "size": len(FILES[file]), "oid": COMMIT} for file in FILES]
            self.answer(200, json.dumps(entries).encode())
        elif path.startswith("/api/datasets/org/parts"):
            siblings = [{"rfilename": file} for file in FILES]
            info = {
                "id": "org/parts",
                "sha": COMMIT,
                "siblings": siblings,
                "tags": [],
                "gated": False,
                "private": False,
            }
            self.answer(200, json.dumps(info).encode())
        elif (file := path.partition("/resolve/")[2].partition("/")[2]) in FILES:
            self.answer(200, FILES[file], {"ETag": f'"{len(file):040d}"', "X-Repo-Commit": COMMIT})
        else:
            self.answer(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})

    def do_HEAD(self) -> None:
        self.do_GET()

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def said(code: str, home: Path, **environment: str) -> str:
    """What a process prints: the hub's address and whether to be offline are read once, at its start."""
    whole = "from mot_plugin.errors import MissingInput\n"
    whole += "from mot_plugin.evals import choice_loaders\nfrom mot_plugin.evals.origin import Origin, rows\n"
    whole += "def loads(load, *args, **kwargs):\n  try: print(load(*args, **kwargs))\n"
    whole += "  except MissingInput as error: print('MissingInput', error)\n"
    found = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    found |= {"HF_HOME": str(home), "NO_PROXY": "*", **environment}
    command = [sys.executable, "-c", whole + code]
    ended = subprocess.run(command, env=found, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_rows_and_refusals_of_a_hub(hub: str, tmp_path: Path) -> None:
    code = "parts = Origin('org/parts', 'parts', 'val', 2, configs=('one',), column='subject')\n"
    code += "for revision in (None, '1' * 40): loads(rows, parts, mot_data_dir=None, dataset_revision=revision)\n"
    code += "loads(rows, Origin('org/none', 'none', 'val', 2), mot_data_dir=None, dataset_revision=None)\n"
    code += "loads(choice_loaders.gpqa)\n"
    lines = said(code, tmp_path, HF_ENDPOINT=hub).split("\n")
    row = "[('org/parts one row 1', {'id': 'a', 'subject': 'one'}), ('org/parts one row 2', {'id': 'b', 'subject': 'one'})]"
    assert lines[:2] == [row, row]
    assert lines[2].startswith(
        "MissingInput the data set org/none (revision newest) cannot be loaded: Dataset 'org/none' "
    )
    assert lines[3] == (
        "  without the hub: put none.jsonl, or a copy of the data set as none/, into a folder and pass "
        '--metadata \'{"mot_data_dir": "FOLDER"}\''
    )
    assert "Idavidrein/gpqa' is a gated dataset" in lines[4]
    assert "accept its terms on its page" in lines[5]
    assert "the cell of mot_gpqa_diamond stays missing, and so does every average with it" in lines[6]
    assert "put gpqa_diamond.jsonl" in lines[7]


def test_without_a_network(tmp_path: Path) -> None:
    words = said("loads(choice_loaders.mmlu_pro, dataset_revision='abc')", tmp_path, HF_HUB_OFFLINE="1")
    assert words.startswith("MissingInput the data set TIGER-Lab/MMLU-Pro (revision abc) cannot be loaded: ")
    assert "put mmlu_pro.jsonl, or a copy of the data set as mmlu_pro/, into a folder" in words
