/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

/* From checked tensors to the arrays of pointers that generated code takes. */

#include "Internal.h"

#include <stdlib.h>

static void set_memref(qmi_memref *memref, void *data, uint32_t rank,
                       const int64_t *dims) {
  memref->allocated = memref->aligned = data;
  memref->offset = 0;
  int64_t *sizes = memref->sizes_and_strides, *strides = sizes + rank;
  int64_t stride = 1;
  for (uint32_t i = rank; i-- > 0;) {
    sizes[i] = dims[i];
    strides[i] = stride;
    stride *= dims[i];
  }
}

/* Where the argument's value is; NULL if the kind has none of its own. */
static void *shared_value(qm_session *session, const qm_function *function,
                          uint32_t number, const qm_tensor *input) {
  const qm_arg *arg = &function->args[number];
  qmi_value *value = &session->shared[number];
  const qm_model *model = session->model;
  switch ((qm_arg_kind)arg->kind) {
  case QM_ARG_INPUT:
    if (qmi_is_scalar(arg))
      return input->data;
    set_memref(&value->memref, input->data, arg->rank, input->dims);
    return value;
  case QM_ARG_WEIGHTS:
    set_memref(&value->memref, model->weights, 1, &model->weights_bytes);
    return value;
  case QM_ARG_WORKSPACE: {
    int64_t bytes = (int64_t)function->workspace_bytes;
    set_memref(&value->memref, session->workspace, 1, &bytes);
    return value;
  }
  case QM_ARG_CACHE: {
    const qmi_cache *cache = qmi_find_cache(session, arg->name);
    int64_t dims[5] = {arg->dims[0], arg->dims[1], arg->dims[2],
                       session->positions, arg->dims[4]};
    set_memref(&value->memref, cache->data, 5, dims);
    return value;
  }
  case QM_ARG_THREAD_COUNT:
    value->scalar = session->threads;
    return value;
  case QM_ARG_BARRIER:
    return &session->barrier;
  case QM_ARG_RESULT:
  case QM_ARG_THREAD_ID:
    return NULL;
  }
  return NULL;
}

typedef struct {
  const qm_function *function;
  qmi_frame *frames;
} call;

static void enter(void *argument, int64_t thread) {
  const call *call = argument;
  call->function->entry(call->frames[thread].args);
}

void qmi_run_threads(qm_session *session, qm_task task, void *argument) {
  if (session->executor)
    session->executor(session->executor_context, task, argument,
                      session->threads);
  else if (session->pool)
    qmi_pool_run(session->pool, task, argument);
  else
    task(argument, 0);
}

static int64_t element_count(const qm_tensor *tensor) {
  int64_t count = 1;
  for (int32_t i = 0; i < tensor->rank; ++i)
    count *= tensor->dims[i];
  return count;
}

static size_t byte_count(const qm_tensor *tensor) {
  return (size_t)(element_count(tensor) * qmi_dtype_size(tensor->dtype));
}

/* What an input takes up on a device, where each begins at such a multiple.
 * Numbers stay here: generated code passes them on. */
static size_t bytes_on_device(const qm_tensor *input) {
  int is_scalar = input->dtype == QM_INDEX && input->rank == 0;
  return is_scalar ? 0 : (byte_count(input) + 255) / 256 * 256;
}

/* Copies a call's inputs to the device, one behind the other. */
static qm_status send_inputs(qm_session *session, const qm_function *function,
                             const qm_tensor *inputs) {
  qmi_place place = session->model->place;
  uint32_t count = qmi_count(function, QM_ARG_INPUT);
  size_t bytes = 0;
  for (uint32_t i = 0; i < count; ++i)
    bytes += bytes_on_device(&inputs[i]);
  if (session->inputs_bytes < bytes) {
    qmi_place_release(place, session->inputs, session->inputs_bytes);
    session->inputs_bytes = 0;
    session->inputs = place.device->reserve(place.opened, bytes);
    if (!session->inputs)
      return qmi_fail(QM_NO_MEMORY,
                      "no memory on the GPU for inputs of %zu bytes", bytes);
    session->inputs_bytes = bytes;
  }
  char *to = session->inputs;
  for (uint32_t i = 0; i < count; ++i) {
    size_t taken = bytes_on_device(&inputs[i]);
    if (!taken)
      continue;
    qm_status status = place.device->write(place.opened, to, inputs[i].data,
                                           byte_count(&inputs[i]));
    if (status)
      return status;
    to += taken;
  }
  return QM_OK;
}

/* Runs the function's code, on all threads or on the device. */
static qm_status run(qm_session *session, const qm_function *function) {
  qmi_place place = session->model->place;
  if (place.device)
    return place.device->call(place.opened, &session->device_state,
                              function->entry, session->frames[0].args);
  call call = {function, session->frames};
  qmi_run_threads(session, enter, &call);
  return QM_OK;
}

