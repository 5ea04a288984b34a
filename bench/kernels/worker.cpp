// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Our kernels as a worker of kernels.py: worker THREADS, requests on standard
// input as lines of JSON, answers on standard output. `table.h` is generated: a
// line KERNEL(name, variant, K, N, hasScales, hasMinimums) for each kernel of
// the library.

#include "bench_kernels.h"
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <sched.h>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <vector>

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

double now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// A field of a flat JSON object without escapes, as kernels.py writes them.
std::string field(const std::string &request, const std::string &key) {
  size_t at = request.find("\"" + key + "\":");
  if (at == std::string::npos)
    return "";
  at = request.find_first_not_of(" ", at + key.size() + 3);
  if (request[at] == '"')
    return request.substr(at + 1, request.find('"', at + 1) - at - 1);
  return request.substr(at, request.find_first_of(",}", at) - at);
}

class Worker {
public:
  explicit Worker(int64_t threads) : team(threads) {}

  std::string prepare(const std::string &request) {
    std::string variant = field(request, "variant");
    int64_t k = std::atoll(field(request, "K").c_str());
    int64_t n = std::atoll(field(request, "N").c_str());
    for (const Kernel &kernel : kernels) {
      if (kernel.variant != variant || kernel.k != k || kernel.n != n)
        continue;
      int64_t bytes = qm_packed_bytes(kernel.panels);
      double cold = std::atof(field(request, "cold_mb").c_str()) * 1e6;
      auto copies = int64_t(std::max(1.0, std::ceil(cold / double(bytes))));
      Prepared &made = prepared[variant];
      made = {&kernel, {}};
      for (int64_t i = 0; i < copies; ++i) {
        made.weights.push_back(std::make_unique<Memory>(bytes));
        if (i)
          std::memcpy(made.weights[i]->data, made.weights[0]->data, bytes);
        else
          pack(kernel, made.weights[0]->data);
      }
      return "{\"ok\":true,\"bytes\":" + std::to_string(bytes) +
             ",\"R\":" + std::to_string(copies) + "}";
    }
    return "{\"error\":\"no such kernel\"}";
  }

  std::string run(const std::string &request) {
    auto found = prepared.find(field(request, "variant"));
    if (found == prepared.end())
      return "{\"error\":\"not prepared\"}";
    const Prepared &made = found->second;
    const Kernel &kernel = *made.kernel;
    int64_t rows = std::atoll(field(request, "M").c_str());
    size_t copies = rows > 32 ? 1 : made.weights.size();
    Memory x(rows * kernel.k * 4), out(rows * kernel.n * 4),
        workspace(kernel.workspaceBytes + 64);
    std::mt19937 random(2);
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < rows * kernel.k; ++i)
      reinterpret_cast<float *>(x.data)[i] = normal(random);
    auto once = [&] {
      for (size_t i = 0; i < copies; ++i)
        team.run([&](const qm_team *self) {
          kernel.function(rows, reinterpret_cast<float *>(x.data),
                          reinterpret_cast<float *>(out.data),
                          made.weights[i]->data, workspace.data, self);
        });
    };
    once();
    std::string answer = "{\"t\":[";
    double end = now() + std::atof(field(request, "seconds").c_str());
    for (int count = 0; count < 200 && (count < 2 || now() < end); ++count) {
      double start = now();
      once();
      char text[32];
      std::snprintf(text, sizeof text, "%s%.9g", count ? "," : "",
                    (now() - start) / double(copies));
      answer += text;
    }
    return answer + "]}";
  }

  void release() { prepared.clear(); }

private:
  static void pack(const Kernel &kernel, void *target) {
    const qm_panels &panels = *kernel.panels;
    std::mt19937 random(1);
    std::vector<uint8_t> codes(kernel.n * kernel.k * panels.code_bytes);
    // Numbers of floats that are not too large, of integers all.
    unsigned mask = panels.code_bits ? (1u << panels.code_bits) - 1 : 0x3f;
    for (uint8_t &code : codes)
      code = uint8_t(random() & mask);
    int64_t groups = (kernel.k + panels.scale_group - 1) / panels.scale_group;
    std::vector<float> scales(kernel.n * groups, 0.01f);
    qm_pack_weight(&panels, codes.data(),
                   panels.scale_offset ? scales.data() : nullptr,
                   panels.minimum_offset ? scales.data() : nullptr, target);
  }

  Team team;
  std::map<std::string, Prepared> prepared;
};

} // namespace

int main(int argc, char **argv) {
  int64_t threads = argc > 1 ? std::atoll(argv[1]) : 1;
  // One thread keeps to the second core: interrupts come to the first.
  cpu_set_t cores;
  CPU_ZERO(&cores);
  for (int64_t i = 0; i < threads; ++i)
    CPU_SET(threads == 1 ? 1 : i, &cores);
  sched_setaffinity(0, sizeof cores, &cores);
  Worker worker(threads);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::string command = field(line, "cmd"), answer = "{\"ok\":true}";
    if (command == "prep")
      answer = worker.prepare(line);
    else if (command == "run")
      answer = worker.run(line);
    else if (command == "free")
      worker.release();
    else if (command == "info")
      answer = "{\"name\":\"quant-mlir\",\"version\":\"0.1.0\"}";
    else
      break;
    std::puts(answer.c_str());
    std::fflush(stdout);
  }
}
