"use strict";
(() => {
  const root = document.documentElement;
  const byId = (name) => document.getElementById(name);
  // A page opened from a file may be allowed to remember nothing.
  const memory = (kind) => { try { const store = window[kind]; store.getItem("x"); return store; } catch { return { getItem: () => null, setItem: () => {} }; } };
  const lasting = memory("localStorage"), here = memory("sessionStorage");
  const key = (name) => `mot-plugin ${name} ${location.pathname}`;

  // Theme: as the system, light, dark.
  const themes = ["", "light", "dark"], button = byId("theme");
  const dress = (theme) => {
    if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
    button.textContent = `Theme: ${theme || "as the system"}`;
  };
  let theme = lasting.getItem("mot-plugin theme") || "";
  dress(theme);
  button.hidden = false;
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    lasting.setItem("mot-plugin theme", theme);
    dress(theme);
  });

  // Copy what stands beside a button.
  for (const copy of document.querySelectorAll(".copy")) {
    copy.hidden = !navigator.clipboard;
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(copy.parentElement.querySelector("pre").textContent);
      copy.textContent = "Copied";
      setTimeout(() => { copy.textContent = "Copy"; }, 1500);
    });
  }

  // Words about a bar under the pointer.
  const tip = byId("tip");
  document.addEventListener("pointermove", (event) => {
    const words = event.target.dataset?.tip;
    tip.hidden = !words;
    if (!words) return;
    tip.textContent = words;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(event.clientX + 12, innerWidth - width - 8))}px`;
    tip.style.top = `${event.clientY + 18 + height > innerHeight ? event.clientY - height - 10 : event.clientY + 18}px`;
  });

  // Where the reader was, after the page loaded itself anew.
  const kept = JSON.parse(here.getItem(key("place")) || "null");
  if (kept) {
    for (const one of document.querySelectorAll("details")) one.open = kept.open.includes(one.id);
    scrollTo({ left: 0, top: kept.top, behavior: "instant" });
    here.setItem(key("place"), "null");
  }
  const remember = () => {
    const open = [...document.querySelectorAll("details[open]")].map((one) => one.id);
    here.setItem(key("place"), JSON.stringify({ top: scrollY, open }));
  };

  // While the run goes on: load again, rarer where nothing is new; say so where nothing was new for long.
  const made = Number(root.dataset.made), age = byId("age"), hold = byId("hold");
  if (root.dataset.state !== "running" || !made) return;
  history.scrollRestoration = "manual";
  const before = JSON.parse(here.getItem(key("made")) || "null");
  const wait = before && before.made === made ? Math.min(before.wait * 1.5, 60) : 5;
  here.setItem(key("made"), JSON.stringify({ made, wait }));
  let held = here.getItem(key("held")) === "yes", due = Date.now() + wait * 1000;
  const said = () => { hold.textContent = held ? "Go on updating" : "Pause updates"; };
  said();
  hold.hidden = false;
  hold.addEventListener("click", () => { held = !held; here.setItem(key("held"), held ? "yes" : "no"); said(); });
  const since = (seconds) => seconds < 90 ? `${Math.round(seconds)} s ago` : seconds < 5400 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`;
  const tick = () => {
    const seconds = Math.max(0, Date.now() / 1000 - made);
    const late = seconds > 10 * Number(root.dataset.news);
    age.className = late ? "late" : "";
    age.textContent = late ? `No news since ${since(seconds)}: was it killed? mot-plugin status tells` : `made ${since(seconds)}`;
    const reading = String(getSelection()) !== "";
    if (!held && !document.hidden && !reading && Date.now() >= due) {
      due = Infinity;
      remember();
      location.reload();
    }
  };
  tick();
  setInterval(tick, 1000);
})();
