/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#ifndef QUANT_MLIR_LIB_EMULATOR_H
#define QUANT_MLIR_LIB_EMULATOR_H

/* A GPU on the CPU, for tests: the threads of a block take turns on stacks of
 * their own. A thread runs until it meets others: what a warp does together,
 * such as a shuffle, is done once all 32 lanes have come to it. */

#include <stddef.h>
#include <stdint.h>

enum { WARP = 32 };

typedef struct {
  uint32_t thread, block_x, block_y;
} qm_place;

/* What a block's threads share. */
extern char qm_shared[];

/* Where the calling thread is. */
const qm_place *qm_emulated_place(void);

/* What all lanes of a warp do together: gets the operands and results of every
 * lane. */
typedef void (*qm_collective)(void *const *const operands[WARP],
                              void *const results[WARP]);

/* The calling lane comes to `operation`, and goes on when it is done. */
void qm_emulate_together(qm_collective operation, void *const *operands,
                         void *result);

/* Ends the program, as a kernel does what no GPU would, or not alike. */
void qm_emulate_stop(const char *why);

/* The calling thread has a copy done when it waits for it, and no sooner. */
void qm_emulate_copy(void *to, const void *from, size_t bytes);
/* Ends a group of copies. */
void qm_emulate_end_copies(void);
/* Does the copies of all groups but the last `pending`. */
void qm_emulate_wait_for_copies(uint32_t pending);

/* The calling thread waits until all of its block have come here. */
void qm_emulate_barrier(void);

#endif
