"use strict";
// On the pages of reports: asks whether the report has changed, and then replaces the parts of the page that have.
// `sortable`, `livePicture`, `unpacked` and `curves` are those of the page's own script; an older page is loaded again instead.

(() => {
  const EVERY_MS = 3000;
  const SLOWEST_MS = 30000;
  const bar = document.querySelector(".served");
  const status = bar.querySelector("[role=status]");
  const name = bar.dataset.report;
  const question = name ? `/api/report/${encodeURIComponent(name)}` : "/api/report";
  const content = (page) => [...page.querySelectorAll("main > *, header.top")];
  let wait = EVERY_MS;
  let source = null; // the page as it was sent, without what scripts have made of it

  function say(text) {
    if (status.textContent !== text) status.textContent = text;
  }

  async function fetched() {
    const answer = await fetch(location.pathname, { cache: "no-cache" });
    if (!answer.ok) throw new Error(answer.statusText);
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  }

  // The state that the page's own script restores after it has loaded.
  function reload() {
    const open = [...document.querySelectorAll("details[data-keep][open]")].map((part) => part.dataset.keep);
    const chosen = typeof curves === "undefined" ? null : curves?.chosen?.();
    sessionStorage.setItem(`kept ${location.pathname}`, JSON.stringify({ open, top: scrollY, curves: chosen }));
    location.reload();
  }

  // Shows another version of the page; false: only by loading it again.
  async function renew(fresh) {
    const [before, after, shown] = [source, fresh, document].map(content);
    const known = typeof sortable === "function" && source.querySelector(".served")?.dataset.version === bar.dataset.version;
    const alike = (one, other) => one.tagName === other.tagName && one.id === other.id;
    if (!known || [after, shown].some((parts) => parts.length !== before.length || parts.some((part, place) => !alike(part, before[place])))) return false;
    for (const [place, part] of after.entries()) {
      if (part.outerHTML === before[place].outerHTML) continue;
      if (part.id === "curves" && curves && fresh.getElementById("curve-data")) await renewCurves(shown[place], part.cloneNode(true));
      else replace(shown[place], document.importNode(part, true));
    }
    document.title = fresh.title;
    bar.dataset.version = fresh.querySelector(".served").dataset.version;
    source = fresh;
    return true;
  }

  async function renewCurves(shown, part) {
    curves.update(await unpacked(part.querySelector("#curve-data").textContent));
    const pictures = [...part.querySelectorAll("figure")];
    shown.querySelectorAll("figure").forEach((figure, place) => {
      if (!pictures[place]) return;
      pictures[place].classList.add("replaced");
      figure.replaceWith(document.adoptNode(pictures[place]));
    });
  }

  function replace(shown, part) {
    for (const details of part.querySelectorAll("details[data-keep]")) {
      details.open = Boolean(shown.querySelector(`details[data-keep="${CSS.escape(details.dataset.keep)}"]`)?.open);
    }
    shown.replaceWith(part);
    part.querySelectorAll("table.sortable").forEach(sortable);
    [part, ...part.querySelectorAll("figure")].filter((each) => each.tagName === "FIGURE").forEach(livePicture);
  }

  async function ask() {
    source ??= await fetched();
    const found = await (await fetch(question, { cache: "no-cache" })).json();
    wait = EVERY_MS;
    bar.querySelector("a").textContent = found.training ? `training now (${found.training})` : "training now";
    const busy = String(getSelection()) || document.querySelector(".tip:not([hidden])"); // somebody reads a value or selects text
    if (found.version && found.version !== bar.dataset.version && !busy && !(await renew(await fetched()))) reload();
    if (found.problem) say(`this report is not current: ${found.problem}`);
    else say(found.current ? "current" : "reading the newest results …");
  }

  async function go() {
    try {
      if (!document.hidden) await ask();
    } catch {
      wait = Math.min(2 * wait, SLOWEST_MS);
      say("the server does not answer; this page may be out of date");
    }
    setTimeout(go, wait);
  }
  go();
})();
