// What a chart shows of its data: the lines of the chosen metric, variants and seeds.

const BROKEN = ["failed", "diverged"];

// data, choices -> {series, left}: the shown lines with their finite points, and how many values a log scale leaves out.
//
// A series: {mean, bold, variant, seed, run, state, n, x, y, raw, band}; `y` is smoothed and `raw` as recorded.
function shownSeries(data, chosen) {
  let left = 0;
  const single = (variant) => data.lines.filter((line) => line.variant === variant).length === 1;
  const fits = (value) => value !== null && value !== undefined && Number.isFinite(value);
  const made = (line, mean) => {
    const values = line.y[chosen.metric];
    if (!values || chosen.hidden.has(data.variants[line.variant].name)) return null;
    if (!mean && (chosen.hiddenSeeds.has(line.seed) || !chosen.seeds)) return null;
    const kept = [];
    values.forEach((value, place) => {
      if (!fits(value)) return;
      if (chosen.log && value <= 0) left += 1;
      else kept.push(place);
    });
    if (!kept.length) return null;
    const raw = kept.map((place) => values[place]);
    const own = { ...line, mean, bold: mean || single(line.variant), x: kept.map((place) => line.x[place]), raw, y: raw, n: counts(line.n, kept), band: null };
    if (chosen.smoothing) own.y = smoothed(raw, chosen.smoothing);
    if (line.low?.[chosen.metric]) own.band = bandOf(line, chosen, kept);
    return own;
  };
  const series = [...data.lines.map((line) => made(line, false)), ...data.means.map((line) => made(line, true))];
  return { series: series.filter(Boolean), left };
}

function counts(n, kept) {
  return Array.isArray(n) ? kept.map((place) => n[place]) : n;
}

// The range of the runs around a mean; on a log scale only what is positive.
function bandOf(line, chosen, kept) {
  const [low, high] = [line.low[chosen.metric], line.high[chosen.metric]];
  if (!low || !high) return null;
  return kept.map((place) => [chosen.log && low[place] <= 0 ? null : low[place], high[place]]);
}

// [low, high] of the points in [from, to], as smoothed and as recorded; null without any.
function reach(series, from, to) {
  let [low, high] = [Infinity, -Infinity];
  const take = (value) => {
    if (value === null) return;
    if (value < low) low = value;
    if (value > high) high = value;
  };
  for (const own of series) {
    own.x.forEach((x, place) => {
      if (x < from || x > to) return;
      take(own.y[place]);
      take(own.raw[place]);
      if (own.band) own.band[place].forEach(take);
    });
  }
  return low <= high ? [low, high] : null;
}

// [first, last] of x over all lines; null without any.
function span(series) {
  let [low, high] = [Infinity, -Infinity];
  for (const { x } of series) {
    low = Math.min(low, x[0]);
    high = Math.max(high, x[x.length - 1]);
  }
  return low <= high ? [low, high] : null;
}

// The point nearest to a place of the plot, in pixels: {line, point}; null without any in view.
function nearest(series, x, y, across, up) {
  let best = null;
  let least = Infinity;
  series.forEach((own, line) => {
    const around = nearestIndex(own.x, across.value(x));
    for (let point = Math.max(0, around - 1); point <= Math.min(own.x.length - 1, around + 1); point += 1) {
      if (own.x[point] < across.low || own.x[point] > across.high || own.y[point] < up.low || own.y[point] > up.high) continue;
      // A mean is taken before a seed at the same place.
      const distance = Math.hypot(across.pixel(own.x[point]) - x, up.pixel(own.y[point]) - y) - (own.mean && own.n !== 1 ? 3 : 0);
      if (distance < least) [best, least] = [{ line, point }, distance];
    }
  });
  return best;
}

// The words about a point: value first, then which line it is on.
function pointWords(data, chosen, own, point) {
  const metric = data.metrics[chosen.metric];
  const unit = metric.unit ? ` ${metric.unit}` : "";
  const name = data.variants[own.variant].name;
  const value = `${shortNumber(own.raw[point])}${unit}`;
  const shown = chosen.smoothing ? `${value} (smoothed ${shortNumber(own.y[point])}${unit})` : value;
  const where = `${data.x} ${shortNumber(own.x[point])}`;
  if (!own.mean) {
    const end = own.state === "completed" ? "" : `, ${own.state}`;
    return [shown, name, `seed ${own.seed}, ${where}${end}`, `run ${own.run}`];
  }
  const n = Array.isArray(own.n) ? own.n[point] : own.n;
  const range = own.band ? `range ${shortNumber(own.band[point][0])} to ${shortNumber(own.band[point][1])}` : "";
  return [shown, name, `mean of ${n} ${n === 1 ? "run" : "runs"}, ${where}`, range].filter(Boolean);
}
