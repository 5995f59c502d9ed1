// The comparison page: the variants that the address names, as a table and as curves.

const SAME = [["task", "task"], ["data", "data"], ["epochs", "epochs"], ["seeds", "seeds"], ["device", "device"], ["date", "last run"]];

function cell(tag, text, more = {}) {
  const made = document.createElement(tag);
  made.append(text);
  for (const [name, value] of Object.entries(more)) made.setAttribute(name, value);
  return made;
}

// Significant digits enough for the spread: 93.04, 0.3533.
function shownValue(value, spread) {
  const size = Math.abs(spread ?? value) || 1;
  const places = Math.min(Math.max(1 - Math.floor(Math.log10(size)), 0), 8);
  return value.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places });
}

// [{plan, variant, place}] for what the address names; names that no plan has are left out.
function chosenRows(data) {
  const plans = new Map(data.plans.map((plan) => [plan.name, plan]));
  const rows = [];
  for (const [name, variants] of picksOf(location.hash)) {
    const plan = plans.get(name);
    for (const label of variants) {
      const place = plan ? plan.variants.findIndex((variant) => variant.name === label) : -1;
      if (place >= 0) rows.push({ plan, variant: plan.variants[place], place });
    }
  }
  return rows;
}

// What the chosen plans differ in, as sentences; a metric of one name with two units is two metrics.
function differences(plans) {
  if (plans.length < 2) return [];
  const lines = SAME.flatMap(([key, label]) => {
    const values = plans.map((plan) => plan[key] ?? "unknown");
    return new Set(values).size > 1 ? [`Different ${label}: ${plans.map((plan, place) => `${values[place]} (${plan.name})`).join(" · ")}`] : [];
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

function fillTable(rows, redraw) {
  const keys = [...new Set(rows.flatMap(({ plan }) => Object.keys(metricsOf(plan))))];
  const common = (key) => rows.filter(({ plan }) => key in metricsOf(plan)).length;
  keys.sort((one, other) => common(other) - common(one));
  const arrow = (key) => {
    const goals = new Set(rows.flatMap(({ plan }) => (key in metricsOf(plan) ? [plan.metrics[metricsOf(plan)[key]].better] : [])));
    return goals.size === 1 ? { maximize: " ↑", minimize: " ↓" }[[...goals][0]] ?? "" : "";
  };
  const table = document.getElementById("chosen");
  const head = document.createElement("tr");
  head.append(cell("th", "variant", { scope: "col", class: "words" }), cell("th", "plan", { scope: "col", class: "words" }));
  head.append(...keys.map((key) => cell("th", key + arrow(key), { scope: "col" })));
  head.append(...["n", "task", "device", "last run"].map((text) => cell("th", text, { scope: "col", class: text === "n" ? "" : "words" })), cell("td", ""));
  table.tHead.replaceChildren(head);
  table.tBodies[0].replaceChildren(...rows.map((row) => {
    const line = document.createElement("tr");
    const link = cell("a", row.plan.name, { href: `${encodeURIComponent(row.plan.name)}/index.html` });
    line.append(cell("th", row.variant.name, { scope: "row" }), cell("td", link, { class: "words" }));
    const counts = new Set();
    for (const key of keys) {
      const [n, mean, , low, high] = row.variant.means[metricsOf(row.plan)[key]] ?? [];
      if (n) counts.add(n);
      const spread = low === null || high === null || low === high ? null : (high - low) / 2;
      const text = typeof mean === "number" ? shownValue(mean, spread) : "";
      const within = spread && text ? ` [${shownValue(low, spread)}, ${shownValue(high, spread)}]` : "";
      line.append(cell("td", text + within));
    }
    const lost = row.variant.lost ? `, ${row.variant.lost} failed or diverged` : "";
    line.append(cell("td", `${[...counts].join(" or ") || 0}${lost}`));
    for (const key of ["task", "device", "date"]) line.append(cell("td", row.plan[key] ?? "", { class: "words" }));
    const remove = cell("button", "remove", { type: "button", "aria-label": `remove ${row.variant.name} of ${row.plan.name}` });
    remove.addEventListener("click", () => {
      const picks = picksOf(location.hash);
      picks.set(row.plan.name, picks.get(row.plan.name).filter((name) => name !== row.variant.name));
      keepInAddress(pairsOf(picks));
      redraw();
    });
    line.append(cell("td", remove, { class: "copy" }));
    return line;
  }));
}

// The data of `lineChart` for the chosen rows that have curves.
function chartData(data, rows) {
  const metrics = {};
  const variants = rows.map(({ plan, variant }, place) => ({ name: `${variant.name} · ${plan.name}`, ...data.styles[place % data.styles.length] }));
  const means = [];
  rows.forEach(({ plan, place }, row) => {
    for (const line of plan.curves?.lines ?? []) {
      if (line.variant !== place) continue;
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
  const data = await unpacked(document.getElementById("compare-data").textContent);
  let chart = null;
  const redraw = () => {
    const rows = chosenRows(data);
    document.getElementById("none").hidden = rows.length > 0;
    document.getElementById("comparison").hidden = rows.length === 0;
    document.getElementById("back").href = withHash("index.html", pairsOf(picksOf(location.hash)));
    if (!rows.length) return;
    const plans = [...new Set(rows.map(({ plan }) => plan))];
    document.getElementById("differences").replaceChildren(...differences(plans).map((line) => cell("li", line)));
    fillTable(rows, redraw);
    document.getElementById("reading").textContent =
      "Mean over completed runs with the 95 % interval of the t distribution over seeds, each for its row alone; ↑ higher is better, ↓ lower is better.";
    const without = rows.filter(({ plan, place }) => !plan.curves?.lines.some((line) => line.variant === place));
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