qm_status qmi_call(qm_session *session, const qm_function *function,
                   const qm_tensor *inputs, qm_tensor *results) {
  int on_device = session->model->place.device != NULL;
  if (on_device) {
    qm_status status = send_inputs(session, function, inputs);
    if (status)
      return status;
  }
  char *sent = session->inputs;
  for (uint32_t i = 0; i < function->num_args; ++i) {
    const qm_arg *arg = &function->args[i];
    qm_tensor input = {0};
    if (arg->kind == QM_ARG_INPUT) {
      input = *inputs++;
      size_t taken = on_device ? bytes_on_device(&input) : 0;
      if (taken)
        input.data = sent;
      sent += taken;
    }
    void *value = shared_value(session, function, i, &input);
    for (int64_t thread = 0; thread < session->threads; ++thread) {
      qmi_frame *frame = &session->frames[thread];
      frame->args[i] = arg->kind == QM_ARG_RESULT      ? &frame->results[i]
                       : arg->kind == QM_ARG_THREAD_ID ? (void *)&frame->id
                                                       : value;
    }
  }
  qm_status status = run(session, function);
  return status ? status : qmi_read_results(session, function, results);
}

/*===----------------------------------------------------------------------===*
 * qm_session_run
 *===----------------------------------------------------------------------===*/

/* Embeddings read where an id points to, so ids must be ids. */
static qm_status check_ids(const char *where, const char *name,
                           const qm_tensor *input, int64_t vocab_size) {
  int64_t count = element_count(input);
  for (int64_t i = 0; i < count; ++i) {
    int64_t id = input->dtype == QM_I32 ? ((const int32_t *)input->data)[i]
                                        : ((const int64_t *)input->data)[i];
    if (id < 0 || id >= vocab_size)
      return qmi_fail(QM_INVALID,
                      "%s: input %s has %lld at %lld, outside the vocabulary "
                      "of %lld",
                      where, name, (long long)id, (long long)i,
                      (long long)vocab_size);
  }
  return QM_OK;
}

static qm_status check_input(const qm_descriptor *model,
                             const qm_function *function, const qm_arg *arg,
                             const qm_tensor *input) {
  const char *where = function->name, *name = arg->name;
  if ((uint32_t)input->dtype != arg->dtype || input->rank != (int32_t)arg->rank)
    return qmi_fail(QM_INVALID,
                    "%s: input %s must be %s of rank %u, not %s of rank %d",
                    where, name, qmi_dtype_name(arg->dtype), arg->rank,
                    qmi_dtype_name(input->dtype), input->rank);
  for (uint32_t i = 0; i < arg->rank; ++i) {
    int64_t dim = input->dims[i], want = arg->dims[i];
    if (want >= 0 && dim != want)
      return qmi_fail(QM_INVALID,
                      "%s: dimension %u of input %s must be %lld, not %lld",
                      where, i, name, (long long)want, (long long)dim);
    if (want < 0 && (dim < 1 || dim > model->batch_tokens))
      return qmi_fail(QM_INVALID,
                      "%s: dimension %u of input %s must be from 1 to %lld, "
                      "not %lld",
                      where, i, name, (long long)model->batch_tokens,
                      (long long)dim);
  }
  if (!input->data && element_count(input))
    return qmi_fail(QM_INVALID, "%s: input %s has no data", where, name);
  if ((uintptr_t)input->data % qmi_dtype_size(arg->dtype))
    return qmi_fail(QM_INVALID,
                    "%s: the data of input %s is not aligned to its type",
                    where, name);
  if (model->vocab_size > 0 && arg->rank &&
      (arg->dtype == QM_I32 || arg->dtype == QM_I64))
    return check_ids(where, name, input, model->vocab_size);
  return QM_OK;
}

qm_status qm_session_run(qm_session *session, const char *name,
                         const qm_tensor *inputs, uint32_t num_inputs,
                         qm_tensor *results, uint32_t num_results) {
  if (!session || (num_inputs && !inputs) || (num_results && !results))
    return qmi_fail(QM_INVALID, "there is no session, or no place of tensors");
  const qm_descriptor *model = session->model->descriptor;
  const qm_function *function =
      name ? qmi_find_function(model, name) : model->functions;
  if (!function)
    return qmi_fail(QM_INVALID, "model %s has no function %s", model->name,
                    name);
  if (qmi_count(function, QM_ARG_CACHE))
    return qmi_fail(QM_INVALID,
                    "%s of model %s has a cache: use qm_session_feed",
                    function->name, model->name);
  uint32_t want_inputs = qmi_count(function, QM_ARG_INPUT);
  uint32_t want_results = qmi_count(function, QM_ARG_RESULT);
  if (num_inputs != want_inputs || num_results != want_results)
    return qmi_fail(QM_INVALID,
                    "%s of model %s has %u inputs and %u results, not %u "
                    "and %u",
                    function->name, model->name, want_inputs, want_results,
                    num_inputs, num_results);
  const qm_tensor *input = inputs;
  for (uint32_t i = 0; i < function->num_args; ++i) {
    if (function->args[i].kind != QM_ARG_INPUT)
      continue;
    qm_status status =
        check_input(model, function, &function->args[i], input++);
    if (status)
      return status;
  }
  session->logits = NULL; /* their memory is used again */
  return qmi_call(session, function, inputs, results);
}
