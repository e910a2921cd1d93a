"""Verdicts: every test must pass, the first that fails ends it, each program is run once, expected outputs stay outside."""

import json
import shutil
import time
from pathlib import Path

import pytest

from mot_plugin.evals.code import proof
from mot_plugin.evals.code.box import Box, Limits
from mot_plugin.evals.code.decode import Case, Cases
from mot_plugin.evals.code.run_tests import Grader, Verdict, key, longest_run

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")

LIMITS = Limits(seconds=2)
DOUBLE = Cases(None, (Case("3\n", "6\n"), Case("10\n", "20\n"), Case("-4\n", "-8")))
PAIRS = Cases("pairs", (Case('[1, 2]\n"a"', '[["a", 1], ["a", 2]]'), Case('[]\n"b"', "[]")))


def grader(workers: int = 2) -> Grader:
    return Grader(proof.proved(LIMITS), LIMITS, workers)


def verdict(program: str, cases: Cases = DOUBLE) -> Verdict:
    return grader().verdicts([program], cases)[0]


PASSED = {
    "plain": "print(int(input()) * 2)",
    "main guard": "def main():\n    print(int(input()) * 2)\n\nif __name__ == '__main__':\n    main()",
    "sys.stdin": "import sys\nprint(int(sys.stdin.readline()) * 2)",
    "bytes": "import sys\nprint(2 * int(sys.stdin.buffer.read()))",
    "open(0)": "print(2 * int(open(0).read()))",
    "file of standard input": "import os\nprint(2 * int(os.read(0, 100)))",
    "exit": "print(2 * int(input()))\nexit()",
    "quit": "print(2 * int(input()))\nquit()",
    "exit with a status": "import sys\nprint(2 * int(input()))\nsys.exit(1)",
    "future import": "from __future__ import annotations\nprint(2 * int(input()))",
    "names without imports": "heap = []\nheappush(heap, int(input()))\nprint(reduce(add, [heap[0], heap[0]]))",
    "typing without imports": "def f(x: List[Optional[int]]) -> Dict[str, int]: ...\nprint(2 * int(input()))",
    "modules without imports": "print(math.floor(2.0 * int(input())))\ncollections.deque, itertools.chain, sys.maxsize",
    "built-in pow": "print(int(input()) * pow(10, 1, 8))",
    "datetime is the module": "assert datetime.date\nprint(2 * int(input()))",
    "deep recursion": "def f(n):\n    return 0 if n == 0 else f(n - 1)\nprint(2 * int(input()) + f(40_000))",
    "a thread for it": (
        "import threading\nthreading.stack_size(1 << 27)\ndef main():\n    print(2 * int(input()))\n"
        "t = threading.Thread(target=main)\nt.start()\nt.join()"
    ),
    "a thread not joined": "import threading\nthreading.Thread(target=lambda: print(2 * int(input()))).start()",
    "long integers": "x = 10 ** 40_000\nassert len(str(x)) == 40_001\nprint(2 * int(input()))",
    "as decimals": "print(float(input()) * 2)",
    "dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: 'int'\nprint(A(2 * int(input())).x)"
    ),
    "its own module": "import __main__\n__main__.x = 2\nprint(x * int(input()))",
    "temporary files": "import tempfile\nwith tempfile.TemporaryFile() as f:\n    f.write(b'1')\nprint(2 * int(input()))",
    "windows lines": "n = int(input())\r\nprint(n * 2)\r\n",
    "complaints": "import sys\nprint('debug' * 100_000, file=sys.stderr)\nprint(2 * int(input()))",
}
FAILED = {
    "wrong from the second on": ("n = int(input())\nprint(6 if n == 3 else 0)", Verdict("wrong_answer", 2)),
    "wrong at the last": ("n = int(input())\nprint(abs(n) * 2)", Verdict("wrong_answer", 3)),
    "nothing printed": ("n = int(input())", Verdict("wrong_answer", 1)),
    "too much": ("while True:\n    print('6' * 1000)", Verdict("wrong_answer", 1)),
    "not Python": ("#include <stdio.h>\nint main() { return 0; }", Verdict("compile_error", 1)),
    "indentation": ("if 1:\nprint(1)", Verdict("compile_error", 1)),
    "null byte": ("print(1)\0", Verdict("compile_error", 1)),
    "too deep": ("(" * 100_000 + ")" * 100_000, Verdict("compile_error", 1)),
    "raises": ("n = int(input())\nprint(2 * n)\nassert n > 0", Verdict("runtime_error", 3)),
    "too much input wanted": ("print(2 * int(input()))\ninput()", Verdict("runtime_error", 1)),
    "unknown module": ("import torch\nprint(2 * int(input()))", Verdict("runtime_error", 1)),
    "memory": ("x = bytearray(5 << 30)\nprint(6)", Verdict("runtime_error", 1)),
    "a signal": ("import os\nos.kill(os.getpid(), 11)", Verdict("runtime_error", 1)),
    "a crash": ("import ctypes\nctypes.string_at(0)", Verdict("runtime_error", 1)),
    "slow": ("n = int(input())\nwhile n == 10:\n    pass\nprint(2 * n)", Verdict("timeout", 2)),
    "asleep": ("import time\ntime.sleep(100)", Verdict("timeout", 1)),
    "waits for a child": ("import os\nif os.fork() == 0:\n    while True: pass\nos.wait()", Verdict("timeout", 1)),
}


