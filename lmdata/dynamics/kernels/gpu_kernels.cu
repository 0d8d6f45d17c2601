// Localmax on a GPU: the canonical step of lmdata/dynamics/kernels/canonical.py, the same bits.
//
// Products and sums of scores are rounded on their own (__dmul_rn, __dadd_rn: never fused); sums of halves are exact, so
// in any order. COMPONENTS is set when compiling. Threads of a block share its work in strides of blockDim.x, so that
// any number of threads, one included, gives the same result. BLOCK_SHARED is the block's shared memory.

typedef long long Int;

#define INFINITE __longlong_as_double(0x7ff0000000000000LL)

#ifndef BLOCK_SHARED
#define BLOCK_SHARED(name) extern __shared__ double name[]
#endif

#define FOR_THREADS(i, count) for (Int i = threadIdx.x; i < (count); i += blockDim.x)

__device__ __forceinline__ double larger(double a, double b) { return a > b ? a : b; }
__device__ __forceinline__ double smaller(double a, double b) { return a < b ? a : b; }
__device__ __forceinline__ double total_of(double a, double b) { return a + b; }

// Combine one value of each thread; every thread returns the result. `room` holds blockDim.x numbers.
template <typename Combine>
__device__ double over_block(double value, double* room, Combine combine)
{
    __syncthreads();
    room[threadIdx.x] = value;
    __syncthreads();
    for (unsigned width = 1; width < blockDim.x; width *= 2) {
        double other = threadIdx.x + width < blockDim.x ? room[threadIdx.x + width] : 0.0;
        bool has = threadIdx.x + width < blockDim.x && threadIdx.x % (2 * width) == 0;
        __syncthreads();
        if (has) room[threadIdx.x] = combine(room[threadIdx.x], other);
        __syncthreads();
    }
    return room[0];
}

// Score of a key with a token, components `stride` apart.
__device__ __forceinline__ double score_of(const double* key, Int key_stride, const double* token, Int stride, Int d)
{
    double score = __dmul_rn(key[0], token[0]);
    for (Int k = 1; k < d; ++k) score = __dadd_rn(score, __dmul_rn(key[k * key_stride], token[k * stride]));
    return score;
}

// fl(D / c): the way to the neighbour mean in one component, from the sums of halves.
__device__ __forceinline__ double pull_of(double high_sum, double low_sum, double count, double high, double low)
{
    double coarse = __dadd_rn(high_sum, -__dmul_rn(count, high));
    double fine = __dadd_rn(low_sum, -__dmul_rn(count, low));
    return __ddiv_rn(__dadd_rn(coarse, fine), count);
}

