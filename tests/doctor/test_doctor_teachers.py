"""Live teachers: keys, endpoints, models; the hub that models and data come from."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hub_server
import pytest
from doctor_place import Place
from fault_server import FaultServer
from live_world import SAMPLING, TEACHER, write_sums

pytestmark = pytest.mark.process


@pytest.fixture
def asked(place: Place) -> Place:
    """Anna is a model that is to be asked about two problems."""
    write_sums(place.world, range(2))
    columns = {"problem": "question", "reference": "answer", "reference_after": "####"}
    place.recipe(source={"file": "sums.jsonl", "columns": columns, "decontaminate": []}, sampling=SAMPLING)

    def live(data: dict[str, object]) -> None:
        data["teachers"] = {"anna": {"model": TEACHER}, "bert": {"traces": "bert.jsonl"}}

    place.world.edit(live)
    return place


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultServer]:
    """It wants a key, and has one model."""
    with FaultServer(tmp_path / "teacher", key="sk-very-secret") as up:
        yield up


def test_nobody_says_where_a_teacher_answers(asked: Place) -> None:
    wrong = asked.told()["teacher anna"]
    assert (wrong.level, wrong.code) == ("error", 6)
    assert "the machine file does not say where it answers" in wrong.found
    assert wrong.remedy.startswith("write teachers: {anna: {endpoint: http://HOST:PORT/v1}} there")


def test_keys_and_endpoints(asked: Place, server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANNA_KEY", raising=False)
    there = {"endpoint": server.url, "api_key_env": "ANNA_KEY", "model": "no-such-model"}
    asked.machine(teachers={"anna": there})
    wrong = asked.told()["key of anna"]
    assert (wrong.level, wrong.code) == ("error", 6)
    assert (wrong.found, wrong.remedy) == ("the environment has no ANNA_KEY", "export ANNA_KEY=...")
    monkeypatch.setenv("ANNA_KEY", "sk-another")
    wrong = asked.told()["teacher anna"]
    assert (wrong.level, wrong.found) == ("error", f"{server.url} does not let us in (401)")
    monkeypatch.setenv("ANNA_KEY", "sk-very-secret")
    told = asked.told()
    assert told["key of anna"].found == "ANNA_KEY is set"
    wrong = told["teacher anna"]
    assert (wrong.level, wrong.code) == ("error", 2)
    assert wrong.found.startswith(f"{server.url} has no model 'no-such-model', but ")
    name = wrong.found.rpartition("but ")[2]
    assert wrong.remedy == f"write `model: {name}` under this teacher in the machine file"
    assert not [one for one in told.values() if "sk-" in f"{one.found} {one.remedy}"]
    asked.machine(teachers={"anna": {**there, "model": name}})
    assert asked.told()["teacher anna"].found == f"{server.url} answers and has {name}"


def test_an_endpoint_that_is_dead(asked: Place, tmp_path: Path) -> None:
    with FaultServer(tmp_path / "teacher") as up:
        url = up.url
    asked.machine(teachers={"anna": {"endpoint": url}})
    wrong = asked.told()["teacher anna"]
    assert (wrong.level, wrong.code) == ("error", 6)
    assert f"{url} does not answer: " in wrong.found
    assert "Connection refused" in wrong.found
    assert wrong.remedy.endswith(f"curl {url}/models")


def test_a_server_without_a_port(asked: Place) -> None:
    asked.machine(teachers={"anna": {"server": ["llama-server", "--model", "{model}"]}})
    wrong = asked.told()["teacher anna"]
    assert (wrong.level, wrong.code) == ("error", 2)
    assert "does not say {port}" in wrong.found


def test_a_teacher_whose_context_is_too_short(asked: Place) -> None:
    asked.program("vllm", "exit 9")
    asked.machine(teachers={"anna": {"serve": {"max_model_len": 1024}}})
    told = asked.told()
    wrong = told["max_tokens of anna"]
    assert (wrong.level, wrong.code) == ("error", 2)
    assert wrong.found == "300 tokens of a trace and 1,024 of a prompt are more than its server's 1,024"
    assert told["vllm"].level == "unknown", "a shell script has no versions"
    asked.machine(teachers={"anna": {"serve": {"max_model_len": 2048}}})
    assert asked.told()["max_tokens of anna"].level == "ok"


def lines(place: Place, environment: dict[str, str]) -> dict[str, dict[str, str]]:
    """What the command says where huggingface_hub knows another hub."""
    argv = [sys.executable, "-m", "mot_plugin", "doctor", "tiny.yaml", "--machine", "machine.yaml", "--json"]
    said = subprocess.run(argv, cwd=place.world.root, env=environment, capture_output=True, text=True, check=False)
    return {one["check"]: one for one in json.loads(said.stdout)["findings"]}


def test_a_student_of_a_hub(place: Place, tmp_path: Path) -> None:
    """To be had, gated, unknown; and once it is in the cache all that is asked of its files, without the hub."""
    files = {file.name: file.read_bytes() for file in (place.world.root / "student").iterdir()}
    place.recipe(student="org/tiny")
    with hub_server.serving({"org/tiny": files}) as hub:
        environment = hub.environment(tmp_path / "home")
        told = lines(place, environment)
        assert told["student"]["found"] == "org/tiny can be had from the hub"
        assert told["chat template"]["level"] == told["memory"]["level"] == "unknown"
        assert told["chat template"]["remedy"] == "hf download org/tiny --include '*.json' '*.jinja'"
        hub.gated.add("org/tiny")
        assert lines(place, environment)["student"]["found"].endswith("it is gated")
        hub.gated.clear()
        place.recipe(student="org/tiny@0123456789")
        assert lines(place, environment)["student"]["found"].endswith("it has no revision 0123456789")
        place.recipe(student="org/tiny")
        fetching = f"import huggingface_hub as hub\nfor name in {list(files)}: hub.hf_hub_download('org/tiny', name)"
        subprocess.run([sys.executable, "-c", fetching], env=environment, check=True)
    told = lines(place, environment | {"HF_HUB_OFFLINE": "1"})
    assert told["student"]["found"].startswith("org/tiny is in the hub's cache, ")
    assert told["chat template"]["level"] == told["sft.cutoff_len"]["level"] == "ok"


def test_a_hub(asked: Place, tmp_path: Path) -> None:
    """The source's rows there, gated, of another revision, and with no network allowed."""
    asked.machine(teachers={"anna": {"server": ["echo", "{port}"]}})

    def source(data: dict[str, object]) -> None:
        data["source"] = {"hub": "sums/small", "file": "rows.jsonl", "columns": {"problem": "q"}, "decontaminate": []}

    asked.world.edit(source)
    with hub_server.serving({"sums/small": {"rows.jsonl": b"{}\n", ".gitattributes": b""}}) as hub:
        environment = hub.environment(tmp_path / "home")
        assert lines(asked, environment)["source"] | {"family": ""} == {
            "family": "",
            "check": "source",
            "level": "ok",
            "found": "sums/small can be had from the hub",
            "remedy": None,
        }
        hub.gated.add("sums/small")
        wrong = lines(asked, environment)["source"]
        assert (wrong["level"], wrong["found"]) == ("error", "sums/small is neither here nor to be had: it is gated")
        assert wrong["remedy"].endswith("`hf auth login` or set HF_TOKEN")
        assert hub.downloads() == [], "looked at, not fetched"
    wrong = lines(asked, environment)["source"]
    assert "does not answer (ConnectError)" in wrong["found"]
    assert wrong["remedy"] == "where there is a network: hf download --repo-type dataset sums/small"
    wrong = lines(asked, environment | {"HF_HUB_OFFLINE": "1"})["source"]
    assert wrong["found"].endswith("HF_HUB_OFFLINE is set")
