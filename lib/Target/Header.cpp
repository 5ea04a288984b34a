// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Target.h"
#include "llvm/ADT/StringExtras.h"

using namespace quantmlir;

static constexpr const char *headerTemplate =
    R"header(/* The model @name@, compiled by quant-mlir @version@ for @target@.
 *
 *     cc program.c -IDIR DIR/@name@.a -lpthread
 *
 * DIR is this folder. When the program runs it needs @weights@,
 * and nothing else.
 *
 *     qm_model *model;
 *     qm_session *session;
 *     if (@name@_open("DIR/@weights@", &model) ||
 *         @name@_session(model, 0, 0, &session) ||
 *         @name@_feed(session, tokens, n, 1))
 *       fprintf(stderr, "%s\n", qm_last_error());
 *     const float *logits = @name@_logits(session);
 *
 * Functions return QM_OK or the kind of failure; qm_last_error() says what is
 * wrong. quant_runtime.h, beside this file, has the whole interface. */

#ifndef QUANT_MLIR_MODEL_@NAME@_H
#define QUANT_MLIR_MODEL_@NAME@_H

#include "quant_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

#define @NAME@_WEIGHTS "@weights@"
#define @NAME@_VOCAB_SIZE @vocab_size@
#define @NAME@_HIDDEN_SIZE @hidden_size@
#define @NAME@_CONTEXT_LENGTH @context_length@

extern const qm_descriptor @name@_descriptor;

/* Maps the weights: the path of @NAME@_WEIGHTS, wherever it lies. */
static inline qm_status @name@_open(const char *weights_path,
                                    qm_model **model) {
  return qm_model_open(&@name@_descriptor, weights_path, model);
}

static inline void @name@_close(qm_model *model) { qm_model_free(model); }

/* Memory and threads to run in, of `context` tokens; end it with
 * qm_session_free(). 0: all that the model can, all cores. */
static inline qm_status @name@_session(qm_model *model, int64_t context,
                                       int64_t threads, qm_session **session) {
  qm_session_options options = {context, threads, 0, 0};
  return qm_session_create(model, &options, session);
}

/* Language models: tokens one after the other. */

/* Appends n tokens, keeps the logits of the last `outputs` of them. */
static inline qm_status @name@_feed(qm_session *session, const int32_t *tokens,
                                    int64_t n, int64_t outputs) {
  return qm_session_feed(session, tokens, n, outputs);
}

/* [outputs][@NAME@_VOCAB_SIZE] of the last feed, until the next call. */
static inline const float *@name@_logits(const qm_session *session) {
  return qm_session_logits(session);
}

/* The likeliest k tokens to follow the last one that was fed, with the largest
 * logit first, of equal ones the lower id. logits: NULL if ids are enough. */
static inline qm_status @name@_top(qm_session *session, int64_t k, int32_t *ids,
                                   float *logits) {
  return qm_session_top(session, k, ids, logits);
}

/* Forgets the tokens from `position` on. */
static inline qm_status @name@_rewind(qm_session *session, int64_t position) {
  return qm_session_rewind(session, position);
}

/* Encoders and other graphs. */

/* function: NULL for the first. Results are valid until the next call. */
static inline qm_status @name@_run(qm_session *session, const char *function,
                                   const qm_tensor *inputs,
                                   uint32_t num_inputs, qm_tensor *results,
                                   uint32_t num_results) {
  return qm_session_run(session, function, inputs, num_inputs, results,
                        num_results);
}

#ifdef __cplusplus
}
#endif

#endif /* QUANT_MLIR_MODEL_@NAME@_H */
)header";

std::string quantmlir::makeHeader(const ModelInfo &model,
                                  llvm::StringRef target) {
  std::pair<llvm::StringRef, std::string> values[] = {
      {"@name@", model.name},
      {"@NAME@", llvm::StringRef(model.name).upper()},
      {"@version@", QUANT_MLIR_VERSION},
      {"@target@", target.str()},
      {"@weights@", model.name + ".weights.safetensors"},
      {"@vocab_size@", std::to_string(model.vocabulary)},
      {"@hidden_size@", std::to_string(model.hidden)},
      {"@context_length@", std::to_string(model.context)}};
  std::string text = headerTemplate;
  for (auto &[key, value] : values)
    for (size_t at = text.find(key); at != std::string::npos;
         at = text.find(key, at + value.size()))
      text.replace(at, key.size(), value);
  return text;
}
