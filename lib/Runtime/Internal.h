/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

/* What the parts of the runtime share. Names start with qmi_: they end up in
 * the application's link beside its own. */

#ifndef QUANT_MLIR_LIB_RUNTIME_INTERNAL_H
#define QUANT_MLIR_LIB_RUNTIME_INTERNAL_H

#include "quant-mlir/Runtime/quant_runtime.h"

#include <stdatomic.h>
#include <stddef.h>

/* Bytes of a cache line: what two threads write must lie further apart. */
#define QMI_LINE 64

/* Sets the message of this thread and returns the code. */
qm_status qmi_fail(qm_status code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*===----------------------------------------------------------------------===*
 * Descriptors
 *===----------------------------------------------------------------------===*/

/* Whether this runtime can run the model: version, kinds, types, ranks, and the
 * signature that the task asks for. */
qm_status qmi_check_descriptor(const qm_descriptor *descriptor);

/* NULL if there is none of that name. */
const qm_function *qmi_find_function(const qm_descriptor *descriptor,
                                     const char *name);

uint32_t qmi_count(const qm_function *function, qm_arg_kind kind);

int64_t qmi_dtype_size(uint32_t dtype);
const char *qmi_dtype_name(uint32_t dtype);

/* A number passed by value, not a tensor. */
static inline int qmi_is_scalar(const qm_arg *arg) {
  return arg->dtype == QM_INDEX && arg->rank == 0;
}

/*===----------------------------------------------------------------------===*
 * Memory
 *===----------------------------------------------------------------------===*/

typedef enum { QMI_PAGES_NORMAL, QMI_PAGES_HUGE } qmi_pages;

/* Zeroed memory, aligned to a page, that costs nothing until it is touched.
 * NULL if there is none. bytes > 0. */
void *qmi_reserve(size_t bytes, qmi_pages pages);
void qmi_release(void *memory, size_t bytes);

/*===----------------------------------------------------------------------===*
 * Devices: where a model's buffers are and its code runs, if that is not here
 *===----------------------------------------------------------------------===*/

/* GPU.c has one. `opened` is what `open` has made for a model. */
typedef struct qm_device {
  qm_status (*open)(const qm_descriptor *model, void **opened);
  void (*close)(void *opened);
  /* Zeroed memory, aligned to 256 bytes; NULL if there is none. */
  void *(*reserve)(void *opened, size_t bytes);
  void (*release)(void *opened, void *memory);
  /* To the device, and back once all calls have ended. */
  qm_status (*write)(void *opened, void *to, const void *from, size_t bytes);
  qm_status (*read)(void *opened, void *to, const void *from, size_t bytes);
  /* Runs entry(args) and returns when the device is done. *state is what
   * the device keeps for the session's next call; NULL at first. */
  qm_status (*call)(void *opened, void **state, void (*entry)(void **args),
                    void **args);
  /* The end of a session whose state is not NULL. */
  void (*forget)(void *opened, void *state);
} qm_device;

/* Where memory is. */
typedef struct {
  const qm_device *device; /* NULL: here */
  void *opened;
} qmi_place;

void *qmi_place_reserve(qmi_place place, size_t bytes, qmi_pages pages);
void qmi_place_release(qmi_place place, void *memory, size_t bytes);
qm_status qmi_place_read(qmi_place place, void *to, const void *from,
                         size_t bytes);

/*===----------------------------------------------------------------------===*
 * Models
 *===----------------------------------------------------------------------===*/

struct qm_model {
  const qm_descriptor *descriptor;
  const char *target;
  atomic_int references; /* the application's one, and one for each session */
  qmi_place place;
  void *file; /* the mapped weights file, NULL without weights or on a device */
  size_t file_bytes;
  void *weights; /* its data section; on a device a copy of it */
  int64_t weights_bytes;
};

/*===----------------------------------------------------------------------===*
 * Threads
 *===----------------------------------------------------------------------===*/

/* What qm_barrier waits on. Arrivals and departures are on lines of their own:
 * those who wait read only the second. */
typedef struct {
  _Alignas(QMI_LINE) atomic_uint arrived;
  _Alignas(QMI_LINE) atomic_uint generation;
} qmi_barrier;

/* The cores that this process may use, at least 1. */
int64_t qmi_available_cores(void);

typedef struct qmi_pool qmi_pool;

/* `threads` - 1 workers; the caller of qmi_pool_run is the last. */
qm_status qmi_pool_create(int64_t threads, qmi_pool **pool);
void qmi_pool_free(qmi_pool *pool);

/* Runs task(argument, i) for every thread at the same time. */
void qmi_pool_run(qmi_pool *pool, qm_task task, void *argument);

/*===----------------------------------------------------------------------===*
 * Sessions
 *===----------------------------------------------------------------------===*/

typedef struct {
  void *allocated;
  void *aligned;
  int64_t offset;
  int64_t sizes_and_strides[2 * QM_MAX_RANK]; /* without a gap at lower ranks */
} qmi_memref;

/* One argument's value: only the member that its kind asks for is used. */
typedef union {
  qmi_memref memref;
  int64_t scalar;
} qmi_value;

/* What differs from thread to thread in a call. */
typedef struct {
  _Alignas(QMI_LINE) int64_t id;
  void **args;        /* [num_args] */
  qmi_value *results; /* [num_args], used where the argument is a result */
} qmi_frame;

typedef struct {
  const char *name;
  void *data;
  size_t bytes;
  const qm_arg *arg;
} qmi_cache;

struct qm_session {
  qmi_barrier barrier;
  qm_model *model;
  int64_t context, positions; /* positions: context, rounded up */
  int64_t threads;
  int64_t position;
  qm_executor executor;
  void *executor_context;
  qmi_pool *pool; /* NULL with an executor, or with one thread */
  void *workspace;
  size_t workspace_bytes;
  qmi_cache *caches;
  uint32_t num_caches;
  uint32_t max_args;
  qmi_value *shared; /* [max_args]: the values that all threads see */
  qmi_frame *frames; /* [threads] */
  void *copies;      /* results that are not rows in the workspace */
  void *inputs;      /* what a device is given of a call's inputs */
  size_t inputs_bytes;
  void *device_state; /* what the device keeps from call to call */
  const float *logits;
  int64_t outputs; /* rows of logits, if there are some */
  float *kept;     /* logits that outlive the call which computed them */
  size_t kept_count;
  void *top; /* what qm_session_top works on */
  size_t top_bytes;
};

/* The cache of that name; NULL if there is none. */
const qmi_cache *qmi_find_cache(const qm_session *session, const char *name);

/* Runs task(argument, i) for every thread of the session at the same time. */
void qmi_run_threads(qm_session *session, qm_task task, void *argument);

/* Calls the function with inputs that have been checked, in the order of its
 * inputs, and fills in the results. */
qm_status qmi_call(qm_session *session, const qm_function *function,
                   const qm_tensor *inputs, qm_tensor *results);

/* The results that generated code has described, as tensors: in the workspace,
 * or in memory of the session that lasts until the next call. */
qm_status qmi_read_results(qm_session *session, const qm_function *function,
                           qm_tensor *results);

#endif /* QUANT_MLIR_LIB_RUNTIME_INTERNAL_H */
