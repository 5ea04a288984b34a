// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Target.h"
#include "quant-mlir/CodeGen/Kernel/PanelLayout.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace quantmlir;
using llvm::formatv;

static constexpr const char *title =
    "/* Kernels compiled by quant-mlir @version@ for @target@.\n *\n";

/// What both kinds of libraries say of weights.
static constexpr const char *packing = R"header( *
 * A weight is packed once, from codes [n][k] with scales and minimums
 * [n][groups]:
 *
 *     qm_pack_weight(&@name@_KERNEL_panels, codes, scales, minimums, weights);
 */

#ifndef QUANT_MLIR_KERNELS_@NAME@_H
#define QUANT_MLIR_KERNELS_@NAME@_H

#include "quant_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif
)header";

static constexpr const char *rules =
    R"header( *     cc program.c -IDIR DIR/@name@.a -lpthread
 *
 * Matrices are row-major and without gaps, of at most @rows@ rows. Pointers are
 * aligned as their types ask, weights and workspaces to 64 bytes; a workspace
 * belongs to one call at a time, and may be NULL if it has 0 bytes. Nothing is
 * allocated and nothing can fail, once @name@_target() has not returned NULL.
 *
 * `team` says which thread of how many this is; all of them call. NULL: one
 * thread alone. See qm_team in quant_runtime.h.
)header";

static constexpr const char *versions = R"header(
extern const qm_versions @name@_versions;

/* The target of the version that this CPU runs; NULL if it can run none:
 * qm_last_error() says why, and no kernel may be called. */
static inline const char *@name@_target(void) {
  int32_t version = qm_choose_version(&@name@_versions);
  return version < 0 ? 0 : @name@_versions.versions[version].target;
}
)header";

static constexpr const char *rulesOnGPU =
    R"header( *     cc program.c -IDIR DIR/@name@.a -lpthread -ldl
 *
 * Matrices are row-major and without gaps, of at most @rows@ rows. Pointers are to
 * the GPU's memory, aligned to 16 bytes, weights and workspaces to 256; a
 * workspace belongs to one call at a time, and may be NULL if it has 0 bytes.
 * `stream` is a CUstream (cudaStream_t), NULL the default one. A call returns
 * when its work is in the stream; if it could not be put there, with another
 * status than QM_OK, and qm_last_error() says why.
)header";

static constexpr const char *opener = R"header(
extern const qm_gpu @name@_gpu;

/* Loads the kernels into a device's primary context; see
 * qm_gpu_kernels_open in quant_runtime.h. */
static inline qm_status @name@_open(int32_t device, qm_gpu_kernels **kernels) {
  return qm_gpu_kernels_open(&@name@_gpu, "@name@", device, kernels);
}
)header";

static constexpr const char *closing = R"header(
#ifdef __cplusplus
}
#endif

#endif /* QUANT_MLIR_KERNELS_@NAME@_H */
)header";

static std::string dims(MemRefType type, StringRef dynamic) {
  std::string text;
  for (int64_t size : type.getShape())
    text +=
        "[" +
        (ShapedType::isDynamic(size) ? dynamic.str() : std::to_string(size)) +
        "]";
  return text;
}

/// What w[n][k] is made of.
static std::string describeWeight(const kernel::PanelLayout &layout) {
  std::string scheme;
  llvm::raw_string_ostream(scheme) << layout.scheme;
  const qt::LaneForm &form = layout.form;
  std::string text = "weights: " + scheme + ", w[n][k] = ";
  bool isFloat = form.kind == qt::LaneForm::Kind::Float;
  if (form.scaleType)
    text += "scale[n][k / " + std::to_string(form.group) + "] * ";
  if (isFloat)
    text += "number[n][k]";
  else if (!form.numbers.empty())
    text += "numbers[code[n][k]]";
  else if (form.offset)
    text += "(code[n][k] - " + std::to_string(form.offset) + ")";
  else
    text += "code[n][k]";
  if (form.hasMinimum)
    text += " + minimum[n][k / " + std::to_string(form.group) + "]";
  return text;
}

