// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// llama.cpp's kernels as a worker of kernels.py: variants are the names of ggml
// types. The weight goes into the buffer of repacked weights if that takes the
// type, as llama.cpp does when it loads a model.

#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml.h"
#include "protocol.h"
#include <map>

namespace {

class Ggml {
public:
  explicit Ggml(int64_t threads) : backend(ggml_backend_cpu_init()) {
    ggml_backend_cpu_set_n_threads(backend, int(threads));
  }

  static std::string version() { return ggml_version(); }

  std::string prepare(const Request &request) {
    std::string variant = request.text("variant");
    ggml_type type = typeNamed(variant);
    if (type == GGML_TYPE_COUNT)
      return failure("no such type");
    auto k = int64_t(request.number("K")), n = int64_t(request.number("N"));
    size_t bytes = ggml_row_size(type, k) * n;
    int64_t copies = copiesFor(double(bytes), request.number("cold_mb"));
    for (ggml_backend_buffer_type_t where :
         {repackBuffer(), ggml_backend_cpu_buffer_type()}) {
      Weight weight = allocate(type, k, n, copies, where);
      // A type that is not repacked is left without its traits.
      if (!weight.buffer || (where != ggml_backend_cpu_buffer_type() &&
                             !weight.tensors[0]->extra)) {
        free(weight);
        continue;
      }
      fill(weight, type, bytes);
      weights[variant] = weight;
      return prepared(double(bytes), copies);
    }
    return failure("no memory");
  }

  std::string run(const Request &request) {
    auto found = weights.find(request.text("variant"));
    if (found == weights.end())
      return failure("not prepared");
    const Weight &weight = found->second;
    auto rows = int64_t(request.number("M"));
    int64_t copies = rows > 32 ? 1 : int64_t(weight.tensors.size());
    ggml_context *context = ggml_init(
        {ggml_tensor_overhead() * (copies + 8) + ggml_graph_overhead(), nullptr,
         true});
    ggml_tensor *x = ggml_new_tensor_2d(context, GGML_TYPE_F32, weight.k, rows);
    ggml_cgraph *graph = ggml_new_graph(context);
    for (int64_t i = 0; i < copies; ++i)
      ggml_build_forward_expand(graph,
                                ggml_mul_mat(context, weight.tensors[i], x));
    ggml_backend_buffer_t buffer =
        ggml_backend_alloc_ctx_tensors(context, backend);
    std::vector<float> values = normalNumbers(weight.k * rows);
    ggml_backend_tensor_set(x, values.data(), 0, values.size() * 4);
    std::string answer =
        timed([&] { ggml_backend_graph_compute(backend, graph); }, copies,
              request.number("seconds"));
    ggml_backend_buffer_free(buffer);
    ggml_free(context);
    return answer;
  }

  void release() {
    for (auto &[name, weight] : weights)
      free(weight);
    weights.clear();
  }

private:
  struct Weight {
    ggml_context *context;
    ggml_backend_buffer_t buffer;
    std::vector<ggml_tensor *> tensors;
    int64_t k;
  };

  static ggml_type typeNamed(const std::string &name) {
    for (int i = 0; i < GGML_TYPE_COUNT; ++i)
      if (const char *known = ggml_type_name(ggml_type(i));
          known && name == known)
        return ggml_type(i);
    return GGML_TYPE_COUNT;
  }

  ggml_backend_buffer_type_t repackBuffer() {
    ggml_backend_dev_t device = ggml_backend_get_device(backend);
    auto list = reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(
        ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device),
                                          "ggml_backend_dev_get_extra_bufts"));
    for (auto *each = list ? list(device) : nullptr; each && *each; ++each)
      if (std::string(ggml_backend_buft_name(*each)) == "CPU_REPACK")
        return *each;
    return ggml_backend_cpu_buffer_type();
  }

  static Weight allocate(ggml_type type, int64_t k, int64_t n, int64_t copies,
                         ggml_backend_buffer_type_t where) {
    Weight weight = {};
    weight.k = k;
    weight.context =
        ggml_init({ggml_tensor_overhead() * (copies + 4), nullptr, true});
    for (int64_t i = 0; i < copies; ++i)
      weight.tensors.push_back(ggml_new_tensor_2d(weight.context, type, k, n));
    weight.buffer =
        ggml_backend_alloc_ctx_tensors_from_buft(weight.context, where);
    return weight;
  }

  static void free(Weight &weight) {
    if (weight.buffer)
      ggml_backend_buffer_free(weight.buffer);
    ggml_free(weight.context);
  }

  /// Some rows of numbers, over and over.
  static void fill(Weight &weight, ggml_type type, size_t bytes) {
    constexpr int64_t rows = 32;
    std::vector<float> values = normalNumbers(rows * weight.k, 0.02f);
    size_t block = ggml_row_size(type, weight.k) * rows;
    std::vector<char> data(std::max(bytes, block));
    std::vector<float> importance(weight.k, 1.0f); // some types insist on it
    if (type == GGML_TYPE_F32)
      std::memcpy(data.data(), values.data(), block);
    else
      ggml_quantize_chunk(type, values.data(), data.data(), 0, rows, weight.k,
                          importance.data());
    for (size_t at = block; at < bytes; at += block)
      std::memcpy(&data[at], data.data(), std::min(block, bytes - at));
    for (ggml_tensor *tensor : weight.tensors)
      ggml_backend_tensor_set(tensor, data.data(), 0, bytes);
  }

  ggml_backend_t backend;
  std::map<std::string, Weight> weights;
};

} // namespace

int main(int argc, char **argv) {
  int64_t threads = argc > 1 ? std::atoll(argv[1]) : 1;
  keepToCores(threads);
  Ggml ggml(threads);
  serve(ggml);
}
