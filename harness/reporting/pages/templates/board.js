// The scoreboard's filter and the variants chosen for comparison; both are kept in the address.

const form = document.getElementById("filter");
const entries = [...document.querySelectorAll("table.entries tbody")];
const bodies = entries.map((body) => ({
  body,
  text: body.textContent.toLowerCase(),
  question: body.querySelector(".question").textContent.toLowerCase(),
  ...body.dataset,
}));
const picks = picksOf(location.hash);

// The filter's keys that are set, in the order of the form.
function filterPairs() {
  return [...new FormData(form)].filter(([, value]) => value !== "");
}

function keepBoard() {
  keepInAddress([...filterPairs(), ...pairsOf(picks)]);
}

function applyFilter() {
  const { q = "", in: where, task, verdict, tag, from, to } = Object.fromEntries(filterPairs());
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const entry of bodies) {
    const text = where === "question" ? entry.question : `${entry.text} ${entry.task.toLowerCase()}`;
    const fits =
      words.every((word) => text.includes(word)) &&
      (!task || entry.task === task) &&
      (!verdict || entry.verdicts.split(" ").includes(verdict)) &&
      (!tag || entry.tags.split(" ").includes(tag)) &&
      (!from || (entry.date && entry.date >= from)) &&
      (!to || (entry.date && entry.date <= to));
    entry.body.hidden = !fits;
    shown += fits;
  }
  for (const section of document.querySelectorAll("section:has(table.entries)")) {
    section.hidden = Boolean(filterPairs().length) && !section.querySelector("tbody:not([hidden])");
  }
  form.elements.count.value = filterPairs().length ? `${shown.toLocaleString("en")} of ${bodies.length.toLocaleString("en")}` : "";
}

function showPicked() {
  const bar = document.getElementById("picked");
  const chosen = [...picks.values()].filter((variants) => variants.length);
  const count = chosen.reduce((sum, variants) => sum + variants.length, 0);
  const plural = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
  bar.hidden = count === 0;
  bar.querySelector("[role=status]").textContent = `${plural(count, "variant")} of ${plural(chosen.length, "plan")} chosen`;
  bar.querySelector("a").href = withHash("compare.html", pairsOf(picks));
}

// The boxes are made when a plan is opened: there may be a thousand plans.
function fillBoxes(details) {
  if (details.querySelector("input")) return;
  const { plan } = details.dataset;
  for (const name of JSON.parse(details.dataset.variants)) {
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = picks.get(plan)?.includes(name) ?? false;
    box.addEventListener("change", () => {
      const others = (picks.get(plan) ?? []).filter((other) => other !== name);
      picks.set(plan, box.checked ? [...others, name] : others);
      showPicked();
      keepBoard();
    });
    const label = document.createElement("label");
    label.append(box, ` ${name}`);
    details.append(label);
  }
}

for (const details of document.querySelectorAll("details.pick")) {
  details.append(Object.assign(document.createElement("summary"), { textContent: "variants" }));
  details.hidden = false;
  details.addEventListener("toggle", () => fillBoxes(details));
  if (picks.get(details.dataset.plan)?.length) details.open = true;
}
document.querySelector("#picked button").addEventListener("click", () => {
  picks.clear();
  document.querySelectorAll(".pick input").forEach((box) => (box.checked = false));
  showPicked();
  keepBoard();
});

form.hidden = false;
for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
  const field = form.elements[name];
  if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement) field.value = value;
}
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", () => {
  applyFilter();
  keepBoard();
});
form.addEventListener("reset", () => queueMicrotask(() => {
  applyFilter();
  keepBoard();
}));
applyFilter();
showPicked();
