// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_CODEGEN_KERNEL_PANELLAYOUT_H
#define QUANT_MLIR_CODEGEN_KERNEL_PANELLAYOUT_H

// Where the bits of a packed weight lie: the one description that the packer,
// the kernels and the tests share.
//
// A weight [N, K] is cut into panels of `panelRows = lanes * vectors` rows. A
// panel is a sequence of groups along K,
//
//   group:  codes of plane 0 | plane 1 | ... | scales | minimums
//
// and, when the whole row has one scale, one set of scales and minimums after
// the last group instead of one in each. Scales that several groups share, as
// the activation's groups are smaller than the weight's, stand in front of
// these groups, so that a panel is read from one end to the other. So do the
// factors of scales with factors (LaneForm::scaleBlock), which themselves are
// signed bytes in the groups.
//
// A dot product instruction multiplies, in each of its 32-bit lanes, four
// bytes. So four consecutive values of a row form a *word*, a register holds
// one word of each of `lanes` rows, and word j of a group needs the operand
// register j. Codes of 8 bits are stored like that. Narrower codes are cut into
// bit planes of 4, 2 and 1 bits: a stored register of a plane of p bits holds
// the plane's bits of 8/p consecutive words, word j at bit p * (j mod 8/p) of
// each byte, so that one shift and one mask make an operand. For 4-bit codes
// and lanes = 16:
//
//   byte:    0..3                4..7              ...  60..63
//   low  4:  row 0, k = 0..3     row 1, k = 0..3        row 15, k = 0..3
//   high 4:  row 0, k = 4..7     row 1, k = 4..7        row 15, k = 4..7
//
// A group may have too few words for a register of a narrow plane: 16 values
// are four, and a register of a plane of 1 bit has room for eight. Then the
// registers of the panel's rows share it, the second one's words behind the
// first one's.
//
// Rows follow each other in order, whatever a register holds: registers of 16
// lanes, two side by side, are registers of 8 lanes, four side by side. So code
// for narrow registers can read what was packed for wide ones.
//
// Floats need no words: a group is [K][panelRows], followed by scales like
// codes if the floats have some. For dot products of bf16, which multiply
// pairs, it is [K / 2][panelRows][2] (depth = 2).

#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Runtime/quant_runtime.h"

namespace quantmlir::kernel {

/// The geometry of a packed weight. All sizes in bytes unless said otherwise.
struct PanelLayout {
  /// `type` has rank 2, a static shape and the layout #qt.panels. `lanes`: of
  /// the registers to read with, if they are others; they divide the panel.
  explicit PanelLayout(qt::QuantTensorType type, int64_t lanes = 0);

  qt::QuantSchemeInterface scheme;
  qt::LaneForm form;
  int64_t n, k;
  int64_t lanes, vectors, depth;
  int64_t panelRows;
  int64_t numPanels;
  /// Values of K in a group, and the number of groups; their product is K
  /// padded.
  int64_t group, numGroups, paddedK;
  /// Widths of the bit planes, lowest bits first.
  llvm::SmallVector<unsigned, 3> planes;
  /// True if every group carries its scales, false if the panel does.
  bool groupScales;
  int32_t packedVectors; ///< registers side by side that it was packed for
  int64_t scaleBytes, minimumBytes; ///< of one panel's rows together
  int64_t factorBytes; ///< of what a block shares, of one panel's rows
  /// What scales are multiplied by as they are packed. f8E4M3FN numbers are
  /// decoded by moving their bits into an f16, which makes them 2^8 too small.
  float scaleFactor = 1;
  int64_t codeBytes; ///< codes of a group
  int64_t groupBytes, panelBytes, totalBytes;

  int64_t registerBytes() const { return lanes * 4; }
  int64_t wordsPerGroup() const { return group / 4; }
  /// Words that share a stored register of a plane.
  static int64_t wordsPerRegister(unsigned planeBits) { return 8 / planeBits; }
  /// Stored registers of a plane in a group, for each of `vectors`.
  int64_t planeRegisters(unsigned planeBits) const {
    return llvm::divideCeil(wordsPerGroup(), wordsPerRegister(planeBits));
  }
  /// Rows of the panel that have a place of their own in a plane's registers;
  /// the others share it.
  int64_t planeRows(unsigned planeBits) const;
  int64_t planeBytes(unsigned planeBits) const {
    return planeRegisters(planeBits) * planeRows(planeBits) * 4;
  }
  /// Where plane `index` starts inside a group.
  int64_t planeOffset(unsigned index) const;
  /// The lowest bit of the code that plane `index` holds.
  unsigned planeShift(unsigned index) const;
  /// Byte offset of the scales inside a group, or inside a panel.
  int64_t scaleOffset() const {
    return groupScales ? codeBytes : numGroups * groupBytes;
  }
  int64_t minimumOffset() const { return scaleOffset() + scaleBytes; }
  /// Values of K whose groups share what stands in front of them: scales, or
  /// factors of scales. 0 if nothing does.
  int64_t scaleBlock() const {
    bool shared = !planes.empty() && form.group < k && form.group > group;
    return form.scaleBlock ? form.scaleBlock : shared ? form.group : 0;
  }
  /// Groups of a block; all without blocks.
  int64_t blockGroups() const {
    return scaleBlock() ? scaleBlock() / group : numGroups;
  }
  /// Bytes from a block of groups to the next. Its factors come first.
  int64_t blockBytes() const {
    return blockGroups() * groupBytes + factorBytes;
  }

  /// Byte and bit, from the start of the weight, of a code's bits in a plane.
  struct Position {
    int64_t byte;
    unsigned shift;
  };
  Position position(int64_t row, int64_t col, unsigned plane) const;

  /// The same for the runtime, which packs.
  qm_panels forRuntime() const;
  /// Packs rows `panel * panelRows` and on, of which `rows` holds those that
  /// exist, into `target` (panelBytes long).
  void packPanel(int64_t panel, const qt::UnpackedRows &rows,
                 llvm::MutableArrayRef<uint8_t> target) const;
};

} // namespace quantmlir::kernel

#endif // QUANT_MLIR_CODEGEN_KERNEL_PANELLAYOUT_H
