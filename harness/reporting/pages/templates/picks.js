// Chosen variants in the address of a page: #p=PLAN&v=VARIANT&v=VARIANT&p=PLAN&v=..., beside other keys.

// The address's fragment -> Map of plan to the list of its variants, in order.
function picksOf(hash) {
  const found = new Map();
  let plan = null;
  for (const [key, value] of new URLSearchParams(hash.slice(1))) {
    if (key === "p") plan = value;
    if (key !== "v" || plan === null) continue;
    if (!found.has(plan)) found.set(plan, []);
    if (!found.get(plan).includes(value)) found.get(plan).push(value);
  }
  return found;
}

// The same as pairs for URLSearchParams.
function pairsOf(picks) {
  return [...picks].flatMap(([plan, variants]) => (variants.length ? [["p", plan], ...variants.map((name) => ["v", name])] : []));
}

function withHash(page, pairs) {
  const text = new URLSearchParams(pairs).toString();
  return text ? `${page}#${text}` : page;
}

function keepInAddress(pairs) {
  history.replaceState(history.state, "", withHash(location.pathname + location.search, pairs));
}
