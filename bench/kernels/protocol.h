// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The worker's side of kernels.py in C++. A request is a line of flat JSON, an
// answer too:
//
//   {"cmd":"info"}                        {"version":"..."}
//   {"cmd":"prep","variant":"..","K":..,"N":..,"cold_mb":..}
//                                         {"bytes":BYTES,"copies":COPIES}
//   {"cmd":"run","variant":"..","M":..,"seconds":..}
//                                         {"t":[seconds per matmul, ...]}
//   {"cmd":"free"}                        {}
//
// Or {"error":"..."}. For M <= 32 each timed call goes through all copies of
// the weight, more than the cache holds, as decoding does; above through one.

#ifndef BENCH_KERNELS_PROTOCOL_H
#define BENCH_KERNELS_PROTOCOL_H

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <random>
#include <sched.h>
#include <string>
#include <unistd.h>
#include <vector>

inline double now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

struct Request {
  std::string line;

  /// A field's text; "" if there is none. There are no escapes.
  std::string text(const std::string &key) const {
    size_t at = line.find("\"" + key + "\":");
    if (at == std::string::npos)
      return "";
    at = line.find_first_not_of(' ', at + key.size() + 3);
    if (line[at] == '"')
      return line.substr(at + 1, line.find('"', at + 1) - at - 1);
    return line.substr(at, line.find_first_of(",}", at) - at);
  }
  double number(const std::string &key) const {
    return std::atof(text(key).c_str());
  }
};

inline std::string failure(const std::string &what) {
  return "{\"error\":\"" + what + "\"}";
}

inline int64_t copiesFor(double bytes, double coldMegabytes) {
  return int64_t(std::max(1.0, std::ceil(coldMegabytes * 1e6 / bytes)));
}

inline std::string prepared(double bytes, int64_t copies) {
  return "{\"bytes\":" + std::to_string(int64_t(bytes)) +
         ",\"copies\":" + std::to_string(copies) + "}";
}

/// Runs for so many seconds, at least twice after one run that does not count.
template <typename Run>
std::string timed(const Run &run, int64_t copies, double seconds) {
  run();
  std::string answer = "{\"t\":[";
  double end = now() + seconds;
  for (int count = 0; count < 200 && (count < 2 || now() < end); ++count) {
    double start = now();
    run();
    char text[32];
    std::snprintf(text, sizeof text, "%s%.9g", count ? "," : "",
                  (now() - start) / double(copies));
    answer += text;
  }
  return answer + "]}";
}

inline std::vector<float> normalNumbers(size_t count, float deviation = 1) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> values(count);
  for (float &value : values)
    value = normal(random);
  return values;
}

/// One thread keeps to the second core: interrupts come to the first.
inline void keepToCores(int64_t threads) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  for (int64_t i = 0; i < threads; ++i)
    CPU_SET(threads == 1 ? 1 : i, &cores);
  sched_setaffinity(0, sizeof cores, &cores);
}

/// Answers requests until the input ends. `Peer` has version(), prepare(),
/// run() and release().
template <typename Peer> void serve(Peer &peer) {
  // What a library prints must not get between the answers.
  FILE *out = fdopen(dup(1), "w");
  dup2(2, 1);
  std::string line;
  while (std::getline(std::cin, line)) {
    Request request{line};
    std::string command = request.text("cmd"), answer = "{}";
    if (command == "info")
      answer = "{\"version\":\"" + peer.version() + "\"}";
    else if (command == "prep")
      answer = peer.prepare(request);
    else if (command == "run")
      answer = peer.run(request);
    else
      peer.release();
    std::fprintf(out, "%s\n", answer.c_str());
    std::fflush(out);
  }
}

#endif // BENCH_KERNELS_PROTOCOL_H
