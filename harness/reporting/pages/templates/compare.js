// The comparison page: the variants that the address names, as a table and as curves.

const SETTINGS = ["task", "data", "epochs", "seeds", "device"];

function cell(tag, text, more = {}) {
  const made = document.createElement(tag);
  made.append(text);
  for (const [name, value] of Object.entries(more)) made.setAttribute(name, value);
  return made;
}

// [{plan, variant}] for what the address names; names that no plan has are left out.
function chosenRows(data) {
  const plans = new Map(data.plans.map((plan) => [plan.name, plan]));
  const rows = [];
  for (const [name, variants] of picksOf(location.hash)) {
    const plan = plans.get(name);
    for (const label of variants) {
      const variant = plan?.variants.find(({ name: own }) => own === label);
      if (variant) rows.push({ plan, variant });
    }
  }
  return rows;
}

// What the chosen plans differ in, as sentences; a metric of one name with two units is two metrics.
function differences(plans) {
  if (plans.length < 2) return [];
  const lines = SETTINGS.flatMap((key) => {
    const byValue = new Map();
    for (const plan of plans) byValue.set(plan[key] ?? "unknown", [...(byValue.get(plan[key] ?? "unknown") ?? []), plan.name]);
    return byValue.size > 1 ? [`Different ${key}: ${[...byValue].map(([value, own]) => `${value} (${own.join(", ")})`).join(" · ")}`] : [];
  });
  const names = [...new Set(plans.flatMap((plan) => Object.keys(metricsOf(plan))))];
  const missing = names.filter((name) => plans.some((plan) => !(name in metricsOf(plan))));
  if (missing.length) lines.push(`Metrics that not all plans have: ${missing.join(", ")}`);
  const unproven = plans.filter((plan) => plan.rehearsal).map((plan) => plan.name);
  if (unproven.length) lines.push(`Rehearsals, not evidence: ${unproven.join(", ")}`);
  return lines;
}

function metricKey(metric) {
  return metric.unit ? `${metric.label} (${metric.unit})` : metric.label;
}

// Key with unit -> name of the metric in the plan.
function metricsOf(plan) {
  return Object.fromEntries(Object.entries(plan.metrics).map(([name, metric]) => [metricKey(metric), name]));
}

// [n, mean, sd, low, high] of a row; undefined for a metric that its plan does not have.
function meanOf({ plan, variant }, key) {
  return variant.means[metricsOf(plan)[key]];
}

// A column of the table: its heading, and how many decimals it needs: two for percentages, none for counts, else two digits of
// the narrowest interval.
function column(rows, key) {
  const own = rows.filter((row) => meanOf(row, key));
  const described = own.map(({ plan }) => plan.metrics[metricsOf(plan)[key]]);
  const goals = new Set(described.map((metric) => metric.better));
  const arrow = goals.size === 1 ? { maximize: " ↑", minimize: " ↓" }[[...goals][0]] ?? "" : "";
  const widths = own.map((row) => meanOf(row, key)).map(([, mean, , low, high]) => (high > low ? (high - low) / 2 : Math.abs(mean) / 100));
  const narrowest = Math.min(...widths.filter((width) => width > 0));
  const needed = Number.isFinite(narrowest) ? Math.min(Math.max(1 - Math.floor(Math.log10(narrowest)), 0), 8) : 2;
  return { key, heading: key + arrow, places: described[0].exact ? 0 : described[0].unit === "%" ? 2 : needed };
}

// `93.04 [92.86, 93.22]`; without an interval where there is none.
function meanText(found, places) {
  const [, mean, , low, high] = found ?? [];
  if (typeof mean !== "number") return "";
  const text = (value) => value.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places });
  return high > low ? `${text(mean)} [${text(low)}, ${text(high)}]` : text(mean);
}

