// What the CUDA source needs to be compiled for a processor: every block is run by real threads that meet at a barrier.
#include <atomic>
#include <barrier>
#include <cmath>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline

struct Index {
    unsigned x;
};
static thread_local Index threadIdx, blockIdx;
static thread_local std::barrier<>* meeting;
static thread_local double* block_memory;
static Index blockDim;

#define BLOCK_SHARED(name) double* name = block_memory
static void __syncthreads() { meeting->arrive_and_wait(); }
static double __dmul_rn(double a, double b) { return a * b; }
static double __dadd_rn(double a, double b) { return a + b; }
static double __ddiv_rn(double a, double b) { return a / b; }
static double __longlong_as_double(long long bits)
{
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
static unsigned long long atomicAdd(unsigned long long* where, unsigned long long value)
{
    return std::atomic_ref<unsigned long long>(*where).fetch_add(value);
}

template <typename Kernel>
void run_blocks(unsigned blocks, unsigned threads, long long shared, Kernel kernel)
{
    blockDim.x = threads;
    for (unsigned block = 0; block < blocks; ++block) {
        std::barrier<> here(threads);
        std::vector<double> memory(shared, std::nan(""));  // what a kernel does not write is not a number
        std::vector<std::thread> crew;
        for (unsigned thread = 0; thread < threads; ++thread)
            crew.emplace_back([&, thread] {
                threadIdx.x = thread, blockIdx.x = block, meeting = &here, block_memory = memory.data();
                kernel();
            });
        for (auto& one : crew) one.join();
    }
}
