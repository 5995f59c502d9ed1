// lineChart(element, data): learning curves to look into, as the content of `element`. Returns
// {update(data): shows new data with the same choices, chosen(): the choices of the reader as JSON values, choose(choices)}.
//
// data: {
//   x: "epoch",
//   metrics: {name: {label, unit, better: "minimize" | "maximize" | null, exploratory}},   the first one is shown first
//   variants: [{name, colour, dark, dashes}],                       colours of light and dark screens; SVG's dash array or null
//   lines: [{variant, seed, run, state, x: [...], y: {metric: [...]}}],       a line for each run; null: no value
//   means: [{variant, x, y: {metric: [...]}, n, low: {...}, high: {...}}],    n: a number or one per point; low and high as y
//   aggregated: whether there are too many runs for a line each; `note`: what the data leaves out, or null
// }

let charts = 0;

function lineChart(target, first) {
  const chosen = { metric: Object.keys(first.metrics)[0], log: false, smoothing: 0, seeds: true, hidden: new Set(), hiddenSeeds: new Set() };
  const parts = chartParts(target, `chart-${(charts += 1)}`);
  const state = { data: first, zoom: { x: null, y: null }, at: null, series: [], frame: null };

  function draw() {
    const { data, zoom } = state;
    if (!data.metrics[chosen.metric]) chosen.metric = Object.keys(data.metrics)[0];
    const { series, left } = shownSeries(data, chosen);
    state.series = series;
    const size = { width: Math.max(parts.plot.clientWidth, 260), height: parts.plot.clientWidth < 600 ? 300 : 380 };
    parts.svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
    parts.svg.setAttribute("height", size.height);
    const whole = span(series);
    parts.empty.hidden = Boolean(whole);
    parts.svg.replaceChildren();
    state.frame = null;
    parts.say.textContent = chartRemarks(data, chosen, left);
    show(null);
    if (!whole) return;
    const x = zoom.x ?? padded(...whole, false, 0.02);
    const within = reach(series, ...x) ?? reach(series, ...whole);
    const y = zoom.y && !(chosen.log && zoom.y[0] <= 0) ? zoom.y : padded(...within, chosen.log, 0.05);
    const metric = data.metrics[chosen.metric];
    const labels = { log: chosen.log, xLabel: data.x, yLabel: axisLabel(metric, chosen, size.height) };
    const frame = { ...drawFrame(parts.svg, size, { x, y }, labels), size };
    state.frame = frame;
    const box = { x: frame.left, y: MARGIN.top, width: size.width - MARGIN.right - frame.left, height: frame.bottom - MARGIN.top };
    parts.svg.append(element("svg:clipPath", { id: parts.id }, element("svg:rect", box)));
    drawSeries(parts.svg, series, frame, { variants: data.variants, clip: parts.id, smoothing: chosen.smoothing });
    parts.over = element("svg:g", { class: "over" });
    parts.svg.append(parts.over);
    parts.reset.disabled = !zoom.x && !zoom.y;
  }

  // Marks the point {line, point} and says what it is; null: none.
  function show(at, aloud = false) {
    state.at = at;
    parts.over?.replaceChildren();
    parts.tip.hidden = !at;
    if (!at) return;
    const own = state.series[at.line];
    const variant = state.data.variants[own.variant];
    const words = pointWords(state.data, chosen, own, at.point);
    const spot = place(own, at.point, state.frame);
    const line = element("svg:path", { class: "line", d: linePath(own.x, own.y, state.frame), "clip-path": `url(#${parts.id})` });
    parts.over.append(coloured(line, variant), coloured(element("svg:circle", { class: "dot", ...spot, r: 4.5 }), variant));
    showTip(parts.tip, words, Number(spot.cx), Number(spot.cy), state.frame.size);
    if (aloud) parts.live.textContent = words.join(", ");
  }

  function zoomTo(zoom) {
    state.zoom = { ...state.zoom, ...zoom };
    draw();
  }

  const control = { state, chosen, parts, draw, show, zoomTo };
  chartControls(control);
  chartPointer(control);
  chartKeys(control);
  const update = (data) => {
    const at = state.at && { ...state.at, own: state.series[state.at.line] };
    state.data = data;
    fillControls(control);
    draw();
    const again = at ? state.series.findIndex((own) => own.run === at.own.run && own.mean === at.own.mean && own.variant === at.own.variant) : -1;
    if (again >= 0 && at.point < state.series[again].x.length) show({ line: again, point: at.point });
  };
  new ResizeObserver(() => draw()).observe(parts.plot);
  update(first);
  return { update, chosen: () => saved(chosen, state.zoom), choose: (choices) => restoreChoices(control, choices) };
}

function chartParts(target, id) {
  const parts = {
    id,
    controls: element("div", { class: "controls" }),
    svg: element("svg:svg", { tabindex: 0, role: "application", "aria-roledescription": "chart", width: "100%" }),
    empty: element("p", { class: "empty", hidden: true }, "Nothing to show: no value, or everything is switched off."),
    tip: element("div", { class: "tip", "aria-hidden": "true", hidden: true }),
    live: element("p", { class: "unseen", "aria-live": "polite" }),
    say: element("p", { class: "reading" }),
    legend: element("div", { class: "legend" }),
    over: null,
  };
  parts.plot = element("div", { class: "plot" }, parts.svg, parts.empty, parts.tip);
  target.replaceChildren(element("div", { class: "chart" }, parts.controls, parts.plot, parts.live, parts.legend, parts.say));
  return parts;
}

// The metric with its unit, no longer than the axis.
function axisLabel({ label, unit }, { log, smoothing }, height) {
  const rest = `${unit ? ` (${unit})` : ""}${log ? ", log scale" : ""}${smoothing ? ", smoothed" : ""}`;
  const most = Math.max(8, Math.floor(height / 9) - rest.length);
  return (label.length > most ? `${label.slice(0, most - 1)}\u2026` : label) + rest;
}

// What a reader must know beside the picture.
function chartRemarks(data, chosen, left) {
  const metric = data.metrics[chosen.metric];
  const remarks = [
    metric?.exploratory ? "exploratory: no claim is about this metric" : "",
    chosen.smoothing ? `smoothed: moving average of weight ${chosen.smoothing}, the recorded values are pale` : "",
    left ? `${left.toLocaleString("en")} ${left === 1 ? "value" : "values"} of 0 or less left out of the log scale` : "",
    data.aggregated ? "bold: mean; band: lowest to highest run" : "bold: mean over seeds; thin: each seed; cross: failed or diverged",
    data.note ?? "",
  ];
  const text = remarks.filter(Boolean).join("; ");
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}
