// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// oneDNN's matmul as a worker of kernels.py, weights in the layout that it
// chooses itself. Variants: u8s8 (int8 activations given, f32 results with a
// scale for each column), bf16, f32.

#include "protocol.h"
#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <oneapi/tbb/global_control.h>
#include <unordered_map>

namespace {

using dnnl::memory;
using Type = memory::data_type;
using Tag = memory::format_tag;

class OneDNN {
public:
  OneDNN() : engine(dnnl::engine::kind::cpu, 0), stream(engine) {}

  static std::string version() {
    const dnnl_version_t *found = dnnl_version();
    return std::to_string(found->major) + "." + std::to_string(found->minor) +
           "." + std::to_string(found->patch);
  }

  std::string prepare(const Request &request) {
    std::string variant = request.text("variant");
    Weight weight;
    weight.k = int64_t(request.number("K"));
    weight.n = int64_t(request.number("N"));
    weight.input = variant == "u8s8"   ? Type::u8
                   : variant == "bf16" ? Type::bf16
                                       : Type::f32;
    weight.type = variant == "u8s8" ? Type::s8 : weight.input;
    // A layout for a middling number of rows, as when weights are packed once.
    weight.layout = describe(weight, 32, /*any=*/true).weights_desc();
    auto bytes = double(weight.layout.get_size());
    int64_t copies = copiesFor(bytes, request.number("cold_mb"));
    for (int64_t i = 0; i < copies; ++i)
      fill(weight.memories.emplace_back(weight.layout, engine));
    weights[variant] = std::move(weight);
    return prepared(bytes, copies);
  }

  std::string run(const Request &request) {
    auto found = weights.find(request.text("variant"));
    if (found == weights.end())
      return failure("not prepared");
    Weight &weight = found->second;
    auto rows = int64_t(request.number("M"));
    int64_t copies = rows > 32 ? 1 : int64_t(weight.memories.size());
    auto described = describe(weight, rows, /*any=*/false);
    dnnl::matmul matmul(described);
    memory x(described.src_desc(), engine), out(described.dst_desc(), engine);
    memory scales({{weight.n}, Type::f32, Tag::a}, engine);
    memory inputScale({{1}, Type::f32, Tag::a}, engine);
    for (memory *each : {&x, &scales, &inputScale})
      fill(*each);
    std::unordered_map<int, memory> arguments = {{DNNL_ARG_SRC, x},
                                                 {DNNL_ARG_DST, out}};
    if (weight.type == Type::s8) {
      arguments[DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS] = scales;
      arguments[DNNL_ARG_ATTR_SCALES | DNNL_ARG_SRC] = inputScale;
    }
    auto once = [&] {
      for (int64_t i = 0; i < copies; ++i) {
        arguments[DNNL_ARG_WEIGHTS] = weight.memories[i];
        matmul.execute(stream, arguments);
      }
      stream.wait();
    };
    return timed(once, copies, request.number("seconds"));
  }

  void release() { weights.clear(); }

private:
  struct Weight {
    int64_t k, n;
    Type input, type;
    memory::desc layout;
    std::vector<memory> memories;
  };

  dnnl::matmul::primitive_desc describe(const Weight &weight, int64_t rows,
                                        bool any) {
    dnnl::primitive_attr attributes;
    if (weight.type == Type::s8) {
      attributes.set_scales_mask(DNNL_ARG_WEIGHTS, 1 << 1);
      attributes.set_scales_mask(DNNL_ARG_SRC, 0);
    }
    memory::desc x({rows, weight.k}, weight.input, Tag::ab);
    memory::desc out({rows, weight.n}, Type::f32, Tag::ab);
    memory::desc w =
        any ? memory::desc({weight.k, weight.n}, weight.type, Tag::any)
            : weight.layout;
    return {engine, x, w, out, attributes};
  }

  /// Numbers that are none of them special.
  static void fill(memory &target) {
    memory::desc desc = target.get_desc();
    auto *bytes = static_cast<uint8_t *>(target.get_data_handle());
    std::mt19937 random(1);
    size_t size = desc.get_size();
    if (desc.get_data_type() == Type::f32) {
      std::vector<float> values = normalNumbers(size / 4);
      std::memcpy(bytes, values.data(), size);
      return;
    }
    for (size_t i = 0; i < size; ++i)
      bytes[i] = uint8_t(random() & 0x3f);
  }

  dnnl::engine engine;
  dnnl::stream stream;
  std::map<std::string, Weight> weights;
};

} // namespace

int main(int argc, char **argv) {
  int64_t threads = argc > 1 ? std::atoll(argv[1]) : 1;
  keepToCores(threads);
  oneapi::tbb::global_control limit(
      oneapi::tbb::global_control::max_allowed_parallelism, threads);
  OneDNN peer;
  serve(peer);
}
