"use strict";
// Localmax that the page computes: what is chosen (tokens and parameters), what follows from it, and who is told.
function board(element, data, number) {
  const LEAST = 0.02, MOST = 50, UNSEEN = 1e-4;
  const COST = 6e7; // products of a step, times the columns of the axis
  const d = data.components, find = (name) => element.querySelector(`[data-part="${name}"]`);
  const shape = data.schedule ? data.schedule.values : null;
  const state = { seed: 0, roster: [], sensitivity: 0, influence: 1, steps: 0, time: null, chosen: -1, pointed: -1 };
  let made = null, extent = null, swept = null, playing = null;

  const { short, count } = saying;

  // tokens

  const starts = data.starts.map(share.floats), start = () => starts[state.seed];
  const axes = () => (data.planes ? data.planes[state.seed] : [[1, 0], [0, 1]]);
  const flat = (row) => planar(row)[0];

  function packed() {
    const tokens = new Float64Array(state.roster.length * d);
    state.roster.forEach(({ row }, i) => tokens.set(row, i * d));
    return tokens;
  }
  function planar(tokens) {
    const [across, up] = axes();
    return Array.from({ length: tokens.length / d }, (_, i) => {
      let x = 0, y = 0;
      for (let k = 0, at = i * d; k < d; k++, at++) { x += across[k] * tokens[at]; y += up[k] * tokens[at]; }
      return [x, y];
    });
  }
  // the picture holds the tokens of the start with a margin; what follows stays in their hull
  function frame(roster) {
    const places = roster.map(({ row }) => flat(row)), low = [0, 1].map((k) => Math.min(...places.map((p) => p[k])));
    const high = [0, 1].map((k) => Math.max(...places.map((p) => p[k])));
    const side = 1.24 * Math.max(high[0] - low[0], high[1] - low[1]) || Math.max(1, ...low.map(Math.abs));
    extent = [(low[0] + high[0] - side) / 2, (low[1] + high[1] - side) / 2, side];
  }

  // what follows

  const sensitivityAt = (scale, t) => (shape ? scale * (shape.length ? shape[Math.min(t, shape.length - 1)] : 0) : scale);

  function compute() {
    const tokens = packed(), n = state.roster.length, { steps, sensitivity, influence } = state;
    const frames = canonical.run(tokens, n, d, steps, (t) => sensitivityAt(sensitivity, t), influence, data.matrix);
    const last = frames[steps], final = sensitivityAt(sensitivity, steps);
    const rest = endings.rest(last, n, d, final, influence, data.matrix);
    const found = endings.clusters(rest || last, n, d, final, data.matrix);
    const places = [];
    frames.forEach((one, t) => places.push(t && one === frames[t - 1] ? places[t - 1] : planar(one)));
    let seen = steps;
    while (seen > 0 && gap(places[seen - 1], places[steps]) <= UNSEEN * extent[2]) seen -= 1;
    const slots = endings.slots(found.label, found.firsts.length);
    const ends = planar(rest || last);
    made = {
      n, tokens, frames, places, rest, found, seen: Math.min(steps, Math.max(seen, 10)),
      hulls: [], slot: found.label.map((own) => slots[own]),
      corners: found.firsts.slice(0, found.vertices).map((i) => ends[i]),
    };
  }
  function gap(a, b) {
    return a.reduce((most, [x, y], i) => Math.max(most, Math.abs(x - b[i][0]), Math.abs(y - b[i][1])), 0);
  }
  const now = () => (state.time === null ? made.seen : Math.min(state.time, state.steps));

  // pictures

  const plane = stage(find("plane"), {
    move(i, place) { moveTo(i, place); },
    moved() { keep(); },
    choose(i) { state.chosen = state.pointed = i; show(); },
    point(i) {
      const next = i < 0 ? state.chosen : i;
      if (next !== state.pointed) { state.pointed = next; show(); }
    },
    add(place) { add(place); },
    remove(i) { remove(i); },
  });
  const vertexChart = chart(find("vertices"), (place) => set({ sensitivity: rounded(swept.sensitivityOf(place)) }));
  const proven = proof(element, data, starts, sensitivityAt, (text) => say(text));
  const hullChart = chart(find("hulls"), (place) => set({ time: Math.round(place * made.seen) }));

  function show() {
    const t = now(), n = made.n, tokens = made.frames[t], delta = sensitivityAt(state.sensitivity, t);
    const near = canonical.neighbourhoods(tokens, n, d, delta, data.matrix);
    const leads = near.map((own, i) => own.includes(i));
    if (state.pointed >= n) state.pointed = state.chosen = -1;
    const hull = endings.hull(made.places[t]), names = state.roster.map(({ name }) => name);
    plane.draw({
      n, extent, hull, near, leads, names, words: data.words, now: made.places[t], places: made.places.slice(0, made.seen + 1),
      slot: made.slot, corners: made.corners, chosen: state.chosen, pointed: state.pointed,
      bound: d === 2 ? (i) => canonical.hearing(tokens, n, d, delta, i, data.matrix) : null,
      said: (i) => saying.place(made.places[0][i]),
    });
    showText();
    find("told").textContent = saying.summary(made, t, leads, Boolean(shape));
    find("pointed").textContent = saying.listening(made, t, state.pointed, near, leads, names);
    find("time").max = made.seen;
    find("time").value = Math.min(t, made.seen);
    find("time").setAttribute("aria-valuetext", `step ${t}`);
    find("step").textContent = `step ${t}`;
    showHulls(t);
    showVertices();
  }
  function showText() {
    const text = find("text");
    if (!text) return;
    if (text.children.length !== made.n) {
      text.replaceChildren(...state.roster.flatMap(({ name }) => {
        const word = document.createElement("span");
        word.textContent = name;
        return [word, " "];
      }));
    }
    [...text.children].forEach((word, i) => {
      word.className = `ink${made.slot[i] < 0 ? "" : `-${made.slot[i]}`}${i === state.pointed ? " pointed" : ""}`;
    });
  }

  function showHulls(t) {
    for (let k = made.hulls.length; k <= made.seen; k++) {
      made.hulls.push(k && made.places[k] === made.places[k - 1] ? made.hulls[k - 1] : endings.area(endings.hull(made.places[k])));
    }
    const all = made.hulls[0] || 1, span = Math.max(1, made.seen), middle = Math.round(span / 2);
    hullChart.draw({
      ticks: [[0, "0"], [middle / span, String(middle)], [1, String(span)]], most: 1, said: (value) => `${100 * value} %`,
      series: [{ name: "line", points: made.hulls.map((value, k) => [k / span, value / all]) }], now: Math.min(t, span) / span,
    });
  }

  // vertices and limits of these tokens at a sensitivity; null where they do not come to rest
  function endsAt(delta) {
    const n = made.n, { steps, influence } = state, final = sensitivityAt(delta, steps);
    let last = made.tokens;
    if (shape) for (let t = 0; t < steps; t++) last = canonical.step(last, n, d, sensitivityAt(delta, t), influence, data.matrix);
    const rest = endings.rest(last, n, d, final, influence, data.matrix);
    return rest && endings.clusters(rest, n, d, final, data.matrix);
  }
  function showVertices() {
    const stairs = swept.stairs(), of = (value) => stairs.map(([from, to, found]) => [from, to, value(found)]);
    vertexChart.draw({
      ticks: [0, 0.25, 0.5, 0.75, 1].map((place) => [place, short(swept.sensitivityOf(place), 2)]), said: String,
      most: Math.max(1, ...stairs.map(([, , found]) => found.firsts.length)), now: swept.shareOf(state.sensitivity),
      series: [{ name: "clusters", stairs: of(({ firsts }) => firsts.length) }, { name: "corners", stairs: of(({ vertices }) => vertices) }],
    });
  }

  // what is chosen

  const rounded = (value) => Number(value.toPrecision(3));
  const room = (n, steps) => n <= data.most.tokens && steps <= data.most.steps && n * n * d * steps <= data.most.products;
  function allowed({ sensitivity, influence, steps, roster, time }) {
    const whole = (value) => Number.isInteger(value) && value >= 0;
    return sensitivity >= 0 && sensitivity < 1e100 && influence > 0 && influence < 1e100 && whole(steps)
      && (time === null || whole(time)) && roster.length > 0 && room(roster.length, steps);
  }

  function set(changes) {
    const next = { ...state, ...changes };
    if (!allowed(next)) { dials(); return; }
    const anew = ["seed", "roster", "steps", "sensitivity", "influence"].some((name) => next[name] !== state[name]);
    const tokens = next.roster !== state.roster || next.influence !== state.influence || (shape && next.steps !== state.steps);
    Object.assign(state, next);
    if (anew) compute();
    if (tokens) { element.dataset.swept = "no"; swept.begin(); }
    dials();
    show();
    if (anew) proven.tell({ ...state }, made.frames, keep); else keep();
    for (const [name, dim] of [["sensitivity", "alignment_sensitivity"], ["influence", "influence"], ["seed", "seed"], ["time", "time"]]) {
      if (!(name in changes)) continue;
      const value = name === "seed" ? data.seeds[state.seed] : name === "time" ? now() : state[name];
      element.dispatchEvent(new CustomEvent("lmdata-chosen", { bubbles: true, detail: { dim, value } }));
    }
  }

  function dials() {
    find("sensitivity").value = state.sensitivity;
    find("sensitivity-slider").value = swept.shareOf(state.sensitivity);
    find("sensitivity-slider").setAttribute("aria-valuetext", String(state.sensitivity));
    find("influence").value = state.influence;
    find("influence-slider").value = Math.log(state.influence / LEAST) / Math.log(MOST / LEAST);
    find("influence-slider").setAttribute("aria-valuetext", String(state.influence));
    find("steps").value = state.steps;
    if (find("seed")) find("seed").value = state.seed;
    element.querySelectorAll("[data-set]").forEach((chip) => {
      chip.setAttribute("aria-pressed", Number(chip.value) === state[chip.dataset.set]);
    });
  }

  function reset(seed) {
    state.seed = seed;
    const roster = share.tokensOf(starts[seed], d, data.names);
    frame(roster);
    return roster;
  }
  // a number of the picture, short where the picture has room for no more
  function tidy(value) {
    return d > 2 ? value : Number(value.toFixed(Math.min(20, Math.max(0, 4 - Math.ceil(Math.log10(extent[2])))))) + 0;
  }
  function moveTo(i, place) {
    const { row } = state.roster[i], old = flat(row), next = row.slice();
    if (d === 2) place.forEach((value, k) => { next[k] = tidy(value); });
    else axes().forEach((axis, k) => axis.forEach((weight, l) => { next[l] += (place[k] - old[k]) * weight; }));
    state.chosen = state.pointed = i;
    set({ roster: state.roster.map((one, k) => (k === i ? { ...one, row: next } : one)) });
  }
  // a new token at a place of the picture; in what the picture does not show it is the mean of all
  function add(place) {
    const n = state.roster.length, row = new Float64Array(d);
    if (!room(n + 1, state.steps)) { say(`A page holds no more than ${count(n, "token")} of ${count(state.steps, "step")}.`); return; }
    if (d > 2) state.roster.forEach(({ row: own }) => own.forEach((value, k) => { row[k] += value / n; }));
    const old = flat(row), added = state.roster.filter(({ origin }) => origin < 0).length;
    axes().forEach((axis, k) => axis.forEach((weight, l) => { row[l] += (place[k] - old[k]) * weight; }));
    row.forEach((value, k) => { row[k] = tidy(value); });
    state.chosen = state.pointed = n;
    set({ roster: [...state.roster, { origin: -1, name: `new ${added + 1}`, row }] });
    plane.focus(n);
  }
  function remove(i) {
    if (i < 0 || state.roster.length < 2) { say(i < 0 ? "Choose a token first." : "The last token stays."); return; }
    state.chosen = state.pointed = -1;
    set({ roster: state.roster.filter((_, k) => k !== i) });
    plane.focus(Math.min(i, state.roster.length - 1));
  }
  const say = (text) => { find("said").textContent = text; };

  // Python, and the address

  function python() {
    const place = data.name ? proven.member(state) : -1, values = Array.from({ length: state.steps }, (_, t) => sensitivityAt(state.sensitivity, t));
    return share.python(data, state, start(), {
      isMember: place >= 0, digest: proven.of(place, made.frames), sensitivities: shape && values.length ? values : state.sensitivity,
    });
  }
  const address = () => share.address(data, state, start(), number);
  let keeping = null;
  function keep() {
    if (!element.dataset.touched) return;
    clearTimeout(keeping);
    keeping = setTimeout(() => {
      try { history.replaceState(null, "", address()); } catch { /* a frame that may not: the button still has the link */ }
    }, 300);
  }
  // takes over what an address holds, if it holds something for this board
  function restore() {
    try {
      const found = share.parse(location.hash, data, starts, number);
      if (!found) return;
      if (!allowed(found)) throw new RangeError("This link holds what a page does not; it shows what it opens with.");
      reset(found.seed);
      set({ ...found, chosen: -1, pointed: -1 });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      say(error.message);
    }
  }

  // Shows a text to take away; browsers may keep the clipboard from pages that are opened from disk.
  async function copy(text) {
    const box = find("copied");
    box.hidden = false;
    box.value = text;
    box.focus();
    box.select();
    try {
      await navigator.clipboard.writeText(text);
      say("Copied.");
    } catch {
      say("Selected: copy it with Ctrl-C.");
    }
  }

  // controls

  function play(on) {
    clearInterval(playing);
    playing = null;
    if (on) {
      if (now() >= made.seen) set({ time: 0 });
      playing = setInterval(() => {
        if (now() >= made.seen) play(false); else set({ time: now() + 1 });
      }, 140);
    }
    find("play").textContent = playing === null ? "▶" : "❚❚";
    find("play").setAttribute("aria-label", playing === null ? "Play" : "Pause");
  }
  function click(name, action) {
    if (find(name)) find(name).addEventListener("click", () => { say(""); action(); });
  }
  function typed(name, change) {
    find(name).addEventListener("change", () => {
      const value = Number(find(name).value);
      if (find(name).value === "" || !find(name).checkValidity()) dials(); else set(change(value));
    });
  }
  click("play", () => play(playing === null));
  click("first", () => { play(false); set({ time: 0 }); });
  click("back", () => { play(false); set({ time: Math.max(0, now() - 1) }); });
  click("forth", () => { play(false); set({ time: Math.min(made.seen, now() + 1) }); });
  click("last", () => { play(false); set({ time: null }); });
  find("time").addEventListener("input", () => { play(false); set({ time: Number(find("time").value) }); });
  find("sensitivity-slider").addEventListener("input", () => set({ sensitivity: rounded(swept.sensitivityOf(Number(find("sensitivity-slider").value))) }));
  find("influence-slider").addEventListener("input", () => {
    set({ influence: rounded(LEAST * (MOST / LEAST) ** Number(find("influence-slider").value)) });
  });
  typed("sensitivity", (sensitivity) => ({ sensitivity }));
  typed("influence", (influence) => ({ influence }));
  typed("steps", (steps) => ({ steps, time: null }));
  if (find("seed")) find("seed").addEventListener("change", () => set({ roster: reset(Number(find("seed").value)), chosen: -1, pointed: -1, seed: state.seed }));
  element.querySelectorAll("[data-set]").forEach((chip) => {
    chip.addEventListener("click", () => set({ [chip.dataset.set]: Number(chip.value) }));
  });
  click("add", () => add([extent[0] + extent[2] / 2, extent[1] + extent[2] / 2]));
  click("remove", () => remove(state.chosen));
  click("undo", () => set({ roster: reset(state.seed), chosen: -1, pointed: -1 }));
  click("python", () => copy(python()));
  click("link", () => copy(location.href.split("#")[0] + address()));
  click("check", proven.check);
  if (find("text")) {
    find("text").addEventListener("pointerover", (event) => {
      const i = [...find("text").children].indexOf(event.target);
      if (i >= 0) { state.pointed = i; show(); }
    });
    find("text").addEventListener("pointerleave", () => { state.pointed = state.chosen; show(); });
  }
  for (const kind of ["pointerdown", "keydown", "change", "input"]) {
    element.addEventListener(kind, () => { element.dataset.touched = "yes"; }, { capture: true });
  }
  addEventListener("hashchange", restore);

  // Takes over what was chosen in another section, where it is among what this one has.
  function take(dim, value) {
    const seed = data.seeds.indexOf(value);
    if (dim === "alignment_sensitivity" && !shape) set({ sensitivity: value });
    else if (dim === "influence") set({ influence: value });
    else if (dim === "seed" && seed >= 0 && seed !== state.seed) set({ roster: reset(seed), seed, chosen: -1, pointed: -1 });
    else if (dim === "time" && value <= state.steps) set({ time: value });
  }

  // The sensitivity up to which the axis goes: beyond those of the dataset, or beyond the last that leaves two clusters.
  function reach() {
    const values = data.values.alignment_sensitivity, tokens = start(), n = tokens.length / d;
    if (shape) return 2;
    if (values.length > 1) return 1.25 * Math.max(...values, state.sensitivity);
    let high = 4 * d * endings.largest(tokens) ** 2 || 1, low = high / 65536;
    for (let k = 0; k < 8; k++) {
      const middle = Math.sqrt(low * high), rest = endings.rest(tokens, n, d, middle, state.influence, data.matrix);
      if (rest && endings.clusters(rest, n, d, middle, data.matrix).firsts.length === 1) high = middle; else low = middle;
    }
    return Number((1.25 * Math.max(high, state.sensitivity)).toPrecision(2));
  }

  const { alignment_sensitivity: sensitivity, influence, seed, time } = data.opened;
  Object.assign(state, { sensitivity, influence, steps: data.steps, time: time >= data.steps ? null : time });
  const roster = reset(data.seeds.indexOf(seed));
  const size = Math.min(160, Math.max(48, Math.round(COST / (start().length ** 2 / d))));
  swept = sweep(reach(), size, endsAt, (done) => {
    if (done) element.dataset.swept = "yes";
    showVertices();
  });
  set({ roster });
  restore();
  return { take };
}
