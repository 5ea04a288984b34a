/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

/* As much of the CUDA runtime as the example needs, beside the driver of
 * cuda.c: memory is the host's, and there is one stream. */

#ifndef CUDA_RUNTIME_API_H
#define CUDA_RUNTIME_API_H

#include <stdlib.h>
#include <string.h>

typedef void *cudaStream_t;
enum { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost };

static inline int cudaSetDevice(int device) { return device < 0; }
static inline int cudaMalloc(void **memory, size_t bytes) {
  *memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
  return *memory ? (int)(memset(*memory, 0, bytes) != *memory) : 2;
}
static inline int cudaMemcpy(void *to, const void *from, size_t bytes,
                             int kind) {
  memcpy(to, from, bytes);
  return kind < 0;
}
static inline int cudaStreamCreate(cudaStream_t *stream) {
  static int only;
  *stream = &only;
  return 0;
}
static inline int cudaStreamSynchronize(cudaStream_t stream) { return !stream; }

#endif
