/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

/* The intrinsics that kernels use, llvm.nvvm.NAME as qm_emulate_NAME. Operands
 * and results are in memory, as the pass gpu-emulate puts them there. What each
 * lane holds of a matrix is what the PTX manual draws for mma.sync. */

#include "Emulator.h"

#include <math.h>
#include <string.h>

#define OPERATION(name) void qm_emulate_##name(void *const *in, void *out)

static uint32_t u32(void *const *in, int i) {
  uint32_t value;
  memcpy(&value, in[i], 4);
  return value;
}
static void put(void *out, uint32_t value) { memcpy(out, &value, 4); }

OPERATION(read_ptx_sreg_tid_x) {
  (void)in;
  put(out, qm_emulated_place()->thread);
}
OPERATION(read_ptx_sreg_ctaid_x) {
  (void)in;
  put(out, qm_emulated_place()->block_x);
}
OPERATION(read_ptx_sreg_ctaid_y) {
  (void)in;
  put(out, qm_emulated_place()->block_y);
}

OPERATION(barrier_cta_sync_aligned_all) {
  (void)in;
  (void)out;
  qm_emulate_barrier();
}

/*===--- Copies that run ahead -------------------------------------------===*/

static void copy_operands(void *const *in, size_t bytes) {
  void *to;
  const void *from;
  memcpy(&to, in[0], sizeof to);
  memcpy(&from, in[1], sizeof from);
  qm_emulate_copy(to, from, bytes);
}
OPERATION(cp_async_cg_shared_global_16) {
  (void)out;
  copy_operands(in, 16);
}
OPERATION(cp_async_ca_shared_global_4) {
  (void)out;
  copy_operands(in, 4);
}
OPERATION(cp_async_commit_group) {
  (void)in;
  (void)out;
  qm_emulate_end_copies();
}
OPERATION(cp_async_wait_group) {
  (void)out;
  qm_emulate_wait_for_copies(u32(in, 0));
}

/*===--- Words -----------------------------------------------------------===*/

OPERATION(idp4a_u_s) {
  uint32_t a = u32(in, 0), b = u32(in, 1), sum = u32(in, 2);
  for (int i = 0; i < 32; i += 8)
    sum += (uint32_t)((int32_t)(a >> i & 255) * (int8_t)(b >> i & 255));
  put(out, sum);
}

OPERATION(prmt) {
  uint64_t bytes = (uint64_t)u32(in, 1) << 32 | u32(in, 0);
  uint32_t selector = u32(in, 2), result = 0;
  for (int i = 0; i < 4; ++i) {
    uint32_t nibble = selector >> 4 * i & 15;
    uint32_t byte = (uint32_t)(bytes >> 8 * (nibble & 7)) & 255;
    if (nibble & 8) /* the sign, everywhere */
      byte = byte & 128 ? 255 : 0;
    result |= byte << 8 * i;
  }
  put(out, result);
}

/*===--- 16-bit floats ---------------------------------------------------===*/

static float from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

static float from_f16(uint32_t half) {
  uint32_t sign = (half & 0x8000) << 16, rest = half & 0x7fff;
  if (rest >= 0x7c00)
    return from_bits(sign | 0x7f800000 | (rest & 0x3ff) << 13);
  float magnitude = rest < 0x400
                        ? ldexpf((float)rest, -24)
                        : from_bits((rest << 13) + ((127u - 15) << 23));
  return sign ? -magnitude : magnitude;
}

/* To nearest, ties to even. */
static uint32_t to_f16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  uint32_t sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
  if (rest > 0x7f800000)
    return 0x7fff;
  if (rest >= 0x477ff000) /* what would round to 2^16 */
    return sign | 0x7c00;
  if (rest < 0x38800000) /* subnormal: in units of 2^-24 */
    return sign | (uint32_t)rintf(ldexpf(from_bits(rest), 24));
  rest += 0xfff + (rest >> 13 & 1);
  return sign | ((rest - ((127u - 15) << 23)) >> 13);
}

static uint32_t to_bf16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return 0x7fff;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

static void put_float(void *out, float value) { memcpy(out, &value, 4); }
OPERATION(ex2_approx_ftz_f32) { put_float(out, exp2f(from_bits(u32(in, 0)))); }

/* The first operand becomes the upper half. */
OPERATION(ff2f16x2_rn) {
  put(out, to_f16(from_bits(u32(in, 0))) << 16 | to_f16(from_bits(u32(in, 1))));
}
OPERATION(ff2bf16x2_rn) {
  put(out,
      to_bf16(from_bits(u32(in, 0))) << 16 | to_bf16(from_bits(u32(in, 1))));
}

