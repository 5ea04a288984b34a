/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

/* Two kernels of a list, called on two threads: see README.md. */

#include "demo.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 8, K = 64, N = 48, GROUPS = K / 32 };

static float x[ROWS][K], gain[K], bias[N], residual[ROWS][N], out[ROWS][N];
static void *weights, *workspace;
static qm_barrier_memory barrier;

static void *run(void *team) {
  demo_project(ROWS, x[0], gain, bias, residual[0], out[0], weights, workspace,
               team);
  return NULL;
}

int main(void) {
  static uint8_t codes[N][K];
  static float scales[N][GROUPS];
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

  weights = aligned_alloc(64, (DEMO_PROJECT_WEIGHT_BYTES + 63) / 64 * 64);
  workspace = aligned_alloc(64, (DEMO_PROJECT_WORKSPACE_BYTES + 63) / 64 * 64);
  if (!weights || !workspace ||
      qm_pack_weight(&demo_project_panels, codes, scales[0], NULL, weights)) {
    fprintf(stderr, "%s\n", qm_last_error());
    return 1;
  }

  qm_team team[] = {{0, 2, &barrier}, {1, 2, &barrier}};
  pthread_t other;
  if (pthread_create(&other, NULL, run, &team[1]))
    return 1;
  run(&team[0]);
  pthread_join(other, NULL);

  printf("%.3f %.3f %.3f\n", out[1][1], out[3][5], out[ROWS - 1][N - 1]);
  free(weights);
  free(workspace);
  return 0;
}