function fillTable(rows, remove) {
  const keys = [...new Set(rows.flatMap(({ plan }) => Object.keys(metricsOf(plan))))];
  const columns = keys.map((key) => column(rows, key));
  const having = ({ key }) => rows.filter((row) => meanOf(row, key)).length;
  columns.sort((one, other) => having(other) - having(one));
  const heading = (text, words) => cell("th", text, { scope: "col", class: words ? "words" : "" });
  const head = document.createElement("tr");
  head.append(heading("variant", true), heading("plan", true), ...columns.map((each) => heading(each.heading)), heading("n"));
  head.append(...["task", "device", "last run"].map((text) => heading(text, true)));
  const table = document.getElementById("chosen");
  table.tHead.replaceChildren(head);
  table.tBodies[0].replaceChildren(...rows.map((row) => tableRow(row, columns, remove)));
}

function tableRow(row, columns, remove) {
  const { plan, variant } = row;
  const button = cell("button", "×", { type: "button", "aria-label": `remove ${variant.name} of ${plan.name}` });
  button.addEventListener("click", () => remove(row));
  const name = cell("th", button, { scope: "row", class: "remove" });
  name.append(` ${variant.name}`);
  const found = columns.map(({ key }) => meanOf(row, key));
  const counts = new Set(found.map((own) => own?.[0]).filter(Boolean));
  const lost = variant.lost ? `, ${variant.lost} failed or diverged` : "";
  const line = document.createElement("tr");
  line.append(name, cell("td", cell("a", plan.name, { href: `${encodeURIComponent(plan.name)}/index.html` }), { class: "words" }));
  line.append(...columns.map(({ places }, place) => cell("td", meanText(found[place], places))));
  line.append(cell("td", `${[...counts].join(" or ") || 0}${lost}`));
  line.append(...["task", "device", "date"].map((key) => cell("td", plan[key] ?? "", { class: "words" })));
  return line;
}

// The data of `lineChart` for the chosen rows that have curves.
function chartData(data, rows) {
  const metrics = {};
  const variants = rows.map(({ plan, variant }, place) => ({ name: `${variant.name} · ${plan.name}`, ...data.styles[place % data.styles.length] }));
  const means = [];
  rows.forEach(({ plan, variant }, row) => {
    for (const line of plan.curves?.lines ?? []) {
      if (line.variant !== variant.name) continue;
      const own = { variant: row, x: line.x, n: line.n, y: {}, low: {}, high: {} };
      for (const [name, values] of Object.entries(line.y)) {
        const metric = plan.curves.metrics[name];
        const key = metricKey(metric);
        metrics[key] ??= { ...metric, exploratory: false };
        [own.y[key], own.low[key], own.high[key]] = [values.mean, values.low, values.high];
      }
      means.push(own);
    }
  });
  return { x: "epoch", metrics, variants, lines: [], means, aggregated: true, note: `at most ${data.points} points of each line` };
}

async function compareVariants() {
  const data = await inflated(document.getElementById("compare-data").textContent);
  let chart = null;
  const remove = ({ plan, variant }) => {
    const picks = picksOf(location.hash);
    picks.set(plan.name, picks.get(plan.name).filter((name) => name !== variant.name));
    keepInAddress(pairsOf(picks));
    redraw();
  };
  const redraw = () => {
    const rows = chosenRows(data);
    document.getElementById("none").hidden = rows.length > 0;
    document.getElementById("comparison").hidden = rows.length === 0;
    document.getElementById("back").href = withHash("index.html", pairsOf(picksOf(location.hash)));
    if (!rows.length) return;
    const plans = [...new Set(rows.map(({ plan }) => plan))];
    document.getElementById("differences").replaceChildren(...differences(plans).map((line) => cell("li", line)));
    fillTable(rows, remove);
    document.getElementById("reading").textContent =
      "Mean over completed runs with the 95 % interval of the t distribution over seeds, each for its row alone; ↑ higher is better, ↓ lower is better.";
    const without = rows.filter(({ plan, variant }) => !plan.curves?.lines.some((line) => line.variant === variant.name));
    document.getElementById("without").textContent = without.length
      ? `Without curves: ${without.map(({ plan, variant }) => `${variant.name} of ${plan.name}`).join(", ")}; harness report NAME writes them.`
      : "";
    const curves = chartData(data, rows);
    document.getElementById("curves").hidden = !curves.means.length;
    if (!curves.means.length) return;
    if (chart) chart.update(curves);
    else chart = lineChart(document.getElementById("chart"), curves);
  };
  addEventListener("hashchange", redraw);
  redraw();
}
compareVariants();
