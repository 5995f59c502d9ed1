// unpacked(text): the data of `lineChart` from its compressed form; packing.py states it.
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const { columns, ...data } = await new Response(stream).json();
  for (const kind of ["lines", "means"]) {
    data[kind] = data[kind].map((line, place) => {
      const whole = { ...line, x: unpackedColumn(line.x) };
      for (const [key, metrics] of Object.entries(columns[kind])) {
        const own = Object.entries(metrics).filter(([, lines]) => lines[place]);
        whole[key] = Object.fromEntries(own.map(([metric, lines]) => [metric, unpackedColumn(lines[place])]));
      }
      return whole;
    });
  }
  return data;
}

// Differences of whole numbers -> numbers; a plain list is one already.
function unpackedColumn(column) {
  if (Array.isArray(column)) return column;
  const unit = 10 ** column.d;
  let sum = 0;
  return column.v.map((step) => (sum += step) / unit);
}
