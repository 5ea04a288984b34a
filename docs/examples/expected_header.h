/* The model "model", compiled by quant-mlir 0.1.0 for cpu:native.
 *
 *     cc program.c model.a -lpthread
 *
 * Functions return QM_OK or the kind of failure; qm_last_error() says what is
 * wrong. quant_runtime.h, beside this file, has the whole interface. */

#ifndef QUANT_MLIR_MODEL_MODEL_H
#define QUANT_MLIR_MODEL_MODEL_H

#include "quant_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MODEL_WEIGHTS "model.weights.safetensors"
#define MODEL_VOCAB_SIZE 49152
#define MODEL_HIDDEN_SIZE 576
#define MODEL_CONTEXT_LENGTH 8192

extern const qm_descriptor model_descriptor;

/* Maps the weights: the path of MODEL_WEIGHTS, wherever it lies. */
static inline qm_status model_open(const char *weights_path, qm_model **model) {
  return qm_model_open(&model_descriptor, weights_path, model);
}

/* A conversation of up to `context` tokens. 0: all the model can, all cores. */
static inline qm_status model_session(qm_model *model, int64_t context,
                                      int64_t threads, qm_session **session) {
  qm_session_options options = {context, threads, 0, 0};
  return qm_session_create(model, &options, session);
}

/* Appends n tokens, keeps the logits of the last `outputs` of them. */
static inline qm_status model_feed(qm_session *session, const int32_t *tokens,
                                   int64_t n, int64_t outputs) {
  return qm_session_feed(session, tokens, n, outputs);
}

/* [outputs][MODEL_VOCAB_SIZE] of the last feed, until the next call. */
static inline const float *model_logits(const qm_session *session) {
  return qm_session_logits(session);
}

/* Forgets the tokens from `position` on. */
static inline qm_status model_rewind(qm_session *session, int64_t position) {
  return qm_session_rewind(session, position);
}

static inline void model_close(qm_session *session, qm_model *model) {
  qm_session_free(session);
  qm_model_free(model);
}

#ifdef __cplusplus
}
#endif

#endif /* QUANT_MLIR_MODEL_MODEL_H */
