"""The page in a real browser: nothing wider than the window, nothing loaded, no errors, readable, and new while a run goes on."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import MISSING, PROGRAM, Browser, browser
from page_world import LaidOut, lay_out, running, write_corpus

from mot_plugin.pages.render import render

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(PROGRAM is None, reason=MISSING),
]

LONG = "x" * 3000
WIDTHS = (380, 768, 1600)

WIDER = """[...document.querySelectorAll("body *")].filter((one) => {
  const box = one.getBoundingClientRect();
  if (box.right <= innerWidth + 1 || !box.width || one.closest(".scroll, nav ul, .unseen, .skip")) return false;
  return getComputedStyle(one).position !== "fixed";
}).map((one) => `${one.tagName}.${one.className}`)"""

# WCAG: 4.5 to 1, 3 to 1 where letters are large. The background is the nearest one that is not transparent.
FAINT = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = (data) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, index) => {
    const part = data[index] / 255;
    return sum + weight * (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  }, 0);
  const behind = (one) => {
    for (; one; one = one.parentElement) {
      const data = rgb(getComputedStyle(one).backgroundColor);
      if (data[3] === 255) return data;
    }
    return rgb("white");
  };
  const faint = [];
  for (const one of document.querySelectorAll("body *:not(script):not(style)")) {
    if (one.closest("svg") || !one.checkVisibility()) continue;
    if (![...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
    const style = getComputedStyle(one), a = light(rgb(style.color)), b = light(behind(one));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    if (ratio >= (large ? 3 : 4.5)) continue;
    faint.push(`${one.tagName}.${one.className} ${ratio.toFixed(2)} ${one.textContent.slice(0, 30)}`);
  }
  return faint;
})()"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page in every state, with texts that have no place to break."""
    made = {}
    for state in ("finished", "running", "failed", "waiting"):
        run = lay_out(tmp_path_factory.mktemp(state))
        fill(run, state)
        made[state] = render(run.folder)
    return made


def fill(run: LaidOut, state: str) -> None:
    first = next(number for number, step in enumerate(run.plan.steps) if step.kind == "train")
    if state == "finished":
        run.finish()
        out = run.store.out(run.plan.prints["corpus/anna"])
        write_corpus(out, "anna", ((LONG, f"<think>\n{LONG}\n</think>\n\n{LONG}"),))
    elif state != "waiting":
        for step in run.plan.steps[:first]:
            run.do(step)
        more: dict[str, Any] = {"error": LONG, "advice": LONG, "command": f"tool {LONG}"}
        run.do(run.plan.steps[first], state, **(running() if state == "running" else more))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("state", ["finished", "running", "failed", "waiting"])
def test_it_fits_and_can_be_read(
    chromium: Browser, pages: dict[str, Path], tmp_path: Path, state: str, *, dark: bool
) -> None:
    chromium.problems.clear()
    chromium.asked.clear()
    for width in WIDTHS:
        chromium.look(pages[state], width, dark=dark)
        chromium.ask('for (const one of document.querySelectorAll("details")) one.open = true')
        assert chromium.ask("document.documentElement.scrollWidth") <= width
        assert chromium.ask(WIDER) == []
        assert chromium.ask(FAINT) == []
        chromium.picture(tmp_path / f"{state}-{width}.png")
        assert (tmp_path / f"{state}-{width}.png").stat().st_size > 10_000
    background = chromium.ask("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background))) < 200) is dark
    assert chromium.problems == []
    assert set(chromium.asked) == {pages[state].as_uri()}


def test_what_would_not_fit_is_seen(chromium: Browser, pages: dict[str, Path]) -> None:
    """The measurements above can fail."""
    chromium.look(pages["waiting"], 380)
    chromium.ask('document.querySelector("h1").style.cssText = "width: 900px; color: #ddd; background: #fff"')
    assert chromium.ask("document.documentElement.scrollWidth") > 380
    assert chromium.ask(WIDER)
    assert chromium.ask(FAINT)


def test_the_theme_is_the_readers(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.look(pages["finished"], 1000)
    seen = []
    for _ in range(3):
        chromium.ask('document.getElementById("theme").click()')
        words = chromium.ask('document.getElementById("theme").textContent')
        seen.append((words, chromium.ask("getComputedStyle(document.body).backgroundColor")))
    assert [words for words, _ in seen] == ["Theme: light", "Theme: dark", "Theme: as the system"]
    assert seen[0][1] == seen[2][1] != seen[1][1]


def test_words_about_a_bar(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.look(pages["finished"], 1000)
    chromium.ask('document.querySelector("#timeline").scrollIntoView()')
    middle = "(({ x, y, width, height }) => [x + width / 2, y + height / 2])"
    box = chromium.ask(f'{middle}(document.querySelector(".bar.train").getBoundingClientRect())')
    chromium.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])
    assert chromium.ask('document.getElementById("tip").hidden') is False
    assert "branches/anna\ntrain, MoT: done, 1:00" in chromium.ask('document.getElementById("tip").textContent')


def test_it_loads_itself_again_while_the_run_goes_on_and_no_longer(chromium: Browser, tmp_path: Path) -> None:
    run = lay_out(tmp_path)
    fill(run, "running")
    page = render(run.folder)
    chromium.look(page, 1000, height=600)
    chromium.ask('document.getElementById("steps").open = true; scrollTo(0, 700)')
    loads = chromium.loads
    chromium.wait(lambda: chromium.loads > loads, seconds=30)
    assert chromium.ask('document.getElementById("steps").open') is True
    assert chromium.ask("Math.round(scrollY)") == 700
    run.finish()
    render(run.folder)
    while "Finished" not in chromium.ask('document.querySelector(".pill").textContent'):
        loads = chromium.loads
        chromium.wait(lambda before=loads: chromium.loads > before, seconds=90)  # type: ignore[misc]
    assert chromium.ask('document.getElementById("steps").open') is True
    loads, until = chromium.loads, time.monotonic() + 8
    chromium.wait(lambda: time.monotonic() > until)
    assert chromium.loads == loads


def test_updates_can_be_held_back_and_silence_is_said(chromium: Browser, tmp_path: Path) -> None:
    run = lay_out(tmp_path)
    fill(run, "running")
    page = render(run.folder)
    text = page.read_text(encoding="utf-8")
    page.write_text(re.sub(r'data-made="[\d.]+"', f'data-made="{time.time() - 3600}"', text), encoding="utf-8")
    chromium.look(page, 1000)
    chromium.ask('document.getElementById("hold").click()')
    assert "No news since 60 min ago" in chromium.ask('document.getElementById("age").textContent')
    loads, until = chromium.loads, time.monotonic() + 7
    chromium.wait(lambda: time.monotonic() > until)
    assert chromium.loads == loads