/*===--- Warps -----------------------------------------------------------===*/

static void shuffle(void *const *const in[WARP], void *const out[WARP]) {
  for (uint32_t lane = 0; lane < WARP; ++lane) {
    uint32_t other = lane ^ u32(in[lane], 2);
    put(out[lane], u32(in[other & (WARP - 1)], 1));
  }
}
OPERATION(shfl_sync_bfly_i32) { qm_emulate_together(shuffle, in, out); }

static void pick(void *const *const in[WARP], void *const out[WARP]) {
  for (uint32_t lane = 0; lane < WARP; ++lane)
    put(out[lane], u32(in[u32(in[lane], 2) & (WARP - 1)], 1));
}
OPERATION(shfl_sync_idx_i32) { qm_emulate_together(pick, in, out); }

/* Operands 0 to 3 are the first matrix, 16 rows; 4 and 5 the second, 8 columns;
 * 6 to 9 what is added. In each, lane 4 g + t holds rows g and g + 8 (columns
 * g), and of K what stands at t. */
static void mma_integers(void *const *const in[WARP], void *const out[WARP]) {
  for (int row = 0; row < 16; ++row)
    for (int column = 0; column < 8; ++column) {
      int lane = row % 8 * 4 + column / 2, place = row / 8 * 2 + column % 2;
      uint32_t sum = u32(in[lane], 6 + place);
      for (int k = 0; k < 32; ++k) {
        int t = k % 16 / 4, half = k / 16, shift = k % 4 * 8;
        uint32_t a = u32(in[row % 8 * 4 + t], 2 * half + row / 8);
        uint32_t b = u32(in[column * 4 + t], 4 + half);
        sum += (uint32_t)((int32_t)(a >> shift & 255) *
                          (int8_t)(b >> shift & 255));
      }
      memcpy((char *)out[lane] + 4 * place, &sum, 4);
    }
}
OPERATION(mma_m16n8k32_row_col_u8_s8) {
  qm_emulate_together(mma_integers, in, out);
}

/* The same with 16 values of K: operands 0 and 1, 2, and 3 to 6. */
static void mma_short_integers(void *const *const in[WARP],
                               void *const out[WARP]) {
  for (int row = 0; row < 16; ++row)
    for (int column = 0; column < 8; ++column) {
      int lane = row % 8 * 4 + column / 2, place = row / 8 * 2 + column % 2;
      uint32_t sum = u32(in[lane], 3 + place);
      for (int k = 0; k < 16; ++k) {
        int t = k / 4, shift = k % 4 * 8;
        uint32_t a = u32(in[row % 8 * 4 + t], row / 8);
        uint32_t b = u32(in[column * 4 + t], 2);
        sum += (uint32_t)((int32_t)(a >> shift & 255) *
                          (int8_t)(b >> shift & 255));
      }
      memcpy((char *)out[lane] + 4 * place, &sum, 4);
    }
}
OPERATION(mma_m16n8k16_row_col_u8_s8) {
  qm_emulate_together(mma_short_integers, in, out);
}

static float from_bf16(uint32_t half) { return from_bits(half << 16); }

static void mma_floats(void *const *const in[WARP], void *const out[WARP],
                       float (*number)(uint32_t)) {
  for (int row = 0; row < 16; ++row)
    for (int column = 0; column < 8; ++column) {
      int lane = row % 8 * 4 + column / 2, place = row / 8 * 2 + column % 2;
      double sum = from_bits(u32(in[lane], 6 + place));
      for (int k = 0; k < 16; ++k) {
        int t = k % 8 / 2, half = k / 8, shift = k % 2 * 16;
        uint32_t a = u32(in[row % 8 * 4 + t], 2 * half + row / 8);
        uint32_t b = u32(in[column * 4 + t], 4 + half);
        sum += (double)number(a >> shift & 0xffff) *
               (double)number(b >> shift & 0xffff);
      }
      float rounded = (float)sum;
      memcpy((char *)out[lane] + 4 * place, &rounded, 4);
    }
}
static void mma_f16(void *const *const in[WARP], void *const out[WARP]) {
  mma_floats(in, out, from_f16);
}
static void mma_bf16(void *const *const in[WARP], void *const out[WARP]) {
  mma_floats(in, out, from_bf16);
}
OPERATION(mma_m16n8k16_row_col_f32_f32) {
  qm_emulate_together(mma_f16, in, out);
}
OPERATION(mma_m16n8k16_row_col_bf16) { qm_emulate_together(mma_bf16, in, out); }

