"use strict";
// On the pages of reports: asks whether the report has changed, and then replaces the parts of the page that have.
// `sortable`, `livePicture`, `unpacked`, `showCurves` and `curves` are those of the page's own script; an older page is loaded again instead.

(() => {
  const EVERY_MS = 3000;
  const SLOWEST_MS = 30000;
  const bar = document.querySelector(".served");
  const status = bar.querySelector("[role=status]");
  const name = bar.dataset.report;
  const question = name ? `/api/report/${encodeURIComponent(name)}` : "/api/report";
  const above = (page) => [...page.querySelectorAll("header.top, main > :not(section)")]; // the sections
  const sections = (page) => [...page.querySelectorAll("main > section")];
  const html = (parts) => parts.map((part) => part.outerHTML).join("");
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
    const known = typeof sortable === "function" && source.querySelector(".served")?.dataset.version === bar.dataset.version;
    if (!known) return false;
    if (html(above(fresh)) !== html(above(source))) replaceAbove(above(fresh));
    const before = new Map(sections(source).map((part) => [part.id, part.outerHTML]));
    const shown = new Map(sections(document).map((part) => [part.id, part]));
    const main = document.querySelector("main");
    let last = above(document).filter((part) => part.parentNode === main).at(-1) ?? null;
    for (const part of sections(fresh)) {
      const old = shown.get(part.id);
      shown.delete(part.id);
      let own = old;
      if (!old || part.outerHTML !== before.get(part.id)) {
        const inPlace = old && part.id === "curves" && curves && part.querySelector("#curve-data");
        own = inPlace ? await renewCurves(old, part.cloneNode(true)) : replaced(old, document.importNode(part, true));
      }
      const next = last ? last.nextElementSibling : main.firstElementChild;
      if (next !== own) main.insertBefore(own, next); // not moved if it is in its place: that would take the focus away
      if (own !== old && own.querySelector("#curve-data")) await showCurves(own);
      last = own;
    }
    shown.forEach((part) => part.remove());
    document.title = fresh.title;
    bar.dataset.version = fresh.querySelector(".served").dataset.version;
    source = fresh;
    return true;
  }

  // What stands above the sections: banners come and go.
  function replaceAbove(parts) {
    above(document).forEach((part) => part.remove());
    const main = document.querySelector("main");
    const [first] = sections(document);
    for (const part of parts) {
      const own = replaced(null, document.importNode(part, true));
      if (own.tagName === "HEADER") main.before(own);
      else main.insertBefore(own, first ?? null);
    }
  }

  async function renewCurves(shown, part) {
    curves.update(await unpacked(part.querySelector("#curve-data").textContent));
    const pictures = [...part.querySelectorAll("figure")];
    shown.querySelectorAll("figure").forEach((figure, place) => {
      if (!pictures[place]) return;
      pictures[place].classList.add("replaced");
      figure.replaceWith(document.adoptNode(pictures[place]));
    });
    return shown;
  }

  // The new part with what was open in the old one, and with the controls of the page's script.
  function replaced(old, part) {
    for (const details of part.querySelectorAll("details[data-keep]")) {
      details.open = Boolean(old?.querySelector(`details[data-keep="${CSS.escape(details.dataset.keep)}"]`)?.open);
    }
    old?.replaceWith(part);
    part.querySelectorAll("table.sortable").forEach(sortable);
    [part, ...part.querySelectorAll("figure")].filter((each) => each.tagName === "FIGURE").forEach(livePicture);
    return part;
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
