"""A proof, from one state and its graph, that no neighbourhood ever changes again, and where the tokens then go.

While the graph stays as it is, a step is Z -> W Z with W = (1 + alpha P) / (1 + alpha), P row-stochastic and uniform
on the neighbourhoods. If the graph is to stay for ever, with limits of distance, tokens of one limit listen to all or
to none of it: so a closed strongly connected set that can be certified is a *clique*, all of whose members listen to
just the set. Its limit is its mean. The others are *travellers*, whose limits solve Z* = P Z*.

Let x = z - Z* and r_k bound |x_ik| over all tokens for all later steps of the *canonical floats* (`radius`). Then a gap
max_l s_il - s_ij is never farther from that of the limits than::

    slack_i = 2 sum_k |A z*_i|_k r_k + sum_k r_k width_k(A Z*) + 2 r' |A| r

so that for every sensitivity delta with gap*_ij + slack_i <= delta for all neighbours and gap*_ij - slack_i > delta
for all others the graph is the same for ever (rounding of the scores and of the threshold added on the safe side).
A neighbourhood of equal tokens, to the bit, needs nothing from below: they stay equal, and are the largest score.

Why r bounds the floats, rounding included:

- *cliques*. The canonical pull is a sum of differences of positions rounded to a grid of spacing U2 (the units of
  `lmdata.dynamics.kernels.canonical.split`), exact but for its own rounding, so the step is z + gamma (mean - z) with
  0 <= gamma < 1 and one rounding at the end. Rounding is monotone, hence the box of a closed set, on that grid, never
  grows; the grid's refinements as all tokens come closer add less than 2 U2 in total. For an influence above 2 that
  holds where positions are no finer than the grid (or all equal); elsewhere nothing is claimed.
- *travellers*. x' <= W x + eta for absolute values, eta the rounding of one step and what the computed Z* lacks to
  Z* = P Z*. With h >= (1 - P)^-1 1 over the travellers, checked and not trusted, r + (eta / gain) h is an invariant.

Where sensitivities change for ever, as vanishing ones do, graphs among tokens of one limit may change for ever too,
down to the last bit. Then `enclose` proves less: *groups* of tokens that listen to nobody outside, now and at all later
sensitivities. Whomever of its group a token listens to, the box of the group does not grow, for the same reason.

The reported error of the limit follows the box of a clique until it is as small as rounding keeps it; by then the mean
has wandered by less than the number of steps times eta, and afterwards it stays in that box.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kernels.canonical import SMALLEST_EXPONENT
from lmdata.numerics.compiled import compiled
from lmdata.numerics.vectors import LANES

type Floats = NDArray[np.float64]
type Bytes = NDArray[np.uint8]
type Integers = NDArray[np.int64]

UNIT = 2.0**-53
"""Relative error of one float64 operation."""
UP = 1.0 + 2.0**-30
"""A factor that outweighs the rounding of the bounds themselves, each of which takes far fewer than 2^20 operations."""
LARGEST_INFLUENCE = 2.0**40
"""Beyond this influence 1 / (1 + alpha) is too near to rounding, and nothing is claimed."""

TRAVELLER = -1


class Proof(NamedTuple):
    """What `certify` finds; arrays that it fills, and those it works in."""

    limit: Floats  # (n, d) Z*
    clique: Integers  # (n,) number of the token's clique, by first token, or TRAVELLER
    found: Floats  # (7,) see FROM and below
    near: Bytes  # (n, n) the graph
    keys: Floats  # (n, d) A Z*
    travellers: Integers  # (n,)
    highest: Integers  # (n,)
    system: Floats  # (n, n) 1 - P among the travellers
    sides: Floats  # (n, d + 1) right sides, then solutions
    reach: Floats  # (d,) largest magnitude of a component over all tokens
    radius: Floats  # (d,)
    rounding: Floats  # (d,) eta
    error: Floats  # (d,) of the limit


FROM, TO, SLACK, ERROR, CLIQUES, SETTLED, LIMITS = range(7)
"""Entries of ``found``: the graph is certified for FROM <= delta < TO; the largest slack; the error of a limit; how
many cliques, tokens that end in one, and different limits."""

SAME = 2.0**-40
"""Travellers of a state at rest count as one limit this near to each other, relative to the largest component."""


def proof(n: int, d: int) -> Proof:
    """Return arrays for systems of n tokens in d dimensions."""
    return Proof(
        limit=np.zeros((n, d)),
        clique=np.zeros(n, np.int64),
        found=np.zeros(7),
        near=np.zeros((n, n), np.uint8),
        keys=np.zeros((n, d)),
        travellers=np.zeros(n, np.int64),
        highest=np.zeros(n, np.int64),
        system=np.zeros((n, n)),
        sides=np.zeros((n, d + 1)),
        reach=np.zeros(d),
        radius=np.zeros(d),
        rounding=np.zeros(d),
        error=np.zeros(d),
    )


@compiled(no_refcount=True)
def read_graph(heard: Bytes, near: Bytes) -> None:
    """Fill near (n, n), who listens to whom, from the bytes of `lmdata.dynamics.kernels.intervals`."""
    n = near.shape[0]
    for i in range(n):
        row, place, shift = near[i], i // LANES, i % LANES
        for j in range(n):
            row[j] = (heard[place, j] >> shift) & 1


@compiled(no_refcount=True)
def _find_cliques(near: Bytes, clique: Integers) -> int:
    """Number the closed sets whose members listen to just all of the set; return how many there are."""
    n = near.shape[0]
    count = 0
    clique[:] = TRAVELLER
    for i in range(n):
        if clique[i] != TRAVELLER or near[i, i] == 0:
            continue
        closed = True
        for j in range(i + 1, n):
            if near[i, j]:
                for k in range(n):
                    if near[j, k] != near[i, k]:
                        closed = False
                        break
                if not closed:
                    break
        for j in range(i):
            if near[i, j]:  # had it listened back to just the same set, it would have numbered this token
                closed = False
        if closed:
            for j in range(i, n):
                if near[i, j]:
                    clique[j] = count
            count += 1
    return count


@compiled(no_refcount=True)
def _solve(system: Floats, sides: Floats, size: int) -> bool:
    """Solve system x = sides in place; rows are diagonally dominant, so nothing is exchanged. False if singular."""
    columns = sides.shape[1]
    for p in range(size):
        pivot = system[p, p]
        if not pivot > 1e-12:
            return False
        for i in range(p + 1, size):
            factor = system[i, p] / pivot
            if factor != 0.0:
                for j in range(p + 1, size):
                    system[i, j] -= factor * system[p, j]
                for k in range(columns):
                    sides[i, k] -= factor * sides[p, k]
    for p in range(size - 1, -1, -1):
        for k in range(columns):
            total = sides[p, k]
            for j in range(p + 1, size):
                total -= system[p, j] * sides[j, k]
            sides[p, k] = total / system[p, p]
    return True


@compiled(inline=True)
def _grid(reach: float, n: int) -> float:
    """Return U2 of the canonical step for a component of this largest magnitude."""
    spare = 1
    while 1 << (spare - 1) < n:
        spare += 1
    bits: Any = np.float64(reach).view(np.int64)
    exponent = max((bits >> 52) - 1022, SMALLEST_EXPONENT)
    return math.ldexp(1.0, exponent - 105 + 2 * spare)


@compiled(no_refcount=True)
def _settle_cliques(positions: Floats, count: int, influence: float, proof: Proof) -> bool:
    """Fill limits, radii and errors of the cliques; return whether their boxes are sure to nest."""
    d, n = proof.radius.size, proof.clique.size
    gain = influence / (1.0 + influence)
    for k in range(d):
        values = positions[k]
        grid = _grid(proof.reach[k], n)
        for number in range(count):
            low, high, total, size, first = np.inf, -np.inf, 0.0, 0, -1
            for i in range(n):
                if proof.clique[i] == number:
                    low, high = min(low, values[i]), max(high, values[i])
                    if first < 0:
                        first = i
                    total += values[i] - values[first]
                    size += 1
            mean = values[first] + total / size
            moving = low != high
            if moving and influence > 2.0 and not (min(abs(low), abs(high)) >= 2.0**53 * grid and low * high > 0.0):
                return False
            for i in range(n):
                if proof.clique[i] == number:
                    proof.limit[i, k] = mean
            width = high - low
            reach = max(high - mean, mean - low) + 2.0 * grid * moving
            proof.radius[k] = max(proof.radius[k], reach * UP)
            largest = max(abs(low), abs(high))
            eta = 2.0 * UNIT * largest + 8.0 * UNIT * gain * width + 2.0 * grid
            error = 4.0 * UNIT * largest + (size + 4) * UNIT * width
            if moving:
                steps = max(0.0, math.ceil(math.log(max(width * gain / eta, 1.0)) / -math.log1p(-gain))) + 1.0
                error += min((steps + 4.0 / gain) * eta, width + 4.0 * grid)
            proof.error[k] = max(proof.error[k], error * UP)
    return True


@compiled(no_refcount=True)
def _send_travellers(positions: Floats, influence: float, proof: Proof) -> bool:
    """Fill limits of the tokens outside cliques, and add them to radii and errors; return whether all arrive."""
    n, d = proof.limit.shape
    gain = influence / (1.0 + influence)
    size = 0
    for i in range(n):
        if proof.clique[i] == TRAVELLER:
            proof.travellers[size] = i
            size += 1
    if size == 0:
        return True
    for row in range(size):
        i = proof.travellers[row]
        heard = 0
        for j in range(n):
            heard += proof.near[i, j]
        share = 1.0 / heard
        for column in range(size):
            j = proof.travellers[column]
            proof.system[row, column] = (1.0 if i == j else 0.0) - share * proof.near[i, j]
        for k in range(d):
            total = 0.0
            for j in range(n):
                if proof.near[i, j] and proof.clique[j] != TRAVELLER:
                    total += proof.limit[j, k]
            proof.sides[row, k] = total / heard
        proof.sides[row, d] = 1.0
    if not _solve(proof.system, proof.sides, size):
        return False
    longest = 0.0
    for row in range(size):
        for k in range(d):
            proof.limit[proof.travellers[row], k] = proof.sides[row, k]
        if not proof.sides[row, d] >= 1.0 - 1e-6:
            return False
        longest = max(longest, proof.sides[row, d])
    # what was solved is checked: h - P h >= least > 0 makes h / least a bound, and P Z* - Z* counts as rounding
    least = np.inf
    for k in range(d):
        lacking, away = 0.0, 0.0
        for row in range(size):
            i = proof.travellers[row]
            heard, total, hours = 0, 0.0, 0.0
            own = proof.limit[i, k]
            for j in range(n):
                if proof.near[i, j]:
                    heard += 1
                    total += proof.limit[j, k] - own
            lacking = max(lacking, abs(total / heard))
            away = max(away, abs(positions[k, i] - own))
            if k == 0:
                for column in range(size):
                    if proof.near[i, proof.travellers[column]]:
                        hours += proof.sides[column, d]
                least = min(least, proof.sides[row, d] - hours / heard)
        if k == 0:
            least -= (n + 8) * UNIT * longest
            if not least > 0.5:
                return False
            longest = longest / least * UP
        rounding = (proof.rounding[k] / gain + lacking + (n + 8) * 2.0 * UNIT * proof.reach[k]) * longest * UP
        proof.radius[k] = (max(proof.radius[k], away * UP) + rounding) * UP
        proof.error[k] = (proof.error[k] + rounding) * UP
    return True


@compiled(no_refcount=True)
def _separate(positions: Floats, matrix: Floats, proof: Proof) -> None:
    """Fill FROM, TO and SLACK: the sensitivities whose graph stays, given the radii."""
    n, d = proof.limit.shape
    product, size = 0.0, 0.0  # r' |A| r, and a bound of every score and of its absolute terms
    for row in range(d):
        for k in range(d):
            entry = (1.0 if row == k else 0.0) if matrix.size == 0 else abs(matrix[row, k])
            product += entry * proof.radius[row] * proof.radius[k]
            size += entry * proof.reach[row] * proof.reach[k]
    sigma = (10 * d + 50) * UNIT * size * UP  # scores of floats and limits, the largest of each, and the threshold
    common = 2.0 * product
    for k in range(d):
        low, high = np.inf, -np.inf
        for i in range(n):
            if matrix.size == 0:
                key = proof.limit[i, k]
            else:
                key = 0.0
                for column in range(d):
                    key += matrix[k, column] * proof.limit[i, column]
            proof.keys[i, k] = key
            low, high = min(low, key), max(high, key)
        common += (high - low) * proof.radius[k]
    start, stop, most = 0.0, np.inf, 0.0
    for i in range(n):
        slack = common
        for k in range(d):
            slack += 2.0 * abs(proof.keys[i, k]) * proof.radius[k]
        slack = slack * UP + sigma
        most = max(most, slack)
        lowest, highest, others = np.inf, -np.inf, -np.inf
        first, equal = -1, True
        for j in range(n):
            score = 0.0
            for k in range(d):
                score += proof.keys[i, k] * proof.limit[j, k]
            if proof.near[i, j]:
                lowest, highest = min(lowest, score), max(highest, score)
                if first < 0:
                    first = j
                elif equal:
                    for k in range(d):
                        if positions[k, j] != positions[k, first]:
                            equal = False
            else:
                others = max(others, score)
        if not equal:
            start = max(start, (max(highest, others) - lowest + slack) * UP)
        if others > -np.inf:
            stop = min(stop, (max(highest, others) - others - slack) * (2.0 - UP))
    proof.found[FROM], proof.found[TO], proof.found[SLACK] = start, stop, most


@compiled(no_refcount=True)
def follow(heard: Bytes, proof: Proof) -> None:
    """Fill near, CLIQUES, and clique by where a graph leads: also for tokens outside that come to a single clique."""
    read_graph(heard, proof.near)
    near, clique, low, high = proof.near, proof.clique, proof.travellers, proof.highest
    proof.found[CLIQUES] = _find_cliques(near, clique)
    n = clique.size
    for i in range(n):
        low[i] = clique[i] if clique[i] != TRAVELLER else n
        high[i] = clique[i]
    changed = True
    while changed:
        changed = False
        for i in range(n):
            for j in range(n):
                if near[i, j]:
                    if low[j] < low[i]:
                        low[i], changed = low[j], True
                    if high[j] > high[i]:
                        high[i], changed = high[j], True
    for i in range(n):
        if low[i] == high[i]:
            clique[i] = low[i]


@compiled(no_refcount=True)
def number_limits(limit: Floats, tolerance: float, proof: Proof) -> None:
    """Give travellers numbers beyond the cliques', the same where limits are within the tolerance; count both kinds."""
    n, d = limit.shape
    count = np.int64(proof.found[CLIQUES])
    settled = 0
    for i in range(n):
        proof.travellers[i] = proof.clique[i] == TRAVELLER
        settled += proof.clique[i] != TRAVELLER
    for i in range(n):
        if proof.travellers[i]:
            for j in range(i):
                if proof.travellers[j]:
                    same = True
                    for k in range(d):
                        same &= abs(limit[i, k] - limit[j, k]) <= tolerance
                    if same:
                        proof.clique[i] = proof.clique[j]
                        break
            if proof.clique[i] == TRAVELLER:
                proof.clique[i] = count
                count += 1
    proof.found[SETTLED], proof.found[LIMITS] = settled, count


