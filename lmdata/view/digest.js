"use strict";
// Digests as lmdata.data.digest makes them. SHA-256 (FIPS 180-4) is written out: browsers keep their own from some
// pages that are opened from disk.
const digest = (function () {
  const ROUNDS = new Uint32Array([
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
  ]);
  const BEGIN = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
  const schedule = new Int32Array(64);

  // takes one block of 64 bytes into the state
  function compress(state, bytes, at) {
    for (let t = 0; t < 16; t++, at += 4) {
      schedule[t] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    }
    for (let t = 16; t < 64; t++) {
      const x = schedule[t - 15], y = schedule[t - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      schedule[t] = (schedule[t - 16] + s0 + schedule[t - 7] + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let t = 0; t < 64; t++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const first = (h + s1 + ((e & f) ^ (~e & g)) + ROUNDS[t] + schedule[t]) | 0;
      const second = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + first) | 0; d = c; c = b; b = a; a = (first + second) | 0;
    }
    [a, b, c, d, e, f, g, h].forEach((value, k) => { state[k] += value; });
  }

  // SHA-256 (hex) of parts, one after the other; each is bytes or text
  function sha256(parts) {
    const state = Int32Array.from(BEGIN), block = new Uint8Array(64);
    let filled = 0, length = 0;
    function take(bytes) {
      let at = 0;
      length += bytes.length;
      if (filled) {
        at = Math.min(64 - filled, bytes.length);
        block.set(bytes.subarray(0, at), filled);
        filled += at;
        if (filled < 64) return;
        compress(state, block, 0);
      }
      for (; at + 64 <= bytes.length; at += 64) compress(state, bytes, at);
      block.set(bytes.subarray(at));
      filled = bytes.length - at;
    }
    for (const part of parts) take(typeof part === "string" ? new TextEncoder().encode(part) : part);
    const end = new Uint8Array(filled < 56 ? 64 - filled : 128 - filled), size = new DataView(end.buffer);
    end[0] = 128;
    size.setUint32(end.length - 8, Math.floor(length / 536870912)); // the length in bits, in two words
    size.setUint32(end.length - 4, (length * 8) >>> 0);
    take(end);
    return Array.from(state, (value) => (value >>> 0).toString(16).padStart(8, "0")).join("");
  }

  // of a member: its key, a zero byte, and its states as stored, little-endian as every browser's memory is
  function member(key, frames) {
    return sha256([key, "\0", ...frames.map((frame) => new Uint8Array(frame.buffer, frame.byteOffset, frame.byteLength))]);
  }

  function dataset(recipe, members) {
    return sha256([[recipe, ...members].join("\0")]);
  }

  return { sha256, member, dataset };
})();
