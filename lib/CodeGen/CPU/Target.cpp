// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/CodeGen/CPU/Target.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Errc.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace quantmlir::cpu;

static const char *const x86Triple = "x86_64-unknown-linux-gnu";

/// The table of targets. Tile sizes: with one scale per row a tile has only
/// integer accumulators, with groups each of them has a float beside it; 32
/// registers hold 12x2 and 6x2, AVX2's 16 hold 3x2 and 2x2.
static const CPUTarget targets[] = {
    {"x86-64-v3", x86Triple, "x86-64-v3", "", DotKind::Avx2, 8, 2, 3, 2, 4,
     false},
    {"x86-64-v3+vnni", x86Triple, "x86-64-v3", "+avxvnni", DotKind::AvxVnni, 8,
     2, 4, 2, 4, false},
    {"x86-64-v4", x86Triple, "x86-64-v4", "", DotKind::Avx512, 16, 2, 8, 4, 12,
     false},
    {"x86-64-v4+vnni", x86Triple, "x86-64-v4", "+avx512vnni",
     DotKind::Avx512Vnni, 16, 2, 12, 6, 12, false},
    {"x86-64-v4+bf16", x86Triple, "x86-64-v4", "+avx512vnni,+avx512bf16",
     DotKind::Avx512Vnni, 16, 2, 12, 6, 12, true},
    {"aarch64", "aarch64-unknown-linux-gnu", "generic", "+v8.2a,+dotprod",
     DotKind::NeonDot, 4, 4, 4, 2, 4, false},
};

static llvm::Error unknownTarget(llvm::StringRef spec) {
  std::string known = "cpu:native";
  for (const CPUTarget &target : targets)
    known += ", cpu:" + target.name;
  return llvm::createStringError(llvm::errc::invalid_argument,
                                 "unknown target '" + spec + "'; known are " +
                                     known);
}

/// The best row of the table for this machine, with its own CPU name so that
/// LLVM schedules for it.
static llvm::Expected<CPUTarget> nativeTarget() {
  llvm::StringMap<bool> has = llvm::sys::getHostCPUFeatures();
  llvm::StringRef best;
  if (llvm::Triple(llvm::sys::getProcessTriple()).isAArch64())
    best = has["dotprod"] ? "aarch64" : "";
  else if (has["avx512bw"] && has["avx512vl"] && has["avx512dq"])
    best = !has["avx512vnni"]  ? "x86-64-v4"
           : has["avx512bf16"] ? "x86-64-v4+bf16"
                               : "x86-64-v4+vnni";
  else if (has["avx2"] && has["fma"] && has["f16c"])
    best = has["avxvnni"] ? "x86-64-v3+vnni" : "x86-64-v3";
  for (CPUTarget target : targets)
    if (target.name == best) {
      target.name = "native";
      target.cpu = llvm::sys::getHostCPUName().str();
      // Virtual machines hide features of the CPU they name, so say all.
      std::vector<std::string> features;
      for (auto &feature : has)
        features.push_back((feature.second ? "+" : "-") +
                           feature.first().str());
      llvm::sort(features);
      target.features = llvm::join(features, ",");
      return target;
    }
  return llvm::createStringError(
      llvm::errc::not_supported,
      "this machine's CPU has neither AVX2 nor NEON dot products");
}

llvm::Expected<CPUTarget> quantmlir::cpu::parseCPUTarget(llvm::StringRef spec) {
  llvm::StringRef name = spec;
  if (name == "cpu")
    return nativeTarget();
  if (!name.consume_front("cpu:"))
    return unknownTarget(spec);
  if (name == "native")
    return nativeTarget();
  for (const CPUTarget &target : targets)
    if (target.name == name)
      return target;
  return unknownTarget(spec);
}
