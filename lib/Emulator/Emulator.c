/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

#include "Emulator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum { STACK_BYTES = 64 * 1024, MOST_THREADS = 1024 };

typedef enum { READY, WAITING, DONE } state;

typedef struct {
  ucontext_t context;
  state state;
  /* What it waits for, if it does. */
  qm_collective operation;
  void *const *operands;
  void *result;
} fiber;

/* Of the launch that this thread of the CPU runs. */
typedef struct {
  void (*code)(void **);
  void **arguments;
  ucontext_t scheduler;
  fiber *fibers;
  uint32_t count, current;
  qm_place place;
} launch;

static _Thread_local launch *running;

/* A kernel that hangs or is not allowed on a GPU, either: there is no use in
 * going on with a test. */
static void stop(const char *why) {
  fprintf(stderr, "GPU emulator: block (%u, %u): %s\n", running->place.block_x,
          running->place.block_y, why);
  abort();
}

const qm_place *qm_emulated_place(void) { return &running->place; }

void qm_emulate_together(qm_collective operation, void *const *operands,
                         void *result) {
  fiber *self = &running->fibers[running->current];
  self->state = WAITING;
  self->operation = operation;
  self->operands = operands;
  self->result = result;
  swapcontext(&self->context, &running->scheduler);
}

/* Stands for what a whole block meets at. */
static void at_barrier(void *const *const operands[WARP],
                       void *const results[WARP]) {
  (void)operands;
  (void)results;
}

void qm_emulate_barrier(void) { qm_emulate_together(at_barrier, NULL, NULL); }

static void run_fiber(void) {
  running->code(running->arguments);
  running->fibers[running->current].state = DONE;
  swapcontext(&running->fibers[running->current].context, &running->scheduler);
}

typedef enum { GOES_ON, AT_BARRIER, ENDED } progress;

/* Runs every lane of a warp that can go on, then what they have met for. */
static progress advance_warp(launch *all, uint32_t first) {
  uint32_t done = 0;
  void *const *operands[WARP];
  void *results[WARP];
  for (uint32_t lane = 0; lane < WARP; ++lane) {
    fiber *self = &all->fibers[first + lane];
    if (self->state == READY) {
      all->current = first + lane;
      all->place.thread = first + lane;
      swapcontext(&all->scheduler, &self->context);
    }
    done += self->state == DONE;
    operands[lane] = self->operands;
    results[lane] = self->result;
  }
  if (done == WARP)
    return ENDED;
  if (done)
    stop("a warp has ended in part, and the rest waits for it");
  for (uint32_t lane = 1; lane < WARP; ++lane)
    if (all->fibers[first + lane].operation != all->fibers[first].operation)
      stop("lanes of a warp have met at different operations");
  if (all->fibers[first].operation == at_barrier)
    return AT_BARRIER;
  all->fibers[first].operation(operands, results);
  for (uint32_t lane = 0; lane < WARP; ++lane)
    all->fibers[first + lane].state = READY;
  return GOES_ON;
}

/* Runs all warps to the next barrier, or to the end. True if it is a barrier.
 */
static int advance_block(launch *all) {
  uint32_t waiting = 0;
  for (uint32_t first = 0; first < all->count; first += WARP) {
    progress now;
    do
      now = advance_warp(all, first);
    while (now == GOES_ON);
    waiting += now == AT_BARRIER;
  }
  if (waiting && waiting < all->count / WARP)
    stop("a block has ended in part, and the rest waits for it");
  for (uint32_t i = 0; waiting && i < all->count; ++i)
    all->fibers[i].state = READY;
  return waiting != 0;
}

static void run_block(launch *all, char *stacks) {
  for (uint32_t i = 0; i < all->count; ++i) {
    fiber *self = &all->fibers[i];
    self->state = READY;
    getcontext(&self->context);
    self->context.uc_stack.ss_sp = stacks + (size_t)i * STACK_BYTES;
    self->context.uc_stack.ss_size = STACK_BYTES;
    self->context.uc_link = NULL;
    makecontext(&self->context, run_fiber, 0);
  }
  while (advance_block(all))
    ;
}

void qm_emulate_launch(void (*code)(void **), void **arguments,
                       int64_t blocks_x, int64_t blocks_y, int64_t threads) {
  launch all = {.code = code, .arguments = arguments, .count = threads};
  char *stacks = malloc((size_t)threads * STACK_BYTES);
  all.fibers = malloc((size_t)threads * sizeof(fiber));
  running = &all;
  if (!stacks || !all.fibers)
    stop("out of memory");
  if (threads <= 0 || threads > MOST_THREADS || threads % WARP)
    stop("a block needs 1 to 32 whole warps");
  for (int64_t y = 0; y < blocks_y; ++y)
    for (int64_t x = 0; x < blocks_x; ++x) {
      all.place.block_x = (uint32_t)x;
      all.place.block_y = (uint32_t)y;
      run_block(&all, stacks);
    }
  running = NULL;
  free(all.fibers);
  free(stacks);
}
