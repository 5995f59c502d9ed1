// Scales, ticks, numbers and smoothing of charts: values in, values out.

const MINUS = "\u2212";

// The value as a number of at least 5 significant digits; of whole numbers up to 1e15 all digits.
function shortNumber(value) {
  const size = Math.abs(value);
  const rounded = Number(value.toPrecision(5));
  const short = Number.isFinite(rounded) ? rounded : value; // the largest numbers would be rounded to infinity
  const text = size >= 1e15 ? short.toExponential() : size >= 1e4 ? Math.round(value).toLocaleString("en") : String(short);
  return text.replaceAll("-", MINUS).replace("e+", "e");
}

// A scale between values [low, high] and pixels [from, to]. Halves keep the range of the largest numbers finite.
function scale(low, high, from, to, log) {
  const into = log ? Math.log10 : (value) => value / 2;
  const out = log ? (value) => 10 ** value : (value) => value * 2;
  const [first, last] = [into(low), into(high)];
  return {
    low, high, log,
    pixel: (value) => from + ((into(value) - first) / (last - first)) * (to - from),
    value: (pixel) => out(first + ((pixel - from) / (to - from)) * (last - first)),
  };
}

// [low, high] with room around the values; of no width, or on a log scale, likewise.
function padded(low, high, log, share) {
  if (log) {
    const [first, last] = [Math.log10(low), Math.log10(high)];
    const room = share * (last - first) || 0.1;
    return [Math.max(10 ** (first - room), Number.MIN_VALUE), Math.min(10 ** (last + room), Number.MAX_VALUE)];
  }
  const room = share * (high / 2 - low / 2) * 2 || Math.abs(low) * 0.05 || 0.5;
  const most = Number.MAX_VALUE;
  return [Math.max(low - Math.min(room, most), -most), Math.min(high + Math.min(room, most), most)];
}

// About `count` round values in [low, high], with their texts.
function ticks(low, high, count, { log = false, whole = false } = {}) {
  if (log && high / low >= 10) return logTicks(low, high, count);
  const raw = (high / 2 - low / 2) / count * 2;
  const power = 10 ** Math.floor(Math.log10(raw));
  let step = power * ([1, 2, 5].find((each) => each * power >= raw) ?? 10);
  if (whole) step = Math.max(step, 1);
  if (!Number.isFinite(step) || step === 0) return [low, high].map((value) => ({ value, text: shortNumber(value) }));
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= Math.min(high + step * 1e-9, Number.MAX_VALUE) && found.length < 40; index += 1) {
    found.push({ value: index * step, text: tickText(index * step, step, decimals) });
  }
  return found;
}

function tickText(value, step, decimals) {
  const largest = Math.max(Math.abs(value), step);
  if (largest >= 1e6 || step < 1e-4) return value === 0 ? "0" : shortNumber(value);
  return value.toFixed(decimals).replace("-", MINUS);
}

function logTicks(low, high, count) {
  const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  const every = Math.max(1, Math.ceil((last - first) / count));
  const parts = last - first <= 2 ? [1, 2, 5] : [1];
  const found = [];
  for (let power = first - 1; power <= last; power += 1) {
    if ((power - first) % every) continue;
    for (const part of parts) {
      const value = Number(`${part}e${power}`);
      if (value >= low && value <= high) found.push({ value, text: shortNumber(value) });
    }
  }
  return found;
}

// Exponential moving average without the bias of its start; gaps (null) are passed over.
function smoothed(values, weight) {
  let sum = 0;
  let total = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    total = weight * total + (1 - weight);
    return sum / total;
  });
}

// The index in `sorted` of the number nearest to `wanted`.
function nearestIndex(sorted, wanted) {
  let [low, high] = [0, sorted.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low > 0 && wanted - sorted[low - 1] <= sorted[low] - wanted ? low - 1 : low;
}
