/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

/* A kernel of a list, called on a GPU: see README.md. */

#include "demo.h"

#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 8, K = 64, N = 48, GROUPS = K / 32 };

static float x[ROWS][K], gain[K], bias[N], residual[ROWS][N], out[ROWS][N];
static uint8_t codes[N][K];
static float scales[N][GROUPS];

static void check(int failed, const char *what) {
  if (!failed)
    return;
  fprintf(stderr, "%s\n", what);
  exit(1);
}

/* Memory of the GPU, filled with the host's. */
static void *on_gpu(const void *host, size_t bytes) {
  void *memory = NULL;
  check(cudaMalloc(&memory, bytes + 1), "cudaMalloc has failed");
  if (host)
    check(cudaMemcpy(memory, host, bytes, cudaMemcpyHostToDevice),
          "cudaMemcpy has failed");
  return memory;
}

int main(int argc, char **argv) {
  int device = argc > 1 ? atoi(argv[1]) : 0;
  for (int n = 0; n < N; ++n) {
    for (int k = 0; k < K; ++k)
      codes[n][k] = (uint8_t)(n + k) % 16; /* 8 stands for 0 */
    scales[n][0] = scales[n][1] = 0.25f;
    bias[n] = (float)n;
  }
  for (int k = 0; k < K; ++k)
    gain[k] = 1;
  for (int m = 0; m < ROWS; ++m)
    for (int k = 0; k < K; ++k)
      x[m][k] = (float)(k % (m + 2));

  /* Packed by the CPU, once. */
  void *packed = aligned_alloc(64, (DEMO_PROJECT_WEIGHT_BYTES + 63) / 64 * 64);
  if (!packed ||
      qm_pack_weight(&demo_project_panels, codes, scales[0], NULL, packed))
    check(1, qm_last_error());

  qm_gpu_kernels *kernels = NULL;
  if (demo_open(device, &kernels))
    check(1, qm_last_error());
  check(cudaSetDevice(device), "cudaSetDevice has failed");
  cudaStream_t stream;
  check(cudaStreamCreate(&stream), "cudaStreamCreate has failed");
  float *result = on_gpu(NULL, sizeof out);
  if (demo_project(kernels, ROWS, on_gpu(x, sizeof x),
                   on_gpu(gain, sizeof gain), on_gpu(bias, sizeof bias),
                   on_gpu(residual, sizeof residual), result,
                   on_gpu(packed, DEMO_PROJECT_WEIGHT_BYTES),
                   on_gpu(NULL, DEMO_PROJECT_WORKSPACE_BYTES), stream))
    check(1, qm_last_error());
  check(cudaStreamSynchronize(stream), "the GPU has failed");
  check(cudaMemcpy(out, result, sizeof out, cudaMemcpyDeviceToHost),
        "cudaMemcpy has failed");
  printf("%.3f %.3f %.3f\n", out[1][1], out[3][5], out[ROWS - 1][N - 1]);
  qm_gpu_kernels_free(kernels);
  free(packed);
  return 0;
}
