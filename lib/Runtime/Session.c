/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "Internal.h"

#include <stdlib.h>
#include <string.h>

/* A cache of this size or less is filled soon anyway, and reads faster from
 * huge pages. A larger one would be touched everywhere by its first token,
 * since the positions of each head lie together: it gets small pages, one by
 * one. */
#define HUGE_CACHE_BYTES (UINT64_C(64) << 20)

#define MAX_THREADS 4096

const qmi_cache *qmi_find_cache(const qm_session *session, const char *name) {
  for (uint32_t i = 0; i < session->num_caches; ++i)
    if (!strcmp(session->caches[i].name, name))
      return &session->caches[i];
  return NULL;
}

static qm_status add_cache(qm_session *session, const qm_arg *arg) {
  const char *model = session->model->descriptor->name;
  const qmi_cache *known = qmi_find_cache(session, arg->name);
  if (known) {
    if (known->arg->dtype == arg->dtype &&
        !memcmp(known->arg->dims, arg->dims, 5 * sizeof(int64_t)))
      return QM_OK;
    return qmi_fail(QM_BAD_MODEL, "model %s: cache %s has two shapes", model,
                    arg->name);
  }
  uint64_t bytes = (uint64_t)qmi_dtype_size(arg->dtype);
  int too_large = 0;
  for (int i = 0; i < 5; ++i)
    too_large |= __builtin_mul_overflow(
        bytes, (uint64_t)(i == 3 ? session->positions : arg->dims[i]), &bytes);
  void *data = NULL;
  if (!too_large)
    data = qmi_place_reserve(session->model->place, bytes,
                             bytes <= HUGE_CACHE_BYTES ? QMI_PAGES_HUGE
                                                       : QMI_PAGES_NORMAL);
  if (!data)
    return qmi_fail(QM_NO_MEMORY,
                    "model %s: no memory for a cache of %lld tokens", model,
                    (long long)session->context);
  session->caches[session->num_caches++] =
      (qmi_cache){arg->name, data, bytes, arg};
  return QM_OK;
}

/* Arrays of pointers and of values for each thread, each on its own lines. */
static qm_status add_frames(qm_session *session) {
  size_t args = session->max_args ? session->max_args : 1;
  session->shared = calloc(args, sizeof *session->shared);
  size_t bytes = session->threads * sizeof(qmi_frame);
  session->frames = aligned_alloc(QMI_LINE, bytes);
  if (!session->shared || !session->frames)
    return qmi_fail(QM_NO_MEMORY, "no memory for a session");
  memset(session->frames, 0, bytes);
  for (int64_t i = 0; i < session->threads; ++i) {
    qmi_frame *frame = &session->frames[i];
    bytes = args * (sizeof(qmi_value) + sizeof(void *));
    bytes = (bytes + QMI_LINE - 1) / QMI_LINE * QMI_LINE;
    frame->id = i;
    frame->results = aligned_alloc(QMI_LINE, bytes);
    if (!frame->results)
      return qmi_fail(QM_NO_MEMORY, "no memory for a session");
    frame->args = (void **)(frame->results + args);
  }
  return QM_OK;
}

static qm_status fill_in(qm_session *session) {
  const qm_descriptor *model = session->model->descriptor;
  uint32_t num_caches = 0;
  for (uint32_t i = 0; i < model->num_functions; ++i) {
    const qm_function *function = &model->functions[i];
    num_caches += qmi_count(function, QM_ARG_CACHE);
    if (session->max_args < function->num_args)
      session->max_args = function->num_args;
    if (session->workspace_bytes < function->workspace_bytes)
      session->workspace_bytes = function->workspace_bytes;
  }
  session->caches = calloc(num_caches + 1, sizeof *session->caches);
  if (!session->caches)
    return qmi_fail(QM_NO_MEMORY, "no memory for a session");
  qm_status status = QM_OK;
  for (uint32_t i = 0; i < model->num_functions; ++i) {
    const qm_function *function = &model->functions[i];
    for (uint32_t j = 0; j < function->num_args && !status; ++j)
      if (function->args[j].kind == QM_ARG_CACHE)
        status = add_cache(session, &function->args[j]);
  }
  if (status)
    return status;
  if (session->workspace_bytes) {
    session->workspace = qmi_place_reserve(
        session->model->place, session->workspace_bytes, QMI_PAGES_HUGE);
    if (!session->workspace)
      return qmi_fail(QM_NO_MEMORY,
                      "model %s: no memory for a workspace of %zu bytes",
                      model->name, session->workspace_bytes);
  }
  status = add_frames(session);
  if (status || session->executor || session->threads == 1)
    return status;
  return qmi_pool_create(session->threads, &session->pool);
}

