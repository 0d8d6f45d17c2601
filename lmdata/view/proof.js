"use strict";
// The digest of what a page shows, beside the one that lmdata has stored for it.
function proof(element, data, starts, sensitivityAt, say) {
  const find = (name) => element.querySelector(`[data-part="${name}"]`), seeds = data.seeds.length;
  let waiting = null;

  // the number of the member that is shown, -1 if it is none of the dataset's
  function member(state) {
    if (!data.members || !share.untouched(state.roster, starts[state.seed]) || state.steps !== data.steps) return -1;
    const at = { alignment_sensitivity: state.sensitivity, influence: state.influence };
    if (Object.keys(at).some((name) => !data.values[name].includes(at[name]))) return -1;
    return data.dims.reduce((all, dim) => all * data.values[dim].length + data.values[dim].indexOf(at[dim]), 0) * seeds + state.seed;
  }

  // the parameters of a member by its number: the last dimension is the fastest, after the seed
  function parameters(place) {
    const at = Object.fromEntries(Object.entries(data.values).map(([name, values]) => [name, values[0]]));
    let rest = Math.floor(place / seeds);
    for (const dim of [...data.dims].reverse()) {
      const values = data.values[dim];
      at[dim] = values[rest % values.length];
      rest = Math.floor(rest / values.length);
    }
    return at;
  }

  // a member's digest is over the steps that are recorded, that of anything else over all
  function of(place, frames) {
    if (place < 0) return digest.member('{"seed":0}', frames);
    return digest.member(data.members.keys[place], data.recorded.map((t) => frames[t]));
  }

  // shows the digest when nothing has changed for a moment
  function tell(state, frames, then) {
    const own = find("digest"), verdict = find("verdict");
    own.textContent = "…";
    verdict.textContent = verdict.className = "";
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      const place = member(state);
      own.textContent = of(place, frames);
      if (place < 0) {
        verdict.textContent = "It is that of lmdata.simulate for these tokens and parameters: “copy as Python” compares them.";
      } else {
        const same = own.textContent === data.members.digests[place];
        verdict.className = same ? "same" : "other";
        verdict.textContent = same
          ? "✓ It equals the digest that lmdata has stored for this member." : "✗ lmdata has stored another digest for this member.";
      }
      then();
    }, 200);
  }

  // computes every member, and the dataset's digest
  function check() {
    const { keys, digests } = data.members, found = [];
    function go() {
      const end = performance.now() + 40;
      while (found.length < keys.length && performance.now() < end) {
        const tokens = starts[found.length % seeds], { alignment_sensitivity: scale, influence } = parameters(found.length);
        const at = (t) => sensitivityAt(scale, t), d = data.components;
        found.push(of(found.length, canonical.run(tokens, tokens.length / d, d, data.steps, at, influence, data.matrix)));
      }
      const same = found.filter((own, k) => own === digests[k]).length, members = found.length === 1 ? "member" : "members";
      let text = `${same} of ${found.length} ${members} computed here ${same === 1 ? "has" : "have"} lmdata’s digest`;
      if (found.length < keys.length) {
        say(`${text} …`);
        setTimeout(go);
        return;
      }
      if (data.whole) {
        const whole = digest.dataset(data.whole.recipe, found);
        text += whole === data.whole.digest ? `, and so has the whole dataset: ${whole}` : "; the dataset’s differs";
        element.dataset.digest = whole;
      }
      say(`${text}.`);
      element.dataset.checked = `${same}/${keys.length}`;
    }
    go();
  }

  return { member, of, tell, check };
}