@pytest.mark.parametrize("form", PASSED)
def test_right_programs_pass(form: str) -> None:
    assert verdict(PASSED[form]) == Verdict("passed", 3)


@pytest.mark.parametrize("form", FAILED)
def test_wrong_programs_fail_for_one_reason(form: str) -> None:
    program, expected = FAILED[form]
    assert verdict(program) == expected


@pytest.mark.parametrize(
    "program",
    [
        "class Solution:\n    def pairs(self, some: List[int], name: str) -> List[Any]:\n        return [[name, x] for x in some]",
        "class Solution:\n    def pairs(self, some, name):\n        print('debug')\n        return tuple((name, x) for x in some)",
        "def pairs(some, name):\n    return [(name, x) for x in some]",
        "def pairs(some, name):\n    sys.stdout.write('[]')\n    return [[name, x] for x in some]",
        "class Solution:\n    def pairs(self, a, b):\n        return [[b, x] for x in a]\nif __name__ == '__main__':\n    1 / 0",
    ],
)
def test_right_functions_pass(program: str) -> None:
    assert verdict(program, PAIRS) == Verdict("passed", 2)


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("class Solution:\n    def pairs(self, some, name):\n        return []", Verdict("wrong_answer", 1)),
        ("class Solution:\n    def pairs(self, some, name):\n        return set(some)", Verdict("wrong_answer", 1)),
        ("class Solution:\n    def pairs(self, some, name):\n        return None", Verdict("wrong_answer", 1)),
        ("class Solution:\n    def other(self, some, name):\n        return []", Verdict("runtime_error", 1)),
        ("class Solution:\n    def pairs(self, some):\n        return []", Verdict("runtime_error", 1)),
        ("print([['a', 1], ['a', 2]])", Verdict("runtime_error", 1)),
        ("def pairs(some, name):\n    some.append(some)\n    return some", Verdict("runtime_error", 1)),
        ("def pairs(some, name):\n    raise SystemExit", Verdict("wrong_answer", 1)),
        ("def pairs(some, name):\n    while True: pass", Verdict("timeout", 1)),
        ("def pairs(some name): pass", Verdict("compile_error", 1)),
    ],
)
def test_wrong_functions_fail(program: str, expected: Verdict) -> None:
    assert verdict(program, PAIRS) == expected


def test_numpy_is_there_and_other_packages_are_not() -> None:
    pytest.importorskip("numpy")
    assert verdict("import numpy as np\nprint(int(np.array([int(input())]).sum()) * 2)") == Verdict("passed", 3)
    program = "import numpy as np\ndef pairs(some, name):\n    return np.array([[name, x] for x in some], dtype=object)"
    assert verdict(program, PAIRS) == Verdict("passed", 2)
    assert verdict("import pydantic\nprint(2 * int(input()))") == Verdict("runtime_error", 1)


