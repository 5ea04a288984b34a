/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

/* Numbers of a weight into the panels that kernels read: see PanelLayout.h for
 * a picture. The compiler packs with this, too. */

#include "Internal.h"

#include <string.h>

static uint16_t f16_of(float value) {
  uint32_t bits, sign;
  memcpy(&bits, &value, 4);
  sign = bits >> 16 & 0x8000;
  bits &= 0x7fffffff;
  if (bits > 0x7f800000)
    return (uint16_t)(sign | 0x7e00 | (bits >> 13 & 0x1ff)); /* NaN */
  if (bits >= 0x47800000)
    return (uint16_t)(sign | 0x7c00);
  if (bits < 0x38800000) { /* subnormal: in units of 2^-24 */
    float magnitude;
    memcpy(&magnitude, &bits, 4);
    magnitude += 0.5f; /* 2^-1 has its last bit at 2^-24: rounds to even */
    memcpy(&bits, &magnitude, 4);
    return (uint16_t)(sign | (bits - 0x3f000000));
  }
  bits += 0xfff + (bits >> 13 & 1); /* to nearest, ties to even */
  return (uint16_t)(sign | (bits - 0x38000000) >> 13);
}

static uint16_t bf16_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static void store_number(uint8_t *target, float value, uint32_t dtype) {
  uint16_t half;
  if (dtype == QM_F32) {
    memcpy(target, &value, 4);
    return;
  }
  half = dtype == QM_F16 ? f16_of(value) : bf16_of(value);
  memcpy(target, &half, 2);
}

static int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
static int64_t width_of(uint32_t dtype) { return dtype == QM_F32 ? 4 : 2; }

/* Rows of a panel that have a place of their own in a plane's registers; where
 * a group has too few words to fill those, the others share it. */
static int64_t plane_rows(const qm_panels *layout, unsigned width) {
  int64_t fit = 8 / width / (layout->group / 4), sharing = 1;
  while (sharing * 2 <= fit && sharing * 2 <= layout->vectors)
    sharing *= 2;
  return layout->lanes * layout->vectors / sharing;
}

/* The codes of a group of one row; the group's codes start at `group`. */
static void pack_codes(const qm_panels *layout, const uint8_t *codes,
                       int64_t count, int64_t row, uint8_t *group) {
  int64_t words = layout->group / 4;
  unsigned shift = 0;
  /* Planes of 8, 4, 2 and 1 bits, lowest bits first. */
  for (unsigned width = 8; width; width /= 2) {
    if (!(layout->code_bits & width))
      continue;
    int64_t per_register = 8 / width, rows = plane_rows(layout, width);
    unsigned mask = (1u << width) - 1;
    for (int64_t k = 0; k < count; ++k) {
      int64_t word = k / 4;
      uint8_t *byte =
          group + (word / per_register * rows + row % rows) * 4 + k % 4;
      int64_t place = word % per_register + row / rows * words;
      *byte |= (uint8_t)((codes[k] >> shift & mask) << place * width);
    }
    shift += width;
    group += divide_up(words, per_register) * rows * 4;
  }
}

/* Numbers of a row of scales: see qm_pack_weight. */
static int64_t scale_columns(const qm_panels *layout) {
  return divide_up(layout->k, layout->scale_group) +
         (layout->scale_block ? layout->k / layout->scale_block : 0);
}

/* A scale or a minimum in row `row` of a group. */
static void store_scale(const qm_panels *layout, uint8_t *group, int64_t row,
                        float value, uint32_t dtype) {
  if (layout->scale_block)
    group[row] = (uint8_t)(int8_t)value;
  else
    store_number(group + row * width_of(dtype), value, dtype);
}

/* Values of a row in a block, whose groups share the scales, or factors of
 * scales, in front of them; 0 if there are no blocks. */
static int64_t block_values(const qm_panels *layout) {
  if (layout->scale_block)
    return layout->scale_block;
  if (layout->code_bits && layout->scale_group > layout->group &&
      layout->scale_group < layout->k)
    return layout->scale_group;
  return 0;
}

/* Bytes of what a block's groups share. */
static int64_t factor_bytes(const qm_panels *layout) {
  int64_t rows = layout->lanes * layout->vectors;
  if (!block_values(layout))
    return 0;
  return rows *
         (width_of(layout->scale_dtype) +
          (layout->minimum_offset ? width_of(layout->minimum_dtype) : 0));
}

