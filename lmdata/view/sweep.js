"use strict";
// Vertices over the sensitivity for the tokens of a page: columns are computed one by one between frames, the coarse
// picture first. Shares of the axis go with the square root of the sensitivity, since most happens at small ones.
function sweep(far, size, compute, changed) {
  const SLICE = 12;
  const order = Array.from({ length: 256 }, (_, k) => [...k.toString(2).padStart(8, "0")].reverse().join(""))
    .map((bits) => Math.floor((parseInt(bits, 2) * size) / 256)).filter((k, place, all) => all.indexOf(k) === place);
  const columns = new Array(size);
  let run = 0;

  const shareOf = (sensitivity) => Math.sqrt(Math.min(sensitivity, far) / far);
  const sensitivityOf = (share) => share * share * far;

  function begin() {
    const own = ++run;
    let next = 0;
    columns.fill(undefined);
    function go() {
      if (own !== run) return;
      const begun = performance.now();
      do columns[order[next]] = compute(sensitivityOf((order[next] + 0.5) / size));
      while (++next < size && performance.now() < begun + SLICE);
      changed(next === size);
      if (next < size) setTimeout(go, performance.now() - begun); // half of the time is left to whoever uses the page
    }
    setTimeout(go);
  }

  // what is known, as stairs: from, to, what was computed there; a column without a limit leaves a gap
  function stairs() {
    const known = [...columns.keys()].filter((k) => columns[k] !== undefined);
    return known.map((k, at) => [k / size, (at + 1 < known.length ? known[at + 1] : size) / size, columns[k]])
      .filter(([, , found]) => found);
  }

  return { begin, stairs, shareOf, sensitivityOf };
}
