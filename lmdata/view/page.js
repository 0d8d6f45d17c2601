"use strict";
// Sliders of a page: each state of a figure is a list of places in a pool of titles, limits and columns.
(function () {
  const sections = JSON.parse(document.getElementById("scenes").textContent);

  function numbers(column) {
    return column.includes(null) ? column.map((value) => (value === null ? NaN : value)) : column;
  }

  function show(bokeh, figure, at) {
    let state = 0;
    figure.dims.forEach((dim, k) => { state = state * figure.sizes[k] + at[dim]; });
    const data = new Map();
    figure.states[state].forEach((place, k) => {
      const value = figure.pool[place];
      const [id, property] = figure.targets[k];
      const model = bokeh.get_model_by_id(id);
      if (property === "limits") {
        model.setv({ start: value[0], end: value[1], reset_start: value[0], reset_end: value[1] });
      } else if (model.type === "ColumnDataSource") {
        if (!data.has(model)) data.set(model, {});
        data.get(model)[property] = numbers(value);
      } else {
        model[property] = value;
      }
    });
    data.forEach((columns, source) => { source.data = columns; });
  }

  // Sections of a linked page take over the sensitivity and the seed that are chosen in another one.
  const takers = [];
  let taking = false;
  function link({ target, detail: { dim, value } }) {
    if (taking || !["alignment_sensitivity", "seed"].includes(dim)) return;
    taking = true;
    for (const [element, take] of takers) if (!element.contains(target)) take(dim, value);
    taking = false;
  }
  const chosen = (element, dim, value) => {
    element.dispatchEvent(new CustomEvent("lmdata-chosen", { bubbles: true, detail: { dim, value } }));
  };

  function start(bokeh) {
    document.querySelectorAll("section").forEach((element) => {
      const number = Number(element.dataset.section), { figures, labels, axis, board: playground } = sections[number];
      if (playground) {
        takers.push([element, board(element.querySelector("[data-board]"), playground, number).take]);
        return;
      }
      if (axis) {
        explore(bokeh, element, axis, animate);
        return;
      }
      const inputs = [...element.querySelectorAll("input[type=range]")];
      const at = Object.fromEntries(inputs.map((input) => [input.dataset.dim, Number(input.defaultValue)]));
      inputs.forEach((input) => {
        input.value = input.defaultValue; // browsers keep what was there before a reload
        const dim = input.dataset.dim;
        const output = element.querySelector(`output[for="${input.id}"]`);
        input.addEventListener("input", () => {
          at[dim] = Number(input.value);
          output.textContent = labels[dim][at[dim]];
          input.setAttribute("aria-valuetext", output.textContent);
          figures.filter((figure) => figure.dims.includes(dim)).forEach((figure) => show(bokeh, figure, at));
          chosen(element, dim, Number(output.textContent));
        });
        const play = input.parentElement.querySelector(".play");
        if (play) animate(play, input);
      });
      takers.push([element, (dim, value) => {
        const input = inputs.find((one) => one.dataset.dim === dim), far = (label) => Math.abs(Number(label) - value);
        if (!input || Number.isNaN(far(labels[dim][0]))) return;
        const nearest = labels[dim].reduce((best, label, k) => (far(label) < far(labels[dim][best]) ? k : best), 0);
        if (nearest === at[dim]) return;
        input.value = nearest;
        input.dispatchEvent(new Event("input"));
      }]);
    });
    if ("linked" in document.querySelector("main").dataset) {
      document.addEventListener("lmdata-chosen", link);
      const number = sections.findIndex(({ board: playground }) => playground);
      const first = number < 0 ? null : sections[number].board.opened.alignment_sensitivity;
      if (first !== null) chosen(document.querySelector(`[data-section="${number}"]`), "alignment_sensitivity", first);
    }
    document.documentElement.dataset.ready = "yes";
  }

  function animate(button, input) {
    let timer = null;
    button.addEventListener("click", () => {
      if (timer !== null) {
        clearInterval(timer);
        timer = null;
      } else {
        timer = setInterval(() => {
          input.value = (Number(input.value) + 1) % (Number(input.max) + 1);
          input.dispatchEvent(new Event("input"));
        }, 250);
      }
      button.textContent = timer === null ? "▶" : "❚❚";
      button.setAttribute("aria-label", timer === null ? "Play" : "Pause");
    });
  }

  (function wait() {
    const bokeh = window.Bokeh && Bokeh.documents.find((document) => document.is_idle);
    if (bokeh || sections.every(({ board: playground }) => playground)) start(bokeh); else setTimeout(wait, 20);
  })();
})();
