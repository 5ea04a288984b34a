// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/CodeGen/CPU/Target.h"
#include "quant-mlir/Runtime/quant_runtime.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Errc.h"
#include "llvm/TargetParser/Host.h"

using namespace quantmlir::cpu;

static const char *const x86Triple = "x86_64-unknown-linux-gnu";

/// The table of targets, the better the later. Tile sizes: with one scale per
/// row a tile has only integer accumulators, with groups each of them has a
/// float beside it; 32 registers hold 12x2 and 6x2. Of AVX2's 16 a tile of 4x2
/// leaves half to products; its floats wait in memory for the end of a group.
static const CPUTarget targets[] = {
    {"x86-64-v3", x86Triple, "x86-64-v3", "", DotKind::Avx2, 8, 2, 4, 4, 6,
     false, QM_CPU_X86_64_V3},
    {"x86-64-v3+vnni", x86Triple, "x86-64-v3", "+avxvnni", DotKind::AvxVnni, 8,
     2, 4, 2, 4, false, QM_CPU_X86_64_V3 | QM_CPU_AVX_VNNI},
    {"x86-64-v4", x86Triple, "x86-64-v4", "", DotKind::Avx512, 16, 2, 8, 4, 12,
     false, QM_CPU_X86_64_V4},
    {"x86-64-v4+vnni", x86Triple, "x86-64-v4", "+avx512vnni",
     DotKind::Avx512Vnni, 16, 2, 12, 6, 12, false,
     QM_CPU_X86_64_V4 | QM_CPU_AVX512_VNNI},
    {"x86-64-v4+bf16", x86Triple, "x86-64-v4", "+avx512vnni,+avx512bf16",
     DotKind::Avx512Vnni, 16, 2, 12, 6, 12, true,
     QM_CPU_X86_64_V4 | QM_CPU_AVX512_VNNI | QM_CPU_AVX512_BF16},
    {"x86-64-v4+amx", x86Triple, "x86-64-v4",
     "+avx512vnni,+avx512bf16,+amx-tile,+amx-int8,+amx-bf16", DotKind::Amx, 16,
     2, 12, 6, 12, true,
     QM_CPU_X86_64_V4 | QM_CPU_AVX512_VNNI | QM_CPU_AVX512_BF16 | QM_CPU_AMX},
    {"aarch64", "aarch64-unknown-linux-gnu", "generic", "+v8.2a,+dotprod",
     DotKind::NeonDot, 4, 4, 4, 2, 4, false, QM_CPU_DOTPROD},
    // Rows in pairs; four share the work on a block of weights, at the price of
    // floats that wait in memory for the end of a group.
    {"aarch64+i8mm", "aarch64-unknown-linux-gnu", "generic",
     "+v8.2a,+dotprod,+i8mm", DotKind::NeonI8MM, 4, 4, 4, 4, 4, false,
     QM_CPU_DOTPROD | QM_CPU_I8MM},
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
  uint64_t has = qm_cpu_features();
  for (CPUTarget target : llvm::reverse(targets)) {
    // Tiles wait to be asked for until they have been measured on a machine.
    if (target.needs & ~has || target.dot == DotKind::Amx)
      continue;
    target.name = "native";
    target.cpu = llvm::sys::getHostCPUName().str();
    // Virtual machines hide features of the CPU they name, so say all.
    std::vector<std::string> features;
    for (auto &feature : llvm::sys::getHostCPUFeatures())
      features.push_back((feature.second ? "+" : "-") + feature.first().str());
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

llvm::Expected<CPUTargets>
quantmlir::cpu::parseCPUTargets(llvm::StringRef spec) {
  llvm::SmallVector<llvm::StringRef> names;
  spec.split(names, ',');
  CPUTargets chosen;
  for (llvm::StringRef name : names) {
    std::string full = name.str();
    if (!chosen.empty() && !name.starts_with("cpu:"))
      full = "cpu:" + full;
    llvm::Expected<CPUTarget> target = parseCPUTarget(full);
    if (!target)
      return target.takeError();
    auto fail = [&](const llvm::Twine &reason) {
      return llvm::createStringError(llvm::errc::invalid_argument,
                                     "target '" + spec + "': " + reason);
    };
    if (names.size() > 1 && target->name == "native")
      return fail("native is for one machine, not for a list");
    for (const CPUTarget &other : chosen) {
      if (other.name == target->name)
        return fail(other.name + " is there twice");
      if (other.triple != target->triple)
        return fail(other.name + " and " + target->name +
                    " cannot be in one object");
    }
    chosen.push_back(std::move(*target));
  }
  auto rank = [](const CPUTarget &target) {
    return llvm::find_if(
        targets, [&](const CPUTarget &row) { return row.name == target.name; });
  };
  llvm::sort(chosen, [&](const CPUTarget &a, const CPUTarget &b) {
    return rank(a) > rank(b);
  });
  return chosen;
}

llvm::Error quantmlir::cpu::checkRunsHere(const CPUTarget &target) {
  qm_version version = {target.name.c_str(), target.needs};
  qm_versions versions = {"", 1, &version};
  if (qm_choose_version(&versions) >= 0)
    return llvm::Error::success();
  return llvm::createStringError(llvm::errc::not_supported,
                                 "this machine cannot run code for cpu:" +
                                     target.name);
}

CPUTarget quantmlir::cpu::chooseForPanels(llvm::ArrayRef<CPUTarget> targets) {
  CPUTarget chosen = targets.front();
  for (const CPUTarget &target : targets) {
    bool dotsBF16 = chosen.dotsBF16 || target.dotsBF16;
    if (target.lanes * target.vectors > chosen.lanes * chosen.vectors)
      chosen = target;
    chosen.dotsBF16 = dotsBF16;
  }
  return chosen;
}
