// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The machine's limits as a worker of kernels.py: {"cmd":"run"} gives
// {"dot":GOPS,"read":GB/s} of dot products of bytes (vpdpbusd; without it
// vpmaddubsw, vpmaddwd and an addition) and of reading memory in order, about
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

#ifdef __AVX512VNNI__

constexpr int64_t dotBytes = 16 * 64; ///< of a round: 16 independent chains

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

#else

constexpr int64_t dotBytes = 8 * 32;

__attribute__((noinline)) void dotLoop(int64_t rounds) {
  asm volatile("vpxor %%ymm13, %%ymm13, %%ymm13\n"
               "vpxor %%ymm14, %%ymm14, %%ymm14\n"
               "vpxor %%ymm15, %%ymm15, %%ymm15\n"
               "1:\n"
#define DOT(n, t)                                                              \
  "vpmaddubsw %%ymm14, %%ymm15, %%ymm" #t "\n"                                 \
  "vpmaddwd %%ymm13, %%ymm" #t ", %%ymm" #t "\n"                               \
  "vpaddd %%ymm" #t ", %%ymm" #n ", %%ymm" #n "\n"
               DOT(0, 8) DOT(1, 9) DOT(2, 10) DOT(3, 11) DOT(4, 8) DOT(5, 9)
                   DOT(6, 10) DOT(7, 11)
#undef DOT
                       "dec %0\n"
                       "jnz 1b\n"
               : "+r"(rounds)::"cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
                 "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                 "xmm13", "xmm14", "xmm15");
}

#endif

__attribute__((noinline)) int64_t readLoop(const char *from, size_t bytes) {
  __m256i sums[8] = {};
  for (const char *end = from + bytes; from < end; from += 256)
    for (int i = 0; i < 8; ++i)
      sums[i] = _mm256_xor_si256(
          sums[i],
          _mm256_load_si256(reinterpret_cast<const __m256i *>(from + i * 32)));
  for (int i = 1; i < 8; ++i)
    sums[0] = _mm256_xor_si256(sums[0], sums[i]);
  return _mm256_extract_epi64(sums[0], 0) ^ _mm256_extract_epi64(sums[0], 1) ^
         _mm256_extract_epi64(sums[0], 2) ^ _mm256_extract_epi64(sums[0], 3);
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
    // A multiplication and an addition for each byte.
    std::snprintf(text, sizeof text, "{\"dot\":%.1f,\"read\":%.2f}",
                  double(threads) * dotRounds * dotBytes * 2 / dot / 1e9,
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
