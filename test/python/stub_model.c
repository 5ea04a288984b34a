// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Three models by hand with the interface of compiled ones, so that the Python
// package is tested without the compiler.
//
// "lm" is a language model: after token t at position p the token t + 1 has the
// logit p + 1; all logits have a thousandth of the first token of the context
// added, which is in the cache. "encoder" has the hidden state (t, 1) for token
// t. "graph" has one function: doubled[i][j] = 2 * x[i][j], and count = the
// number of elements.

#include "quant-mlir/Runtime/quant_runtime.h"

#include <stddef.h>

#define VOCAB 300
#define CONTEXT 100
#define BATCH 16

typedef struct {
  void *allocated, *aligned;
  int64_t offset, sizes[1], strides[1];
} memref1;

typedef struct {
  void *allocated, *aligned;
  int64_t offset, sizes[2], strides[2];
} memref2;

static void set_result(memref2 *result, float *data, int64_t rows,
                       int64_t columns) {
  *result = (memref2){data, data, 0, {rows, columns}, {columns, 1}};
}

static void forward(void **args) {
  const memref1 *tokens = args[1];
  const int32_t *ids = (const int32_t *)tokens->aligned + tokens->offset;
  int64_t n = tokens->sizes[0];
  int64_t position = *(int64_t *)args[2], outputs = *(int64_t *)args[3];
  float *cache =
      ((memref1 *)args[4])->aligned; // [1][2][1][-1][1]: the keys come first
  float *logits = ((memref1 *)args[5])->aligned;
  int64_t thread = *(int64_t *)args[6], threads = *(int64_t *)args[7];

  for (int64_t i = thread; i < n; i += threads)
    cache[position + i] = (float)ids[i];
  qm_barrier(args[8], threads);
  for (int64_t row = thread; row < outputs; row += threads) {
    int64_t i = n - outputs + row;
    for (int64_t v = 0; v < VOCAB; ++v)
      logits[row * VOCAB + v] = cache[0] / 1000;
    logits[row * VOCAB + (ids[i] + 1) % VOCAB] += (float)(position + i + 1);
  }
  qm_barrier(args[8], threads);
  set_result(args[0], logits, outputs, VOCAB);
}

static const int64_t dynamic[] = {-1};
static const int64_t logits_dims[] = {-1, VOCAB};
static const int64_t cache_dims[] = {1, 2, 1, -1, 1};
static const int64_t work_dims[] = {BATCH * VOCAB * 4};
static const qm_arg forward_args[] = {
    {QM_ARG_RESULT, QM_F32, 2, logits_dims, "logits"},
    {QM_ARG_INPUT, QM_I32, 1, dynamic, "tokens"},
    {QM_ARG_INPUT, QM_INDEX, 0, 0, "position"},
    {QM_ARG_INPUT, QM_INDEX, 0, 0, "outputs"},
    {QM_ARG_CACHE, QM_F32, 5, cache_dims, "cache"},
    {QM_ARG_WORKSPACE, QM_I8, 1, work_dims, "workspace"},
    {QM_ARG_THREAD_ID, QM_INDEX, 0, 0, "thread"},
    {QM_ARG_THREAD_COUNT, QM_INDEX, 0, 0, "threads"},
    {QM_ARG_BARRIER, QM_INDEX, 0, 0, "barrier"},
};
static const qm_function lm_functions[] = {
    {"forward", forward, 9, forward_args, BATCH * VOCAB * 4},
};
const qm_descriptor lm_descriptor = {
    QM_ABI_VERSION, "lm", "causal-lm",  0,    0,    VOCAB, 1, CONTEXT,
    BATCH,          1,    lm_functions, NULL, NULL,
};

static void doubled(void **args) {
  const memref2 *x = args[2];
  const float *data = (const float *)x->aligned + x->offset;
  float *out = ((memref1 *)args[3])->aligned;
  int64_t size = x->sizes[0] * x->sizes[1];
  for (int64_t i = 0; i < size; ++i)
    out[i] = 2 * data[i];
  set_result(args[0], out, x->sizes[0], x->sizes[1]);
  int64_t *count = (int64_t *)(out + 3 * BATCH);
  *count = size;
  *(memref1 *)args[1] = (memref1){count, count, 0, {1}, {1}};
}

static const int64_t matrix_dims[] = {-1, 3};
static const int64_t one[] = {1};
static const int64_t graph_work_dims[] = {3 * BATCH * 4 + 8};
static const qm_arg graph_args[] = {
    {QM_ARG_RESULT, QM_F32, 2, matrix_dims, "y"},
    {QM_ARG_RESULT, QM_I64, 1, one, "count"},
    {QM_ARG_INPUT, QM_F32, 2, matrix_dims, "x"},
    {QM_ARG_WORKSPACE, QM_I8, 1, graph_work_dims, "workspace"},
};
static const qm_function graph_functions[] = {
    {"doubled", doubled, 4, graph_args, 3 * BATCH * 4 + 8},
};
const qm_descriptor graph_descriptor = {
    QM_ABI_VERSION, "graph", "graph",         0,    0,    0, 3, 0,
    BATCH,          1,       graph_functions, NULL, NULL,
};

static void encode(void **args) {
  const memref2 *tokens = args[1]; // [1][-1], as PyTorch has them
  const int64_t *ids = (const int64_t *)tokens->aligned + tokens->offset;
  float *states = ((memref1 *)args[2])->aligned;
  for (int64_t i = 0; i < tokens->sizes[1]; ++i) {
    states[2 * i] = (float)ids[i];
    states[2 * i + 1] = 1;
  }
  set_result(args[0], states, tokens->sizes[1], 2);
}

static const int64_t states_dims[] = {-1, 2};
static const int64_t batch_dims[] = {1, -1};
static const int64_t encoder_work_dims[] = {2 * BATCH * 4};
static const qm_arg encoder_args[] = {
    {QM_ARG_RESULT, QM_F32, 2, states_dims, "states"},
    {QM_ARG_INPUT, QM_I64, 2, batch_dims, "tokens"},
    {QM_ARG_WORKSPACE, QM_I8, 1, encoder_work_dims, "workspace"},
};
static const qm_function encoder_functions[] = {
    {"encode", encode, 3, encoder_args, 2 * BATCH * 4},
};
const qm_descriptor encoder_descriptor = {
    QM_ABI_VERSION, "encoder", "encoder",         0,    0,    VOCAB, 2, BATCH,
    BATCH,          1,         encoder_functions, NULL, NULL,
};

const qm_descriptor future_descriptor = {
    QM_ABI_VERSION + 1, "future", "graph", 0, 0, 0, 3, 0, BATCH, 1,
    graph_functions,    NULL,     NULL,
};
