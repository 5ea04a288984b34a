/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

/* Greedy decoding with a compiled model: token ids in, token ids out.
 *
 *     ./decode WEIGHTS COUNT ID...       COUNT: how many tokens to add */

#include "model.h"

#include <stdio.h>
#include <stdlib.h>

static void require(qm_status status) {
  if (status != QM_OK)
    exit((fprintf(stderr, "error: %s\n", qm_last_error()), 1));
}

int main(int argc, char **argv) {
  if (argc < 4)
    return fprintf(stderr, "usage: decode WEIGHTS COUNT ID...\n"), 2;
  int32_t *tokens = malloc(argc * sizeof *tokens);
  int64_t n = argc - 3;
  for (int64_t i = 0; i < n; ++i)
    tokens[i] = atoi(argv[i + 3]);

  qm_model *model;
  qm_session *session;
  require(model_open(argv[1], &model));
  require(model_session(model, 0, 0, &session));
  for (int count = atoi(argv[2]); count > 0; --count, n = 1) {
    /* First the prompt, then one token at a time. */
    require(model_feed(session, tokens, n, 1));
    require(model_top(session, 1, tokens, NULL));
    printf("%d ", (int)tokens[0]);
    fflush(stdout);
  }
  printf("\n");
  qm_session_free(session);
  model_close(model);
  free(tokens);
}