@compiled(no_refcount=True)
def certify(positions: Floats, heard: Bytes, matrix: Floats, influence: float, proof: Proof) -> bool:
    """Fill the proof for positions (d, padded) with this graph; return whether there is a limit to speak of.

    If so, every sensitivity of the graph (one that gives it at these positions) with FROM <= delta < TO keeps it for
    ever, and every token comes, and stays, within ERROR of its limit, in every component.
    """
    n, d = proof.limit.shape
    if not influence <= LARGEST_INFLUENCE:
        return False
    read_graph(heard, proof.near)
    count = _find_cliques(proof.near, proof.clique)
    proof.found[CLIQUES] = count
    if count == 0:
        return False
    for k in range(d):
        reach = 0.0
        for i in range(n):
            reach = max(reach, abs(positions[k, i]))
        proof.reach[k] = max(reach, 2.0**SMALLEST_EXPONENT)
        proof.rounding[k] = 16.0 * UNIT * proof.reach[k]
        proof.radius[k] = proof.error[k] = 0.0
    if not _settle_cliques(positions, count, influence, proof):
        return False
    if not _send_travellers(positions, influence, proof):
        return False
    error = 0.0
    for k in range(d):
        error = max(error, proof.error[k])
    proof.found[ERROR] = error
    _separate(positions, matrix, proof)
    return True