def test_tests_that_nobody_can_pass_fail_and_break_nothing() -> None:
    assert verdict("def f(x):\n    return x", Cases("f", (Case("1", ""),))).name == "wrong_answer"
    assert verdict("def f(x):\n    return x", Cases("f", (Case("not JSON", "1"),))).name == "runtime_error"
    assert verdict("print(1)", Cases(None, (Case("\ud800", "\ud800"),))).name == "wrong_answer"


def test_expected_outputs_are_not_in_the_box() -> None:
    """It prints all that it can lay hands on; the words expected of it are not among it."""
    program = """
import gc, os, sys
seen = [str(sys.argv), str(dict(os.environ)), open(0).read()]
for root in ("/box", "/tmp", "/etc", "/dev/shm", "/site", "/py/bin"):
    for folder, _, names in os.walk(root):
        for name in names:
            try:
                if os.path.getsize(os.path.join(folder, name)) < 100_000 and not folder.startswith("/site/numpy"):
                    seen.append(open(os.path.join(folder, name), errors="replace").read())
            except OSError:
                pass
seen += [repr(one) for one in gc.get_objects() if isinstance(one, (str, bytes, list, dict))][:200_000]
frame = sys._getframe()
while frame:
    seen += [repr(frame.f_locals), repr(frame.f_globals)]
    frame = frame.f_back
text = "".join(seen)
print("given" if "visible" in text else "", "expected" if "".join(["zq7", "xw"]) in text else "")
"""
    cases = Cases(None, (Case("visible", "given"), Case("visible", "zq7xw"), Case("", "zq7xw")))
    assert verdict(program, cases) == Verdict("wrong_answer", 2)  # the first test, passed, shows that it looks


def test_equal_programs_are_run_once_and_then_known() -> None:
    slow = "import time\ntime.sleep(0.3)\nprint(2 * int(input()))"
    bench = grader(workers=1)
    started = time.monotonic()
    assert bench.verdicts([slow] * 16, DOUBLE) == [Verdict("passed", 3)] * 16
    assert time.monotonic() - started < 3
    assert list(bench.known) == [key(slow, DOUBLE.digest)]
    started = time.monotonic()
    assert bench.verdicts([slow, slow], DOUBLE) == [Verdict("passed", 3)] * 2
    assert time.monotonic() - started < 0.3


def test_order_is_kept_and_no_more_run_than_there_are_workers() -> None:
    programs = [f"import time\ntime.sleep({0.4 - i / 10})\nprint(2 * int(input()) + {i})" for i in range(4)]
    started = time.monotonic()
    names = [one.name for one in grader(workers=2).verdicts(programs, Cases(None, DOUBLE.cases[:1]))]
    assert names == ["passed", "wrong_answer", "wrong_answer", "wrong_answer"]
    assert time.monotonic() - started > 0.45  # 1.0 seconds of sleep, two at a time


def test_what_a_verdict_depends_on() -> None:
    assert key("a", "1") != key("b", "1")
    assert key("a", "1") != key("a", "2")
    assert len(key("\ud800", "1")) == 16


def test_the_time_for_all_tests_together() -> None:
    assert longest_run(6, 30) == 7 * 30 + 5


def test_all_tests_together_can_take_too_long() -> None:
    limits = Limits(seconds=-0.9)  # 0.1 s a test and 5 on top
    bench = Grader(proof.proved(LIMITS), limits, 1)
    assert longest_run(limits.seconds, 3) == pytest.approx(5.3)
    assert bench.verdicts(["print(1)"], DOUBLE) == [Verdict("timeout", 1)]


def test_without_a_sandbox_that_starts_nothing_is_judged() -> None:
    broken = Box(("/bin/false",), None, sandboxed=True)
    bench = Grader(broken, LIMITS, 2)
    assert bench.verdicts(["print(1)", "print(2)"], DOUBLE) == [Verdict("ungraded", 1)] * 2
    assert bench.known == {}


def test_nothing_is_left_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    grader().verdicts(["print(1)", "open('x', 'w').write('y')\nprint(6)"], DOUBLE)
    assert list(tmp_path.iterdir()) == []


def test_verdicts_are_plain() -> None:
    assert json.dumps(vars(verdict("print(1)"))) == '{"name": "wrong_answer", "test": 1}'
