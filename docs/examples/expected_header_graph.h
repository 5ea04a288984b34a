/* The model minilm, compiled by quant-mlir 0.1.0 for cpu:native.
 *
 *     cc program.c minilm.a -lpthread
 *
 * Functions return QM_OK or the kind of failure; qm_last_error() says what is
 * wrong. quant_runtime.h, beside this file, has the whole interface. */

#ifndef QUANT_MLIR_MODEL_MINILM_H
#define QUANT_MLIR_MODEL_MINILM_H

#include "quant_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MINILM_WEIGHTS "minilm.weights.safetensors"
#define MINILM_VOCAB_SIZE 30522
#define MINILM_HIDDEN_SIZE 384
#define MINILM_CONTEXT_LENGTH 512

extern const qm_descriptor minilm_descriptor;

/* Maps the weights: the path of MINILM_WEIGHTS, wherever it lies. */
static inline qm_status minilm_open(const char *weights_path,
                                    qm_model **model) {
  return qm_model_open(&minilm_descriptor, weights_path, model);
}

/* Memory and threads to run in. threads = 0: all cores. */
static inline qm_status minilm_session(qm_model *model, int64_t threads,
                                       qm_session **session) {
  qm_session_options options = {0, threads, 0, 0};
  return qm_session_create(model, &options, session);
}

/* Calls a function, results are memory of the session until the next call:
 *     forward(tokens: ?xi32) -> ?x384xf32 */
static inline qm_status minilm_run(qm_session *session, const char *function,
                                   const qm_tensor *inputs, uint32_t num_inputs,
                                   qm_tensor *results, uint32_t num_results) {
  return qm_session_run(session, function, inputs, num_inputs, results,
                        num_results);
}

static inline void minilm_close(qm_session *session, qm_model *model) {
  qm_session_free(session);
  qm_model_free(model);
}

#ifdef __cplusplus
}
#endif

#endif /* QUANT_MLIR_MODEL_MINILM_H */