qm_status qm_session_create(qm_model *model, const qm_session_options *options,
                            qm_session **result) {
  if (!model || !result)
    return qmi_fail(QM_INVALID, "a session needs a model and a place");
  const qm_descriptor *descriptor = model->descriptor;
  qm_session_options chosen = {0};
  if (options)
    chosen = *options;
  int64_t most = descriptor->context_length;
  if (chosen.context < 0 || chosen.context > most)
    return qmi_fail(
        QM_INVALID, "a context of %lld tokens: model %s has at most %lld",
        (long long)chosen.context, descriptor->name, (long long)most);
  if (chosen.threads < 0 || chosen.threads > MAX_THREADS)
    return qmi_fail(QM_INVALID, "%lld threads: must be 1 to %d",
                    (long long)chosen.threads, MAX_THREADS);
  size_t bytes = (sizeof(qm_session) + QMI_LINE - 1) / QMI_LINE * QMI_LINE;
  qm_session *session = aligned_alloc(QMI_LINE, bytes);
  if (!session)
    return qmi_fail(QM_NO_MEMORY, "no memory for a session");
  memset(session, 0, bytes);
  atomic_fetch_add(&model->references, 1);
  session->model = model;
  session->context = chosen.context ? chosen.context : most;
  session->positions = (session->context + 63) / 64 * 64;
  session->threads = chosen.threads ? chosen.threads : qmi_available_cores();
  if (model->place.device) {
    session->threads = 1;
    chosen.executor = NULL;
  }
  session->executor = chosen.executor;
  session->executor_context = chosen.executor_context;
  qm_status status = fill_in(session);
  if (status) {
    qm_session_free(session);
    return status;
  }
  *result = session;
  return QM_OK;
}

void qm_session_free(qm_session *session) {
  if (!session)
    return;
  qmi_pool_free(session->pool);
  qmi_place place = session->model->place;
  if (session->device_state)
    place.device->forget(place.opened, session->device_state);
  for (uint32_t i = 0; i < session->num_caches; ++i)
    qmi_place_release(place, session->caches[i].data, session->caches[i].bytes);
  free(session->caches);
  qmi_place_release(place, session->workspace, session->workspace_bytes);
  qmi_place_release(place, session->inputs, session->inputs_bytes);
  for (int64_t i = 0; session->frames && i < session->threads; ++i)
    free(session->frames[i].results);
  free(session->frames);
  free(session->shared);
  free(session->copies);
  free(session->kept);
  free(session->top);
  qm_model_free(session->model);
  free(session);
}

/*===----------------------------------------------------------------------===*
 * Tokens in, logits out
 *===----------------------------------------------------------------------===*/

/* Nothing is computed unless all of the call can be. */
static qm_status check_feed(const qm_session *session, const int32_t *tokens,
                            int64_t n, int64_t outputs) {
  if (!session)
    return qmi_fail(QM_INVALID, "there is no session");
  const qm_descriptor *model = session->model->descriptor;
  if (strcmp(model->task, "causal-lm"))
    return qmi_fail(QM_INVALID,
                    "model %s is of the kind %s and takes no tokens one after "
                    "the other: use qm_session_run",
                    model->name, model->task);
  if (n < 1 || !tokens)
    return qmi_fail(QM_INVALID, "there are no tokens to feed");
  if (outputs < 0 || outputs > n)
    return qmi_fail(QM_INVALID, "logits of %lld of %lld tokens were asked for",
                    (long long)outputs, (long long)n);
  if (n > session->context - session->position)
    return qmi_fail(QM_INVALID,
                    "%lld tokens do not fit: the context of %lld holds %lld "
                    "already",
                    (long long)n, (long long)session->context,
                    (long long)session->position);
  for (int64_t i = 0; i < n; ++i)
    if (tokens[i] < 0 || tokens[i] >= model->vocab_size)
      return qmi_fail(QM_INVALID,
                      "token %lld is %d, outside the vocabulary of %lld",
                      (long long)i, tokens[i], (long long)model->vocab_size);
  return QM_OK;
}

