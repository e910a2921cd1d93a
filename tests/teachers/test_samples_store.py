"""The append-only file of samples: what a kill, a second process and broken lines do to it."""

import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from mot_plugin.errors import FileError, RunConflict
from mot_plugin.teachers.asking import Line, Sampling, custom_id
from mot_plugin.teachers.samples import SAMPLES, Record, open_samples

SAMPLING = Sampling(n=4, temperature=0.6, top_p=0.95, top_k=20, max_tokens=100)
LINE = Line("org/teacher@abc", SAMPLING, 0)


def record(index: int, text: str = "x", *, failed: bool = False) -> Record:
    body = {"choices": [{"message": {"content": text}}], "usage": {"completion_tokens": 3}}
    error = {"reason": "http_500", "message": "no", "attempts": 2} if failed else None
    return Record(custom_id("What?", index), {"seed": index}, None if failed else body, error, {"at": "now"})


def test_what_was_appended_is_there_again(tmp_path: Path) -> None:
    with open_samples(tmp_path, LINE) as samples:
        samples.append(record(0, "a\u2028b\nc"))
        samples.append(record(1))
        assert custom_id("What?", 0) in samples
    with open_samples(tmp_path, LINE) as samples:
        assert len(samples) == 2
        assert samples.read(custom_id("What?", 0)) == record(0, "a\u2028b\nc")
        assert samples.read(custom_id("What?", 1)).tokens == 3


def test_a_failure_is_no_sample_until_one_replaces_it(tmp_path: Path) -> None:
    with open_samples(tmp_path, LINE) as samples:
        samples.append(record(0, failed=True))
        assert custom_id("What?", 0) not in samples
        assert len(samples) == 0
        assert samples.read(custom_id("What?", 0)).error is not None
        samples.append(record(0))
    with open_samples(tmp_path, LINE) as samples:
        assert custom_id("What?", 0) in samples
        assert samples.read(custom_id("What?", 0)).error is None


def test_a_line_that_a_kill_cut_off_is_taken_away(tmp_path: Path) -> None:
    with open_samples(tmp_path, LINE) as samples:
        samples.append(record(0))
        file = samples.file
    whole = file.read_bytes()
    for cut in (1, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole + whole[:cut])
        with open_samples(tmp_path, LINE) as samples:
            assert len(samples) == 1
            samples.append(record(1))
        with open_samples(tmp_path, LINE) as samples:
            assert len(samples) == 2
        assert all(json.loads(line) for line in file.read_bytes().split(b"\n")[:-1])
        file.write_bytes(whole)


@pytest.mark.parametrize("line", [b"{}\n", b"[1]\n", b"no json\n", b'{"custom_id": "a", "response": {}}\n'])
def test_any_other_broken_line_is_an_error_that_names_it(tmp_path: Path, line: bytes) -> None:
    with open_samples(tmp_path, LINE) as samples:
        samples.append(record(0))
        file = samples.file
    file.write_bytes(file.read_bytes() + line + record(1).line())
    with pytest.raises(FileError, match=rf"{SAMPLES}:2 is not a sample"), open_samples(tmp_path, LINE):
        pass


def test_what_a_sample_depends_on_has_a_folder_of_its_own(tmp_path: Path) -> None:
    def other(**changed: object) -> Line:
        return Line(LINE.model, Sampling.model_validate(SAMPLING.model_dump() | changed), 0)

    different = [
        other(temperature=0.7),
        other(top_p=0.9),
        other(top_k=None),
        other(max_tokens=101),
        other(extra={"min_p": 0}),
        Line("org/teacher@abd", SAMPLING, 0),
        Line(LINE.model, SAMPLING, 1),
    ]
    same = [other(n=16), other(mode="all"), other(max_tokens_total=5)]
    assert len({LINE.name(), *(line.name() for line in different)}) == 8
    assert {line.name() for line in same} == {LINE.name()}


def hold(root: Path, ready: "multiprocessing.synchronize.Event") -> None:  # type: ignore[name-defined]
    with open_samples(root, LINE) as samples:
        for index in range(10_000):
            samples.append(record(index, "long " * 1000))
            ready.set()


def test_a_second_process_is_refused_and_a_killed_one_leaves_whole_lines(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=hold, args=(tmp_path, ready))
    process.start()
    assert ready.wait(30)
    with pytest.raises(RunConflict, match="another process is sampling"), open_samples(tmp_path, LINE):
        pass
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with open_samples(tmp_path, LINE) as samples:
        assert len(samples) >= 1
        assert all(samples.read(custom_id("What?", index)).tokens == 3 for index in range(len(samples)))


def test_bodies_state_everything() -> None:
    body = LINE.body("What?", 3)
    assert {name: body[name] for name in ("n", "temperature", "top_p", "top_k", "max_tokens")} == {
        "n": 1,
        "temperature": 0.6,
        "top_p": 0.95,
        "top_k": 20,
        "max_tokens": 100,
    }
    assert body["messages"] == [{"role": "user", "content": "What?"}]
    seeds = {LINE.body(user, index)["seed"] for user in ("What?", "Why?") for index in range(100)}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert "top_k" not in Line("m", SAMPLING.model_copy(update={"top_k": None}), 0).body("What?", 0)
