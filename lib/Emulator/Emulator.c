/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

#include "Emulator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum { STACK_BYTES = 256 * 1024, MOST_THREADS = 1024, MOST_COPIES = 512 };

typedef enum { READY, WAITING, DONE } state;

typedef struct {
  ucontext_t context;
  state state;
  /* What it waits for, if it does. */
  qm_collective operation;
  void *const *operands;
  void *result;
  /* Copies that it has started, in their order, and the groups that ended. */
  struct copy *copies;
  uint32_t num_copies, groups;
} fiber;

typedef struct copy {
  void *to;
  const void *from;
  size_t bytes;
  uint32_t group;
} copy;

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

/* There is no use in going on with a test. */
void qm_emulate_stop(const char *why) {
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

/* What the launch says how much there is of, as generated code knows it; all
 * that any GPU has. */
char qm_shared[227 << 10] __attribute__((aligned(1024)));

void qm_emulate_copy(void *to, const void *from, size_t bytes) {
  fiber *self = &running->fibers[running->current];
  if ((uintptr_t)to % bytes || (uintptr_t)from % bytes)
    qm_emulate_stop("a copy that is not aligned");
  if (self->num_copies == MOST_COPIES)
    qm_emulate_stop("too many copies without a wait");
  self->copies[self->num_copies++] = (copy){to, from, bytes, self->groups};
}

void qm_emulate_end_copies(void) { ++running->fibers[running->current].groups; }

void qm_emulate_wait_for_copies(uint32_t pending) {
  fiber *self = &running->fibers[running->current];
  uint32_t done = 0;
  for (; done < self->num_copies; ++done) {
    copy *next = &self->copies[done];
    if (next->group + pending >= self->groups)
      break;
    memcpy(next->to, next->from, next->bytes);
  }
  self->num_copies -= done;
  memmove(self->copies, self->copies + done, self->num_copies * sizeof(copy));
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
    qm_emulate_stop("a warp has ended in part, and the rest waits for it");
  for (uint32_t lane = 1; lane < WARP; ++lane)
    if (all->fibers[first + lane].operation != all->fibers[first].operation)
      qm_emulate_stop("lanes of a warp have met at different operations");
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
    qm_emulate_stop("a block has ended in part, and the rest waits for it");
  for (uint32_t i = 0; waiting && i < all->count; ++i)
    all->fibers[i].state = READY;
  return waiting != 0;
}

static void run_block(launch *all, char *stacks, copy *copies, size_t shared) {
  /* Of what was there before nobody may know. */
  memset(qm_shared, 0xff, shared);
  for (uint32_t i = 0; i < all->count; ++i) {
    fiber *self = &all->fibers[i];
    self->state = READY;
    self->copies = copies + (size_t)i * MOST_COPIES;
    self->num_copies = self->groups = 0;
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
                       int64_t blocks_x, int64_t blocks_y, int64_t threads,
                       int64_t shared) {
  launch all = {.code = code, .arguments = arguments, .count = threads};
  char *stacks = malloc((size_t)threads * STACK_BYTES);
  copy *copies = malloc((size_t)threads * MOST_COPIES * sizeof(copy));
  all.fibers = malloc((size_t)threads * sizeof(fiber));
  running = &all;
  if (!stacks || !copies || !all.fibers)
    qm_emulate_stop("out of memory");
  if (shared < 0 || (size_t)shared > sizeof qm_shared)
    qm_emulate_stop("a block has no such amount of shared memory");
  if (threads <= 0 || threads > MOST_THREADS || threads % WARP)
    qm_emulate_stop("a block needs 1 to 32 whole warps");
  for (int64_t y = 0; y < blocks_y; ++y)
    for (int64_t x = 0; x < blocks_x; ++x) {
      all.place.block_x = (uint32_t)x;
      all.place.block_y = (uint32_t)y;
      run_block(&all, stacks, copies, (size_t)shared);
    }
  running = NULL;
  free(all.fibers);
  free(copies);
  free(stacks);
}
