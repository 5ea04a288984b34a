/* The model smollm2, compiled by quant-mlir 0.1.0 for cpu:native.
 *
 *     cc program.c smollm2.a -lpthread
 *
 * Functions return QM_OK or the kind of failure; qm_last_error() says what is
 * wrong. quant_runtime.h, beside this file, has the whole interface. */

#ifndef QUANT_MLIR_MODEL_SMOLLM2_H
#define QUANT_MLIR_MODEL_SMOLLM2_H

#include "quant_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SMOLLM2_WEIGHTS "smollm2.weights.safetensors"
#define SMOLLM2_VOCAB_SIZE 49152
#define SMOLLM2_HIDDEN_SIZE 576
#define SMOLLM2_CONTEXT_LENGTH 8192

extern const qm_descriptor smollm2_descriptor;

/* Maps the weights: the path of SMOLLM2_WEIGHTS, wherever it lies. */
static inline qm_status smollm2_open(const char *weights_path,
                                     qm_model **model) {
  return qm_model_open(&smollm2_descriptor, weights_path, model);
}

/* A conversation of up to `context` tokens. 0: all the model can, all cores. */
static inline qm_status smollm2_session(qm_model *model, int64_t context,
                                        int64_t threads, qm_session **session) {
  qm_session_options options = {context, threads, 0, 0};
  return qm_session_create(model, &options, session);
}

/* Appends n tokens, keeps the logits of the last `outputs` of them. */
static inline qm_status smollm2_feed(qm_session *session, const int32_t *tokens,
                                     int64_t n, int64_t outputs) {
  return qm_session_feed(session, tokens, n, outputs);
}

/* [outputs][SMOLLM2_VOCAB_SIZE] of the last feed, until the next call. */
static inline const float *smollm2_logits(const qm_session *session) {
  return qm_session_logits(session);
}

static inline void smollm2_close(qm_session *session, qm_model *model) {
  qm_session_free(session);
  qm_model_free(model);
}

#ifdef __cplusplus
}
#endif

#endif /* QUANT_MLIR_MODEL_SMOLLM2_H */
