// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "FakeModel.h"

#include <cstdlib>
#include <cstring>
#include <unistd.h>

namespace {

// What generated code sees of a tensor.
template <typename T, int Rank> struct MemRef {
  T *allocated, *aligned;
  int64_t offset, sizes[Rank], strides[Rank];

  void describe(T *data, std::initializer_list<int64_t> dims) {
    allocated = aligned = data;
    offset = 0;
    int i = 0;
    for (int64_t dim : dims)
      sizes[i++] = dim;
    int64_t stride = 1;
    for (i = Rank; i-- > 0; stride *= sizes[i])
      strides[i] = stride;
  }
};

template <typename T> T &as(void *argument) {
  return *static_cast<T *>(argument);
}

//===----------------------------------------------------------------------===//
// The language model
//===----------------------------------------------------------------------===//

void forward(void **args) {
  auto &tokens = as<MemRef<int32_t, 1>>(args[0]);
  int64_t position = as<int64_t>(args[1]), outputs = as<int64_t>(args[2]);
  auto &cache = as<MemRef<float, 5>>(args[3]);
  auto &weights = as<MemRef<char, 1>>(args[4]);
  auto &workspace = as<MemRef<char, 1>>(args[5]);
  int64_t id = as<int64_t>(args[6]), threads = as<int64_t>(args[7]);
  void *barrier = args[8];
  auto &result = as<MemRef<float, 2>>(args[9]);

  int64_t n = tokens.sizes[0];
  auto *weight = reinterpret_cast<const float *>(weights.aligned);
  auto *sums = reinterpret_cast<float *>(workspace.aligned);
  auto *logits = sums + fake::batch;
  // Each thread stores some tokens ...
  for (int64_t i = id; i < n; i += threads)
    cache.aligned[cache.strides[3] * (position + i)] = float(tokens.aligned[i]);
  qm_barrier(barrier, threads);
  // ... each sum is made by the thread that did not store its last token ...
  for (int64_t i = threads - 1 - id; i < n; i += threads) {
    sums[i] = 0;
    for (int64_t j = 0; j <= position + i; ++j)
      sums[i] += cache.aligned[cache.strides[3] * j];
  }
  qm_barrier(barrier, threads);
  // ... and logits are split by the vocabulary.
  for (int64_t v = id; v < fake::vocab; v += threads)
    for (int64_t o = 0; o < outputs; ++o) {
      int64_t i = n - outputs + o;
      logits[o * fake::vocab + v] = weight[v] * sums[i] + float(position + i);
    }
  result.describe(logits, {outputs, fake::vocab});
}

const int64_t tokensDims[] = {-1}, cacheDims[] = {1, 2, 1, -1, 1};
const int64_t bytesDims[] = {-1}, logitsDims[] = {-1, fake::vocab};
const qm_arg forwardArgs[] = {
    {QM_ARG_INPUT, QM_I32, 1, tokensDims, "tokens"},
    {QM_ARG_INPUT, QM_INDEX, 0, nullptr, "position"},
    {QM_ARG_INPUT, QM_INDEX, 0, nullptr, "outputs"},
    {QM_ARG_CACHE, QM_F32, 5, cacheDims, "cache"},
    {QM_ARG_WEIGHTS, QM_I8, 1, bytesDims, "weights"},
    {QM_ARG_WORKSPACE, QM_I8, 1, bytesDims, "workspace"},
    {QM_ARG_THREAD_ID, QM_INDEX, 0, nullptr, "thread"},
    {QM_ARG_THREAD_COUNT, QM_INDEX, 0, nullptr, "threads"},
    {QM_ARG_BARRIER, QM_INDEX, 0, nullptr, "barrier"},
    {QM_ARG_RESULT, QM_F32, 2, logitsDims, "logits"},
};
const qm_function languageFunctions[] = {
    {"forward", forward, 10, forwardArgs,
     (fake::batch + fake::batch * fake::vocab) * sizeof(float)}};

// 8 + 56 = 64: the data is aligned.
const char weightsHeader[] =
    "{\"w\":{\"dtype\":\"F32\",\"shape\":[5],\"data_offsets\":[0,20]}} ";
static_assert(sizeof weightsHeader - 1 == 56,
              "not a multiple of 64 with the length");

uint64_t hashOf(const char *text) {
  uint64_t hash = 14695981039346656037u;
  for (; *text; ++text)
    hash = (hash ^ static_cast<unsigned char>(*text)) * 1099511628211u;
  return hash;
}

//===----------------------------------------------------------------------===//
// The graph
//===----------------------------------------------------------------------===//

void outer(void **args) {
  auto &x = as<MemRef<float, 1>>(args[0]), &y = as<MemRef<float, 1>>(args[1]);
  auto &workspace = as<MemRef<char, 1>>(args[2]);
  int64_t id = as<int64_t>(args[3]), threads = as<int64_t>(args[4]);
  auto *product = reinterpret_cast<float *>(workspace.aligned);
  for (int64_t i = id; i < x.sizes[0]; i += threads)
    for (int64_t j = 0; j < 3; ++j)
      product[3 * i + j] = x.aligned[i] * y.aligned[j];
  as<MemRef<float, 2>>(args[5]).describe(product, {x.sizes[0], 3});
  as<int64_t>(args[6]) = x.sizes[0];
}

void ids(void **args) {
  auto &tokens = as<MemRef<int64_t, 2>>(args[0]);
  auto &workspace = as<MemRef<char, 1>>(args[1]);
  auto *doubled = reinterpret_cast<int64_t *>(workspace.aligned);
  if (as<int64_t>(args[2]) == 0)
    for (int64_t i = 0; i < tokens.sizes[1]; ++i)
      doubled[i] = 2 * tokens.aligned[i];
  as<MemRef<int64_t, 2>>(args[3]).describe(doubled, {1, tokens.sizes[1]});
}

void views(void **args) {
  auto &x = as<MemRef<float, 1>>(args[0]);
  auto &workspace = as<MemRef<char, 1>>(args[1]);
  int64_t id = as<int64_t>(args[2]), threads = as<int64_t>(args[3]);
  void *barrier = args[4];
  int64_t n = x.sizes[0];
  auto *rows = reinterpret_cast<float *>(workspace.aligned); // [n][3]
  auto *total = rows + 3 * fake::batch;
  for (int64_t i = id; i < n; i += threads)
    for (int64_t j = 0; j < 3; ++j)
      rows[3 * i + j] = x.aligned[i] + float(100 * j);
  qm_barrier(barrier, threads);
  if (id == threads - 1) {
    *total = 0;
    for (int64_t i = 0; i < 3 * n; ++i)
      *total += rows[i];
  }
  as<MemRef<float, 2>>(args[5]) = {rows, rows, 0, {3, n}, {1, 3}};
  as<MemRef<float, 1>>(args[6]) = {rows, rows, 1, {n}, {3}};
  as<MemRef<float, 1>>(args[7]) = x;
  as<MemRef<float, 1>>(args[8]) = {rows, rows, 3, {n - 1}, {1}};
  // A memref of rank 0 ends with its offset.
  auto &scalar = as<MemRef<float, 1>>(args[9]);
  scalar.allocated = scalar.aligned = rows;
  scalar.offset = 3 * fake::batch;
}

void broken(void **args) {
  static float data[3];
  as<MemRef<float, 1>>(args[0]).describe(data, {3});
}

const int64_t three[] = {3}, outerDims[] = {-1, 3}, idsDims[] = {1, -1},
              two[] = {2};
const qm_arg outerArgs[] = {
    {QM_ARG_INPUT, QM_F32, 1, tokensDims, "x"},
    {QM_ARG_INPUT, QM_F32, 1, three, "y"},
    {QM_ARG_WORKSPACE, QM_I8, 1, bytesDims, "workspace"},
    {QM_ARG_THREAD_ID, QM_INDEX, 0, nullptr, "thread"},
    {QM_ARG_THREAD_COUNT, QM_INDEX, 0, nullptr, "threads"},
    {QM_ARG_RESULT, QM_F32, 2, outerDims, "product"},
    {QM_ARG_RESULT, QM_INDEX, 0, nullptr, "rows"},
};
const qm_arg idsArgs[] = {
    {QM_ARG_INPUT, QM_I64, 2, idsDims, "tokens"},
    {QM_ARG_WORKSPACE, QM_I8, 1, bytesDims, "workspace"},
    {QM_ARG_THREAD_ID, QM_INDEX, 0, nullptr, "thread"},
    {QM_ARG_RESULT, QM_I64, 2, idsDims, "doubled"},
};
const int64_t columnsDims[] = {3, -1};
const qm_arg viewsArgs[] = {
    {QM_ARG_INPUT, QM_F32, 1, tokensDims, "x"},
    {QM_ARG_WORKSPACE, QM_I8, 1, bytesDims, "workspace"},
    {QM_ARG_THREAD_ID, QM_INDEX, 0, nullptr, "thread"},
    {QM_ARG_THREAD_COUNT, QM_INDEX, 0, nullptr, "threads"},
    {QM_ARG_BARRIER, QM_INDEX, 0, nullptr, "barrier"},
    {QM_ARG_RESULT, QM_F32, 2, columnsDims, "columns"},
    {QM_ARG_RESULT, QM_F32, 1, tokensDims, "second"},
    {QM_ARG_RESULT, QM_F32, 1, tokensDims, "same"},
    {QM_ARG_RESULT, QM_F32, 1, tokensDims, "tail"},
    {QM_ARG_RESULT, QM_F32, 0, nullptr, "total"},
};
const qm_arg brokenArgs[] = {{QM_ARG_RESULT, QM_F32, 1, two, "result"}};
const qm_function graphFunctions[] = {
    {"outer", outer, 7, outerArgs, fake::batch * 3 * sizeof(float)},
    {"ids", ids, 4, idsArgs, fake::batch * sizeof(int64_t)},
    {"views", views, 10, viewsArgs, (fake::batch * 3 + 1) * sizeof(float)},
    {"broken", broken, 1, brokenArgs, 0},
};

} // namespace