/* Where group `g` of a panel starts: factors stand in front of their block. */
static int64_t group_at(const qm_panels *layout, int64_t g) {
  int64_t at = g * layout->group_bytes;
  if (block_values(layout))
    at += (g * layout->group / block_values(layout) + 1) * factor_bytes(layout);
  return at;
}

/* The scales and minimums, or their factors, that groups share. */
static void pack_factors(const qm_panels *layout, const float *scales,
                         const float *minimums, int64_t count, uint8_t *panel) {
  int64_t rows = layout->lanes * layout->vectors;
  int64_t columns = scale_columns(layout);
  int64_t width = width_of(layout->scale_dtype);
  /* Integers come first. */
  int64_t groups =
      layout->scale_block ? divide_up(layout->k, layout->scale_group) : 0;
  for (int64_t i = 0; i < columns - groups; ++i) {
    int64_t first = i * (block_values(layout) / layout->group);
    uint8_t *block = panel + group_at(layout, first) - factor_bytes(layout);
    for (int64_t row = 0; row < count; ++row) {
      int64_t at = row * columns + groups + i;
      store_number(block + row * width, scales[at], layout->scale_dtype);
      if (minimums)
        store_number(block + rows * width +
                         row * width_of(layout->minimum_dtype),
                     minimums[at], layout->minimum_dtype);
    }
  }
}

void qm_pack_panel(const qm_panels *layout, const void *codes,
                   const float *scales, const float *minimums, int64_t count,
                   void *packed) {
  int64_t rows = layout->lanes * layout->vectors, k = layout->k;
  int64_t groups = divide_up(k, layout->group);
  int64_t columns = scale_columns(layout);
  int64_t width = layout->code_bytes;
  uint8_t *panel = packed;
  memset(panel, 0, layout->panel_bytes);
  for (int64_t g = 0; g < groups; ++g) {
    uint8_t *group = panel + group_at(layout, g);
    int64_t first = g * layout->group;
    int64_t length = k - first < layout->group ? k - first : layout->group;
    for (int64_t row = 0; row < count; ++row) {
      const uint8_t *from = (const uint8_t *)codes + (row * k + first) * width;
      if (layout->code_bits) {
        pack_codes(layout, from, length, row, group);
        continue;
      }
      for (int64_t i = 0; i < length; ++i) {
        int64_t depth = layout->depth;
        int64_t to = (i / depth * rows + row) * depth + i % depth;
        memcpy(group + to * width, from + i * width, width);
      }
    }
  }
  if (!scales)
    return;
  if (block_values(layout))
    pack_factors(layout, scales, minimums, count, panel);
  if (block_values(layout) && !layout->scale_block)
    return;
  /* Scales of its own in each group, or behind all of them. */
  int per_group = layout->scale_group < k || layout->scale_block;
  for (int64_t g = 0; g < (per_group ? groups : 1); ++g) {
    uint8_t *base = panel + (per_group ? group_at(layout, g) : 0);
    /* Several groups may share a scale. */
    int64_t from = g * layout->group / layout->scale_group;
    for (int64_t row = 0; row < count; ++row) {
      int64_t at = row * columns + from;
      store_scale(layout, base + layout->scale_offset, row,
                  scales[at] * layout->scale_factor, layout->scale_dtype);
      if (minimums)
        store_scale(layout, base + layout->minimum_offset, row, minimums[at],
                    layout->minimum_dtype);
    }
  }
}

qm_status qm_pack_weight(const qm_panels *layout, const void *codes,
                         const float *scales, const float *minimums,
                         void *packed) {
  if (!codes || !packed)
    return qmi_fail(QM_INVALID, "no %s to pack", codes ? "memory" : "numbers");
  if (!scales != !layout->scale_offset)
    return qmi_fail(QM_INVALID, "the format has %sscales",
                    layout->scale_offset ? "" : "no ");
  if (!minimums != !layout->minimum_offset)
    return qmi_fail(QM_INVALID, "the format has %sminimums",
                    layout->minimum_offset ? "" : "no ");
  int64_t rows = layout->lanes * layout->vectors;
  int64_t columns = scale_columns(layout);
  for (int64_t first = 0; first < layout->n; first += rows) {
    int64_t left = layout->n - first;
    qm_pack_panel(
        layout, (const uint8_t *)codes + first * layout->k * layout->code_bytes,
        scales ? scales + first * columns : NULL,
        minimums ? minimums + first * columns : NULL, left < rows ? left : rows,
        (uint8_t *)packed + first / rows * layout->panel_bytes);
  }
  return QM_OK;
}
