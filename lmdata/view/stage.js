"use strict";
// Draws tokens in a plane, and turns what a pointer or the keyboard does there into changes of their starts.
const SVG = "http://www.w3.org/2000/svg";

function drawn(parent, name, attributes, text) {
  const element = parent.appendChild(document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function stage(svg, act) {
  const LAYERS = ["grid", "heard", "hull", "paths", "links", "vertices", "dots", "words", "rings"];
  const HIT = 14, SEGMENTS = 12000;
  const FINE = 0.002, COARSE = 0.02; // of the picture's side, for the arrow keys with and without Shift
  const layers = Object.fromEntries(LAYERS.map((name) => [name, drawn(svg, "g", { class: name })]));
  let shown = null, side = 0, drawnAt = 0, parts = [], dragged = null, extent = null;

  const px = ([x, y]) => [((x - extent[0]) / extent[2]) * side, side - ((y - extent[1]) / extent[2]) * side];
  const at = (event) => {
    const box = svg.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const back = ([u, v]) => [extent[0] + (u / side) * extent[2], extent[1] + ((side - v) / side) * extent[2]];
  const path = (points) => points.map(([u, v], k) => `${k ? "L" : "M"}${u.toFixed(1)} ${v.toFixed(1)}`).join("");
  const colour = (i) => `var(--slot${shown.slot[i] < 0 ? "" : `-${shown.slot[i]}`})`;

  function star(u, v, r) {
    return path(Array.from({ length: 10 }, (_, k) => {
      const angle = (k * Math.PI) / 5, reach = k % 2 ? 0.45 * r : r;
      return [u + reach * Math.sin(angle), v - reach * Math.cos(angle)];
    })) + "Z";
  }

  function build() {
    for (const name of ["paths", "dots", "rings"]) layers[name].replaceChildren();
    parts = Array.from({ length: shown.n }, (_, i) => {
      const ring = drawn(layers.rings, "g", { class: "ring", tabindex: -1, role: "button", "data-token": i });
      drawn(ring, "circle", { r: HIT, class: "hit" });
      drawn(ring, "circle", { r: 5, class: "mark" });
      return { path: drawn(layers.paths, "path"), dot: drawn(layers.dots, "path"), ring };
    });
  }

  function grid() {
    layers.grid.replaceChildren();
    const step = 10 ** Math.floor(Math.log10(extent[2] / 2)), every = [1, 2, 5].find((k) => extent[2] / (k * step) < 6) * step;
    for (const axis of [0, 1]) {
      for (let k = Math.ceil(extent[axis] / every); k * every <= extent[axis] + extent[2]; k++) {
        const place = [k * every, k * every], [u, v] = px(place), on = axis ? v : u;
        drawn(layers.grid, "path", {
          d: axis ? `M0 ${on}H${side}` : `M${on} 0V${side}`, class: k === 0 ? "zero" : "",
        });
        const said = String(Number((k * every).toPrecision(3)));
        if (on > 24 && on < side - 12) {
          drawn(layers.grid, "text", axis ? { x: 4, y: on - 4 } : { x: on + 4, y: side - 5 }, said);
        }
      }
    }
  }

  // the half-plane of scores that a token hears, where the plane is all there is
  function heard(i) {
    layers.heard.replaceChildren();
    if (i < 0 || !shown.bound) return;
    const [least, [a, b]] = shown.bound(i), size = Math.hypot(a, b);
    if (!size) return;
    const [x, y] = [(a * least) / size ** 2, (b * least) / size ** 2], far = 4 * (extent[2] + Math.hypot(x, y));
    const [e, f] = [a / size, b / size];
    const corners = [[x - f * far, y + e * far], [x + f * far, y - e * far],
      [x + f * far + e * far, y - e * far + f * far], [x - f * far + e * far, y + e * far + f * far]];
    drawn(layers.heard, "path", { d: `${path(corners.map(px))}Z` });
  }

  function links(i) {
    layers.links.replaceChildren();
    parts.forEach((part) => part.dot.classList.remove("near"));
    if (i < 0) return;
    const from = px(shown.now[i]);
    for (const j of shown.near[i]) {
      parts[j].dot.classList.add("near");
      if (j !== i) drawn(layers.links, "path", { d: path([from, px(shown.now[j])]) });
    }
    drawn(layers.links, "circle", { cx: from[0], cy: from[1], r: 9 });
  }

  function words() {
    layers.words.replaceChildren();
    if (!shown.words || shown.n > 150) return;
    for (const one of labelled(shown.now.map(px), shown.names, side, 13)) {
      if (Math.hypot(one.edge[0] - one.anchor[0], one.edge[1] - one.anchor[1]) > 12) {
        drawn(layers.words, "path", { d: path([one.anchor, one.edge]) });
      }
      const slot = shown.slot[one.members[0]];
      drawn(layers.words, "text", { x: one.at[0], y: one.at[1] + 4.5, class: `ink${slot < 0 ? "" : `-${slot}`}` }, one.text);
    }
  }

  function dots() {
    const stride = Math.max(1, Math.ceil((shown.n * shown.places.length) / SEGMENTS));
    shown.now.forEach((place, i) => {
      const [u, v] = px(place), { dot, path: trail, ring } = parts[i];
      dot.setAttribute("d", shown.leads[i] ? star(u, v, 10) : `M${u - 5.5} ${v}a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0 -11 0`);
      dot.style.fill = trail.style.stroke = colour(i);
      const line = shown.places.filter((_, k) => k % stride === 0 || k === shown.places.length - 1).map((all) => px(all[i]));
      trail.setAttribute("d", path(line));
      const [p, q] = px(shown.places[0][i]);
      ring.setAttribute("transform", `translate(${p.toFixed(1)} ${q.toFixed(1)})`);
      ring.style.color = colour(i);
      ring.setAttribute("aria-label", `token ${shown.names[i]}, start at ${shown.said(i)}`);
      ring.setAttribute("tabindex", i === Math.max(0, shown.chosen) ? 0 : -1);
      ring.classList.toggle("chosen", i === shown.chosen);
    });
  }

  function draw(next) {
    const same = drawnAt === side && extent === next.extent;
    shown = next;
    extent = next.extent;
    if (!side) return;
    if (!same) {
      drawnAt = side;
      svg.setAttribute("viewBox", `0 0 ${side} ${side}`);
      grid();
    }
    if (parts.length !== shown.n) build();
    layers.hull.replaceChildren();
    drawn(layers.hull, "path", { d: `${path(shown.hull.map(px))}Z` });
    layers.vertices.replaceChildren();
    for (const corner of shown.corners) {
      const [u, v] = px(corner);
      drawn(layers.vertices, "rect", { x: u - 9, y: v - 9, width: 18, height: 18 });
    }
    dots();
    words();
    heard(shown.pointed);
    links(shown.pointed);
  }

  new ResizeObserver(() => { // the size is read when it changes alone: to read it is to lay the page out
    side = svg.clientWidth;
    if (shown) draw(shown);
  }).observe(svg);

  // the token whose ring or dot is nearest to a place on the screen, if one is near; rings alone can be dragged
  function nearest([u, v], rings) {
    let found = -1, least = HIT + 4;
    for (const places of rings ? [shown.places[0]] : [shown.now, shown.places[0]]) {
      places.forEach((place, i) => {
        const [p, q] = px(place), distance = Math.hypot(p - u, q - v);
        if (distance < least) [found, least] = [i, distance];
      });
    }
    return found;
  }

  // moves the token that is dragged, once a frame
  let wanted = null;
  function drag(place) {
    const inside = place.map((value, k) => Math.min(Math.max(value, extent[k]), extent[k] + extent[2]));
    if (wanted === null) requestAnimationFrame(take);
    wanted = inside;
  }
  function take() {
    const place = wanted;
    wanted = null;
    if (place && dragged !== null) act.move(dragged, place);
  }

  svg.addEventListener("pointermove", (event) => {
    if (!shown) return;
    if (dragged !== null) drag(back(at(event)));
    else if (event.pointerType === "mouse") act.point(nearest(at(event), false));
  });
  // a finger on a ring drags it and does not scroll the page
  svg.addEventListener("touchstart", (event) => { if (event.target.closest(".ring")) event.preventDefault(); }, { passive: false });
  svg.addEventListener("pointerleave", () => { if (dragged === null) act.point(-1); });
  svg.addEventListener("pointerdown", (event) => {
    if (!shown || event.button) return;
    const ring = event.target.closest(".ring") ? nearest(at(event), true) : -1;
    if (ring >= 0) {
      dragged = ring;
      svg.setPointerCapture(event.pointerId);
      svg.classList.add("dragging");
    }
    act.choose(ring >= 0 ? ring : nearest(at(event), false));
    if (ring >= 0) parts[ring].ring.focus({ preventScroll: true });
  });
  for (const end of ["pointerup", "pointercancel"]) {
    svg.addEventListener(end, () => {
      take();
      if (dragged !== null) act.moved();
      dragged = null;
      svg.classList.remove("dragging");
    });
  }
  svg.addEventListener("dblclick", (event) => {
    if (nearest(at(event), false) < 0) act.add(back(at(event)));
  });
  // not on a part of the picture: what listens for focus there takes it
  svg.parentElement.addEventListener("focusin", (event) => {
    const ring = event.target.closest(".ring");
    if (ring) act.choose(Number(ring.dataset.token));
  });
  layers.rings.addEventListener("keydown", (event) => {
    const i = Number(event.target.dataset.token), size = (event.shiftKey ? FINE : COARSE) * extent[2];
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const goes = { PageDown: i + 1, PageUp: i - 1, Home: 0, End: shown.n - 1 };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in moves) {
      const [x, y] = shown.places[0][i], [e, f] = moves[event.key];
      act.move(i, [x + size * e, y + size * f]);
      act.moved();
    } else if (event.key in goes) focus((goes[event.key] + shown.n) % shown.n);
    else if (event.key === "Delete" || event.key === "Backspace") act.remove(i);
    else if (event.key === "Insert" || event.key === "a") act.add(shown.places[0][i].map((value) => value + size));
    else return;
    event.preventDefault();
  });

  function focus(i) {
    if (parts[i]) parts[i].ring.focus();
  }

  return { draw, focus };
}

// Labels of points, in pixels, that cover neither each other nor a point, as lmdata.view.placement places them.
function labelled(points, names, side, font) {
  const NEAR = 9, GAP = 2, LETTER = 0.56;
  const angles = [0, 180, 90, 270, 45, 135, 315, 225, 22, 158, 338, 202].map((angle) => (angle * Math.PI) / 180);
  const left = new Set(points.keys()), groups = [];
  for (const first of points.keys()) {
    if (!left.has(first)) continue;
    const members = [...left].filter((j) => Math.hypot(points[j][0] - points[first][0], points[j][1] - points[first][1]) <= NEAR);
    members.forEach((j) => left.delete(j));
    groups.push(members);
  }
  groups.sort((a, b) => b.length - a.length || a[0] - b[0]);
  const anchors = groups.map((group) => [0, 1].map((k) => group.reduce((sum, i) => sum + points[i][k], 0) / group.length));
  const taken = anchors.map(([x, y]) => [x - 4, y - 4, x + 4, y + 4]), placed = [];
  groups.forEach((members, number) => {
    const counts = new Map(), [x, y] = anchors[number];
    members.forEach((i) => counts.set(names[i], (counts.get(names[i]) || 0) + 1));
    const said = [...counts].slice(0, 3), more = members.length - said.reduce((sum, [, count]) => sum + count, 0);
    const text = said.map(([name, count]) => (count > 1 ? `${name} ×${count}` : name)).join(", ") + (more ? ` +${more}` : "");
    const w = (LETTER * font * text.length) / 2 + GAP, h = 0.62 * font, clip = (value) => Math.min(Math.max(value, -1), 1);
    for (const distance of [9, 20, 34, 50, 70]) for (const angle of angles) {
      const u = x + clip(1.5 * Math.cos(angle)) * w + distance * Math.cos(angle);
      const v = y - clip(1.5 * Math.sin(angle)) * h - distance * Math.sin(angle), box = [u - w, v - h, u + w, v + h];
      if (box[0] < 0 || box[1] < 0 || box[2] > side || box[3] > side) continue;
      if (taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1])) continue;
      taken.push(box);
      const edge = [Math.min(Math.max(x, box[0]), box[2]), Math.min(Math.max(y, box[1]), box[3])];
      placed.push({ text, members, anchor: [x, y], at: [u, v], edge });
      return;
    }
  });
  return placed;
}
