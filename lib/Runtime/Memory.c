/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#define _GNU_SOURCE
#include "Internal.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)

static void *map(size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

/* A huge page must start at a multiple of its size, which mmap does not
 * promise: map more, give back what is before and after. */
static void *map_aligned(size_t bytes) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  bytes = (bytes + page - 1) / page * page;
  char *memory = map(bytes + HUGE_PAGE);
  if (!memory)
    return NULL;
  size_t before = -(uintptr_t)memory % HUGE_PAGE;
  if (before)
    munmap(memory, before);
  munmap(memory + before + bytes, HUGE_PAGE - before);
  return memory + before;
}

void *qmi_reserve(size_t bytes, qmi_pages pages) {
  if (bytes > SIZE_MAX - 2 * HUGE_PAGE)
    return NULL;
  int huge = pages == QMI_PAGES_HUGE && bytes >= HUGE_PAGE;
  void *memory = huge ? map_aligned(bytes) : map(bytes);
  /* Hints: a kernel that does not know them is as good, only slower. */
#ifdef MADV_HUGEPAGE
  if (memory)
    madvise(memory, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
  return memory;
}

void qmi_release(void *memory, size_t bytes) {
  if (memory)
    munmap(memory, bytes);
}

void *qmi_place_reserve(qmi_place place, size_t bytes, qmi_pages pages) {
  return place.device ? place.device->reserve(place.opened, bytes)
                      : qmi_reserve(bytes, pages);
}

void qmi_place_release(qmi_place place, void *memory, size_t bytes) {
  if (!place.device)
    qmi_release(memory, bytes);
  else if (memory)
    place.device->release(place.opened, memory);
}

qm_status qmi_place_read(qmi_place place, void *to, const void *from,
                         size_t bytes) {
  if (place.device)
    return place.device->read(place.opened, to, from, bytes);
  memcpy(to, from, bytes);
  return QM_OK;
}