/* What two words add to a sum. */
static void add_integers(void *sum, uint32_t a, uint32_t b) {
  uint32_t total = *(uint32_t *)sum;
  for (int shift = 0; shift < 32; shift += 8)
    total +=
        (uint32_t)((int32_t)(a >> shift & 255) * (int8_t)(b >> shift & 255));
  *(uint32_t *)sum = total;
}
static void add_halves(void *sum, uint32_t a, uint32_t b,
                       float (*number)(uint32_t)) {
  for (int shift = 0; shift < 32; shift += 16)
    *(double *)sum += (double)number(a >> shift & 0xffff) *
                      (double)number(b >> shift & 0xffff);
}
static void add_f16(void *sum, uint32_t a, uint32_t b) {
  add_halves(sum, a, b, from_f16);
}
static void add_bf16(void *sum, uint32_t a, uint32_t b) {
  add_halves(sum, a, b, from_bf16);
}

/* An f16 whose upper half it is, or nearly. */
static float from_e5m2(uint32_t byte) { return from_f16(byte << 8); }
static float from_e4m3(uint32_t byte) {
  if ((byte & 127) == 127)
    return from_f16(0x7e00);
  return 256 * from_f16((byte & 128) << 8 | (byte & 127) << 7);
}
static void add_float8(void *sum, uint32_t a, uint32_t b,
                       float (*first)(uint32_t), float (*second)(uint32_t)) {
  for (int shift = 0; shift < 32; shift += 8)
    *(double *)sum +=
        (double)first(a >> shift & 255) * (double)second(b >> shift & 255);
}
#define FLOAT8_SUM(a, b)                                                       \
  static void add_##a##_##b(void *sum, uint32_t first, uint32_t second) {      \
    add_float8(sum, first, second, from_##a, from_##b);                        \
  }
FLOAT8_SUM(e4m3, e4m3)
FLOAT8_SUM(e4m3, e5m2)
FLOAT8_SUM(e5m2, e4m3)
FLOAT8_SUM(e5m2, e5m2)

/* m16n8k32 of 8-bit floats, as of integers. */
static void mma_float8(void *const *const in[WARP], void *const out[WARP],
                       void (*product)(void *, uint32_t, uint32_t)) {
  for (int row = 0; row < 16; ++row)
    for (int column = 0; column < 8; ++column) {
      int lane = row % 8 * 4 + column / 2, place = row / 8 * 2 + column % 2;
      double sum = from_bits(u32(in[lane], 6 + place));
      for (int i = 0; i < 8; ++i)
        product(&sum, u32(in[row % 8 * 4 + i % 4], i / 4 * 2 + row / 8),
                u32(in[column * 4 + i % 4], 4 + i / 4));
      float rounded = (float)sum;
      memcpy((char *)out[lane] + 4 * place, &rounded, 4);
    }
}

/*===--- Products of four warps ------------------------------------------===*/

/* A word of a column of the second operand: rows of 128, 64 or 32 bytes, whose
 * pieces of 16 are swizzled by the address of the line they are in. */
static uint32_t described(uint64_t descriptor, int column, int byte) {
  uint32_t mode = (uint32_t)(descriptor >> 62), rows_of_eight, address;
  uint32_t row = mode == 1 ? 128 : mode == 2 ? 64 : 32;
  rows_of_eight = (uint32_t)(descriptor >> 32 & 0x3fff) << 4;
  address = ((uint32_t)(descriptor & 0x3fff) << 4) +
            (uint32_t)(column / 8) * rows_of_eight +
            (uint32_t)(column % 8) * row + (uint32_t)byte;
  address ^= address >> 3 & (row - 16);
  address -= (uint32_t)(uintptr_t)qm_shared;
  uint32_t word;
  memcpy(&word, qm_shared + (address & 0x3ffff), 4);
  return word;
}

/* Each warp has 16 of the 64 rows, so that it can do its part by itself. It
 * does so at once, though a GPU may do it any time until the wait: what it
 * reads has to be the same then. */
enum { MOST_PRODUCTS = 64 };
static _Thread_local struct {
  struct {
    uint64_t descriptor;
    int columns;
    uint32_t hash;
  } products[MOST_PRODUCTS];
  int count, is_fenced;
} in_flight[32];

static uint32_t hash_of(uint64_t descriptor, int columns) {
  uint32_t hash = 2166136261u;
  for (int column = 0; column < columns; ++column)
    for (int byte = 0; byte < 32; byte += 4)
      hash = (hash ^ described(descriptor, column, byte)) * 16777619u;
  return hash;
}

