// The controls of a chart, and what pointer and keyboard do in it.

const STEP = 1.5; // of a zoom by button or key
const CLICK = 5; // a shorter movement of the pointer is a click [px]

function chartControls(control) {
  const { parts, chosen, draw, zoomTo } = control;
  const log = element("input", { type: "checkbox", name: "log" });
  const seeds = element("input", { type: "checkbox", name: "seeds", checked: true });
  const smoothing = element("input", { type: "range", name: "smoothing", min: 0, max: 0.99, step: 0.01, value: 0 });
  const weight = element("output", {}, "off");
  const button = (text, label, act) => {
    const made = element("button", { type: "button", "aria-label": label, title: label }, text);
    made.addEventListener("click", act);
    return made;
  };
  parts.metric = element("select", { name: "metric" });
  parts.inputs = { log, seeds, smoothing, weight };
  parts.reset = button("Reset zoom", "Reset zoom", () => zoomTo({ x: null, y: null }));
  parts.seeds = element("label", {}, seeds, " seeds");
  parts.controls.append(
    element("label", {}, "Metric ", parts.metric),
    element("label", {}, log, " log scale"),
    parts.seeds,
    element("label", {}, "Smoothing ", smoothing, " ", weight),
    element("span", { class: "zoom" }, button("+", "Zoom in", () => zoomBy(control, 1 / STEP)), button("\u2212", "Zoom out", () => zoomBy(control, STEP)), parts.reset),
  );
  parts.metric.addEventListener("change", () => {
    chosen.metric = parts.metric.value;
    zoomTo({ y: null });
  });
  log.addEventListener("change", () => {
    chosen.log = log.checked;
    zoomTo({ y: null });
  });
  seeds.addEventListener("change", () => {
    chosen.seeds = seeds.checked;
    draw();
  });
  smoothing.addEventListener("input", () => {
    chosen.smoothing = Number(smoothing.value);
    showWeight(control);
    draw();
  });
}

function showWeight({ parts, chosen }) {
  parts.inputs.weight.textContent = chosen.smoothing ? chosen.smoothing.toFixed(2) : "off";
}

// The choices as JSON values, and their inverse: choices that the data do not know have no effect.
function saved(chosen, zoom) {
  return { ...chosen, hidden: [...chosen.hidden], hiddenSeeds: [...chosen.hiddenSeeds], zoom };
}

function restoreChoices(control, { zoom, hidden, hiddenSeeds, ...others }) {
  const { parts, chosen } = control;
  Object.assign(chosen, others, { hidden: new Set(hidden), hiddenSeeds: new Set(hiddenSeeds) });
  parts.inputs.log.checked = chosen.log;
  parts.inputs.seeds.checked = chosen.seeds;
  parts.inputs.smoothing.value = chosen.smoothing;
  showWeight(control);
  parts.known = null;
  fillControls(control);
  control.zoomTo(zoom);
}

// Metrics, variants and seeds of new data.
function fillControls(control) {
  const { parts, chosen, state } = control;
  const { data } = state;
  const options = Object.entries(data.metrics).map(([name, { label, exploratory }]) =>
    element("option", { value: name, selected: name === chosen.metric }, exploratory ? `${label} (exploratory)` : label));
  parts.metric.replaceChildren(...options);
  const seeds = [...new Set(data.lines.map((line) => line.seed))].sort((one, other) => one - other);
  parts.seeds.hidden = !seeds.length;
  const known = JSON.stringify([data.variants, seeds]);
  if (parts.known === known) return;
  parts.known = known;
  const variants = data.variants.map((variant) => toggle(control, chosen.hidden, variant.name, variant.name, [lineSample(variant)]));
  const rows = [switches(control, "Variants", variants)];
  if (seeds.length > 1) rows.push(switches(control, "Seeds", seeds.map((seed) => toggle(control, chosen.hiddenSeeds, seed, String(seed)))));
  parts.legend.replaceChildren(...rows);
}

