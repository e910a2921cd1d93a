"""A budget and a disk that come to their end while a teacher is asked: how much is asked, what is kept, how it goes on."""

import contextlib
import json
import os
import re
import resource
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fake_world import World
from fault_model import Knobs
from fault_replies import reply_to
from fault_server import FaultServer
from live_world import CONCURRENCY, asked, attempts, build, corpora, failed, on_disk

from mot_plugin.errors import CheckFailed
from mot_plugin.sources.problems import Problem, write_problems
from mot_plugin.teachers import sample
from mot_plugin.teachers.asking import Line, Sampling
from mot_plugin.teachers.client import Endpoint
from mot_plugin.teachers.samples import Record, open_samples

pytestmark = pytest.mark.process

SHORTEST = 12
"""Tokens of a whole answer of the server, at least."""


def test_a_budget_that_is_spent_is_no_fault_to_try_again(
    unasked: World, built: World, fault_server: FaultServer
) -> None:
    unasked.edit(lambda recipe: recipe["sampling"].update(max_tokens_total=60))
    said = failed(unasked, build(unasked))
    found = re.search(
        r"error: the budget of 60 tokens \(sampling\.max_tokens_total\) is spent: (\d) of 8 prompts are done, "
        r"\d kept, (\d+) tokens spent\n\s+raise it and run again to go on from here; all samples are in\n\s+(\S+)",
        said,
    )
    assert found, said
    assert int(found[1]) < 8
    assert int(found[2]) >= 60
    assert Path(found[3]).is_file()
    assert attempts(unasked) == 1
    had = len(fault_server.requests())
    assert had <= 60 / SHORTEST + CONCURRENCY

    assert failed(unasked, build(unasked)).partition("error: ")[2] == said.partition("error: ")[2]
    assert len(fault_server.requests()) == had, "without more money nothing is asked"

    unasked.edit(lambda recipe: recipe["sampling"].update(max_tokens_total=100_000))
    assert build(unasked).returncode == 0
    assert set(asked(fault_server).values()) == {1}
    summaries = {
        f"{step}/anna/summary.json" for step in ("traces", "corpus")
    }  # they have the recipe's sampling in them
    assert without(summaries, corpora(unasked)) == without(summaries, corpora(built))


def without(names: set[str], found: dict[str, bytes]) -> dict[str, bytes]:
    """All the others."""
    assert names <= found.keys()
    return {name: content for name, content in found.items() if name not in names}


def step_here(world: World, url: str, out: Path, **changed: Any) -> sample.Config:
    """The config of anna's step, to be run in this process, with samples of its own."""
    config = sample.Config.model_validate_json((world.run_folder / "configs/traces/anna.sample.json").read_bytes())
    out.mkdir()
    endpoint = Endpoint(url=url, concurrency=CONCURRENCY, attempts=2, backoff_seconds=0.01)
    place = config.place.model_copy(update={"samples": str(out / "samples"), "endpoint": endpoint})
    sampling = config.sampling.model_copy(update=changed.pop("sampling", {}))
    return config.model_copy(update={"place": place, "sampling": sampling, "out": str(out), **changed})


