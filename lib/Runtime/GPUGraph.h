/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

/* What a call launches is written down first. If it is what the session's last
 * call has launched, a token after the other, all of it is one graph of the
 * driver's, which is told what arguments have changed: the position, in a few
 * functions. Launching takes the host longer than most functions take. */

#ifndef QUANT_MLIR_LIB_RUNTIME_GPUGRAPH_H
#define QUANT_MLIR_LIB_RUNTIME_GPUGRAPH_H

#include "GPUDriver.h"

/* A launch but for its arguments. */
typedef struct {
  int64_t function; /* its number */
  unsigned blocks_x, blocks_y, threads, shared;
} qmi_launch;

/* Starts one at once. */
cu_result qmi_launch_now(const qmi_gpu *gpu, const qmi_launch *launch,
                         void **arguments, cu_stream stream);

/* The calls of a session. */
typedef struct qmi_recording qmi_recording;

/* NULL if there is no memory. */
qmi_recording *qmi_recording_create(void);
void qmi_recording_free(const qmi_gpu *gpu, qmi_recording *recording);

void qmi_recording_begin(qmi_recording *recording);
/* arguments: pointers to 8 bytes each, then NULL. They are copied. */
void qmi_recording_add(qmi_recording *recording, const qmi_launch *launch,
                       void **arguments);
/* Starts all that was added since the beginning, in this order. *failed: the
 * name of what it was that did not go well. */
cu_result qmi_recording_run(const qmi_gpu *gpu, qmi_recording *recording,
                            const char **failed);

#endif /* QUANT_MLIR_LIB_RUNTIME_GPUGRAPH_H */