const qm_descriptor &fake::languageModel() {
  static const qm_descriptor descriptor = {QM_ABI_VERSION,
                                           "fake",
                                           "causal-lm",
                                           weightsFile().size(),
                                           hashOf(weightsHeader),
                                           vocab,
                                           1,
                                           context,
                                           batch,
                                           1,
                                           languageFunctions,
                                           nullptr};
  return descriptor;
}

const qm_descriptor &fake::graph() {
  static const qm_descriptor descriptor = {
      QM_ABI_VERSION, "graph", "encoder",      0,      0, vocab, 0, batch,
      batch,          4,       graphFunctions, nullptr};
  return descriptor;
}

std::string fake::weightsFile() {
  const float weights[] = {1, 10, 100, 1000, 10000};
  std::string bytes(8, '\0');
  bytes[0] = char(sizeof weightsHeader - 1);
  bytes += weightsHeader;
  bytes.append(reinterpret_cast<const char *>(weights), sizeof weights);
  return bytes;
}

fake::TemporaryFile::TemporaryFile(const std::string &bytes) {
  const char *folder = std::getenv("TMPDIR");
  name = std::string(folder ? folder : "/tmp") + "/quant-runtime-XXXXXX";
  int file = mkstemp(name.data());
  if (file < 0 ||
      write(file, bytes.data(), bytes.size()) != ssize_t(bytes.size()))
    std::abort();
  close(file);
}

fake::TemporaryFile::~TemporaryFile() { unlink(name.c_str()); }

std::vector<float> fake::expectedLogits(const std::vector<int32_t> &tokens,
                                        size_t at) {
  float sum = 0;
  for (size_t i = 0; i <= at; ++i)
    sum += float(tokens[i]);
  std::vector<float> logits;
  for (float weight = 1; weight <= 10000; weight *= 10)
    logits.push_back(weight * sum + float(at));
  return logits;
}
