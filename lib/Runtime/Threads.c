/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

/* One token of a small model takes about a millisecond, with a few hundred
 * barriers in it, so waiting must cost well under a microsecond: whoever waits
 * spins. Two things bound that. At a barrier, where the others are at most one
 * kernel away, a spinner begins to yield its core after a while, so that a
 * machine with more threads than cores still moves on. Between two calls, where
 * the application may stay away for ever, a worker goes to sleep. */

#define _GNU_SOURCE
#include "Internal.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Pauses before a spinner begins to yield, about 5 us. Measured on 2 cores: a
 * barrier of 2 threads costs 0.04 us with any number here; one of 4 threads
 * costs 5 us with 128, 30 us with 512, 50 us and more with 2048. */
#define SPINS_BEFORE_YIELD 128

/* How long a worker stays awake for the next call: longer than an application
 * needs to pick a token from 50,000 logits, and too short to be seen as load.
 * Waking one up costs 20 us, starting one that is awake 0.2 us. */
#define AWAKE_NS 200000

static inline void pause_core(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");
#endif
}

static inline void wait_a_moment(unsigned *spins) {
  if (++*spins < SPINS_BEFORE_YIELD)
    pause_core();
  else
    sched_yield();
}

/* The last to arrive resets the count before it lets the others go, so the
 * barrier is ready for its next use when the first of them comes back. */
void qm_barrier(void *opaque, int64_t n) {
  if (n <= 1)
    return;
  qmi_barrier *barrier = opaque;
  unsigned generation =
      atomic_load_explicit(&barrier->generation, memory_order_relaxed);
  unsigned arrived =
      atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel);
  if (arrived + 1 == (unsigned)n) {
    atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&barrier->generation, generation + 1,
                          memory_order_release);
    return;
  }
  unsigned spins = 0;
  while (atomic_load_explicit(&barrier->generation, memory_order_acquire) ==
         generation)
    wait_a_moment(&spins);
}

int64_t qmi_available_cores(void) {
  cpu_set_t cores;
  if (!sched_getaffinity(0, sizeof cores, &cores))
    return CPU_COUNT(&cores);
  long online = sysconf(_SC_NPROCESSORS_ONLN); /* more than 1024 cores */
  return online > 0 ? online : 1;
}

struct qmi_pool {
  /* What the caller writes, and workers read as they wait. */
  _Alignas(QMI_LINE) atomic_uint calls; /* how many there have been */
  qm_task task;
  void *argument;
  int stop;

  _Alignas(QMI_LINE) atomic_uint running; /* workers not yet back */
  atomic_uint sleeping;
  pthread_mutex_t mutex;
  pthread_cond_t wake;

  unsigned num_workers;
  struct worker {
    qmi_pool *pool;
    pthread_t thread;
    unsigned number; /* 1 is the first: 0 is the caller */
  } workers[];
};

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Returns once the pool has had more than `seen` calls. */
static void wait_for_call(qmi_pool *pool, unsigned seen) {
  int64_t end = now_ns() + AWAKE_NS;
  unsigned spins = 0;
  do {
    if (atomic_load_explicit(&pool->calls, memory_order_acquire) != seen)
      return;
    wait_a_moment(&spins);
  } while (spins % 64 || now_ns() < end);
  pthread_mutex_lock(&pool->mutex);
  /* In this order, and the reverse in start_call: either we see the new call or
   * the caller sees that we sleep. */
  atomic_fetch_add(&pool->sleeping, 1);
  while (atomic_load(&pool->calls) == seen)
    pthread_cond_wait(&pool->wake, &pool->mutex);
  atomic_fetch_sub(&pool->sleeping, 1);
  pthread_mutex_unlock(&pool->mutex);
}

static void start_call(qmi_pool *pool) {
  atomic_store_explicit(&pool->running, pool->num_workers,
                        memory_order_relaxed);
  atomic_fetch_add(&pool->calls, 1);
  if (!atomic_load(&pool->sleeping))
    return;
  pthread_mutex_lock(&pool->mutex);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);
}

static void *work(void *opaque) {
  struct worker *worker = opaque;
  qmi_pool *pool = worker->pool;
  for (unsigned seen = 0;; ++seen) {
    wait_for_call(pool, seen);
    if (pool->stop)
      return NULL;
    pool->task(pool->argument, worker->number);
    atomic_fetch_sub_explicit(&pool->running, 1, memory_order_release);
  }
}

qm_status qmi_pool_create(int64_t threads, qmi_pool **result) {
  size_t bytes = sizeof(qmi_pool) + threads * sizeof(struct worker);
  bytes = (bytes + QMI_LINE - 1) / QMI_LINE * QMI_LINE;
  qmi_pool *pool = aligned_alloc(QMI_LINE, bytes);
  if (!pool)
    return qmi_fail(QM_NO_MEMORY, "no memory for %lld threads",
                    (long long)threads);
  memset(pool, 0, bytes);
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->wake, NULL);

  /* Signals are for the application's threads: a handler of its own should not
   * find itself on one that it does not know. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = 0;
  for (int64_t i = 1; i < threads && !error; ++i) {
    struct worker *worker = &pool->workers[pool->num_workers];
    worker->pool = pool;
    worker->number = (unsigned)i;
    error = pthread_create(&worker->thread, NULL, work, worker);
    pool->num_workers += !error;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (error) {
    unsigned started = pool->num_workers;
    qmi_pool_free(pool);
    return qmi_fail(QM_NO_MEMORY, "cannot start thread %u of %lld: %s",
                    started + 2, (long long)threads, strerror(error));
  }
  *result = pool;
  return QM_OK;
}

void qmi_pool_free(qmi_pool *pool) {
  if (!pool)
    return;
  pool->stop = 1;
  start_call(pool);
  for (unsigned i = 0; i < pool->num_workers; ++i)
    pthread_join(pool->workers[i].thread, NULL);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->mutex);
  free(pool);
}

void qmi_pool_run(qmi_pool *pool, qm_task task, void *argument) {
  pool->task = task;
  pool->argument = argument;
  start_call(pool);
  task(argument, 0);
  unsigned spins = 0;
  while (atomic_load_explicit(&pool->running, memory_order_acquire))
    wait_a_moment(&spins);
}
