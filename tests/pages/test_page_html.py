"""The page of a run as HTML: sound, self-contained, escaped; and what it says in each state of a run."""

import itertools
import re
import time
from pathlib import Path

import pytest
from page_world import LaidOut, Parsed, lay_out, running, write_corpus

from mot_plugin.pages.render import render

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \x1b[31m \x00 \u202eabc &amp; ]]> <!--"


@pytest.fixture
def run(tmp_path: Path) -> LaidOut:
    return lay_out(tmp_path)


def page(run: LaidOut, *, going_on: bool | None = None) -> str:
    return render(run.folder, running=going_on).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[LaidOut, str]:
    """A finished run and its page, to be read only."""
    run = lay_out(tmp_path_factory.mktemp("finished"))
    run.finish()
    return run, page(run)


def test_a_finished_run(finished: tuple[LaidOut, str]) -> None:
    run, text = finished
    parsed = Parsed(text)
    assert 'data-state="finished"' in text
    assert "data-made" not in text
    assert f"{len(run.plan.steps)} of {len(run.plan.steps)} steps done" in parsed.text
    sections = [attributes["id"] for attributes in parsed.of("section")]
    assert sections == ["verdict", "tables", "figures", "timeline", "corpora", "cost", "settings", "again"]
    assert "MoT round 2 scores" in parsed.text
    assert {"report.md", "scores.csv", "scores.json", "table2.md", "index.html", "figures"} <= {
        file.name for file in (run.folder.root / "report").iterdir()
    }


def test_the_same_bytes_again(finished: tuple[LaidOut, str]) -> None:
    assert page(finished[0]) == finished[1]