@compiled(no_refcount=True)
def _find_groups(near: Bytes, group: Integers) -> int:
    """Number the sets of tokens that are connected by the graph, whoever listens; return how many there are."""
    n = near.shape[0]
    for i in range(n):
        group[i] = i
    changed = True
    while changed:
        changed = False
        for i in range(n):
            for j in range(n):
                if near[i, j] and group[i] != group[j]:
                    group[i] = group[j] = min(group[i], group[j])
                    changed = True
    count = 0
    for i in range(n):  # a group has the number of its first token so far
        if group[i] == i:
            group[i] = count
            count += 1
        else:
            group[i] = group[group[i]]
    return count


@compiled(no_refcount=True)
def _box_groups(positions: Floats, count: int, influence: float, middle: Floats, radius: Floats, proof: Proof) -> bool:
    """Fill middles and radii (group, d) of the boxes; return whether they are small, and sure to nest."""
    n, d = proof.limit.shape
    error = 0.0
    for k in range(d):
        grid = _grid(proof.reach[k], n)
        for number in range(count):
            low, high = np.inf, -np.inf
            for i in range(n):
                if proof.clique[i] == number:
                    low, high = min(low, positions[k, i]), max(high, positions[k, i])
            moving = low != high
            if high - low > SAME * proof.reach[k]:
                return False
            if moving and influence > 2.0 and not (min(abs(low), abs(high)) >= 2.0**53 * grid and low * high > 0.0):
                return False
            middle[number, k] = low + (high - low) / 2.0
            radius[number, k] = ((high - low) / 2.0 + 4.0 * UNIT * max(abs(low), abs(high)) + 2.0 * grid) * UP * moving
            error = max(error, radius[number, k])
    proof.found[ERROR] = error
    return True