static std::string describeKernel(const ModelInfo &library,
                                  const FunctionInfo &function, Type weight) {
  bool onGPU = !library.gpu.target.empty();
  std::string name = library.name + "_" + function.name;
  std::string upper = StringRef(name).upper();
  std::string text = "\n/* ";
  SmallVector<std::string> lines;
  for (const FunctionValue &value : function.values) {
    auto type = dyn_cast<MemRefType>(value.type);
    if (!type || value.role == "weights" || value.role == "workspace" ||
        value.role == "unused")
      continue;
    std::string element;
    llvm::raw_string_ostream(element) << type.getElementType();
    lines.push_back(formatv(
        "{0}: {1}{2}", value.role == "output" ? "out" : value.name, element,
        dims(type, value.role == "cache" ? "positions" : "rows")));
    if (value.role == "cache")
      lines.push_back("positions: a multiple of 16, at least position + rows; "
                      "keys and values are appended");
  }
  if (auto type = dyn_cast_or_null<qt::QuantTensorType>(weight))
    lines.push_back(describeWeight(kernel::PanelLayout(type)));
  text += llvm::join(lines, "\n * ") + " */\n";
  text += formatv("#define {0}_WORKSPACE_BYTES {1}\n", upper,
                  function.workspaceBytes);
  if (auto type = dyn_cast_or_null<qt::QuantTensorType>(weight)) {
    kernel::PanelLayout layout(type);
    qm_panels panels = layout.forRuntime();
    text += formatv("#define {0}_WEIGHT_BYTES {1}\n", upper, layout.totalBytes);
    text += formatv(
        "static const qm_panels {0}_panels = {{\n"
        "    {1}, {2}, {3}, {4}, {5}, {6}, {7}, {8},\n"
        "    {9}, {10}, {11}, {12}, {13}, {14}, {15}, {16}, {17}f};\n",
        name, panels.n, panels.k, panels.lanes, panels.vectors, panels.group,
        panels.scale_group, panels.scale_block, panels.group_bytes,
        panels.panel_bytes, panels.scale_offset, panels.minimum_offset,
        panels.code_bits, panels.code_bytes, panels.depth, panels.scale_dtype,
        panels.minimum_dtype, formatv("{0:f1}", panels.scale_factor));
  }
  std::string result = onGPU ? "qm_status " : "void ";
  text += result + name + "(";
  std::string indent(result.size() + name.size() + 1, ' ');
  SmallVector<std::string> parameters;
  for (auto &[type, parameter, value] : kernelParameters(function, onGPU))
    parameters.push_back(type + (type.back() == '*' ? "" : " ") + parameter);
  size_t column = indent.size();
  for (auto [index, parameter] : llvm::enumerate(parameters)) {
    bool last = index + 1 == parameters.size();
    if (index && column + parameter.size() + 2 > 79) {
      text += "\n" + indent;
      column = indent.size();
    } else if (index) {
      text += " ";
    }
    text += parameter + (last ? ");\n" : ",");
    column += parameter.size() + 2;
  }
  return text;
}

std::string quantmlir::makeKernelHeader(const ModelInfo &library,
                                        const CompileOptions &options,
                                        const llvm::StringMap<Type> &weights) {
  bool onGPU = !library.gpu.target.empty();
  std::string text = title;
  text += onGPU ? rulesOnGPU : rules;
  text += packing;
  text += onGPU ? opener : versions;
  for (const FunctionInfo &function : library.functions)
    text += describeKernel(library, function, weights.lookup(function.name));
  text += closing;
  std::pair<StringRef, std::string> values[] = {
      {"@name@", library.name},
      {"@NAME@", StringRef(library.name).upper()},
      {"@version@", QUANT_MLIR_VERSION},
      {"@target@", options.target},
      {"@rows@", std::to_string(options.batch)}};
  for (auto &[key, value] : values)
    for (size_t at = text.find(key); at != std::string::npos;
         at = text.find(key, at + value.size()))
      text.replace(at, key.size(), value);
  return text;
}
