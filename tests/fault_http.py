"""The HTTP side of `fault_server`: one thread per connection, a log of all requests, replies as they are planned."""

import hashlib
import json
import os
import select
import socket
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from fault_model import prompt_of
from fault_plan import REFUSALS, Fired, Plan, Rule, read_plan
from fault_replies import Reply, as_json, refusal, reply_to


class Server(ThreadingHTTPServer):
    """What all requests share: the log, the plan, what has fired, and how many chat requests are under way."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, port: int, log: Path, plan: Path | None, key: str | None) -> None:
        self.log, self.plan_file, self.key = log, plan, key
        self.fired, self.lock, self.chats, self.in_flight = Fired(), threading.Lock(), 0, 0
        super().__init__(("127.0.0.1", port), Handler)

    def plan(self) -> Plan:
        """The plan as it stands now."""
        return read_plan(self.plan_file) if self.plan_file and self.plan_file.exists() else Plan()

    def note(self, **line: Any) -> None:
        """Append to the log, by one system call, so that whoever reads it meanwhile sees whole lines."""
        file = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(file, json.dumps(line).encode() + b"\n")
        os.close(file)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news; anything else is a mistake of ours and goes to standard error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes, and the second would wait 40 ms
    server: Server

    def do_GET(self) -> None:
        """/health, which needs no key, and /v1/models, which does."""
        if self.path == "/health":
            self._send(as_json(200, {"status": "ok"}))
        elif self.path != "/v1/models":
            self._send(refusal(404, None, f"There is no {self.path} here."))
        elif not self._authorized():
            self._send(refusal(*REFUSALS["401"]))
        else:
            names = self.server.plan().knobs.models
            listed = [{"id": name, "object": "model", "created": 0, "owned_by": "tests"} for name in names]
            self._send(as_json(200, {"object": "list", "data": listed}))

    def do_POST(self) -> None:
        """/v1/chat/completions. Its end is logged before its last bytes go out: who has the answer finds it in the log."""
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/v1/chat/completions":
            self._send(refusal(404, None, f"There is no {self.path} here."))
            return
        server, body = self.server, json.loads(content)
        plan, allowed = server.plan(), self._authorized()
        with server.lock:
            server.chats += 1
            server.in_flight += 1
            number = server.chats
            rule = server.fired.next(plan, prompt_of(body), body.get("seed"), number) if allowed else Rule("401")
            server.note(**self._arrival(number, content, body, rule))
        reply, heard = reply_to(body, plan.knobs, rule), False
        try:
            heard = self._wait(reply.wait)
        finally:
            with server.lock:
                server.in_flight -= 1
                server.note(id=_id(number), ended=time.time(), finished=heard and not reply.hang_up)
        if heard and reply.content is not None:
            self._send(reply)
        if not heard or reply.hang_up:
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: our own log says more."""

    def _arrival(self, number: int, content: bytes, body: dict[str, Any], rule: Rule | None) -> dict[str, Any]:
        return {
            "id": _id(number),
            "time": time.time(),
            "path": self.path,
            "digest": hashlib.sha256(content).hexdigest(),
            "prompt": prompt_of(body),
            "seed": body.get("seed"),
            "n": body.get("n", 1),
            "body": body,
            "headers": {name: value for name, value in self.headers.items() if name.lower() != "authorization"},
            "authorized": self._authorized(),
            "fault": rule.fault if rule else None,
            "in_flight": self.server.in_flight,
        }

    def _authorized(self) -> bool:
        key = self.server.key
        return key is None or self.headers.get("Authorization") == f"Bearer {key}"

    def _wait(self, seconds: float) -> bool:
        """Sleep, but not longer than the client stays: whether it is still there."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.connection], [], [], left)[0]:
                with suppress(ConnectionError):
                    if self.connection.recv(1, socket.MSG_PEEK):
                        time.sleep(min(left, 0.01))  # its next request is here already
                        continue
                return False
        return True

    def _send(self, reply: Reply) -> None:
        content = reply.content or b""
        length = len(content) if reply.length is None else reply.length
        self.send_response(reply.status)
        for name, value in {"Content-Type": reply.kind, "Content-Length": str(length), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def _id(number: int) -> str:
    """A server started again goes on with the same log."""
    return f"{os.getpid()}-{number}"
