// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Our kernels as a worker of kernels.py: ours THREADS. table.h is generated: a
// line KERNEL(name, NAME, variant, K, N) for each kernel of the library.

#include "bench.h"
#include "protocol.h"
#include <atomic>
#include <map>
#include <memory>
#include <sys/mman.h>
#include <thread>

namespace {

using Function = void (*)(int64_t, const float *, float *, const void *, void *,
                          const qm_team *);

struct Kernel {
  const char *variant;
  int64_t k, n;
  Function function;
  const qm_panels *panels;
  int64_t workspaceBytes;
};

const Kernel kernels[] = {
#define KERNEL(NAME, UPPER, VARIANT, K, N)                                     \
  {VARIANT,                                                                    \
   K,                                                                          \
   N,                                                                          \
   bench_##NAME,                                                               \
   &bench_##NAME##_panels,                                                     \
   BENCH_##UPPER##_WORKSPACE_BYTES},
#include "table.h"
#undef KERNEL
};

/// Memory in pages of 2 MiB where the system has them, as the runtime asks for.
struct Memory {
  explicit Memory(size_t wanted) : bytes((wanted + huge - 1) / huge * huge) {
    void *mapped = mmap(nullptr, bytes + huge, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) {
      std::fprintf(stderr, "no memory\n");
      std::exit(1);
    }
    start = mapped;
    data = reinterpret_cast<char *>(
        (reinterpret_cast<uintptr_t>(mapped) + huge - 1) / huge * huge);
    madvise(data, bytes, MADV_HUGEPAGE);
  }
  Memory(const Memory &) = delete;
  ~Memory() { munmap(start, bytes + huge); }

  static constexpr size_t huge = 1 << 21;
  size_t bytes;
  void *start;
  char *data;
};

/// Threads that stay awake between calls, as a model's do.
class Team {
public:
  explicit Team(int64_t threads) : threads(threads) {
    for (int64_t i = 1; i < threads; ++i)
      workers.emplace_back([this, i] {
        for (unsigned seen = 0;; ++seen) {
          waitForCall(seen);
          if (!task)
            return;
          runPart(i);
        }
      });
  }
  ~Team() {
    task = nullptr;
    ++calls;
    for (std::thread &worker : workers)
      worker.join();
  }
  template <typename Task> void run(const Task &body) {
    task = [](const void *context, const qm_team *team) {
      (*static_cast<const Task *>(context))(team);
    };
    context = &body;
    ++calls;
    runPart(0);
  }

private:
  /// Awake for a millisecond, so that a call in a series finds the threads
  /// ready, and then out of the way of the other programs.
  void waitForCall(unsigned seen) {
    auto calm = std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
    while (calls.load(std::memory_order_acquire) == seen)
      if (std::chrono::steady_clock::now() > calm)
        std::this_thread::sleep_for(std::chrono::microseconds(100));
      else
        __builtin_ia32_pause();
  }
  void runPart(int64_t thread) {
    qm_team team = {thread, threads, &barrier};
    task(context, &team);
    qm_barrier(&barrier, threads);
  }

  int64_t threads;
  std::vector<std::thread> workers;
  std::atomic<unsigned> calls{0};
  void (*task)(const void *, const qm_team *) = nullptr;
  const void *context = nullptr;
  qm_barrier_memory barrier = {};
};

struct Prepared {
  const Kernel *kernel;
  std::vector<std::unique_ptr<Memory>> weights;
};

class Ours {
public:
  explicit Ours(int64_t threads) : team(threads) {}

  static std::string version() { return "0.1.0"; }

  std::string prepare(const Request &request) {
    std::string variant = request.text("variant");
    for (const Kernel &kernel : kernels) {
      if (kernel.variant != variant ||
          double(kernel.k) != request.number("K") ||
          double(kernel.n) != request.number("N"))
        continue;
      int64_t bytes = qm_packed_bytes(kernel.panels);
      int64_t copies = copiesFor(double(bytes), request.number("cold_mb"));
      Prepared &made = ready[variant];
      made.kernel = &kernel;
      made.weights.clear();
      for (int64_t i = 0; i < copies; ++i) {
        made.weights.push_back(std::make_unique<Memory>(bytes));
        if (i)
          std::memcpy(made.weights[i]->data, made.weights[0]->data, bytes);
        else
          pack(kernel, made.weights[0]->data);
      }
      return prepared(double(bytes), copies);
    }
    return failure("no such kernel");
  }

  std::string run(const Request &request) {
    auto found = ready.find(request.text("variant"));
    if (found == ready.end())
      return failure("not prepared");
    const Prepared &made = found->second;
    const Kernel &kernel = *made.kernel;
    auto rows = int64_t(request.number("M"));
    int64_t copies = rows > 32 ? 1 : int64_t(made.weights.size());
    Memory x(rows * kernel.k * 4), out(rows * kernel.n * 4),
        workspace(kernel.workspaceBytes + 64);
    std::vector<float> values = normalNumbers(rows * kernel.k);
    std::memcpy(x.data, values.data(), values.size() * 4);
    auto once = [&] {
      for (int64_t i = 0; i < copies; ++i)
        team.run([&](const qm_team *self) {
          kernel.function(rows, reinterpret_cast<float *>(x.data),
                          reinterpret_cast<float *>(out.data),
                          made.weights[i]->data, workspace.data, self);
        });
    };
    return timed(once, copies, request.number("seconds"));
  }

  void release() { ready.clear(); }

private:
  static void pack(const Kernel &kernel, void *target) {
    const qm_panels &panels = *kernel.panels;
    std::mt19937 random(1);
    std::vector<uint8_t> codes(kernel.n * kernel.k * panels.code_bytes);
    // All integers; of floats those that are not too large.
    unsigned mask = panels.code_bits ? (1u << panels.code_bits) - 1 : 0x3f;
    for (uint8_t &code : codes)
      code = uint8_t(random() & mask);
    int64_t columns = (kernel.k + panels.scale_group - 1) / panels.scale_group;
    if (panels.scale_block)
      columns += kernel.k / panels.scale_block;
    std::vector<float> scales(kernel.n * columns, 1.0f);
    qm_pack_weight(&panels, codes.data(),
                   panels.scale_offset ? scales.data() : nullptr,
                   panels.minimum_offset ? scales.data() : nullptr, target);
  }

  Team team;
  std::map<std::string, Prepared> ready;
};

} // namespace

int main(int argc, char **argv) {
  int64_t threads = argc > 1 ? std::atoll(argv[1]) : 1;
  keepToCores(threads);
  Ours ours(threads);
  serve(ours);
}
