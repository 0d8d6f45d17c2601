"use strict";
// The canonical step of localmax (lmdata.dynamics.kernels.canonical) in JavaScript, whose numbers are the same doubles:
// the same bits. Only + - * /, comparisons and exact sums occur; powers of two are put together from their bits, since
// a browser's own power need not be exact. Tokens are a Float64Array of n rows of d components, none of them -0.
const canonical = (function () {
  const SHIFT = 6755399441055744; // 1.5 * 2^52: adding and subtracting it rounds to an integer, half to even
  const WHOLE = 2251799813685248; // 2^51: SHIFT works below it, and what is above it is whole where it occurs here
  const SMALLEST = -900; // exponents stay above it, so that the finer unit never underflows
  const word = new DataView(new ArrayBuffer(8));

  function rint(x) {
    return Math.abs(x) < WHOLE ? (x + SHIFT) - SHIFT : x;
  }

  // E with 2^(E-1) <= x < 2^E, at least SMALLEST
  function exponent(x) {
    word.setFloat64(0, x);
    return Math.max(((word.getUint16(0) >> 4) & 2047) - 1022, SMALLEST);
  }

  function powerOfTwo(e) {
    word.setUint32(0, (e + 1023) << 20);
    word.setUint32(4, 0);
    return word.getFloat64(0);
  }

  // n rows of d numbers as d columns of n, along which the loops run
  function columnsOf(rows, n, d) {
    const columns = new Float64Array(n * d);
    for (let i = 0, at = 0; i < n; i++) for (let k = 0; k < d; k++, at++) columns[k * n + i] = rows[at];
    return columns;
  }

  // y = z A^T in columns, summed over ascending components; the tokens' own columns where A is the identity
  function keysOf(columns, n, d, matrix) {
    if (!matrix) return columns;
    const keys = new Float64Array(n * d);
    for (let k = 0; k < d; k++) for (let i = 0; i < n; i++) {
      let total = columns[i] * matrix[k][0];
      for (let l = 1; l < d; l++) total += columns[l * n + i] * matrix[k][l];
      keys[k * n + i] = total;
    }
    return keys;
  }

  // s_ij, each summed over ascending components; those of the identity are symmetric to the bit, since products commute
  function scoresOf(columns, n, d, matrix) {
    const keys = keysOf(columns, n, d, matrix), scores = new Float64Array(n * n);
    for (let i = 0, row = 0; i < n; i++, row += n) {
      const end = matrix ? n : i + 1;
      for (let k = 0, begin = 0; k < d; k++, begin += n) {
        const key = keys[begin + i];
        if (k === 0) for (let j = 0; j < end; j++) scores[row + j] = key * columns[j];
        else for (let j = 0; j < end; j++) scores[row + j] += key * columns[begin + j];
      }
      if (!matrix) for (let j = 0; j < i; j++) scores[j * n + i] = scores[row + j];
    }
    return scores;
  }

  // what a score of row i must reach for its token to be heard
  function thresholdOf(scores, n, i, sensitivity) {
    let most = scores[i * n];
    for (let at = i * n + 1; at < i * n + n; at++) if (scores[at] > most) most = scores[at];
    return most - sensitivity;
  }

  // z = high + low against units of the component's largest entry, so that sums of either over any tokens are exact
  function split(columns, n, d) {
    const high = new Float64Array(n * d), low = new Float64Array(n * d);
    const spare = 33 - Math.clz32(n - 1); // ceil(log2 n) + 1
    for (let begin = 0; begin < n * d; begin += n) {
      let most = 0;
      for (let at = begin; at < begin + n; at++) most = Math.max(most, Math.abs(columns[at]));
      const E = exponent(most), coarse = powerOfTwo(E - 52 + spare), fine = powerOfTwo(E - 105 + 2 * spare);
      for (let at = begin; at < begin + n; at++) {
        high[at] = coarse * rint(columns[at] / coarse);
        low[at] = fine * rint((columns[at] - high[at]) / fine);
      }
    }
    return [high, low];
  }

  function step(tokens, n, d, sensitivity, influence, matrix) {
    const columns = columnsOf(tokens, n, d), [high, low] = split(columns, n, d), scores = scoresOf(columns, n, d, matrix);
    const gain = influence / (1 + influence), near = new Int32Array(n), after = tokens.slice();
    for (let i = 0; i < n; i++) {
      const threshold = thresholdOf(scores, n, i, sensitivity);
      let count = 0;
      for (let j = 0; j < n; j++) if (scores[i * n + j] >= threshold) near[count++] = j;
      if (count === 1 && near[0] === i) continue; // its displacement is 0
      for (let k = 0, begin = 0; k < d; k++, begin += n) {
        let H = 0, L = 0;
        for (let c = 0; c < count; c++) { H += high[begin + near[c]]; L += low[begin + near[c]]; }
        const pull = (H - count * high[begin + i]) + (L - count * low[begin + i]);
        after[i * d + k] = tokens[i * d + k] + gain * (pull / count);
      }
    }
    return after;
  }

  function equal(a, b) {
    for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
    return true;
  }

  // the states after 0, 1, ..., steps; sensitivity(t) is that of the step from t to t + 1. A state that equals its
  // successor is kept once for all the steps that follow while the sensitivity stays what it is.
  function run(tokens, n, d, steps, sensitivity, influence, matrix) {
    const frames = [tokens];
    for (let t = 0; t < steps; t++) {
      const before = frames[t];
      const rests = t > 0 && before === frames[t - 1] && sensitivity(t) === sensitivity(t - 1);
      const after = rests ? before : step(before, n, d, sensitivity(t), influence, matrix);
      frames.push(equal(after, before) ? before : after);
    }
    return frames;
  }

  // the tokens that each token listens to
  function neighbourhoods(tokens, n, d, sensitivity, matrix) {
    const scores = scoresOf(columnsOf(tokens, n, d), n, d, matrix);
    return Array.from({ length: n }, (_, i) => {
      const threshold = thresholdOf(scores, n, i, sensitivity), near = [];
      for (let j = 0; j < n; j++) if (scores[i * n + j] >= threshold) near.push(j);
      return near;
    });
  }

  // tokens that are neighbours of themselves
  function leaders(tokens, n, d, sensitivity, matrix) {
    return neighbourhoods(tokens, n, d, sensitivity, matrix).map((near, i) => near.includes(i));
  }

  // token i hears the places z with <y, z> >= least: returns least and y = A z_i
  function hearing(tokens, n, d, sensitivity, i, matrix) {
    const columns = columnsOf(tokens, n, d), keys = keysOf(columns, n, d, matrix);
    const least = thresholdOf(scoresOf(columns, n, d, matrix), n, i, sensitivity);
    return [least, Array.from({ length: d }, (_, k) => keys[k * n + i])];
  }

  return { step, run, neighbourhoods, leaders, hearing };
})();
