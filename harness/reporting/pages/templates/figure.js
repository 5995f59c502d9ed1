// livePicture(figure): its SVG in the page instead of an image, in the colours of the screen; marks with a title tell it on
// hover, touch and arrow keys. Pictures in other formats stay as they are.

const CLOSE = 14; // a mark so near to the pointer is meant [px]
let pictures = 0;

function livePicture(figure) {
  const image = figure.querySelector("a > img");
  const source = /^data:image\/svg\+xml;base64,(.*)$/s.exec(image?.src ?? "");
  if (!source) return;
  const text = new TextDecoder().decode(Uint8Array.from(atob(source[1]), (letter) => letter.charCodeAt(0)));
  // The content security policy of the page forbids styles inside elements, also while they are parsed.
  const plain = text.replace(/<style.*?<\/style>/gs, "").replaceAll(' style="', ' data-style="');
  const svg = document.importNode(new DOMParser().parseFromString(plain, "image/svg+xml").documentElement, true);
  adapt(svg, JSON.parse(image.dataset.dark ?? "{}"), `picture-${(pictures += 1)}-`);
  const marks = [...svg.querySelectorAll("title")].map((title) => {
    const mark = { shape: title.parentNode, words: title.textContent.split("\n") };
    title.remove();
    return mark;
  });
  const tip = element("div", { class: "tip", "aria-hidden": "true", hidden: true });
  const live = element("p", { class: "unseen", "aria-live": "polite" });
  const whole = element("div", { class: "picture" }, element("div", { class: "scroll" }, svg), tip, live);
  svg.setAttribute("aria-label", marks.length ? `${image.alt} The arrow keys go from value to value.` : image.alt);
  svg.setAttribute("role", marks.length ? "application" : "img");
  image.parentNode.before(whole);
  const link = element("a", { class: "file", href: image.parentNode.getAttribute("href") }, "Open the picture");
  figure.querySelector("figcaption")?.append(" ", link);
  figure.classList.add("live");
  if (marks.length) explore(svg, marks, whole, tip, live);
}

// Style attributes become attributes, which the content security policy permits; colours get their dark ones; ids become unique.
function adapt(svg, dark, prefix) {
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  svg.style.setProperty("--natural", `${width}pt`);
  svg.style.setProperty("--ratio", width / height);
  svg.removeAttribute("width");
  svg.removeAttribute("height");
  svg.querySelectorAll("metadata").forEach((part) => part.remove());
  for (const part of [svg, ...svg.querySelectorAll("*")]) {
    for (const rule of (part.dataset.style ?? "").split(";")) {
      const [name, value] = rule.split(/:(.*)/s).map((word) => word.trim());
      if (!value) continue;
      part.setAttribute(name, value);
      if ((name === "fill" || name === "stroke") && dark[value]) {
        part.classList.add(`ink-${name}`);
        part.style.setProperty(`--${name}`, value);
        part.style.setProperty(`--${name}-dark`, dark[value]);
      }
    }
    part.removeAttribute("data-style");
    if (part.id) part.id = prefix + part.id;
    for (const { name, value } of [...part.attributes]) {
      if (value.startsWith("#") && name.endsWith("href")) part.setAttribute(name, `#${prefix}${value.slice(1)}`);
      else if (value.startsWith("url(#")) part.setAttribute(name, `url(#${prefix}${value.slice(5)}`);
    }
  }
}

// Puts the ring around a mark.
function circle(svg, shape, ring) {
  const box = shape.getBoundingClientRect();
  const into = svg.getScreenCTM().inverse();
  const [from, to] = [[box.left, box.top], [box.right, box.bottom]].map(([x, y]) => new DOMPoint(x, y).matrixTransform(into));
  for (const [name, value] of Object.entries({ x: from.x - 3, y: from.y - 3, width: to.x - from.x + 6, height: to.y - from.y + 6 })) {
    ring.setAttribute(name, value.toFixed(2));
  }
}

function explore(svg, marks, whole, tip, live) {
  let at = -1;
  const ring = element("svg:rect", { class: "ring", rx: 4 });
  svg.setAttribute("tabindex", 0);
  const show = (index, aloud = false) => {
    at = index;
    tip.hidden = index < 0;
    if (index < 0) {
      ring.remove();
      return;
    }
    const { shape, words } = marks[index];
    svg.append(ring);
    circle(svg, shape, ring);
    if (aloud) ring.scrollIntoView({ block: "nearest", inline: "nearest" });
    const [box, frame] = [shape.getBoundingClientRect(), whole.getBoundingClientRect()];
    const [x, y] = [(box.left + box.right) / 2 - frame.left, (box.top + box.bottom) / 2 - frame.top];
    showTip(tip, words, x, y, { width: frame.width, height: frame.height });
    if (aloud) live.textContent = words.join(", ");
  };
  const near = (event) => {
    const away = (low, high, value) => Math.max(low - value, value - high, 0);
    const found = marks.map(({ shape }, index) => {
      const box = shape.getBoundingClientRect();
      const distance = Math.hypot(away(box.left, box.right, event.clientX), away(box.top, box.bottom, event.clientY));
      const middle = Math.hypot((box.left + box.right) / 2 - event.clientX, (box.top + box.bottom) / 2 - event.clientY);
      return { index, distance, middle };
    }).filter(({ distance }) => distance <= CLOSE);
    found.sort((one, other) => one.distance - other.distance || one.middle - other.middle);
    return found[0]?.index ?? -1;
  };
  svg.addEventListener("pointermove", (event) => show(near(event)));
  svg.addEventListener("pointerdown", (event) => show(near(event), true));
  svg.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && show(-1));
  svg.addEventListener("blur", () => show(-1));
  svg.addEventListener("focus", () => svg.matches(":focus-visible") && show(Math.max(at, 0), true));
  const last = marks.length - 1;
  const moves = {
    ArrowRight: () => Math.min(at + 1, last), ArrowDown: () => Math.min(at + 1, last),
    ArrowLeft: () => Math.max(at - 1, 0), ArrowUp: () => Math.max(at - 1, 0), Home: () => 0, End: () => last, Escape: () => -1,
  };
  svg.addEventListener("keydown", (event) => {
    if (!moves[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    show(moves[event.key](), true);
    event.preventDefault();
  });
}
