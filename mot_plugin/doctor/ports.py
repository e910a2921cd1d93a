"""Ports: loopback, which servers and processes of one step use, and the fixed ones that somebody named."""

import os
import socket
from collections.abc import Iterator

from mot_plugin.doctor.context import Context
from mot_plugin.doctor.finding import Finding, error, ok

_NAMES = ("MASTER_PORT",)
"""Variables of torchrun's; unless one is set, LLaMA-Factory takes a free port."""
HIGHEST = 65535


def check(context: Context) -> Iterator[Finding]:
    """A connection to ourselves, then each fixed port."""
    yield _loopback()
    given = {
        **context.environ,
        **context.machine.env,
        **{k: v for tool in context.machine.tools.values() for k, v in tool.env.items()},
    }
    fixed = {name: given[name] for name in _NAMES if name in given}
    for name, value in fixed.items():
        yield _fixed(name, value)
    if not fixed:
        yield ok("ports", "none is fixed: every server and every training takes a free one")


def _loopback() -> Finding:
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname(), timeout=2),
        ):
            return ok("loopback", "a connection to 127.0.0.1 works")
    except OSError as wrong:
        said = f"no connection to 127.0.0.1 ({wrong}): served teachers and trainings of several processes need it"
        return error("loopback", said, "ip link set lo up")


def _fixed(name: str, value: str) -> Finding:
    if not value.isdigit() or not 0 < int(value) <= HIGHEST:
        return error(name, f"{value!r} is no port", f"set {name} to a number from 1024 to {HIGHEST}, or unset it")
    try:
        with socket.create_server(("", int(value))):
            return ok(name, f"port {value} is free")
    except OSError as wrong:
        said = f"port {value} cannot be taken: {os.strerror(wrong.errno or 0)}"
        return error(name, said, f"unset {name}, or end what listens there (ss -ltnp 'sport = :{value}')")
