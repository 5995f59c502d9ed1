// Optional: sortable tables, live figures, automatic reload while runs are unfinished.

const { compare: byAlphabet } = new Intl.Collator("en", { numeric: true });

function sortable(table) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  table.tHead.querySelectorAll("th").forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const before = heading.getAttribute("aria-sort");
      table.tHead.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      const order = { null: "ascending", ascending: "descending", descending: null }[before];
      if (order) heading.setAttribute("aria-sort", order);
      body.append(...(order ? sorted(original, column, order === "ascending" ? 1 : -1) : original));
    });
  });
}
document.querySelectorAll("table.sortable").forEach(sortable);

// Sorts rows by a column: numbers by size, text alphabetically; empty cells last in both directions.
function sorted(rows, column, sign) {
  const keyed = rows.map((row) => {
    const cell = row.cells[column];
    const text = cell.textContent.trim();
    const number = Number(cell.dataset.value ?? (text === "" ? NaN : text.replaceAll(",", "")));
    return { row, text, number };
  });
  keyed.sort((a, b) => {
    const numbers = Number.isFinite(a.number) - Number.isFinite(b.number);
    if (numbers) return -numbers;
    if (Number.isFinite(a.number)) return sign * (a.number - b.number);
    if (!a.text || !b.text) return !a.text - !b.text;
    return sign * byAlphabet(a.text, b.text);
  });
  return keyed.map((key) => key.row);
}

// A link to a run opens the collapsed table around it, for browsers that do not.
function reveal() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  if (target) target.scrollIntoView();
}
addEventListener("hashchange", reveal);

// Collapsed sections would print empty.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("#claims details:not([open]), #repeat details:not([open])")];
  folded.forEach((part) => (part.open = true));
});
addEventListener("afterprint", () => folded.forEach((part) => (part.open = false)));

// Pictures in the page, and learning curves to look into in place of theirs; the images remain for print.
document.querySelectorAll("figure").forEach(livePicture);

let curves = null; // what lineChart returns
async function showCurves(section) {
  const data = await unpacked(document.getElementById("curve-data").textContent);
  document.querySelectorAll("#curves, nav [href='#curves']").forEach((part) => (part.hidden = false));
  const chart = document.createElement("div");
  section.querySelector("h2").after(chart);
  section.querySelectorAll("figure").forEach((figure) => figure.classList.add("replaced"));
  curves = lineChart(chart, data);
}

// An unfinished report is loaded again and again; what is open and chosen stays so, as does the place on the page.
const kept = [...document.querySelectorAll("details[data-keep]")];
const place = `kept ${location.pathname}`;
const refresh = Number(document.body.dataset.refresh);
const before = JSON.parse(sessionStorage.getItem(place) ?? "null");
sessionStorage.removeItem(place);

function restore() {
  if (!before) {
    reveal();
    return;
  }
  for (const part of kept) part.open = before.open.includes(part.dataset.keep);
  if (before.curves) curves?.choose(before.curves);
  scrollTo(0, before.top);
}
restore();
if (document.getElementById("curve-data")) showCurves(document.getElementById("curves")).then(restore);

if (refresh) {
  setInterval(() => {
    // Not while somebody reads a value or selects text.
    if (document.hidden || String(getSelection()) || document.querySelector(".tip:not([hidden])")) return;
    const open = kept.filter((part) => part.open).map((part) => part.dataset.keep);
    sessionStorage.setItem(place, JSON.stringify({ open, top: scrollY, curves: curves?.chosen() }));
    location.reload();
  }, 1000 * refresh);
}
