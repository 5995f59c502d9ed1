// Optional: sortable tables, details that stay open on reload, automatic reload while runs are unfinished.

const { compare: byAlphabet } = new Intl.Collator("en", { numeric: true });

for (const table of document.querySelectorAll("table.sortable")) {
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

const kept = [...document.querySelectorAll("details[data-keep]")];
const place = `kept ${location.pathname}`;
const refresh = Number(document.body.dataset.refresh);
const before = JSON.parse(sessionStorage.getItem(place) ?? "null");
sessionStorage.removeItem(place);
if (before) {
  for (const part of kept) part.open = before.open.includes(part.dataset.keep);
  scrollTo(0, before.top);
} else {
  reveal();
}
if (refresh) {
  setInterval(() => {
    if (document.hidden || String(getSelection())) return;
    const open = kept.filter((part) => part.open).map((part) => part.dataset.keep);
    sessionStorage.setItem(place, JSON.stringify({ open, top: scrollY }));
    location.reload();
  }, 1000 * refresh);
}

document.querySelectorAll("figure").forEach(livePicture);

// Learning curves to look into, in place of their pictures; those remain for print.
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).json();
}

async function showCurves(section) {
  const data = await unpacked(document.getElementById("curve-data").textContent);
  for (const part of document.querySelectorAll("#curves, nav [href='#curves']")) part.hidden = false;
  const chart = document.createElement("div");
  section.querySelector("h2").after(chart);
  section.querySelectorAll("figure").forEach((figure) => figure.classList.add("replaced"));
  lineChart(chart, data);
}
if (document.getElementById("curve-data")) showCurves(document.getElementById("curves"));