// Many small systems: one block a member, all steps inside, tokens in shared memory.
// Shared: 5 COMPONENTS n + blockDim.x numbers.
extern "C" __global__ void fused(const double* state, const double* sensitivity, const double* gain,
                                 const double* matrix, const Int* keep, double* frames, Int n, Int steps, Int kept,
                                 Int aligned)
{
    BLOCK_SHARED(shared);
    const Int d = COMPONENTS, member = blockIdx.x, size = n * d;
    double *z = shared, *keys = z + size, *high = keys + size, *low = high + size, *pulls = low + size;
    double* room = pulls + size;
    FOR_THREADS(entry, size) z[(entry % d) * n + entry / d] = state[member * size + entry];
    const double* deltas = sensitivity + member * steps;
    Int steady = steps - 1, spare = 1;
    while (steady > 0 && deltas[steady] == deltas[steady - 1]) --steady;
    while ((Int(1) << (spare - 1)) < n) ++spare;
    Int now = 0;
    bool moving = true;
    for (Int frame = 0; frame < kept; ++frame) {
        for (; now < keep[frame] && moving; ++now) {
            for (Int k = 0; k < d; ++k) {
                double largest = 0.0;
                __syncthreads();
                FOR_THREADS(i, n) largest = larger(largest, fabs(z[k * n + i]));
                largest = over_block(largest, room, larger);
                int exponent = -900;
                if (largest > 0.0) frexp(largest, &exponent);
                if (exponent < -900) exponent = -900;
                const double coarse = ldexp(1.0, exponent - 52 + (int)spare);
                const double fine = ldexp(1.0, exponent - 105 + 2 * (int)spare);
                FOR_THREADS(i, n)
                {
                    double part = coarse * rint(z[k * n + i] / coarse);
                    high[k * n + i] = part;
                    low[k * n + i] = fine * rint((z[k * n + i] - part) / fine);
                    keys[k * n + i] = aligned ? score_of(matrix + k * d, 1, z + i, n, d) : z[k * n + i];
                }
            }
            __syncthreads();
            FOR_THREADS(i, n)
            {
                double best = score_of(keys + i, n, z, n, d);
                for (Int j = 1; j < n; ++j) best = larger(best, score_of(keys + i, n, z + j, n, d));
                const double threshold = __dadd_rn(best, -deltas[now]);
                double count = 0.0, high_sum[COMPONENTS] = {0.0}, low_sum[COMPONENTS] = {0.0};
                for (Int j = 0; j < n; ++j) {
                    if (score_of(keys + i, n, z + j, n, d) < threshold) continue;
                    count += 1.0;
                    for (Int k = 0; k < d; ++k) high_sum[k] += high[k * n + j], low_sum[k] += low[k * n + j];
                }
                for (Int k = 0; k < d; ++k)
                    pulls[k * n + i] = pull_of(high_sum[k], low_sum[k], count, high[k * n + i], low[k * n + i]);
            }
            double moved = 0.0;
            __syncthreads();
            FOR_THREADS(entry, size)
            {
                double after = __dadd_rn(z[entry], __dmul_rn(gain[member], pulls[entry]));
                if (after != z[entry]) moved = 1.0;
                z[entry] = after;
            }
            moving = over_block(moved, room, larger) > 0.0 || now < steady;
        }
        __syncthreads();
        FOR_THREADS(entry, size) frames[(member * kept + frame) * size + entry] = z[(entry % d) * n + entry / d];
    }
}

// Facts of tiles of `tile` tokens: boxes (lows, then highs) of tokens and keys, count and sums of halves. One block a tile.
// Tokens, keys and halves are (COMPONENTS, n). Shared: blockDim.x numbers.
extern "C" __global__ void tile_facts(const double* z, const double* keys, const double* high, const double* low,
                                      double* boxes, double* key_boxes, double* totals, Int n, Int tile)
{
    BLOCK_SHARED(room);
    const Int d = COMPONENTS, begin = blockIdx.x * tile, end = begin + tile < n ? begin + tile : n;
    double *box = boxes + blockIdx.x * 2 * d, *key_box = key_boxes + blockIdx.x * 2 * d;
    double* total = totals + blockIdx.x * (2 * d + 1);
    for (Int k = 0; k < d; ++k) {
        double least = z[k * n + begin], most = least, key_least = keys[k * n + begin], key_most = key_least;
        double high_sum = 0.0, low_sum = 0.0;
        FOR_THREADS(i, end - begin)
        {
            const Int at = k * n + begin + i;
            least = smaller(least, z[at]), most = larger(most, z[at]);
            key_least = smaller(key_least, keys[at]), key_most = larger(key_most, keys[at]);
            high_sum += high[at], low_sum += low[at];
        }
        least = over_block(least, room, smaller), most = over_block(most, room, larger);
        key_least = over_block(key_least, room, smaller), key_most = over_block(key_most, room, larger);
        high_sum = over_block(high_sum, room, total_of), low_sum = over_block(low_sum, room, total_of);
        if (threadIdx.x == 0) {
            box[k] = least, box[d + k] = most, key_box[k] = key_least, key_box[d + k] = key_most;
            total[0] = (double)(end - begin), total[1 + k] = high_sum, total[1 + d + k] = low_sum;
        }
    }
}

