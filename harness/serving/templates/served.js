"use strict";
// On the pages of reports: asks whether the report has changed, and then shows the new one at the same place.

(() => {
  const EVERY_MS = 3000;
  const SLOWEST_MS = 30000;
  const bar = document.querySelector(".served");
  const status = bar.querySelector("[role=status]");
  const name = bar.dataset.report;
  const question = name ? `/api/report/${encodeURIComponent(name)}` : "/api/report";
  let wait = EVERY_MS;
  let touched = 0; // when the reader last used a control of the page
  for (const kind of ["pointerdown", "keydown", "wheel", "input"]) {
    addEventListener(kind, (event) => { if (event.target.closest?.(".chart, svg, table")) touched = Date.now(); }, { passive: true });
  }

  function say(text, act = null) {
    if (status.textContent === text) return;
    status.textContent = act ? "" : text;
    if (!act) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.addEventListener("click", act);
    status.append(button);
  }

  // The state that the page's own script restores after it has reloaded.
  function reload() {
    const open = [...document.querySelectorAll("details[data-keep][open]")].map((part) => part.dataset.keep);
    sessionStorage.setItem(`kept ${location.pathname}`, JSON.stringify({ open, top: scrollY }));
    location.reload();
  }

  async function ask() {
    if (document.hidden) return;
    try {
      const answer = await fetch(question, { cache: "no-cache" });
      const found = await answer.json();
      wait = EVERY_MS;
      bar.querySelector("a").textContent = found.training ? `training now (${found.training})` : "training now";
      if (found.version && found.version !== bar.dataset.version) {
        const busy = Date.now() - touched < 60000 || String(getSelection());
        if (busy) say("new results: show them", reload);
        else reload();
      } else if (found.problem) say(`this report is not current: ${found.problem}`);
      else say(found.current ? "current" : "reading the newest results …");
    } catch {
      wait = Math.min(2 * wait, SLOWEST_MS);
      say("the server does not answer; this page may be out of date");
    }
  }

  async function go() {
    await ask();
    setTimeout(go, wait);
  }
  document.addEventListener("visibilitychange", ask);
  go();
})();
