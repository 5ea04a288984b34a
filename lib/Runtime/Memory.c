/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#define _GNU_SOURCE
#include "Internal.h"

#include <sys/mman.h>

void *qmi_reserve(size_t bytes, qmi_pages pages) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return NULL;
  /* Hints: a kernel that does not know them is as good, only slower. */
#ifdef MADV_HUGEPAGE
  madvise(memory, bytes,
          pages == QMI_PAGES_HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
  return memory;
}

void qmi_release(void *memory, size_t bytes) {
  if (memory)
    munmap(memory, bytes);
}
