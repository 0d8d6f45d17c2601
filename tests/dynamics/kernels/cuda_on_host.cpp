#include "cuda_on_host.hpp"

#include CUDA_SOURCE

#define LAUNCH(name, ...) \
    extern "C" void run_##name(unsigned blocks, unsigned threads, long long shared, __VA_ARGS__)

LAUNCH(fused, const double* a, const double* b, const double* c, const double* e, const Int* f, double* g, Int n, Int s,
       Int k, Int l)
{
    run_blocks(blocks, threads, shared, [=] { fused(a, b, c, e, f, g, n, s, k, l); });
}

LAUNCH(tile_facts, const double* a, const double* b, const double* c, const double* e, double* f, double* g, double* h,
       Int n, Int t)
{
    run_blocks(blocks, threads, shared, [=] { tile_facts(a, b, c, e, f, g, h, n, t); });
}

LAUNCH(listen_tiles, const double* a, const double* b, const double* c, const double* e, const double* f,
       const double* g, const double* h, double delta, double* o, double* p, Int n, Int t, Int s)
{
    run_blocks(blocks, threads, shared, [=] { listen_tiles(a, b, c, e, f, g, h, delta, o, p, n, t, s); });
}

LAUNCH(sum_neighbours, const float* a, const double* b, const double* c, const double* e, const double* f, double sd,
       double delta, double* g, double* h, Int i, Int n, Int d, Int w)
{
    run_blocks(blocks, threads, shared, [=] { sum_neighbours(a, b, c, e, f, sd, delta, g, h, i, n, d, w); });
}
