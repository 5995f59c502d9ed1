// Draws the series of a chart as SVG.

const MARGIN = { top: 10, right: 14, bottom: 42 };
const CROSS = 4.5; // half its width [px]

// An element with attributes and children; strings become text. HTML unless its name starts with "svg:".
function element(name, attributes = {}, ...children) {
  const made = name.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", name.slice(4))
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

// The element with a colour for light and one for dark screens.
function coloured(made, { colour, dark }) {
  made.style.setProperty("--light", colour);
  made.style.setProperty("--dark", dark ?? colour);
  return made;
}

// The frame of a plot `size` [px] large: axes with ticks. Returns {across, up, left}; `left` is the width of the labels.
function drawFrame(svg, size, view, { log, xLabel, yLabel }) {
  const bottom = size.height - MARGIN.bottom;
  const up = scale(view.y[0], view.y[1], bottom, MARGIN.top, log);
  const rows = ticks(view.y[0], view.y[1], Math.max(2, Math.round((bottom - MARGIN.top) / 55)), { log });
  const left = 30 + 7 * Math.max(3, ...rows.map((tick) => tick.text.length));
  const across = scale(view.x[0], view.x[1], left, size.width - MARGIN.right, false);
  const columns = ticks(view.x[0], view.x[1], Math.max(2, Math.round((size.width - left) / 90)), { whole: true });
  const grid = element("svg:g", { class: "grid" });
  const texts = element("svg:g", { class: "ticks" });
  for (const { value, text } of rows) {
    const y = up.pixel(value).toFixed(1);
    grid.append(element("svg:line", { x1: left, x2: size.width - MARGIN.right, y1: y, y2: y }));
    texts.append(element("svg:text", { x: left - 6, y, dy: ".32em", "text-anchor": "end" }, text));
  }
  for (const { value, text } of columns) {
    const x = across.pixel(value).toFixed(1);
    grid.append(element("svg:line", { x1: x, x2: x, y1: MARGIN.top, y2: bottom }));
    texts.append(element("svg:text", { x, y: bottom + 17, "text-anchor": "middle" }, text));
  }
  const middle = { x: (left + size.width - MARGIN.right) / 2, y: (MARGIN.top + bottom) / 2 };
  texts.append(
    element("svg:text", { class: "axis", x: middle.x, y: size.height - 6, "text-anchor": "middle" }, xLabel),
    element("svg:text", { class: "axis", transform: `translate(13 ${middle.y}) rotate(-90)`, "text-anchor": "middle" }, yLabel),
  );
  svg.append(grid, texts);
  return { across, up, left, bottom };
}

// The lines, thin ones first; `clip` is the id of the plot's clip path.
function drawSeries(svg, series, frame, { variants, clip, smoothing }) {
  const layers = ["band", "seed", "mean"].map((name) => element("svg:g", { class: name, "clip-path": `url(#${clip})` }));
  for (const own of series) {
    const variant = variants[own.variant];
    const put = (layer, name, attributes) => layer.append(coloured(element(name, attributes), variant));
    if (own.band) put(layers[0], "svg:path", { class: "area", d: bandPath(own, frame) });
    const layer = own.bold ? layers[2] : layers[1];
    if (smoothing) put(layers[1], "svg:path", { class: "line raw", d: linePath(own.x, own.raw, frame) });
    put(layer, "svg:path", { class: "line", d: linePath(own.x, own.y, frame), "stroke-dasharray": (own.bold && variant.dashes) || null });
    if (own.x.length === 1) put(layer, "svg:circle", { class: "dot", ...place(own, 0, frame), r: own.bold ? 3.5 : 2.5 });
    if (BROKEN.includes(own.state)) put(layers[2], "svg:path", { class: "cross", d: crossPath(own, frame) });
  }
  svg.append(...layers);
}

function place(own, point, { across, up }) {
  return { cx: across.pixel(own.x[point]).toFixed(1), cy: up.pixel(own.y[point]).toFixed(1) };
}

// Coordinates far outside the plot are held at its edge's neighbourhood: browsers draw only moderate numbers.
function linePath(x, y, { across, up }) {
  const held = (pixel) => Math.max(-1e5, Math.min(1e5, pixel)).toFixed(1);
  return `M${x.map((value, index) => `${held(across.pixel(value))} ${held(up.pixel(y[index]))}`).join("L")}`;
}

// On a log scale a range that reaches 0 or less goes down to the edge of the plot.
function bandPath(own, frame) {
  const low = own.band.map((range) => range[0] ?? frame.up.low);
  const back = linePath([...own.x].reverse(), low.reverse(), frame).slice(1);
  return `${linePath(own.x, own.band.map((range) => range[1]), frame)}L${back}Z`;
}

function crossPath(own, frame) {
  const { cx, cy } = place(own, own.x.length - 1, frame);
  const size = 2 * CROSS;
  return `M${cx - CROSS} ${cy - CROSS}l${size} ${size}m0 ${-size}l${-size} ${size}`;
}

// Shows the words beside a place of the element around the tip, whose size is given, all in pixels.
function showTip(tip, words, x, y, size) {
  const [value, ...rest] = words;
  tip.replaceChildren(element("strong", {}, value), ...rest.flatMap((word) => [element("br"), word]));
  tip.style.left = "0";
  const { offsetWidth: width, offsetHeight: height } = tip;
  const left = x + 14 + width > size.width ? x - 14 - width : x + 14;
  tip.style.left = `${Math.max(0, Math.min(left, size.width - width))}px`;
  tip.style.top = `${Math.max(0, Math.min(y - height / 2, size.height - height))}px`;
}
