"use strict";
// A small chart whose places can be pointed at: stairs or lines over one axis, and a mark where the page stands.
function chart(svg, go) {
  const LEFT = 40, RIGHT = 14, TOP = 8, BOTTOM = 22;
  let shown = null, wide = 0, high = 0; // sizes are read when they change alone: to read them is to lay the page out

  const inner = () => wide - LEFT - RIGHT;
  const tall = () => high - TOP - BOTTOM;
  const px = (share) => LEFT + share * inner();
  const py = (value) => TOP + (1 - value / shown.most) * tall();

  function draw(next) {
    shown = next;
    if (!wide) return;
    svg.setAttribute("viewBox", `0 0 ${wide} ${high}`);
    svg.replaceChildren();
    for (const [share, text] of shown.ticks) {
      drawn(svg, "path", { class: "tick", d: `M${px(share)} ${TOP}V${TOP + tall()}` });
      drawn(svg, "text", { x: px(share), y: TOP + tall() + 15, "text-anchor": share < 1 ? "middle" : "end" }, text);
    }
    for (const value of [0, shown.most]) {
      drawn(svg, "path", { class: "tick", d: `M${LEFT} ${py(value)}H${LEFT + inner()}` });
      drawn(svg, "text", { x: LEFT - 6, y: py(value) + 4, "text-anchor": "end" }, shown.said(value));
    }
    for (const { name, stairs, points } of shown.series) {
      for (const [from, to, value] of stairs || []) {
        drawn(svg, "rect", {
          class: name, x: px(from), y: py(value), width: Math.max(0.5, px(to) - px(from) + 0.4), height: py(0) - py(value),
        });
      }
      if (points) drawn(svg, "path", { class: name, d: points.map(([x, y], k) => `${k ? "L" : "M"}${px(x)} ${py(y)}`).join("") });
    }
    drawn(svg, "path", { class: "now", d: `M${px(shown.now)} ${TOP}V${TOP + tall()}` });
  }

  new ResizeObserver(() => {
    [wide, high] = [svg.clientWidth, svg.clientHeight];
    if (shown) draw(shown);
  }).observe(svg);

  function pointed(event) {
    const share = (event.clientX - svg.getBoundingClientRect().left - LEFT) / inner();
    go(Math.min(Math.max(share, 0), 1));
  }
  svg.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    svg.setPointerCapture(event.pointerId);
    pointed(event);
  });
  svg.addEventListener("pointermove", (event) => { if (svg.hasPointerCapture(event.pointerId)) pointed(event); });

  return { draw };
}