def test_it_loads_nothing(finished: tuple[LaidOut, str]) -> None:
    text = finished[1]
    parsed = Parsed(text)
    for tag, attributes in parsed.tags:
        for name in ("src", "srcset", "data", "poster", "background", "action"):
            assert name not in attributes, (tag, attributes)
        link = attributes.get("href") or attributes.get("xlink:href") or "#"
        assert link.startswith("#"), (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
    assert {"link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in parsed.tags} == set()
    assert not re.search(r"url\((?!#)|@import", text)
    policy = next(a["content"] for a in parsed.of("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "script-src 'sha256-" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2]


def test_ids_are_there_once_and_links_lead_to_them(finished: tuple[LaidOut, str]) -> None:
    parsed = Parsed(finished[1])
    ids = [attributes["id"] for _, attributes in parsed.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    targets = {str(a["href"])[1:] for a in parsed.of("a")} | {a["aria-labelledby"] for a in parsed.of("section")}
    assert targets <= set(ids)


def test_readers_who_do_not_see(finished: tuple[LaidOut, str]) -> None:
    parsed = Parsed(finished[1])
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert parsed.of("html")[0]["lang"] == "en"
    assert len(parsed.of("main")) == 1
    assert all(a.get("scope") for a in parsed.of("th"))
    assert all(a.get("type") == "button" for a in parsed.of("button"))
    for attributes in parsed.of("div"):
        if attributes.get("role") == "region":
            assert attributes["aria-label"]
            assert attributes["tabindex"] == "0"


def test_what_teachers_wrote_is_text(run: LaidOut) -> None:
    run.finish()
    corpus = run.plan["corpus/anna"]
    out = run.store.out(run.plan.prints[corpus.name])
    write_corpus(out, "anna", ((f"Say {EVIL}", f"<think>\n{EVIL}\n</think>\n\n{EVIL}"),))
    traces = run.folder.root / "inputs" / "traces" / "anna.jsonl"
    lines = traces.read_text().replace("anna adds 0, way 2", r"\u0007</script><b>bold</b>")
    traces.resolve().write_text(lines)
    verdicts = out / "verdicts.jsonl"
    verdicts.write_text('{"id": "p0", "verdicts": ["correct", "wrong"], "kept": 0, "dropped": null}\n')
    text = page(run)
    parsed = Parsed(text)
    assert len(parsed.of("script")) == 1
    assert parsed.of("img") == []
    assert parsed.of("b") == [a for a in parsed.of("b") if not a]
    assert "alert(1)" in parsed.text
    assert "<b>bold</b>" in parsed.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", text)
    assert "\u241b[31m" in text


def test_names_and_settings_are_text_too(run: LaidOut) -> None:
    (run.folder.root / "recipe.yaml").write_text('name: "</pre><script>alert(3)</script>"\n')
    run.do(run.plan.steps[0], "failed", error="<script>alert(4)</script>", command="tool '</pre><script>'")
    parsed = Parsed(page(run))
    assert len(parsed.of("script")) == 1
    for number in (3, 4):
        assert f"<script>alert({number})</script>" in parsed.text


def test_nothing_ran_yet(run: LaidOut) -> None:
    text = page(run)
    parsed = Parsed(text)
    assert 'data-state="waiting"' in text
    assert "Not started" in parsed.text
    assert "Nothing ran yet." in parsed.text
    assert "Not there yet." in parsed.text


def test_it_goes_on(run: LaidOut) -> None:
    train = next(step for step in run.plan.steps if step.kind == "train")
    for step in run.plan.steps[: run.plan.steps.index(train)]:
        run.do(step)
    run.do(train, "running", **running())
    text = page(run)
    parsed = Parsed(text)
    assert 'data-state="running"' in text
    assert "data-made=" in text
    assert f"{train.name} step {run.plan.steps.index(train) + 1} of {len(run.plan.steps)}" in parsed.text
    assert f"time to go not known: nothing like {train.name} has finished yet" in parsed.text
    ended = page(run, going_on=False)
    assert 'data-state="stopped"' in ended
    assert "data-made" not in ended


def test_the_time_to_go_counts_what_runs_once(run: LaidOut) -> None:
    last = [step for step in run.plan.steps if step.kind == "evaluate"][-1]
    for step in run.plan.steps[: run.plan.steps.index(last)]:
        run.do(step, seconds=200)
    run.do(last, "running", **running())  # 20 of 200 seconds; then a choice of 200, and what never ran
    assert re.search(r"about 6:[12]\d to go", Parsed(page(run)).text)


def test_a_step_failed(run: LaidOut) -> None:
    first = next(step for step in run.plan.steps if step.kind == "train")
    for step in run.plan.steps[: run.plan.steps.index(first)]:
        run.do(step)
    secret = "cd run && HF_TOKEN='hf secret' tool --key value"
    run.do(first, "failed", error="llamafactory-cli exited with 1", advice="Use a smaller batch.", command=secret)
    log = run.store.home(run.plan.prints[first.name]) / "attempt-1.log"
    run.folder.log(first.name).parent.mkdir(parents=True, exist_ok=True)
    run.folder.log(first.name).symlink_to(log)
    parsed = Parsed(page(run))
    for words in (
        f"Step {run.plan.steps.index(first) + 1} of {len(run.plan.steps)}: {first.name}",
        "llamafactory-cli exited with 1",
        "Use a smaller batch.",
        "error: no luck",
        "cd run && HF_TOKEN=(not shown) tool --key value",
        "wait for it: ",
        "Run the same command again",
    ):
        assert words in parsed.text
    assert "hf secret" not in parsed.text


def test_a_record_of_a_killed_run_is_no_running_step(run: LaidOut) -> None:
    run.do(run.plan.steps[0], "running", pid=2**22 + 5)
    assert 'data-state="stopped"' in page(run)


def test_a_folder_of_an_older_version_with_a_link_becomes_a_real_one(run: LaidOut, tmp_path: Path) -> None:
    run.finish()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious.txt").write_text("stays")
    (run.folder.root / "report").symlink_to(tmp_path / "elsewhere")
    page(run)
    assert not (run.folder.root / "report").is_symlink()
    assert [file.name for file in (tmp_path / "elsewhere").iterdir()] == ["precious.txt"]


def test_what_is_no_longer_part_of_it_goes_and_what_is_the_same_stays(run: LaidOut) -> None:
    run.finish()
    page(run)
    shown = run.folder.root / "report"
    (shown / "table99.md").write_text("old")
    before = (shown / "scores.csv").stat().st_ino
    page(run)
    assert not (shown / "table99.md").exists()
    assert (shown / "scores.csv").stat().st_ino == before
    assert not (run.folder.root / ".report").exists()


def test_a_page_of_the_papers_size_is_made_in_two_seconds(tmp_path: Path) -> None:
    """Processor time: what else runs here is not the page's fault. Figures are drawn once, until their numbers change."""
    run = lay_out(tmp_path, recipe="recipes/boba200.yaml")
    assert sum(step.kind == "evaluate" for step in run.plan.steps) == 31
    for step in run.plan.steps:
        run.do(step, answers=64, problems=30)
    page(run)
    began = time.process_time()
    text = page(run)
    assert time.process_time() - began < 2
    assert "31 of 31" in Parsed(text).text