// A group of switches, with one that switches all of them.
function switches({ draw }, name, buttons) {
  const all = element("button", { type: "button", class: "all" }, "all / none");
  all.addEventListener("click", () => {
    const off = buttons.every((each) => each.getAttribute("aria-pressed") === "true");
    buttons.forEach((each) => each.press(!off));
    draw();
  });
  return element("div", { role: "group", "aria-label": name }, element("span", {}, name), ...(buttons.length > 2 ? [all] : []), ...buttons);
}

function lineSample(variant) {
  const line = element("svg:line", { class: "line", x1: 0, x2: 26, y1: 5, y2: 5, "stroke-dasharray": variant.dashes });
  return element("svg:svg", { class: "sample", width: 26, height: 10, "aria-hidden": "true" }, coloured(line, variant));
}

function toggle({ draw }, hidden, key, text, sample = []) {
  const made = element("button", { type: "button", "aria-pressed": String(!hidden.has(key)) }, ...sample, text);
  made.press = (on) => {
    if (on) hidden.delete(key);
    else hidden.add(key);
    made.setAttribute("aria-pressed", String(on));
  };
  made.addEventListener("click", () => {
    made.press(hidden.has(key));
    draw();
  });
  return made;
}

// Both axes by a factor around a place [px], the marked point or the middle.
function zoomBy({ state, show, zoomTo }, factor, around = null, axes = "xy") {
  const { frame } = state;
  if (!frame) return;
  const { across, up, left, bottom, size } = frame;
  const own = state.at && state.series[state.at.line];
  const centre = around ?? (own ? [across.pixel(own.x[state.at.point]), up.pixel(own.y[state.at.point])] : [(left + size.width - MARGIN.right) / 2, (MARGIN.top + bottom) / 2]);
  const range = (axis, from, to, place) => [from, to].map((edge) => axis.value(place + (edge - place) * factor));
  const at = state.at;
  zoomTo({
    ...(axes.includes("x") ? { x: range(across, left, size.width - MARGIN.right, centre[0]) } : {}),
    ...(axes.includes("y") ? { y: range(up, bottom, MARGIN.top, centre[1]) } : {}),
  });
  if (at) show(at);
}

function chartPointer(control) {
  const { state, parts, show, zoomTo } = control;
  const { svg } = parts;
  let drag = null;
  const spot = (event) => {
    const box = svg.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  // On an axis only that axis is zoomed; in the plot a flat or steep drag means one axis as well.
  const axesOf = ([x, y], [toX, toY], { left, bottom }) => {
    if (x < left) return "y";
    if (y > bottom) return "x";
    if (Math.abs(toY - y) < 3 * CLICK) return "x";
    return Math.abs(toX - x) < 3 * CLICK ? "y" : "xy";
  };
  const boxOf = (to) => {
    const { left, bottom, size } = state.frame;
    const axes = axesOf(drag, to, state.frame);
    const within = (value, low, high) => Math.max(low, Math.min(high, value));
    const x = [drag[0], to[0]].map((value) => within(value, left, size.width - MARGIN.right)).sort((a, b) => a - b);
    const y = [drag[1], to[1]].map((value) => within(value, MARGIN.top, bottom)).sort((a, b) => a - b);
    return { axes, x: axes.includes("x") ? x : [left, size.width - MARGIN.right], y: axes.includes("y") ? y : [MARGIN.top, bottom] };
  };
  svg.addEventListener("pointerdown", (event) => {
    if (!state.frame || event.button) return;
    drag = event.pointerType === "touch" ? null : spot(event);
    if (drag) svg.setPointerCapture(event.pointerId);
    else show(nearest(state.series, ...spot(event), state.frame.across, state.frame.up), true);
  });
  svg.addEventListener("pointermove", (event) => {
    if (!state.frame) return;
    const to = spot(event);
    if (!drag) {
      show(nearest(state.series, ...to, state.frame.across, state.frame.up));
      return;
    }
    const { x, y } = boxOf(to);
    show(null);
    parts.over.replaceChildren(element("svg:rect", { class: "box", x: x[0], y: y[0], width: x[1] - x[0], height: y[1] - y[0] }));
  });
  svg.addEventListener("pointerup", (event) => {
    if (!drag || !state.frame) return;
    const to = spot(event);
    const { axes, x, y } = boxOf(to);
    const moved = Math.hypot(to[0] - drag[0], to[1] - drag[1]) > CLICK;
    drag = null;
    const { across, up } = state.frame;
    if (!moved) show(nearest(state.series, ...to, across, up), true);
    else zoomTo({ ...(axes.includes("x") ? { x: x.map(across.value) } : {}), ...(axes.includes("y") ? { y: [y[1], y[0]].map(up.value) } : {}) });
  });
  svg.addEventListener("pointercancel", () => (drag = null));
  svg.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && !drag && show(null));
  svg.addEventListener("dblclick", () => zoomTo({ x: null, y: null }));
  svg.addEventListener("wheel", (event) => {
    if (!event.ctrlKey || !state.frame) return;
    event.preventDefault();
    const at = spot(event);
    zoomBy(control, event.deltaY > 0 ? STEP : 1 / STEP, at, at[0] < state.frame.left ? "y" : at[1] > state.frame.bottom ? "x" : "xy");
  }, { passive: false });
}

