"use strict";
// What can be taken away from a page that computes: its state as Python, and in an address, exactly.
const share = (function () {
  function floats(text) {
    const raw = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return new Float64Array(Uint8Array.from(raw, (letter) => letter.charCodeAt(0)).buffer);
  }
  function letters(row) {
    const raw = String.fromCharCode(...new Uint8Array(Float64Array.from(row).buffer));
    return btoa(raw).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  // A token is {origin, name, row}; its origin is its number in the start, -1 if it was added.
  function tokensOf(start, d, names) {
    return Array.from({ length: start.length / d }, (_, i) => ({
      origin: i, name: names ? names[i] : String(i), row: start.slice(i * d, i * d + d),
    }));
  }
  const moved = ({ origin, row }, start) => origin >= 0 && row.some((value, k) => value !== start[origin * row.length + k]);
  const parted = (roster) => [roster.filter(({ origin }) => origin >= 0), roster.filter(({ origin }) => origin < 0)];
  function untouched(roster, start) {
    return roster.every((one) => one.origin >= 0 && !moved(one, start))
      && roster.reduce((sum, { row }) => sum + row.length, 0) === start.length;
  }

  // Python that computes what is shown and compares its digest; sensitivities are those of the steps, or one number
  function python(data, state, start, { isMember, digest, sensitivities }) {
    const text = JSON.stringify, lines = ["import lmdata", ""], seed = data.seeds[state.seed];
    const listed = (row) => `[${Array.from(row).join(", ")}]`, [kept, added] = parted(state.roster);
    const at = { alignment_sensitivity: state.sensitivity, influence: state.influence };
    if (isMember && data.name) {
      const chosen = [...data.dims.map((dim) => `${dim}=${at[dim]}`), `seed=${seed}`];
      lines.push(`ds = lmdata.open(${text(data.name)}).sel(${chosen.join(", ")})`);
    } else {
      if (data.name) {
        const first = [...data.dims.map((dim) => `${dim}=0`), "time=0"].join(", "), all = kept.length * data.components === start.length;
        lines.push(`start = lmdata.open(${text(data.name)}).position.isel(${first}).sel(seed=${seed}).values`);
        lines.push(all ? "tokens = start.copy()" : `tokens = start[${text(kept.map(({ origin }) => origin))}]`);
        kept.forEach((one, i) => { if (moved(one, start)) lines.push(`tokens[${i}] = ${listed(one.row)}`); });
        if (added.length) {
          lines.splice(1, 0, "import numpy");
          lines.push(`tokens = numpy.vstack([tokens, ${added.map(({ row }) => listed(row)).join(", ")}])`);
        }
      } else lines.push("tokens = [", ...state.roster.map(({ row }) => `    ${listed(row)},`), "]");
      const delta = Array.isArray(sensitivities) ? listed(sensitivities) : String(sensitivities);
      const matrix = data.matrix ? `, alignment=${text(data.matrix)}` : "";
      lines.push(`model = lmdata.Localmax(alignment_sensitivity=${delta}, influence=${state.influence}${matrix})`);
      lines.push(`ds = lmdata.simulate(model, tokens, steps=${state.steps})`);
    }
    return `${lines.join("\n")}\nassert ds.digest.item() == ${text(digest)}  # as the page computed it\n`;
  }

  const named = (start) => digest.sha256([new Uint8Array(start.buffer)]).slice(0, 8);

  function address(data, state, start, number) {
    const [kept, added] = parted(state.roster), there = new Set(kept.map(({ origin }) => origin));
    const parts = {
      board: number, of: named(start), seed: data.seeds[state.seed], delta: state.sensitivity, alpha: state.influence,
      steps: state.steps, step: state.time === null ? "" : state.time,
      without: [...Array(start.length / data.components).keys()].filter((i) => !there.has(i)).join("."),
      moved: kept.filter((one) => moved(one, start)).map(({ origin, row }) => `${origin}:${letters(row)}`).join("."),
      added: added.map(({ row }) => letters(row)).join("."),
    };
    return `#${Object.entries(parts).filter(([, value]) => value !== "").map(([name, value]) => `${name}=${value}`).join("&")}`;
  }

  // The state that an address holds; null if it is of something else, and an error if it holds none that can be shown.
  function parse(text, data, starts, number) {
    const parts = new Map(text.replace(/^#/, "").split("&").map((part) => part.split("=", 2)));
    if (parts.get("board") !== String(number)) return null;
    const seed = data.seeds.indexOf(Number(parts.get("seed"))), d = data.components;
    if (seed < 0 || parts.get("of") !== named(starts[seed])) throw new RangeError("This link is for other tokens than the page has.");
    const list = (name) => (parts.get(name) || "").split(".").filter(Boolean);
    const row = (letter) => {
      const found = floats(letter);
      if (found.length !== d || !found.every((value) => Math.abs(value) < 1e100)) throw new RangeError();
      return found.map((value) => value + 0); // no negative zeros
    };
    try {
      const without = new Set(list("without").map(Number)), places = new Map(list("moved").map((part) => part.split(":")));
      const roster = tokensOf(starts[seed], d, data.names).filter(({ origin }) => !without.has(origin))
        .map((one) => (places.has(String(one.origin)) ? { ...one, row: row(places.get(String(one.origin))) } : one));
      list("added").forEach((letter, k) => roster.push({ origin: -1, name: `new ${k + 1}`, row: row(letter) }));
      const [sensitivity, influence, steps] = ["delta", "alpha", "steps"].map((name) => Number(parts.get(name)));
      return { seed, roster, sensitivity, influence, steps, time: parts.has("step") ? Number(parts.get("step")) : null };
    } catch {
      throw new RangeError("This link is damaged; the page shows what it opens with.");
    }
  }

  return { floats, tokensOf, untouched, python, address, parse };
})();