// Bounds of every computed score of a key in one box with a token in another: rounding is monotone.
__device__ void bounds_of(const double* key_box, const double* box, double* least, double* most)
{
    const Int d = COMPONENTS;
    for (Int k = 0; k < d; ++k) {
        const double a = __dmul_rn(key_box[k], box[k]), b = __dmul_rn(key_box[k], box[d + k]);
        const double c = __dmul_rn(key_box[d + k], box[k]), e = __dmul_rn(key_box[d + k], box[d + k]);
        const double low = smaller(smaller(a, b), smaller(c, e)), high = larger(larger(a, b), larger(c, e));
        *least = k == 0 ? low : __dadd_rn(*least, low);
        *most = k == 0 ? high : __dadd_rn(*most, high);
    }
}

// Large systems in few dimensions: pulls (COMPONENTS, n) of the tokens of one tile, a block a tile. Tiles wholly below the
// thresholds are skipped, tiles wholly above enter by their totals, the others token by token.
// Shared: blockDim.x + (4 + 2 COMPONENTS) tile + blockDim.x numbers.
extern "C" __global__ void listen_tiles(const double* z, const double* keys, const double* high, const double* low,
                                        const double* boxes, const double* key_boxes, const double* totals,
                                        double delta, double* counts, double* pulls, Int n, Int tile, Int tiles)
{
    BLOCK_SHARED(shared);
    const Int d = COMPONENTS, begin = blockIdx.x * tile, size = (begin + tile < n ? begin + tile : n) - begin;
    double *room = shared, *flags = room + blockDim.x, *thresholds = flags + blockDim.x;
    double *near_count = thresholds + tile, *near_sums = near_count + tile;
    const double* key_box = key_boxes + blockIdx.x * 2 * d;
    double least, most, floor = -INFINITE;
    FOR_THREADS(v, tiles)
    {
        bounds_of(key_box, boxes + v * 2 * d, &least, &most);
        floor = larger(floor, least);
    }
    floor = over_block(floor, room, larger);
    FOR_THREADS(i, size)
    {
        thresholds[i] = -INFINITE, near_count[i] = 0.0;
        for (Int k = 0; k < 2 * d; ++k) near_sums[k * tile + i] = 0.0;
    }
    for (Int first = 0; first < tiles; first += blockDim.x) {
        const Int v = first + threadIdx.x;
        if (v < tiles) bounds_of(key_box, boxes + v * 2 * d, &least, &most);
        __syncthreads();
        flags[threadIdx.x] = v < tiles && most >= floor ? 1.0 : 0.0;
        __syncthreads();
        for (Int t = 0; t < blockDim.x; ++t) {
            if (flags[t] == 0.0) continue;
            const Int from = (first + t) * tile, to = from + tile < n ? from + tile : n;
            FOR_THREADS(i, size)
            {
                double best = thresholds[i];
                for (Int j = from; j < to; ++j) best = larger(best, score_of(keys + begin + i, n, z + j, n, d));
                thresholds[i] = best;
            }
        }
    }
    double lowest = INFINITE, highest = -INFINITE;
    __syncthreads();
    FOR_THREADS(i, size)
    {
        thresholds[i] = __dadd_rn(thresholds[i], -delta);
        lowest = smaller(lowest, thresholds[i]), highest = larger(highest, thresholds[i]);
    }
    lowest = over_block(lowest, room, smaller), highest = over_block(highest, room, larger);
    double whole[2 * COMPONENTS + 1] = {0.0};
    for (Int first = 0; first < tiles; first += blockDim.x) {
        const Int v = first + threadIdx.x;
        bool inside = false, part = false;
        if (v < tiles) {
            bounds_of(key_box, boxes + v * 2 * d, &least, &most);
            inside = least >= highest, part = !inside && most >= lowest;
        }
        if (inside)
            for (Int k = 0; k <= 2 * d; ++k) whole[k] += totals[v * (2 * d + 1) + k];
        __syncthreads();
        flags[threadIdx.x] = part ? 1.0 : 0.0;
        __syncthreads();
        for (Int t = 0; t < blockDim.x; ++t) {
            if (flags[t] == 0.0) continue;
            const Int from = (first + t) * tile, to = from + tile < n ? from + tile : n;
            FOR_THREADS(i, size)
            {
                for (Int j = from; j < to; ++j) {
                    if (score_of(keys + begin + i, n, z + j, n, d) < thresholds[i]) continue;
                    near_count[i] += 1.0;
                    for (Int k = 0; k < d; ++k) {
                        near_sums[k * tile + i] += high[k * n + j];
                        near_sums[(d + k) * tile + i] += low[k * n + j];
                    }
                }
            }
        }
    }
    for (Int k = 0; k <= 2 * d; ++k) whole[k] = over_block(whole[k], room, total_of);
    FOR_THREADS(i, size)
    {
        const double count = near_count[i] + whole[0];
        counts[begin + i] = count;
        for (Int k = 0; k < d; ++k) {
            const Int at = k * n + begin + i;
            const double high_sum = near_sums[k * tile + i] + whole[1 + k];
            const double low_sum = near_sums[(d + k) * tile + i] + whole[1 + d + k];
            pulls[at] = pull_of(high_sum, low_sum, count, high[at], low[at]);
        }
    }
}