static qm_status make_room(qm_session *session, size_t count) {
  if (session->kept_count >= count)
    return QM_OK;
  float *kept = realloc(session->kept, count * sizeof *kept);
  if (!kept)
    return qmi_fail(QM_NO_MEMORY, "no memory for %zu logits", count);
  session->kept = kept;
  session->kept_count = count;
  return QM_OK;
}

/* One call of `forward`: `logits` stays until the next one. */
static qm_status forward(qm_session *session, const int32_t *tokens, int64_t n,
                         int64_t position, int64_t outputs,
                         const float **logits) {
  const qm_descriptor *model = session->model->descriptor;
  /* Inputs are never written. */
  qm_tensor inputs[3] = {
      {.data = (void *)tokens, .dtype = QM_I32, .rank = 1, .dims = {n}},
      {.data = &position, .dtype = QM_INDEX},
      {.data = &outputs, .dtype = QM_INDEX}};
  qm_tensor result;
  qm_status status =
      qmi_call(session, qmi_find_function(model, "forward"), inputs, &result);
  if (status)
    return status;
  if (result.dims[0] != outputs)
    return qmi_fail(QM_BAD_MODEL,
                    "model %s: forward gave logits of %lld tokens, not of "
                    "%lld",
                    model->name, (long long)result.dims[0], (long long)outputs);
  *logits = result.data;
  return QM_OK;
}

qm_status qm_session_feed(qm_session *session, const int32_t *tokens, int64_t n,
                          int64_t outputs) {
  qm_status status = check_feed(session, tokens, n, outputs);
  if (status)
    return status;
  const qm_descriptor *model = session->model->descriptor;
  /* The last call's logits may stay where they are, earlier ones may not. */
  int64_t batch = model->batch_tokens, last = n - (n - 1) % batch - 1;
  int in_pieces = outputs > n - last;
  if (in_pieces)
    status = make_room(session, (size_t)outputs * (size_t)model->vocab_size);
  if (status)
    return status;
  session->logits = NULL;
  const float *logits = NULL;
  int64_t kept = 0;
  for (int64_t start = 0; start < n && !status; start += batch) {
    int64_t count = n - start < batch ? n - start : batch;
    /* Those of the last `outputs` tokens that are in this piece. */
    int64_t wanted = start + count - (n - outputs);
    wanted = wanted < 0 ? 0 : wanted < count ? wanted : count;
    status = forward(session, tokens + start, count, session->position + start,
                     wanted, &logits);
    if (!status && in_pieces && wanted) {
      memcpy(session->kept + kept * model->vocab_size, logits,
             (size_t)wanted * (size_t)model->vocab_size * sizeof(float));
      kept += wanted;
    }
  }
  if (status)
    return status;
  session->position += n;
  session->outputs = outputs;
  if (outputs)
    session->logits = in_pieces ? session->kept : logits;
  return QM_OK;
}

const float *qm_session_logits(const qm_session *session) {
  return session ? session->logits : NULL;
}

int64_t qm_session_position(const qm_session *session) {
  return session ? session->position : 0;
}

int64_t qm_session_context(const qm_session *session) {
  return session ? session->context : 0;
}

qm_status qm_session_rewind(qm_session *session, int64_t position) {
  if (!session)
    return qmi_fail(QM_INVALID, "there is no session");
  if (position < 0 || position > session->position)
    return qmi_fail(QM_INVALID,
                    "cannot go back to position %lld of a session with %lld "
                    "tokens",
                    (long long)position, (long long)session->position);
  session->position = position;
  return QM_OK;
}
