/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

/* A descriptor comes from a compiler, not from an attacker; these checks are
 * for the object that was made by another version, or by hand. */

#include "Internal.h"

#include <string.h>

static const struct {
  const char *name;
  int64_t size;
} dtypes[] = {
    [QM_F32] = {"f32", 4},   [QM_F16] = {"f16", 2}, [QM_BF16] = {"bf16", 2},
    [QM_F64] = {"f64", 8},   [QM_I8] = {"i8", 1},   [QM_I16] = {"i16", 2},
    [QM_I32] = {"i32", 4},   [QM_I64] = {"i64", 8}, [QM_INDEX] = {"index", 8},
    [QM_BOOL] = {"bool", 1}, [QM_U8] = {"u8", 1},
};
enum { num_dtypes = sizeof dtypes / sizeof *dtypes };

int64_t qmi_dtype_size(uint32_t dtype) {
  return dtype < num_dtypes ? dtypes[dtype].size : 0;
}

const char *qmi_dtype_name(uint32_t dtype) {
  return dtype < num_dtypes ? dtypes[dtype].name : "unknown type";
}

uint32_t qmi_count(const qm_function *function, qm_arg_kind kind) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < function->num_args; ++i)
    count += function->args[i].kind == (uint32_t)kind;
  return count;
}

static qm_status check_arg(const qm_descriptor *descriptor,
                           const qm_function *function, uint32_t number) {
  const char *model = descriptor->name;
  const qm_arg *arg = &function->args[number];
  if (arg->kind > QM_ARG_BARRIER || arg->dtype >= num_dtypes ||
      arg->rank > QM_MAX_RANK || (arg->rank && !arg->dims) || !arg->name)
    return qmi_fail(QM_BAD_MODEL,
                    "model %s: argument %u of %s has no name, or is of a kind, "
                    "type or rank that this runtime does not know",
                    model, number, function->name);
  if ((arg->kind == QM_ARG_WEIGHTS || arg->kind == QM_ARG_WORKSPACE) &&
      arg->rank != 1)
    return qmi_fail(QM_BAD_MODEL,
                    "model %s: argument %u of %s is memory and must be i8[?]",
                    model, number, function->name);
  if (arg->kind != QM_ARG_CACHE)
    return QM_OK;
  int fits =
      arg->rank == 5 && arg->dims[3] == -1 && descriptor->context_length > 0;
  for (uint32_t i = 0; fits && i < 5; ++i)
    fits = i == 3 || arg->dims[i] > 0;
  if (!fits)
    return qmi_fail(QM_BAD_MODEL,
                    "model %s: argument %u of %s is not a cache {layers, 2, "
                    "kv_heads, -1, head_size}, or the model has "
                    "no context length",
                    model, number, function->name);
  return QM_OK;
}

/* The nth argument of a kind, which must exist. */
static const qm_arg *nth(const qm_function *function, qm_arg_kind kind,
                         uint32_t n) {
  const qm_arg *arg = function->args;
  for (;; ++arg)
    if (arg->kind == (uint32_t)kind && n-- == 0)
      return arg;
}

const qm_function *qmi_find_function(const qm_descriptor *descriptor,
                                     const char *name) {
  for (uint32_t i = 0; i < descriptor->num_functions; ++i)
    if (!strcmp(descriptor->functions[i].name, name))
      return &descriptor->functions[i];
  return NULL;
}

static int is_causal_lm(const qm_descriptor *descriptor) {
  const qm_function *function = qmi_find_function(descriptor, "forward");
  if (!function || descriptor->vocab_size <= 0 ||
      descriptor->context_length <= 0 || descriptor->batch_tokens <= 0 ||
      qmi_count(function, QM_ARG_INPUT) != 3 ||
      qmi_count(function, QM_ARG_CACHE) != 1 ||
      qmi_count(function, QM_ARG_RESULT) != 1)
    return 0;
  const qm_arg *tokens = nth(function, QM_ARG_INPUT, 0);
  const qm_arg *logits = nth(function, QM_ARG_RESULT, 0);
  return tokens->dtype == QM_I32 && tokens->rank == 1 &&
         qmi_is_scalar(nth(function, QM_ARG_INPUT, 1)) &&
         qmi_is_scalar(nth(function, QM_ARG_INPUT, 2)) &&
         logits->dtype == QM_F32 && logits->rank == 2 &&
         logits->dims[1] == descriptor->vocab_size;
}

qm_status qmi_check_descriptor(const qm_descriptor *descriptor) {
  if (!descriptor)
    return qmi_fail(QM_INVALID, "no model descriptor was given");
  if (descriptor->abi_version != QM_ABI_VERSION)
    return qmi_fail(QM_BAD_MODEL,
                    "the model was compiled for version %u of the runtime, "
                    "this is version %u: compile it again",
                    descriptor->abi_version, QM_ABI_VERSION);
  const char *model = descriptor->name;
  if (!model || !descriptor->task || !descriptor->num_functions ||
      !descriptor->functions)
    return qmi_fail(QM_BAD_MODEL, "model %s: the descriptor has no %s",
                    model ? model : "without a name",
                    descriptor->task ? "functions" : "task");
  if (descriptor->context_length < 0 ||
      descriptor->context_length > INT64_MAX - 63)
    return qmi_fail(QM_BAD_MODEL, "model %s: a context length of %lld", model,
                    (long long)descriptor->context_length);
  for (uint32_t i = 0; i < descriptor->num_functions; ++i) {
    const qm_function *function = &descriptor->functions[i];
    if (!function->name || !function->entry ||
        (function->num_args && !function->args))
      return qmi_fail(QM_BAD_MODEL, "model %s: function %u has no code", model,
                      i);
    for (uint32_t number = 0; number < function->num_args; ++number) {
      qm_status status = check_arg(descriptor, function, number);
      if (status)
        return status;
    }
  }
  if (!strcmp(descriptor->task, "causal-lm") && !is_causal_lm(descriptor))
    return qmi_fail(QM_BAD_MODEL,
                    "model %s: a causal-lm needs the function "
                    "forward(tokens i32[?], position, outputs, cache) -> "
                    "f32[outputs, vocab_size]",
                    model);
  return QM_OK;
}
