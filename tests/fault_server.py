"""An OpenAI-compatible server of our own that says the same again and again, and fails as its plan says.

    python tests/fault_server.py --port 0 --log FILE [--plan FILE.json] [--key KEY] [--until-eof]

GET /health, GET /v1/models, POST /v1/chat/completions (no streams). Prints `UP` and its URL on 127.0.0.1, up to
/v1. The log gets a JSON object when a chat request comes and one when it is over, both with its `id`.
"""

import argparse
import json
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from child_server import ChildServer
from fault_http import Server
from fault_plan import as_plan


class FaultServer(ChildServer):
    """The server in a process of its own; its plan, its log and its words lie in `folder`."""

    def __init__(self, folder: Path, *, key: str | None = None, port: int = 0) -> None:
        """Start it. With the folder and port of one that was stopped it is the same server come back."""
        folder.mkdir(parents=True, exist_ok=True)
        self._plan, self._requests = folder / "plan.json", folder / "requests.jsonl"
        arguments = ["--until-eof", "--port", port, "--log", self._requests, "--plan", self._plan]
        arguments += ["--key", key] if key else []
        super().__init__([__file__, *map(str, arguments)], folder / "server.log")

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.root.rpartition(":")[2])

    def plan(self, rules: Sequence[Mapping[str, Any]] = (), **knobs: Any) -> None:
        """From the next request on these rules and knobs (fault_plan.Rule, fault_model.Knobs), and no others."""
        as_plan(rules, knobs).write(self._plan)

    def requests(self) -> list[dict[str, Any]]:
        """All chat requests so far in the order of arrival, of servers before this one in the folder, too.

        `finished`: answered in full, as far as the server knows; False while it is under way or if it was hung up.
        """
        found: dict[str, dict[str, Any]] = {}
        lines = self._requests.read_bytes().split(b"\n")[:-1] if self._requests.exists() else []
        for line in map(json.loads, lines):
            found.setdefault(line["id"], {"finished": False}).update(line)
        return list(found.values())


def main(arguments: Sequence[str]) -> None:
    """Serve until it is ended."""
    parser = argparse.ArgumentParser(description="an OpenAI-compatible server that fails as planned")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--plan", type=Path, help="may be absent, and change while the server runs")
    parser.add_argument("--key")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input does")
    asked = parser.parse_args(arguments)
    server = Server(asked.port, asked.log, asked.plan, asked.key)
    host, port = server.server_address[:2]
    print(f"UP http://{host!s}:{port}/v1", flush=True)
    if asked.until_eof:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.buffer.read()
    else:
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
