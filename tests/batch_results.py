"""Plays the place that runs a batch (`vllm run-batch`, a vendor): requests in, results out, from the model of `fault_server`."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fault_model import Knobs
from fault_replies import reply_to


def lines(file: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file."""
    return [json.loads(line) for line in file.read_bytes().split(b"\n") if line]


def requests(folder: Path) -> list[dict[str, Any]]:
    """All requests of an export."""
    return [line for file in sorted(folder.glob("requests-*.jsonl")) for line in lines(file)]


def answered(request: Mapping[str, Any], knobs: Knobs | None = None) -> dict[str, Any]:
    """What comes of one request, in vLLM's envelope; it repeats the request's name and nothing else of it."""
    content = reply_to(request["body"], knobs or Knobs(), None).content
    response = {"status_code": 200, "request_id": "batch-1", "body": json.loads(content or b"")}
    return {"id": "vllm-1", "custom_id": request["custom_id"], "response": response, "error": None}


def refused(request: Mapping[str, Any], status: int = 400) -> dict[str, Any]:
    """A request that its server did not answer."""
    error = {"message": "The prompt is too long.", "code": status}
    response = {"status_code": status, "request_id": "batch-2", "body": None}
    return {"id": "vllm-2", "custom_id": request["custom_id"], "response": response, "error": error}


def expired(request: Mapping[str, Any]) -> dict[str, Any]:
    """A request that a vendor had no time for within a day."""
    error = {"code": "batch_expired", "message": "This request could not be executed in time."}
    return {"id": "batch_req_3", "custom_id": request["custom_id"], "response": None, "error": error}


def write(file: Path, results: Iterable[Mapping[str, Any]]) -> Path:
    """A results file."""
    file.write_text("".join(json.dumps(result) + "\n" for result in results), encoding="utf-8")
    return file