// Many dimensions: decide one row of float32 scores (rows, n) exactly and sum values (n, width) over its neighbours; a block
// a row. Keys and tokens are (n, d); error bounds the scaled scores of a row.
// Shared: blockDim.x + width + 2 + LIST numbers.
#define LIST 2048

extern "C" __global__ void sum_neighbours(const float* scores, const double* error, const double* keys,
                                          const double* tokens, const double* values, double scaled_delta, double delta,
                                          double* counts, double* sums, Int begin, Int n, Int d, Int width)
{
    BLOCK_SHARED(shared);
    double *room = shared, *total = room + blockDim.x;
    unsigned long long* found = (unsigned long long*)(total + width);
    double* list = total + width + 2;
    const Int i = begin + blockIdx.x;
    const float* row = scores + blockIdx.x * n;
    const double* key = keys + i * d;
    double top = -INFINITE, best = -INFINITE, count = 0.0;
    FOR_THREADS(j, n) top = larger(top, (double)row[j]);
    top = over_block(top, room, larger);
    const double slack = 2.0 * error[i] + 0x1p-50 * (fabs(top) + scaled_delta);
    const double low = top - scaled_delta - slack, sure = top - scaled_delta + slack;
    FOR_THREADS(j, n)
    {
        if ((double)row[j] >= top - slack) best = larger(best, score_of(key, 1, tokens + j * d, 1, d));
    }
    const double threshold = __dadd_rn(over_block(best, room, larger), -delta);
    FOR_THREADS(k, width) total[k] = 0.0;
    for (Int first = 0; first < n; first += LIST) {
        const Int size = first + LIST < n ? LIST : n - first;
        if (threadIdx.x == 0) *found = 0;
        __syncthreads();
        FOR_THREADS(entry, size)
        {
            const Int j = first + entry;
            if ((double)row[j] < low) continue;
            if ((double)row[j] < sure && score_of(key, 1, tokens + j * d, 1, d) < threshold) continue;
            list[atomicAdd(found, 1ULL)] = (double)j;
        }
        __syncthreads();
        const Int neighbours = (Int)*found;
        count += (double)neighbours;
        FOR_THREADS(k, width)
        {
            for (Int entry = 0; entry < neighbours; ++entry) total[k] += values[(Int)list[entry] * width + k];
        }
        __syncthreads();
    }
    FOR_THREADS(k, width) sums[i * width + k] = total[k];
    if (threadIdx.x == 0) counts[i] = count;
}