@compiled(no_refcount=True)
def _keep_apart(count: int, matrix: Floats, middle: Floats, radius: Floats, proof: Proof) -> float:
    """Return a sensitivity below which no token of any box listens to one of another box, wherever they are in them."""
    d = proof.reach.size
    size = 0.0
    for row in range(d):
        for k in range(d):
            entry = (1.0 if row == k else 0.0) if matrix.size == 0 else abs(matrix[row, k])
            size += entry * proof.reach[row] * proof.reach[k]
    sigma = (20 * d + 100) * UNIT * size * UP  # the scores, the largest of them, the threshold, and what follows
    stop = np.inf
    for own in range(count):
        for other in range(count):
            if own == other:
                continue
            least = 0.0
            for row in range(d):
                key, spread = 0.0, 0.0
                for k in range(d):
                    entry = (1.0 if row == k else 0.0) if matrix.size == 0 else matrix[row, k]
                    key += entry * middle[own, k]
                    spread += abs(entry) * radius[own, k]
                way = middle[own, row] - middle[other, row]
                wide = radius[own, row] + radius[other, row]
                least += key * way - (abs(key) * wide + spread * (abs(way) + wide)) * UP
            stop = min(stop, least - sigma)
    return stop


@compiled(no_refcount=True)
def enclose(positions: Floats, heard: Bytes, matrix: Floats, influence: float, proof: Proof) -> bool:
    """Fill the proof for positions (d, padded) of groups that keep to themselves; return whether they are small.

    If so, and all later sensitivities are below TO, then no token ever listens to another group than its own, and all
    of a group stay within ERROR of its limit, in every component, for ever.
    """
    n, d = proof.limit.shape
    if not influence <= LARGEST_INFLUENCE:
        return False
    read_graph(heard, proof.near)
    count = _find_groups(proof.near, proof.clique)
    for k in range(d):
        reach = 0.0
        for i in range(n):
            reach = max(reach, abs(positions[k, i]))
        proof.reach[k] = max(reach, 2.0**SMALLEST_EXPONENT)
    middle, radius = proof.keys, proof.sides
    if not _box_groups(positions, count, influence, middle, radius, proof):
        return False
    proof.found[CLIQUES] = count
    proof.found[TO] = _keep_apart(count, matrix, middle, radius, proof)
    for i in range(n):
        for k in range(d):
            proof.limit[i, k] = middle[proof.clique[i], k]
    return True
