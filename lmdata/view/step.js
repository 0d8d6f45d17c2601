"use strict";
// The canonical step of localmax (lmdata.dynamics.kernels.canonical) in JavaScript, whose numbers are the same doubles:
// the same bits. Tokens are a Float64Array of n rows of d components.
const canonical = (function () {
  const SHIFT = 6755399441055744; // 1.5 * 2^52: adding and subtracting it rounds to an integer, half to even
  const number = new Float64Array(1), bits = new BigUint64Array(number.buffer);

  function rint(x) {
    return Math.abs(x) < 2 ** 51 ? (x + SHIFT) - SHIFT : x;
  }

  // E with 2^(E-1) <= x < 2^E, at least -900
  function exponent(x) {
    number[0] = x;
    return Math.max(Number((bits[0] >> 52n) & 2047n) - 1022, -900);
  }

  function keysOf(tokens, n, d, matrix) {
    if (!matrix) return tokens;
    const keys = new Float64Array(n * d);
    for (let i = 0; i < n; i++) for (let k = 0; k < d; k++) {
      let total = tokens[i * d] * matrix[k][0];
      for (let l = 1; l < d; l++) total += tokens[i * d + l] * matrix[k][l];
      keys[i * d + k] = total;
    }
    return keys;
  }

  // fills scores with s_ij of row i; returns their maximum
  function score(keys, tokens, i, n, d, scores) {
    let most = -Infinity;
    for (let j = 0; j < n; j++) {
      let total = keys[i * d] * tokens[j * d];
      for (let k = 1; k < d; k++) total += keys[i * d + k] * tokens[j * d + k];
      scores[j] = total;
      if (total > most) most = total;
    }
    return most;
  }

  // z = high + low, so that sums of either over any tokens are exact
  function split(tokens, n, d) {
    const high = new Float64Array(n * d), low = new Float64Array(n * d);
    let spare = 1;
    while (2 ** (spare - 1) < n) spare++;
    for (let k = 0; k < d; k++) {
      let most = 0;
      for (let i = 0; i < n; i++) most = Math.max(most, Math.abs(tokens[i * d + k]));
      const E = exponent(most), coarse = 2 ** (E - 52 + spare), fine = 2 ** (E - 105 + 2 * spare);
      for (let i = 0; i < n; i++) {
        const z = tokens[i * d + k];
        high[i * d + k] = coarse * rint(z / coarse);
        low[i * d + k] = fine * rint((z - high[i * d + k]) / fine);
      }
    }
    return [high, low];
  }

  function step(tokens, n, d, sensitivity, influence, matrix) {
    const [high, low] = split(tokens, n, d);
    const keys = keysOf(tokens, n, d, matrix), scores = new Float64Array(n), after = new Float64Array(n * d);
    const gain = influence / (1 + influence), H = new Float64Array(d), L = new Float64Array(d);
    for (let i = 0; i < n; i++) {
      const threshold = score(keys, tokens, i, n, d, scores) - sensitivity;
      let count = 0;
      H.fill(0);
      L.fill(0);
      for (let j = 0; j < n; j++) if (scores[j] >= threshold) {
        count++;
        for (let k = 0; k < d; k++) { H[k] += high[j * d + k]; L[k] += low[j * d + k]; }
      }
      for (let k = 0; k < d; k++) {
        const at = i * d + k, pull = (H[k] - count * high[at]) + (L[k] - count * low[at]);
        after[at] = tokens[at] + gain * (pull / count);
      }
    }
    return after;
  }

  // tokens that are neighbours of themselves
  function leaders(tokens, n, d, sensitivity, matrix) {
    const keys = keysOf(tokens, n, d, matrix), scores = new Float64Array(n);
    return Array.from({ length: n }, (_, i) => {
      const most = score(keys, tokens, i, n, d, scores);
      return scores[i] >= most - sensitivity;
    });
  }

  return { step, leaders };
})();
