/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#define _GNU_SOURCE

/* Which of an object's versions this CPU can run. */

#include "Internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>

static int has_bits(uint32_t word, uint32_t bits) {
  return (word & bits) == bits;
}

/* The registers that the system saves when it switches threads. */
static uint32_t saved_registers(void) {
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

uint64_t qm_cpu_features(void) {
  uint32_t a, b, c, d, sub_a = 0, sub_b, sub_c, sub_d;
  uint32_t extended_c = 0, leaf7_b = 0, leaf7_c = 0, leaf7_d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d))
    return 0;
  /* SSE3, SSSE3, FMA, CX16, SSE4.1, SSE4.2, MOVBE, POPCNT, OSXSAVE, AVX, F16C
   */
  const uint32_t leaf1 = 1u << 0 | 1u << 9 | 1u << 12 | 1u << 13 | 1u << 19 |
                         1u << 20 | 1u << 22 | 1u << 23 | 1u << 27 | 1u << 28 |
                         1u << 29;
  if (!has_bits(c, leaf1))
    return 0;
  uint32_t saved = saved_registers();
  if (__get_cpuid(0x80000001, &a, &b, &c, &d))
    extended_c = c;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
    leaf7_b = b;
    leaf7_c = c;
    leaf7_d = d;
    if (a >= 1)
      __get_cpuid_count(7, 1, &sub_a, &sub_b, &sub_c, &sub_d);
  }
  uint64_t features = 0;
  /* BMI1, AVX2, BMI2, LZCNT; XMM and YMM */
  if (!has_bits(leaf7_b, 1u << 3 | 1u << 5 | 1u << 8) ||
      !has_bits(extended_c, 1u << 5) || !has_bits(saved, 0x6))
    return 0;
  features |= QM_CPU_X86_64_V3;
  if (has_bits(sub_a, 1u << 4))
    features |= QM_CPU_AVX_VNNI;
  /* AVX512F, DQ, CD, BW, VL; masks and ZMM */
  if (!has_bits(leaf7_b,
                1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31) ||
      !has_bits(saved, 0xe6))
    return features;
  features |= QM_CPU_X86_64_V4;
  if (has_bits(leaf7_c, 1u << 11))
    features |= QM_CPU_AVX512_VNNI;
  if (has_bits(sub_a, 1u << 5))
    features |= QM_CPU_AVX512_BF16;
  /* AMX-BF16, AMX-TILE, AMX-INT8; their configuration and data */
  if (has_bits(leaf7_d, 1u << 22 | 1u << 24 | 1u << 25) &&
      has_bits(saved, 0x60000))
    features |= QM_CPU_AMX;
  return features;
}

#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

uint64_t qm_cpu_features(void) {
  const unsigned long dotprod = 1ul << 20; /* HWCAP_ASIMDDP */
  const unsigned long i8mm = 1ul << 13;    /* HWCAP2_I8MM */
  uint64_t features = 0;
  if (getauxval(AT_HWCAP) & dotprod)
    features |= QM_CPU_DOTPROD;
  if (getauxval(AT_HWCAP2) & i8mm)
    features |= QM_CPU_I8MM;
  return features;
}

#else
uint64_t qm_cpu_features(void) { return 0; }
#endif

/* Linux saves the 8 KiB of tiles only for processes that have asked. */
static int may_use(uint64_t features) {
#if defined(__linux__) && defined(SYS_arch_prctl)
  const long request_permission = 0x1023, tile_data = 18;
  if (features & QM_CPU_AMX)
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#endif
  return !(features & QM_CPU_AMX);
}

/* "a, b, c", cut if it is too long. */
static const char *list_targets(const qm_versions *versions, char *text,
                                size_t size) {
  text[0] = 0;
  for (uint32_t i = 0; i < versions->count; ++i) {
    if (i)
      strncat(text, ", ", size - strlen(text) - 1);
    strncat(text, versions->versions[i].target, size - strlen(text) - 1);
  }
  return text;
}

int32_t qm_choose_version(const qm_versions *versions) {
  char targets[256];
  uint64_t features = qm_cpu_features();
  const char *wanted = getenv("QM_TARGET");
  if (wanted && (!*wanted || versions->count == 1))
    wanted = NULL;
  int found = 0;
  for (uint32_t i = 0; i < versions->count; ++i) {
    const qm_version *version = &versions->versions[i];
    if (wanted && strcmp(wanted, version->target))
      continue;
    found = 1;
    if (!(version->needs & ~features) && may_use(version->needs))
      return (int32_t)i;
  }
  list_targets(versions, targets, sizeof targets);
  if (!wanted)
    qmi_fail(QM_BAD_CPU, "%s: compiled for %s, which this CPU cannot run",
             versions->name, targets);
  else if (found)
    qmi_fail(QM_BAD_CPU, "QM_TARGET=%s: this CPU cannot run it", wanted);
  else
    qmi_fail(QM_BAD_CPU, "QM_TARGET=%s: %s is compiled for %s", wanted,
             versions->name, targets);
  return -1;
}
