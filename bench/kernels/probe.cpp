// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The machine's limits as a worker of kernels.py: {"cmd":"run"} gives
// {"dot":GOPS,"read":GB/s} of vpdpbusd and of reading memory in order, about
// 30 ms of each. Asked around each sample, it says what was possible then, and
// whether the machine was busy with something else.

#include "protocol.h"
#include <atomic>
#include <immintrin.h>
#include <sys/mman.h>
#include <thread>

namespace {

constexpr size_t readBytes = size_t(256) << 20;
constexpr int64_t dotRounds = 400000;

/// 16 independent chains.
__attribute__((noinline)) void dotLoop(int64_t rounds) {
  asm volatile("vpxorq %%zmm30, %%zmm30, %%zmm30\n"
               "vpxorq %%zmm31, %%zmm31, %%zmm31\n"
               "1:\n"
#define DOT(n) "vpdpbusd %%zmm30, %%zmm31, %%zmm" #n "\n"
               DOT(0) DOT(1) DOT(2) DOT(3) DOT(4) DOT(5) DOT(6) DOT(7) DOT(8)
                   DOT(9) DOT(10) DOT(11) DOT(12) DOT(13) DOT(14) DOT(15)
#undef DOT
                       "dec %0\n"
                       "jnz 1b\n"
               : "+r"(rounds)::"cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
                 "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                 "xmm12", "xmm13", "xmm14", "xmm15");
}

__attribute__((noinline)) int64_t readLoop(const char *from, size_t bytes) {
  __m512i sums[4] = {};
  for (const char *end = from + bytes; from < end; from += 256)
    for (int i = 0; i < 4; ++i)
      sums[i] =
          _mm512_xor_si512(sums[i], _mm512_load_si512(from + int64_t(64) * i));
  return _mm512_reduce_add_epi64(_mm512_xor_si512(
      _mm512_xor_si512(sums[0], sums[1]), _mm512_xor_si512(sums[2], sums[3])));
}

class Probe {
public:
  explicit Probe(int64_t threads) : threads(threads) {
    memory =
        static_cast<char *>(mmap(nullptr, readBytes, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (memory == MAP_FAILED)
      std::exit(1);
    madvise(memory, readBytes, MADV_HUGEPAGE);
    std::memset(memory, 1, readBytes);
  }

  static std::string version() { return "1"; }
  static std::string prepare(const Request &) { return "{}"; }
  void release() {}

  std::string run(const Request &) {
    double dot = together([](int64_t) { dotLoop(dotRounds); });
    double read = together([&](int64_t thread) {
      size_t share = readBytes / threads;
      sink += readLoop(memory + thread * share, share);
    });
    char text[80];
    // A dot product is 64 multiplications and additions.
    std::snprintf(text, sizeof text, "{\"dot\":%.1f,\"read\":%.2f}",
                  double(threads) * dotRounds * 16 * 128 / dot / 1e9,
                  double(readBytes) / read / 1e9);
    return text;
  }

private:
  template <typename Work> double together(const Work &work) {
    std::atomic<int64_t> ready{0};
    std::vector<double> starts(threads), ends(threads);
    std::vector<std::thread> all;
    for (int64_t i = 0; i < threads; ++i)
      all.emplace_back([&, i] {
        ++ready;
        while (ready < threads) {
        }
        starts[i] = now();
        work(i);
        ends[i] = now();
      });
    for (std::thread &each : all)
      each.join();
    return *std::max_element(ends.begin(), ends.end()) -
           *std::min_element(starts.begin(), starts.end());
  }

  int64_t threads;
  char *memory;
  std::atomic<int64_t> sink{0};
};

} // namespace

int main(int argc, char **argv) {
  int64_t threads = argc > 1 ? std::atoll(argv[1]) : 1;
  keepToCores(threads);
  Probe probe(threads);
  serve(probe);
}