function chartKeys(control) {
  const { state, parts, show, zoomTo } = control;
  // The next line that has a point at this x, in the order of the values there.
  const other = ({ line, point }, upward) => {
    const x = state.series[line].x[point];
    const here = state.series
      .map((own, index) => ({ line: index, point: own.x.indexOf(x), own }))
      .filter((each) => each.point >= 0)
      .sort((one, two) => one.own.y[one.point] - two.own.y[two.point]);
    const next = here[here.findIndex((each) => each.line === line) + (upward ? 1 : -1)];
    return next ? { line: next.line, point: next.point } : { line, point };
  };
  const along = ({ line, point }, by) => {
    const { x } = state.series[line];
    return { line, point: Math.max(0, Math.min(x.length - 1, point + by)) };
  };
  const moves = {
    ArrowLeft: (at) => along(at, -1), ArrowRight: (at) => along(at, 1),
    PageUp: (at) => along(at, -10), PageDown: (at) => along(at, 10),
    Home: (at) => along(at, -Infinity), End: (at) => along(at, Infinity),
    ArrowUp: (at) => other(at, true), ArrowDown: (at) => other(at, false),
  };
  const first = () => {
    const line = Math.max(0, state.series.findIndex((own) => own.mean));
    return { line, point: state.series[line].x.length - 1 };
  };
  // Shows a point, and where it is outside of what is zoomed to, moves that there.
  const showInView = (at) => {
    const own = state.series[at.line];
    const { across, up } = state.frame;
    const [x, y] = [own.x[at.point], own.y[at.point]];
    const half = across.high / 2 - across.low / 2;
    if (x < across.low || x > across.high) zoomTo({ x: [x - half, x + half] });
    if (y < up.low || y > up.high) zoomTo({ y: null });
    show(at, true);
  };
  parts.svg.addEventListener("focus", () => {
    if (state.series.length && !state.at && parts.svg.matches(":focus-visible")) show(first(), true);
  });
  parts.svg.addEventListener("blur", () => show(null));
  parts.svg.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !state.frame) return;
    if (event.key === "Escape") zoomTo({ x: null, y: null });
    else if (event.key === "+" || event.key === "=") zoomBy(control, 1 / STEP);
    else if (event.key === "-") zoomBy(control, STEP);
    else if (moves[event.key]) showInView(state.at ? moves[event.key](state.at) : first());
    else return;
    event.preventDefault();
  });
}
