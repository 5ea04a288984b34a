/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

/* Generated code says where its results are: mostly in the workspace, row by
 * row. But a transpose at the end of a function may be only a change of
 * strides, and a result may be an input or a weight as it is. Those are copied,
 * so that callers see one thing: contiguous memory that belongs to the session.
 * So are all results of a device. */

#include "Internal.h"

#include <stdlib.h>
#include <string.h>

static qm_status describe(const qm_function *function, const qm_arg *arg,
                          qmi_value *value, qm_tensor *result) {
  result->dtype = (qm_dtype)arg->dtype;
  result->rank = (int32_t)arg->rank;
  if (qmi_is_scalar(arg)) {
    result->data = &value->scalar;
    return QM_OK;
  }
  const qmi_memref *memref = &value->memref;
  result->data =
      (char *)memref->aligned + memref->offset * qmi_dtype_size(arg->dtype);
  for (uint32_t i = 0; i < arg->rank; ++i) {
    int64_t size = memref->sizes_and_strides[i];
    if (size < 0 || (arg->dims[i] >= 0 && arg->dims[i] != size))
      return qmi_fail(QM_BAD_MODEL,
                      "%s: dimension %u of result %s is %lld, the descriptor "
                      "says %lld",
                      function->name, i, arg->name, (long long)size,
                      (long long)arg->dims[i]);
    result->dims[i] = size;
  }
  return QM_OK;
}

static size_t count_bytes(const qm_tensor *tensor) {
  size_t bytes = (size_t)qmi_dtype_size(tensor->dtype);
  for (int32_t i = 0; i < tensor->rank; ++i)
    bytes *= (size_t)tensor->dims[i];
  return bytes;
}

/* Row-major without gaps. */
static int is_contiguous(int32_t rank, const int64_t *sizes,
                         const int64_t *strides) {
  int64_t stride = 1;
  for (int32_t i = rank; i-- > 0;) {
    if (sizes[i] > 1 && strides[i] != stride)
      return 0;
    stride *= sizes[i];
  }
  return 1;
}

/* Whether the result is in the workspace, row-major without gaps. */
static int stays(const qm_session *session, const qmi_memref *memref,
                 const qm_tensor *result) {
  if (session->model->place.device ||
      !is_contiguous(result->rank, result->dims,
                     memref->sizes_and_strides + result->rank))
    return 0;
  /* As numbers: pointers into different objects have no order. */
  uintptr_t start = (uintptr_t)session->workspace;
  uintptr_t data = (uintptr_t)result->data;
  return data >= start && data - start <= session->workspace_bytes &&
         count_bytes(result) <= session->workspace_bytes - (data - start);
}

/* Advances `*to` to where the next element goes. */
static qm_status gather(qmi_place place, char **to, const char *from,
                        int64_t size, int32_t rank, const int64_t *sizes,
                        const int64_t *strides) {
  if (is_contiguous(rank, sizes, strides)) {
    for (int32_t i = 0; i < rank; ++i)
      size *= sizes[i];
    qm_status status =
        size ? qmi_place_read(place, *to, from, (size_t)size) : QM_OK;
    *to += size;
    return status;
  }
  qm_status status = QM_OK;
  for (int64_t i = 0; i < *sizes && !status; ++i)
    status = gather(place, to, from + i * *strides * size, size, rank - 1,
                    sizes + 1, strides + 1);
  return status;
}

/* Each copy starts on a line of its own. */
static size_t copy_bytes(const qm_tensor *result) {
  return (count_bytes(result) + QMI_LINE - 1) / QMI_LINE * QMI_LINE;
}

qm_status qmi_read_results(qm_session *session, const qm_function *function,
                           qm_tensor *results) {
  qmi_value *values = session->frames[0].results;
  size_t bytes = 0;
  qm_tensor *result = results;
  for (uint32_t i = 0; i < function->num_args; ++i) {
    const qm_arg *arg = &function->args[i];
    if (arg->kind != QM_ARG_RESULT)
      continue;
    qm_status status = describe(function, arg, &values[i], result);
    if (status)
      return status;
    if (!qmi_is_scalar(arg) && !stays(session, &values[i].memref, result))
      bytes += copy_bytes(result);
    ++result;
  }
  if (!bytes)
    return QM_OK;
  char *copies = aligned_alloc(QMI_LINE, bytes), *copy = copies;
  if (!copies)
    return qmi_fail(QM_NO_MEMORY, "no memory for results of %zu bytes", bytes);
  result = results;
  for (uint32_t i = 0; i < function->num_args; ++i) {
    const qm_arg *arg = &function->args[i];
    if (arg->kind != QM_ARG_RESULT)
      continue;
    const qmi_memref *memref = &values[i].memref;
    if (!qmi_is_scalar(arg) && !stays(session, memref, result)) {
      char *end = copy;
      qm_status status = gather(
          session->model->place, &end, result->data, qmi_dtype_size(arg->dtype),
          result->rank, result->dims, memref->sizes_and_strides + result->rank);
      if (status) {
        free(copies);
        return status;
      }
      result->data = copy;
      copy += copy_bytes(result);
    }
    ++result;
  }
  /* Only now: an application may have passed the last call's results back in.
   */
  free(session->copies);
  session->copies = copies;
  return QM_OK;
}
