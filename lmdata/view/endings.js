"use strict";
// Where tokens end: states at rest, clusters, vertices, and the hull of points of a plane.
const endings = (function () {
  const COLOURS = 9, MOST_STEPS = 4000;
  const MOST_PRODUCTS = 6e8; // of all steps to the state at rest: about a second
  const STILL = 1e-9; // of the largest entry: a displacement to the neighbour mean below it counts as rest
  const TOGETHER = 1e-5; // of the largest entry: tokens closer than this are one cluster

  function largest(tokens) {
    let most = 0;
    for (let at = 0; at < tokens.length; at++) most = Math.max(most, Math.abs(tokens[at]));
    return most;
  }

  function apart(a, b) {
    let most = 0;
    for (let at = 0; at < a.length; at++) most = Math.max(most, Math.abs(a[at] - b[at]));
    return most;
  }

  // the state at rest that tokens come to while the sensitivity stays what it is; null if they take too many steps
  function rest(tokens, n, d, sensitivity, influence, matrix) {
    const still = STILL * largest(tokens) * Math.min(1, influence), most = Math.min(MOST_STEPS, MOST_PRODUCTS / (n * n * d));
    for (let t = 0; t < most; t++) {
      const after = canonical.step(tokens, n, d, sensitivity, influence, matrix);
      if (apart(after, tokens) <= still) return after;
      tokens = after;
    }
    return null;
  }

  function gather(tokens, n, d) {
    const near = TOGETHER * largest(tokens), firsts = [], label = new Array(n);
    for (let i = 0; i < n; i++) {
      const own = tokens.subarray(i * d, i * d + d);
      label[i] = firsts.findIndex((first) => apart(own, tokens.subarray(first * d, first * d + d)) <= near);
      if (label[i] < 0) label[i] = firsts.push(i) - 1;
    }
    return [label, firsts];
  }

  // Clusters of tokens at rest, those at vertices of their hull first, numbered as lmdata.limit_polytope numbers them:
  // in the plane counter-clockwise from the least first component, elsewhere by components. A cluster whose tokens
  // listen to nobody beyond it is at a vertex v, since <Av, v> is above <Av, w> for every other limit w; every vertex
  // is such a cluster.
  function clusters(tokens, n, d, sensitivity, matrix) {
    const [label, firsts] = gather(tokens, n, d), closed = firsts.map(() => true);
    canonical.neighbourhoods(tokens, n, d, sensitivity, matrix).forEach((near, i) => {
      if (near.some((j) => label[j] !== label[i])) closed[label[i]] = false;
    });
    const points = firsts.map((i, own) => [...tokens.subarray(i * d, i * d + d), own]);
    const byComponents = (a, b) => {
      const k = a.findIndex((value, at) => value !== b[at]);
      return a[k] - b[k];
    };
    const vertices = points.filter((_, own) => closed[own]).sort(byComponents);
    const around = d === 2 ? hull(vertices) : vertices;
    const order = [...new Set([...around, ...vertices].map((point) => point[d]))];
    order.push(...[...firsts.keys()].filter((own) => !closed[own]));
    const place = order.map((_, k) => order.indexOf(k));
    return { label: label.map((own) => place[own]), firsts: order.map((own) => firsts[own]), vertices: vertices.length };
  }

  // corners of the hull of points of a plane, in order
  function hull(points) {
    const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const turn = (o, a, b) => (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]);
    const half = (list) => {
      const chain = [];
      for (const point of list) {
        while (chain.length > 1 && turn(chain.at(-2), chain.at(-1), point) <= 0) chain.pop();
        chain.push(point);
      }
      return chain.slice(0, -1);
    };
    return sorted.length < 3 ? sorted : [...half(sorted), ...half(sorted.reverse())];
  }

  function area(corners) {
    return Math.abs(corners.reduce((sum, [x, y], k) => {
      const [x1, y1] = corners[(k + 1) % corners.length];
      return sum + x * y1 - x1 * y;
    }, 0)) / 2;
  }

  // colours of the first so many clusters, as lmdata.view.theme.slots gives them; -1 is none
  function slots(labels, count) {
    const sizes = new Array(count).fill(0);
    labels.forEach((label) => { if (label < count) sizes[label] += 1; });
    if (count <= COLOURS) return sizes.map((_, vertex) => vertex);
    const order = sizes.map((_, vertex) => vertex).sort((a, b) => sizes[b] - sizes[a] || a - b).slice(0, COLOURS);
    const chosen = order.filter((vertex) => sizes[vertex] >= 2).sort((a, b) => a - b);
    return sizes.map((_, vertex) => chosen.indexOf(vertex));
  }

  return { rest, clusters, hull, area, slots, apart, largest };
})();