static void start_product(uint64_t descriptor, int columns) {
  uint32_t warp = qm_emulated_place()->thread / WARP;
  int place = in_flight[warp].count++;
  if (!in_flight[warp].is_fenced)
    qm_emulate_stop("a product of four warps without a fence before it");
  if (place == MOST_PRODUCTS)
    qm_emulate_stop("too many products of four warps without a wait");
  in_flight[warp].products[place].descriptor = descriptor;
  in_flight[warp].products[place].columns = columns;
  in_flight[warp].products[place].hash = hash_of(descriptor, columns);
}

OPERATION(wgmma_fence_sync_aligned) {
  (void)in;
  (void)out;
  in_flight[qm_emulated_place()->thread / WARP].is_fenced = 1;
}
OPERATION(wgmma_commit_group_sync_aligned) {
  (void)in;
  (void)out;
}
/* For all of them: no kernel waits for some. */
OPERATION(wgmma_wait_group_sync_aligned) {
  (void)out;
  uint32_t warp = qm_emulated_place()->thread / WARP;
  if (u32(in, 0))
    qm_emulate_stop("a wait for some products of four warps");
  for (int i = 0; i < in_flight[warp].count; ++i) {
    uint64_t descriptor = in_flight[warp].products[i].descriptor;
    if (in_flight[warp].products[i].hash !=
        hash_of(descriptor, in_flight[warp].products[i].columns))
      qm_emulate_stop(
          "what a product of four warps may still read has changed");
  }
  in_flight[warp].count = in_flight[warp].is_fenced = 0;
}

/* Operands: columns; the first matrix, as of m16n8k32; where the second is; for
 * each eight columns what is added. `product` is that of two words. */
static void wgmma(void *const *const in[WARP], void *const out[WARP],
                  void (*product)(void *sum, uint32_t a, uint32_t b)) {
  int columns = (int)u32(in[0], 0);
  uint64_t descriptor;
  memcpy(&descriptor, in[0][5], 8);
  start_product(descriptor, columns);
  for (int column = 0; column < columns; ++column) {
    uint32_t second[8];
    for (int i = 0; i < 8; ++i)
      second[i] = described(descriptor, column, 4 * i);
    for (int row = 0; row < 16; ++row) {
      int lane = row % 8 * 4 + column % 8 / 2;
      int place = column / 8 * 4 + row / 8 * 2 + column % 2;
      double wide = 0;
      uint32_t exact = 0;
      void *sum = product == add_integers ? (void *)&exact : (void *)&wide;
      for (int i = 0; i < 8; ++i)
        product(sum, u32(in[row % 8 * 4 + i % 4], 1 + i / 4 * 2 + row / 8),
                second[i]);
      if (sum == &wide) {
        float rounded = (float)(wide + from_bits(u32(in[lane], 6 + place)));
        memcpy(&exact, &rounded, 4);
      } else {
        exact += u32(in[lane], 6 + place);
      }
      memcpy((char *)out[lane] + 4 * place, &exact, 4);
    }
  }
}
static void wgmma_integers(void *const *const in[WARP], void *const out[WARP]) {
  wgmma(in, out, add_integers);
}
static void wgmma_f16(void *const *const in[WARP], void *const out[WARP]) {
  wgmma(in, out, add_f16);
}
static void wgmma_bf16(void *const *const in[WARP], void *const out[WARP]) {
  wgmma(in, out, add_bf16);
}
OPERATION(wgmma_k32_s32_u8_s8) { qm_emulate_together(wgmma_integers, in, out); }
OPERATION(wgmma_k16_f32_f16_f16) { qm_emulate_together(wgmma_f16, in, out); }
OPERATION(wgmma_k16_f32_bf16_bf16) { qm_emulate_together(wgmma_bf16, in, out); }

/* Of a warp and of four, of any two types. */
#define FLOAT8(a, b)                                                           \
  static void mma_##a##_##b(void *const *const in[WARP],                       \
                            void *const out[WARP]) {                           \
    mma_float8(in, out, add_##a##_##b);                                        \
  }                                                                            \
  OPERATION(mma_m16n8k32_row_col_f32_##a##_##b##_f32) {                        \
    qm_emulate_together(mma_##a##_##b, in, out);                               \
  }                                                                            \
  static void wgmma_##a##_##b(void *const *const in[WARP],                     \
                              void *const out[WARP]) {                         \
    wgmma(in, out, add_##a##_##b);                                             \
  }                                                                            \
  OPERATION(wgmma_k32_f32_##a##_##b) {                                         \
    qm_emulate_together(wgmma_##a##_##b, in, out);                             \
  }
FLOAT8(e4m3, e4m3)
FLOAT8(e4m3, e5m2)
FLOAT8(e5m2, e4m3)
FLOAT8(e5m2, e5m2)
