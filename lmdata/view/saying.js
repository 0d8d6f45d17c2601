"use strict";
// What a page that computes says in words of what it shows.
const saying = (function () {
  const short = (value, digits = 3) => String(Number(value.toPrecision(digits)));
  const count = (many, noun, plural) => `${many} ${many === 1 ? noun : plural || `${noun}s`}`;
  const place = (coordinates) => `(${coordinates.map((value) => short(value)).join(", ")})`;

  function summary({ n, found, rest, frames, tokens }, t, leads, scheduled) {
    const steps = frames.length - 1, between = found.firsts.length - found.vertices;
    const ends = `ends at ${count(found.vertices, "vertex", "vertices")}${between ? ` and ${count(between, "point")} between them` : ""}`;
    const parts = [`step ${t} of ${steps}`, count(n, "token"), count(leads.filter(Boolean).length, "leader")];
    parts.push(scheduled ? `${ends} if the last δ is kept` : ends);
    if (!rest) parts.push("does not come to rest in the steps that the page takes");
    const moves = steps ? endings.apart(frames[steps], frames[steps - 1]) : 0;
    if (moves > 1e-6 * endings.largest(tokens)) parts.push(`tokens still move by ${short(moves, 2)} at step ${steps}`);
    return parts.join(" · ");
  }

  function listening({ found, places }, t, i, near, leads, names) {
    if (i < 0) return "Drag a ring to move the start of its token. Point at a token to see whom it listens to.";
    const own = near[i], listed = own.slice(0, 12).map((j) => names[j]).join(", "), at = found.label[i];
    const end = at < found.vertices ? `ends at vertex ${at}` : "ends between vertices";
    return `Token ${names[i]} at ${place(places[t][i])} listens to ${count(own.length, "token")}: ${listed}`
      + `${own.length > 12 ? ", …" : ""}${leads[i] ? " · a leader" : ""} · ${end}`;
  }

  return { short, count, place, summary, listening };
})();
