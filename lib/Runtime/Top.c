/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

/* The best logits of a token. Every thread keeps the best of its share in a
 * heap whose root is the worst of them; hardly any of a large vocabulary gets
 * past that root, so what takes time is to compare with it. Then the threads'
 * lists, sorted, are merged.
 *
 * A candidate is one number: the logit, as an integer of the same order, above
 * the id, turned round. There are no two equal ones, so the result depends
 * neither on the order of comparisons nor on the threads. */

#include "Internal.h"

#include <stdlib.h>
#include <string.h>

/* NaN is below all numbers, and -0 is 0. */
static inline uint32_t order_of(float logit) {
  float positive = logit + 0.0f;
  uint32_t bits;
  memcpy(&bits, &positive, sizeof bits);
  uint32_t order = bits ^ (bits >> 31 ? UINT32_MAX : UINT32_C(1) << 31);
  return logit == logit ? order : 0;
}

static inline uint64_t candidate(float logit, int64_t id) {
  return (uint64_t)order_of(logit) << 32 | (UINT32_MAX - (uint32_t)id);
}

static inline int32_t id_of(uint64_t candidate) {
  return (int32_t)(UINT32_MAX - (uint32_t)candidate);
}

/* Lets heap[at] sink to where none below it is worse. */
static void sink(uint64_t *heap, int64_t count, int64_t at) {
  uint64_t value = heap[at];
  for (int64_t child; (child = 2 * at + 1) < count; at = child) {
    child += child + 1 < count && heap[child + 1] < heap[child];
    if (heap[child] >= value)
      break;
    heap[at] = heap[child];
  }
  heap[at] = value;
}

enum { block = 64 };

/* Whether one of a block may be better than the worst of the best; what cannot
 * be compared may. Without branches and of a fixed length, so that compilers
 * make vectors of it. */
static int any_better(const float *logits, float worst) {
  int any = 0;
  for (int i = 0; i < block; ++i)
    any |= !(logits[i] <= worst);
  return any;
}

/* The best k of logits[begin, end), best first; returns how many there are. */
static int64_t find_best(const float *logits, int64_t begin, int64_t end,
                         int64_t k, uint64_t *heap) {
  int64_t count = end - begin < k ? end - begin : k;
  for (int64_t i = 0; i < count; ++i)
    heap[i] = candidate(logits[begin + i], begin + i);
  for (int64_t i = count / 2; i-- > 0;)
    sink(heap, count, i);
  for (int64_t i = begin + count; i < end; i += block) {
    int64_t stop = end - i < block ? end : i + block;
    if (stop - i == block && !any_better(logits + i, logits[id_of(heap[0])]))
      continue;
    for (int64_t id = i; id < stop; ++id) {
      uint64_t next = candidate(logits[id], id);
      if (next > heap[0]) {
        heap[0] = next;
        sink(heap, count, 0);
      }
    }
  }
  for (int64_t left = count; left > 1;) {
    uint64_t worst = heap[0];
    heap[0] = heap[--left];
    heap[left] = worst;
    sink(heap, left, 0);
  }
  return count;
}

/* What a thread has found and is not yet taken, best first. */
typedef struct {
  _Alignas(QMI_LINE) const uint64_t *next;
  int64_t count;
} list;

typedef struct {
  const float *logits;
  int64_t count, k, threads;
  list *lists;       /* [threads] */
  uint64_t *storage; /* [threads][capacity] */
  int64_t capacity;
} search;

static void find_share(void *argument, int64_t thread) {
  const search *search = argument;
  int64_t begin = search->count * thread / search->threads;
  int64_t end = search->count * (thread + 1) / search->threads;
  uint64_t *heap = search->storage + thread * search->capacity;
  search->lists[thread].next = heap;
  search->lists[thread].count =
      find_best(search->logits, begin, end, search->k, heap);
}

static void merge(const search *search, int32_t *ids, float *logits) {
  for (int64_t i = 0; i < search->k; ++i) {
    list *best = NULL;
    for (list *l = search->lists; l < search->lists + search->threads; ++l)
      if (l->count && (!best || *l->next > *best->next))
        best = l;
    ids[i] = id_of(*best->next++);
    --best->count;
    if (logits)
      logits[i] = search->logits[ids[i]];
  }
}

/* Memory of the session for the lists and for what is in them. */
static qm_status make_lists(qm_session *session, search *search) {
  int64_t share = search->count / search->threads + 1;
  int64_t line = QMI_LINE / sizeof(uint64_t);
  search->capacity = search->k < share ? search->k : share;
  search->capacity = (search->capacity + line - 1) / line * line;
  size_t bytes = (size_t)search->threads *
                 (sizeof(list) + (size_t)search->capacity * sizeof(uint64_t));
  if (session->top_bytes < bytes) {
    void *top = aligned_alloc(QMI_LINE, bytes);
    if (!top)
      return qmi_fail(QM_NO_MEMORY, "no memory for the best %lld logits",
                      (long long)search->k);
    free(session->top);
    session->top = top;
    session->top_bytes = bytes;
  }
  search->lists = session->top;
  search->storage = (uint64_t *)(search->lists + search->threads);
  return QM_OK;
}

qm_status qm_session_top(qm_session *session, int64_t k, int32_t *ids,
                         float *logits) {
  if (!session || !ids)
    return qmi_fail(QM_INVALID, "there is no session, or no place for ids");
  if (!session->logits)
    return qmi_fail(QM_INVALID, "there are no logits: the last call kept none, "
                                "or there was none");
  int64_t vocab_size = session->model->descriptor->vocab_size;
  if (k < 1 || k > vocab_size)
    return qmi_fail(QM_INVALID,
                    "the best %lld logits were asked for: must be 1 to %lld",
                    (long long)k, (long long)vocab_size);
  search search = {.logits =
                       session->logits + (session->outputs - 1) * vocab_size,
                   .count = vocab_size,
                   .k = k,
                   .threads = session->threads};
  qm_status status = make_lists(session, &search);
  if (status)
    return status;
  qmi_run_threads(session, find_share, &search);
  merge(&search, ids, logits);
  return QM_OK;
}
