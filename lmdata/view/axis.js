"use strict";
// A section with the axis of an atlas: a click on a band, or on the limits, shows the trajectory of the interval there.
// Trajectories and limits are computed here (step.js), from the tokens and the least sensitivity of the interval.
function explore(bokeh, element, axis, animate) {
  const COLUMNS = 480; // places of the axis at which limits are computed: more than can be told apart
  const MOST_STEPS = 4000, FIRST_LABEL = 0x100;
  const n = axis.names.length, d = axis.components;
  const model = (id) => bokeh.get_model_by_id(id);
  const control = (to) => element.querySelector(`[data-to="${to}"]`);
  const path = model(axis.path.id), slider = control("time"), output = element.querySelector("output");
  const shown = { seed: axis.seed, interval: axis.interval, scale: axis.scales[0], component: 0, frame: 0 };
  const limits = new Map();
  let frames = [], times = [];

  const start = () => axis.starts[shown.seed];
  const sensitivityAt = (begin, t) => begin * axis.shape[Math.min(t, axis.shape.length - 1)];

  function stepped(tokens, begin, t) {
    return canonical.step(tokens, n, d, sensitivityAt(begin, t), axis.influence, axis.matrix);
  }

  function words(interval) {
    const own = start();
    return own.cluster ? own.clusters[own.cluster[interval]] : "";
  }

  // cluster of each token, those of vertices first; null where nothing is proved
  function clusters(interval) {
    const word = words(interval);
    return word ? Array.from(word, (letter) => letter.codePointAt(0) - FIRST_LABEL) : null;
  }

  function lastStep(interval) {
    return axis.record >= 0 ? axis.record : Math.max(1, start().steps[interval]) + axis.after;
  }

  function simulate(interval) {
    const begin = start().begin[interval], last = lastStep(interval);
    const kept = new Set(last < axis.frames ? [] : Array.from({ length: axis.frames },
      (_, k) => Math.floor((k * last) / (axis.frames - 1))));
    let tokens = Float64Array.from(start().tokens);
    frames = [tokens];
    times = [0];
    for (let t = 0; t < last; t++) {
      tokens = stepped(tokens, begin, t);
      if (!kept.size || kept.has(t + 1)) { frames.push(tokens); times.push(t + 1); }
    }
  }

  // where the tokens of an interval end: the state that repeats, or that of many steps
  function ends(interval) {
    const begin = start().begin[interval];
    let tokens = Float64Array.from(start().tokens);
    for (let t = 0; t < MOST_STEPS; t++) {
      const after = stepped(tokens, begin, t);
      if (t >= start().steps[interval] && after.every((value, k) => Math.abs(value - tokens[k]) <= 1e-9)) return after;
      tokens = after;
    }
    return tokens;
  }

  function placed(tokens, i, t) {
    if (d === 1) return [t, tokens[i]];
    return start().plane.map((direction) => direction.reduce((sum, weight, k) => sum + weight * tokens[i * d + k], 0));
  }

  function set(id, columns) { model(id).data = columns; }

  function colours() {
    const labels = clusters(shown.interval);
    if (!labels) return { slot: new Array(n).fill(-1), end: new Array(n).fill("not proved"), labels, count: 0, own: [] };
    const count = start().vertices[shown.interval], own = endings.slots(labels, count);
    return {
      slot: labels.map((label) => (label < count ? own[label] : -1)),
      end: labels.map((label) => (label < count ? `vertex ${label}` : "no vertex")),
      labels, count, own,
    };
  }

  function showPath() {
    const { slot, labels, count, own } = colours(), sources = axis.path.sources;
    const trails = { x: [], y: [], x1: [], y1: [], color: [] };
    for (let i = 0; i < n; i++) for (let k = 1; k < frames.length; k++) {
      const [x, y] = placed(frames[k - 1], i, times[k - 1]), [x1, y1] = placed(frames[k], i, times[k]);
      if (y === y1 && (d === 1 || x === x1)) continue;
      trails.x.push(x); trails.y.push(y); trails.x1.push(x1); trails.y1.push(y1); trails.color.push(slot[i]);
    }
    set(sources.Trails, trails);
    const corners = { x: [], y: [] }, end = labels ? ends(shown.interval) : null;
    for (let vertex = 0; vertex < count; vertex++) if (own[vertex] >= 0) {
      const [x, y] = placed(end, labels.indexOf(vertex), times.at(-1));
      corners.x.push(x); corners.y.push(y);
    }
    set(sources.Vertices, corners);
    const all = frames.flatMap((tokens, k) => Array.from({ length: n }, (_, i) => placed(tokens, i, times[k])));
    const bounds = [0, 1].map((k) => all.reduce(
      ([low, high], point) => [Math.min(low, point[k]), Math.max(high, point[k])], [Infinity, -Infinity]));
    const extents = d > 1 ? square(bounds) : bounds.map(([low, high]) => {
      const margin = 0.05 * (high - low) || 1;
      return [low - margin, high + margin];
    });
    [path.x_range, path.y_range].forEach((range, k) => {
      range.setv({ start: extents[k][0], end: extents[k][1], reset_start: extents[k][0], reset_end: extents[k][1] });
    });
    slider.max = frames.length - 1;
    showFrame(frames.length - 1);
  }

  function square(bounds) {
    const middle = bounds.map(([low, high]) => (low + high) / 2);
    const half = 0.56 * Math.max(...bounds.map(([low, high]) => high - low)) || Math.max(1, ...middle.map(Math.abs));
    return middle.map((at) => [at - half, at + half]);
  }

  function showFrame(frame) {
    const tokens = frames[frame], t = times[frame], { slot, end } = colours(), sources = axis.path.sources;
    shown.frame = frame;
    const points = Array.from({ length: n }, (_, i) => placed(tokens, i, t));
    const lead = canonical.leaders(tokens, n, d, sensitivityAt(start().begin[shown.interval], t), axis.matrix);
    for (const [group, leads] of [["Tokens", false], ["Leaders", true]]) {
      const of = points.map((_, i) => i).filter((i) => lead[i] === leads);
      set(sources[group], {
        x: of.map((i) => points[i][0]), y: of.map((i) => points[i][1]), token: of.map((i) => axis.names[i]),
        end: of.map((i) => end[i]), color: of.map((i) => slot[i]),
      });
    }
    const ring = d > 1 ? endings.hull(points) : [
      ...frames.map((all, k) => [times[k], Math.min(...all)]), ...frames.map((all, k) => [times[k], Math.max(...all)]).reverse(),
    ];
    set(sources.Hull, { xs: [[[ring.map((p) => p[0])]]], ys: [[[ring.map((p) => p[1])]]] });
    slider.value = frame;
    output.textContent = `${t}`;
    slider.setAttribute("aria-valuetext", `step ${t}`);
    const sensitivity = Number(start().begin[shown.interval].toPrecision(6));
    model(axis.path.title).text = `δ = ${sensitivity} · α = ${axis.influence} · seed ${start().seed} · step ${t}`;
  }

  function showLimits() {
    if (!axis.figures[`limits ${shown.scale}`]) return;
    const figure = axis.figures[`limits ${shown.scale}`], range = model(figure.id).x_range;
    const key = `${shown.seed} ${shown.scale}`;
    if (!limits.has(key)) limits.set(key, limitsAlong(range.reset_start, range.reset_end));
    const layers = [{ x: [], y: [], x1: [], y1: [] }, { x: [], y: [], x1: [], y1: [] }];
    let reach = 0;
    for (let i = 0; i < n; i++) reach = Math.max(reach, Math.abs(start().tokens[i * d + shown.component]));
    for (const { left, right, at, vertex } of limits.get(key)) at.forEach((tokens, k) => {
      const layer = layers[vertex[k] ? 1 : 0];
      layer.x.push(left); layer.x1.push(right); layer.y.push(tokens[shown.component]); layer.y1.push(tokens[shown.component]);
    });
    figure.sources.forEach((id, k) => set(id, layers[k]));
    const plot = model(figure.id), edge = 1.05 * reach || 1;
    plot.y_range.setv({ start: -edge, end: edge, reset_start: -edge, reset_end: edge });
    model(figure.title).text = model(figure.title).text.replace(/seed \d+/, `seed ${start().seed}`);
    plot.left[0].axis_label = `component ${shown.component} of the limits`;
  }

  function limitsAlong(low, high) {
    const own = start(), found = [], at = (k) => shown.scale === "log" ? low * (high / low) ** k : low + (high - low) * k;
    let before = -1;
    for (let column = 0; column <= COLUMNS; column++) {
      const interval = intervalAt(at((column + 0.5) / (COLUMNS + 1)));
      const labels = interval === before ? null : clusters(interval);
      before = interval;
      if (!labels) continue;
      const end = ends(interval), count = own.vertices[interval];
      const firsts = [...new Set(labels)].map((label) => labels.indexOf(label));
      found.push({
        left: Math.max(low, own.begin[interval]), right: Math.min(high, upTo(interval)),
        at: firsts.map((i) => Array.from(end.subarray(i * d, i * d + d))), vertex: firsts.map((i) => labels[i] < count),
      });
    }
    return found;
  }

  function upTo(interval) {
    const own = start();
    if (interval + 1 < own.begin.length) return own.begin[interval + 1];
    return own.end === null ? Infinity : own.end;
  }

  function intervalAt(sensitivity) {
    const { begin } = start();
    let low = 0, high = begin.length;
    while (low < high) { const middle = (low + high) >> 1; if (begin[middle] <= sensitivity) low = middle + 1; else high = middle; }
    return Math.max(0, low - 1);
  }

  function said() {
    const own = start(), k = shown.interval, short = (x) => `${Number(x.toPrecision(8))}`, end = upTo(k);
    const count = (number, noun, many) => `${number} ${number === 1 ? noun : many}`;
    const parts = [`seed ${own.seed}`, `interval ${(k + 1).toLocaleString("en")} of ${own.begin.length.toLocaleString("en")}`];
    parts.push(end === Infinity ? `δ from ${short(own.begin[k])} on` : `δ from ${short(own.begin[k])} up to ${short(end)}`);
    if (axis.record >= 0) parts.push(`record of ${count(axis.record, "step", "steps")}`);
    else if (!own.known[k]) parts.push("not proved: several trajectories; drawn is the first");
    else {
      parts.push(count(own.vertices[k], "vertex", "vertices"));
      if (own.others[k] > 0) parts.push(`${count(own.others[k], "token", "tokens")} at none`);
      parts.push(`proved after ${count(own.steps[k], "step", "steps")}`);
    }
    return parts.join(" · ");
  }

  function showMarks() {
    const low = start().begin[shown.interval], high = upTo(shown.interval), row = axis.starts.length - 1 - shown.seed;
    for (const [name, figure] of Object.entries(axis.figures)) {
      const { x_range, y_range } = model(figure.id);
      const inside = (x) => Math.min(Math.max(x, x_range.reset_start), x_range.reset_end);
      const [bottom, top] = name.startsWith("bands") ? [row - 0.5, row + 0.5] : [y_range.reset_start, y_range.reset_end];
      set(figure.mark, { left: [inside(low)], right: [inside(high)], bottom: [bottom], top: [top] });
    }
  }

  function go(seed, interval) {
    const other = seed !== shown.seed;
    shown.seed = seed;
    shown.interval = interval;
    simulate(interval);
    showPath();
    if (other) showLimits();
    showMarks();
    control("sensitivity").value = start().begin[interval];
    element.querySelector(".told").textContent = said();
  }

  function nextBand(step) {
    const { value, known } = start();
    const begins = value.map((_, k) => k).filter((k) => known[k] && (k === 0 || value[k] !== value[k - 1]));
    const beyond = begins.filter((k) => (step > 0 ? k > shown.interval : k < shown.interval));
    return beyond.length ? beyond.at(step > 0 ? 0 : -1) : shown.interval;
  }

  function tapped(name, event) {
    if (name.startsWith("limits")) { go(shown.seed, intervalAt(event.x)); return; }
    const row = axis.starts.length - 1 - Math.round(event.y);
    if (row < 0 || row >= axis.starts.length) return;
    const before = shown.seed;
    shown.seed = row;
    const interval = intervalAt(event.x);
    shown.seed = before;
    go(row, interval);
  }

  function showScale() {
    element.querySelectorAll("[data-figure]").forEach((figure) => {
      const [, scale] = figure.dataset.figure.split(" ");
      figure.hidden = scale !== undefined && scale !== shown.scale;
    });
    showLimits();
    showMarks();
  }

  Object.entries(axis.figures).forEach(([name, figure]) => {
    model(figure.id).on_event("tap", (event) => tapped(name, event));
  });
  const squared = () => { if (path.inner_width > 0) path.frame_height = path.inner_width; };
  path.properties.inner_width.change.connect(squared);
  squared();
  element.querySelectorAll("input[type=radio]").forEach((radio) => {
    radio.checked = radio.defaultChecked;
    radio.addEventListener("change", () => { shown.scale = radio.value; showScale(); });
  });
  element.querySelectorAll("button[data-to]").forEach((button) => {
    const step = Number(button.dataset.step);
    button.addEventListener("click", () => {
      const next = Math.min(Math.max(shown.interval + step, 0), start().begin.length - 1);
      go(shown.seed, button.dataset.to === "band" ? nextBand(step) : next);
    });
  });
  control("sensitivity").addEventListener("change", (event) => {
    if (event.target.checkValidity() && event.target.value !== "") go(shown.seed, intervalAt(Number(event.target.value)));
  });
  if (control("component")) control("component").addEventListener("change", (event) => {
    if (!event.target.checkValidity() || event.target.value === "") return;
    shown.component = Number(event.target.value);
    showLimits();
    showMarks();
  });
  slider.addEventListener("input", () => showFrame(Number(slider.value)));
  animate(element.querySelector(".play"), slider);
  go(shown.seed, shown.interval);
  showScale();
}
