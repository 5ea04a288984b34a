// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Target.h"
#include "quant-mlir/CodeGen/Kernel/PanelLayout.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace quantmlir;
namespace json = llvm::json;

template <typename T> static std::string textOf(T value) {
  std::string text;
  llvm::raw_string_ostream(text) << value;
  return text;
}

/// {name, role}, and of buffers {dtype, shape}, whose dynamic dimension is
/// null.
static json::Array describeParameters(const FunctionInfo &function,
                                      bool onGPU) {
  json::Array described;
  for (const KernelParameter &parameter : kernelParameters(function, onGPU)) {
    json::Object entry{{"name", parameter.name}};
    auto type = parameter.value ? dyn_cast<MemRefType>(parameter.value->type)
                                : MemRefType();
    if (type) {
      json::Array shape;
      for (int64_t size : type.getShape())
        shape.push_back(ShapedType::isDynamic(size) ? json::Value(nullptr)
                                                    : json::Value(size));
      entry["role"] = parameter.value->role;
      entry["dtype"] = textOf(type.getElementType());
      entry["shape"] = std::move(shape);
    } else {
      bool isNumber = parameter.type == "int64_t";
      entry["role"] = isNumber ? std::string("number") : parameter.name;
    }
    described.push_back(std::move(entry));
  }
  return described;
}

/// The members of a qm_panels.
static json::Object describePanels(const kernel::PanelLayout &layout) {
  qm_panels panels = layout.forRuntime();
  return json::Object{{"n", panels.n},
                      {"k", panels.k},
                      {"lanes", panels.lanes},
                      {"vectors", panels.vectors},
                      {"group", panels.group},
                      {"scale_group", panels.scale_group},
                      {"scale_block", panels.scale_block},
                      {"group_bytes", panels.group_bytes},
                      {"panel_bytes", panels.panel_bytes},
                      {"scale_offset", panels.scale_offset},
                      {"minimum_offset", panels.minimum_offset},
                      {"code_bits", panels.code_bits},
                      {"code_bytes", panels.code_bytes},
                      {"depth", panels.depth},
                      {"scale_dtype", panels.scale_dtype},
                      {"minimum_dtype", panels.minimum_dtype},
                      {"scale_factor", panels.scale_factor}};
}

json::Object quantmlir::describeKernels(const ModelInfo &library,
                                        const llvm::StringMap<Type> &weights) {
  bool onGPU = !library.gpu.target.empty();
  json::Object kernels;
  for (const FunctionInfo &function : library.functions) {
    json::Object kernel{{"workspace_bytes", function.workspaceBytes},
                        {"parameters", describeParameters(function, onGPU)}};
    if (auto type = dyn_cast_or_null<qt::QuantTensorType>(
            weights.lookup(function.name))) {
      kernel::PanelLayout layout(type);
      kernel["weight"] = json::Object{{"n", layout.n},
                                      {"k", layout.k},
                                      {"scheme", textOf(type.getScheme())},
                                      {"bytes", layout.totalBytes},
                                      {"panels", describePanels(layout)}};
    }
    kernels[function.name] = std::move(kernel);
  }
  return json::Object{{"kernels", std::move(kernels)}};
}

llvm::Error quantmlir::writeKernelManifest(const CompileOptions &options,
                                           json::Object manifest) {
  manifest["name"] = options.name;
  manifest["target"] = options.target;
  manifest["rows"] = options.batch;
  std::string text;
  llvm::raw_string_ostream(text)
      << llvm::formatv("{0:2}\n", json::Value(std::move(manifest)));
  llvm::SmallString<256> path(options.folder);
  llvm::sys::path::append(path, options.name + ".json");
  return writeFile(path, text);
}
