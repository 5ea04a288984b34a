/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

/* AMX for CPUs that have none, from when this is loaded: the instructions
 * are illegal there, so a signal handler does what they would, as the manual
 * describes them. Everything else stays illegal. */

#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

/* As LDTILECFG reads it. */
typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tile_config;

static __thread tile_config config;
static __thread uint8_t tiles[8][16][64];

/* How many products of tiles there were. */
uint64_t amx_products;

/* AX, CX, ... as instructions number them. */
static const int registers[] = {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

typedef struct {
  int map, prefix, opcode, reg, rm, vvvv, is_memory;
  uint8_t *address; /* of memory, without the index if that is a stride */
  int64_t index;    /* index << scale */
  const uint8_t *end;
} instruction;

static int decode(const uint8_t *code, const greg_t *values,
                  instruction *result) {
  if (code[0] != 0xc4)
    return 0;
  int r = !(code[1] & 0x80), x = !(code[1] & 0x40), b = !(code[1] & 0x20);
  result->map = code[1] & 31;
  result->prefix = code[2] & 3;
  result->vvvv = ~(code[2] >> 3) & 15;
  result->opcode = code[3];
  int modrm = code[4], mode = modrm >> 6;
  result->reg = (modrm >> 3 & 7) | r << 3;
  result->rm = (modrm & 7) | b << 3;
  result->is_memory = mode != 3;
  result->end = code + 5;
  if (mode == 3)
    return 1;
  int base = result->rm;
  int64_t address = 0;
  result->index = 0;
  if ((modrm & 7) == 4) {
    int sib = *result->end++;
    int index = (sib >> 3 & 7) | x << 3;
    base = (sib & 7) | b << 3;
    if (index != 4)
      result->index =
          (int64_t)((uint64_t)values[registers[index]] << (sib >> 6));
  }
  if (mode == 0 && (base & 7) == 5) {
    int32_t offset;
    memcpy(&offset, result->end, 4);
    result->end += 4;
    address = offset;
    if ((modrm & 7) == 5) /* relative to the next instruction */
      address += (int64_t)(intptr_t)result->end;
  } else {
    address = values[registers[base]];
    if (mode == 1) {
      address += (int8_t)*result->end++;
    } else if (mode == 2) {
      int32_t offset;
      memcpy(&offset, result->end, 4);
      result->end += 4;
      address += offset;
    }
  }
  result->address = (uint8_t *)(intptr_t)address;
  return 1;
}

static void multiply(int to, int left, int right, int left_signed,
                     int right_signed) {
  __atomic_fetch_add(&amx_products, 1, __ATOMIC_RELAXED);
  for (int m = 0; m < config.rows[to]; ++m)
    for (int k = 0; k < config.row_bytes[left] / 4; ++k)
      for (int n = 0; n < config.row_bytes[to] / 4; ++n) {
        int32_t sum;
        memcpy(&sum, tiles[to][m] + 4 * n, 4);
        for (int i = 0; i < 4; ++i) {
          uint8_t x = tiles[left][m][4 * k + i], w = tiles[right][k][4 * n + i];
          sum += (left_signed ? (int8_t)x : x) * (right_signed ? (int8_t)w : w);
        }
        memcpy(tiles[to][m] + 4 * n, &sum, 4);
      }
}

static float bf16(const uint8_t *bytes) {
  uint32_t bits = (uint32_t)bytes[1] << 24 | (uint32_t)bytes[0] << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

/* Even and odd products have sums of their own, which are added at the end. */
static void multiply_bf16(int to, int left, int right) {
  __atomic_fetch_add(&amx_products, 1, __ATOMIC_RELAXED);
  for (int m = 0; m < config.rows[to]; ++m)
    for (int n = 0; n < config.row_bytes[to] / 4; ++n) {
      float sums[2] = {0, 0}, sum;
      for (int k = 0; k < config.row_bytes[left] / 4; ++k)
        for (int i = 0; i < 2; ++i)
          sums[i] += bf16(tiles[left][m] + 4 * k + 2 * i) *
                     bf16(tiles[right][k] + 4 * n + 2 * i);
      memcpy(&sum, tiles[to][m] + 4 * n, 4);
      sum += sums[0] + sums[1];
      memcpy(tiles[to][m] + 4 * n, &sum, 4);
    }
}

/* 0 if the instruction is none of AMX, or must not be there. */
static int execute(const instruction *i) {
  enum { none, p66, pf3, pf2 };
  if (i->map != 2)
    return 0;
  if (i->opcode == 0x49 && i->prefix == none) {
    memset(tiles, 0, sizeof tiles);
    if (i->is_memory) /* LDTILECFG */
      memcpy(&config, i->address + i->index, sizeof config);
    else /* TILERELEASE */
      memset(&config, 0, sizeof config);
    return !i->is_memory || config.palette == 1;
  }
  int tile = i->reg;
  if (config.palette != 1 || tile > 7 || !config.rows[tile])
    return 0;
  if (i->opcode == 0x49 && i->prefix == pf2) { /* TILEZERO */
    memset(tiles[tile], 0, sizeof tiles[tile]);
    return 1;
  }
  if (i->opcode == 0x4b && i->prefix != none && i->is_memory) {
    if (i->prefix != pf3)
      memset(tiles[tile], 0, sizeof tiles[tile]);
    for (int row = 0; row < config.rows[tile]; ++row) {
      uint8_t *memory = i->address + row * i->index;
      if (i->prefix == pf3) /* TILESTORED */
        memcpy(memory, tiles[tile][row], config.row_bytes[tile]);
      else /* TILELOADD */
        memcpy(tiles[tile][row], memory, config.row_bytes[tile]);
    }
    return 1;
  }
  int is_bf16 = i->opcode == 0x5c && i->prefix == pf3;
  if ((i->opcode == 0x5e || is_bf16) && !i->is_memory && i->rm < 8 &&
      i->vvvv < 8) {
    int fits = config.rows[i->rm] == config.rows[tile] &&
               config.rows[i->vvvv] * 4 == config.row_bytes[i->rm] &&
               config.row_bytes[i->vvvv] == config.row_bytes[tile];
    if (fits && is_bf16) /* TDPBF16PS */
      multiply_bf16(tile, i->rm, i->vvvv);
    else if (fits) /* TDPBSSD, TDPBSUD, TDPBUSD, TDPBUUD */
      multiply(tile, i->rm, i->vvvv, i->prefix >= pf3,
               i->prefix == pf2 || i->prefix == p66);
    return fits;
  }
  return 0;
}

static struct sigaction before;

static void on_illegal(int signal_number, siginfo_t *info, void *context) {
  (void)info;
  greg_t *values = ((ucontext_t *)context)->uc_mcontext.gregs;
  instruction decoded = {0};
  if (decode((const uint8_t *)values[REG_RIP], values, &decoded) &&
      execute(&decoded)) {
    values[REG_RIP] = (greg_t)decoded.end;
    return;
  }
  sigaction(signal_number, &before, NULL); /* and again */
}

__attribute__((constructor)) static void install(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_illegal;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGILL, &action, &before);
}