def test_what_is_spent_counts_before_it_is_judged(
    unasked: World, fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers that take mathematics: the first verdict comes after a second, and nothing may be asked for meanwhile."""
    problems = [Problem(f"p{number}", f"What is half of {number}?", ("0.5",)) for number in range(8)]
    write_problems(tmp_path / "problems.jsonl", problems)
    fault_server.plan(right=1, unboxed=0, cut=0, answers={"What is half": "\\frac{1}{2}"})
    monkeypatch.chdir(unasked.run_folder)
    limits = {"mode": "all", "max_tokens_total": 60}
    source = str(tmp_path / "problems.jsonl")
    config = step_here(unasked, fault_server.url, tmp_path / "out", problems=source, sampling=limits)
    with pytest.raises(CheckFailed, match=r"the budget of 60 tokens .* is spent"):
        sample.run(config)
    assert len(fault_server.requests()) <= 60 / SHORTEST + CONCURRENCY


class Uncounted(BaseHTTPRequestHandler):
    """A server that does not say how many tokens an answer has."""

    requests = 0

    def do_POST(self) -> None:
        """An answer without `usage`."""
        type(self).requests += 1
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.loads(reply_to(body, Knobs(), None).content or b"")
        del answer["usage"]
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def test_a_budget_that_cannot_be_kept_is_told_at_once(
    unasked: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(unasked.run_folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Uncounted)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        bound = step_here(unasked, url, tmp_path / "out", sampling={"max_tokens_total": 1000})
        with pytest.raises(
            CheckFailed, match=r"does not say how many tokens (?s:.*) take sampling.max_tokens_total out"
        ):
            sample.run(bound)
        assert Uncounted.requests <= CONCURRENCY
        free = bound.sampling.model_copy(update={"max_tokens_total": None})
        sample.run(bound.model_copy(update={"sampling": free}))
    finally:
        server.shutdown()
        server.server_close()
    assert json.loads((tmp_path / "out" / "summary.json").read_bytes())["samples_without_usage"] == Uncounted.requests


@pytest.fixture
def small_disk(unasked: World) -> Iterator[Path]:
    """The world's runs on a disk of a megabyte."""
    aside = unasked.runs.rename(unasked.root / "aside")
    unasked.runs.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(unasked.runs)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small disk to fill: {mounted.stderr.strip()}")
    try:
        subprocess.run(["cp", "-a", f"{aside}/.", str(unasked.runs)], check=True)
        yield unasked.runs
    finally:
        unasked.end_all()
        subprocess.run(["umount", str(unasked.runs)], check=True)


def test_a_disk_that_fills_up_while_answers_come(unasked: World, small_disk: Path, fault_server: FaultServer) -> None:
    unasked.edit(lambda recipe: recipe["sampling"].update(mode="all", n=40))  # some 300 kB in all
    left = os.statvfs(small_disk)
    (small_disk / "ballast").write_bytes(bytes(left.f_bavail * left.f_frsize - 160 * 1024))
    ended = build(unasked)
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert "the disk is full: free space and run again; nothing that was finished is lost" in ended.stderr
    kept, first = on_disk(unasked), len(fault_server.requests())
    assert 0 < len(kept) < 320
    (small_disk / "ballast").unlink()
    assert build(unasked).returncode == 0
    assert not kept & set(asked(fault_server, first))
    assert len(on_disk(unasked)) == 320


@contextlib.contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """The kernel refuses to let a file of this process grow beyond that: as on a full disk, half a write is done."""
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_an_error_of_this_computer_is_told_as_it_is(
    unasked: World, fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not as a group of exceptions, of which the command would print every frame."""
    monkeypatch.chdir(unasked.run_folder)
    config = step_here(unasked, fault_server.url, tmp_path / "out")
    with no_file_above(4000), pytest.raises(OSError, match="File too large"):
        sample.run(config)


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    """Several requests end at once: one no longer fits, and a shorter one after it does."""
    line = Line("org/anna@1", Sampling(n=2, temperature=0.6, top_p=0.95, top_k=20, max_tokens=100), 0)
    records = [Record(f"sample-{size}", {}, {"choices": [], "text": "x" * size}, None, {}) for size in (10, 5000, 20)]
    with open_samples(tmp_path, line) as samples:
        samples.append(records[0])
        with no_file_above(samples.file.stat().st_size + 2000):
            with pytest.raises(OSError, match="File too large"):
                samples.append(records[1])
            samples.append(records[2])
    with open_samples(tmp_path, line) as samples:
        assert [samples.read(record.custom_id) for record in (records[0], records[2])] == [records[0], records[2]]
        assert records[1].custom_id not in samples
