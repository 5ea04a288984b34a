/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

/* What the runtime asks of the CUDA driver, for the emulated GPU: models for it
 * are run by the code that runs those for a real one. Its memory can be touched
 * only by launches and copies; a host that does so by itself is stopped by the
 * system. Large pieces stay open: closing them page by page would take longer
 * than most launches. */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { DONE = 0, INVALID = 1, OUT_OF_MEMORY = 2, NOT_FOUND = 500 };

#define MOST_CLOSED ((size_t)4 << 20)

typedef struct allocation {
  struct allocation *next;
  char *memory;
  size_t bytes;
} allocation;

/* One thing at a time happens on this GPU. */
static pthread_mutex_t busy = PTHREAD_MUTEX_INITIALIZER;
static allocation *allocations;

static void protect_all(int protection) {
  for (allocation *each = allocations; each; each = each->next)
    if (each->bytes <= MOST_CLOSED)
      mprotect(each->memory, each->bytes, protection);
}
static void begin(void) {
  pthread_mutex_lock(&busy);
  protect_all(PROT_READ | PROT_WRITE);
}
static int end(int result) {
  protect_all(PROT_NONE);
  pthread_mutex_unlock(&busy);
  return result;
}

static int init(unsigned flags) {
  (void)flags;
  return DONE;
}
static int error_string(int result, const char **text) {
  *text = result == OUT_OF_MEMORY ? "out of memory"
          : result == NOT_FOUND   ? "not found"
                                  : "invalid";
  return DONE;
}
static int device_count(int *count) {
  *count = 1;
  return DONE;
}
static int device(int *device, int number) {
  *device = number;
  return DONE;
}
/* Of the newest generation that code is made for. */
static int attribute(int *value, int attribute, int device) {
  (void)device;
  *value = attribute == 75 ? 9 : 0;
  return DONE;
}
static int retain(void **context, int device) {
  (void)device;
  *context = &allocations;
  return DONE;
}
static int release(int device) {
  (void)device;
  return DONE;
}
static int push(void *context) { return context ? DONE : INVALID; }
static int pop(void **context) {
  *context = &allocations;
  return DONE;
}
static int synchronize(void) { return DONE; }

/* An image is a list of functions that ends with NULL. */
typedef struct {
  const char *name;
  void (*code)(void **arguments);
} function;

static int load(const function **module, const function *image) {
  *module = image;
  return DONE;
}
static int unload(const function *module) {
  (void)module;
  return DONE;
}
static int find(const function **found, const function *module,
                const char *name) {
  for (; module->name; ++module)
    if (!strcmp(module->name, name)) {
      *found = module;
      return DONE;
    }
  return NOT_FOUND;
}

static int allocate(unsigned long long *address, size_t bytes) {
  allocation *made = malloc(sizeof *made);
  int protection = bytes <= MOST_CLOSED ? PROT_NONE : PROT_READ | PROT_WRITE;
  char *memory = bytes
                     ? mmap(NULL, bytes, protection,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
                     : MAP_FAILED;
  if (!made || memory == MAP_FAILED) {
    free(made);
    return bytes ? OUT_OF_MEMORY : INVALID;
  }
  pthread_mutex_lock(&busy);
  *made = (allocation){allocations, memory, bytes};
  allocations = made;
  pthread_mutex_unlock(&busy);
  *address = (uintptr_t)memory;
  return DONE;
}

static int give_back(unsigned long long address) {
  int result = INVALID;
  pthread_mutex_lock(&busy);
  for (allocation **each = &allocations; *each; each = &(*each)->next)
    if ((uintptr_t)(*each)->memory == address) {
      allocation *gone = *each;
      *each = gone->next;
      munmap(gone->memory, gone->bytes);
      free(gone);
      result = DONE;
      break;
    }
  pthread_mutex_unlock(&busy);
  return result;
}

static int set_bytes(unsigned long long address, unsigned char value,
                     size_t bytes) {
  begin();
  memset((void *)(uintptr_t)address, value, bytes);
  return end(DONE);
}
static int copy_in(unsigned long long to, const void *from, size_t bytes) {
  begin();
  memcpy((void *)(uintptr_t)to, from, bytes);
  return end(DONE);
}
static int copy_out(void *to, unsigned long long from, size_t bytes) {
  begin();
  memcpy(to, (const void *)(uintptr_t)from, bytes);
  return end(DONE);
}

void qm_emulate_launch(void (*code)(void **), void **arguments,
                       int64_t blocks_x, int64_t blocks_y, int64_t threads,
                       int64_t shared);

static int set_attribute(const function *function, int attribute, int value) {
  (void)function;
  return attribute == 8 && value >= 0 ? DONE : INVALID;
}

static int launch(const function *function, unsigned blocks_x,
                  unsigned blocks_y, unsigned blocks_z, unsigned threads_x,
                  unsigned threads_y, unsigned threads_z, unsigned shared,
                  void *stream, void **arguments, void **extra) {
  if (blocks_z != 1 || threads_y != 1 || threads_z != 1 || stream || extra ||
      !blocks_x || !blocks_y || blocks_y > 65535)
    return INVALID;
  begin();
  qm_emulate_launch(function->code, arguments, blocks_x, blocks_y, threads_x,
                    shared);
  return end(DONE);
}

/* A chain of launches. Arguments are 8 bytes each, up to a NULL, as those of
 * our own code: a real driver knows of each function what it takes. */
typedef struct {
  const function *function;
  unsigned blocks[3], threads[3], shared;
  void **arguments, **extra;
} kernel_node;

typedef struct node {
  struct node *next;
  kernel_node kernel;
  void *arguments[64];
  uint64_t values[63];
} node;

typedef struct {
  node *first, *last;
} graph;

static int set_node(node *node, const kernel_node *kernel) {
  node->kernel = *kernel;
  int count = 0;
  for (; kernel->arguments[count]; ++count) {
    if (count == 63)
      return INVALID;
    memcpy(&node->values[count], kernel->arguments[count], sizeof(uint64_t));
    node->arguments[count] = &node->values[count];
  }
  node->arguments[count] = NULL;
  return DONE;
}

static int create_graph(graph **made, unsigned flags) {
  *made = calloc(1, sizeof **made);
  return flags ? INVALID : *made ? DONE : OUT_OF_MEMORY;
}
static int destroy_graph(graph *graph) {
  for (node *each = graph->first, *next; each; each = next) {
    next = each->next;
    free(each);
  }
  free(graph);
  return DONE;
}
static int add_node(node **made, graph *graph, node *const *before,
                    size_t num_before, const kernel_node *kernel) {
  node *last = num_before ? *before : NULL;
  if (num_before > 1 || last != graph->last)
    return INVALID; /* no chain */
  *made = calloc(1, sizeof **made);
  if (!*made)
    return OUT_OF_MEMORY;
  if (last)
    last->next = *made;
  else
    graph->first = *made;
  graph->last = *made;
  return set_node(*made, kernel);
}
/* What can be run is the graph itself. */
static int instantiate(graph **runnable, graph *graph,
                       unsigned long long flags) {
  *runnable = graph;
  return flags ? INVALID : DONE;
}
static int set_params(graph *runnable, node *node, const kernel_node *kernel) {
  /* A node stays with its function's module, all of them here. */
  return runnable->first ? set_node(node, kernel) : INVALID;
}
static int destroy_runnable(graph *runnable) {
  return runnable ? DONE : INVALID;
}
static int launch_graph(graph *runnable, void *stream) {
  for (node *each = runnable->first; each; each = each->next) {
    const kernel_node *kernel = &each->kernel;
    int result = launch(kernel->function, kernel->blocks[0], kernel->blocks[1],
                        kernel->blocks[2], kernel->threads[0],
                        kernel->threads[1], kernel->threads[2], kernel->shared,
                        stream, each->arguments, kernel->extra);
    if (result)
      return result;
  }
  return DONE;
}

void *qm_emulated_driver(const char *name);

void *qm_emulated_driver(const char *name) {
  static const struct {
    const char *name;
    void *function;
  } known[] = {
      {"cuInit", (void *)init},
      {"cuGetErrorString", (void *)error_string},
      {"cuDeviceGetCount", (void *)device_count},
      {"cuDeviceGet", (void *)device},
      {"cuDeviceGetAttribute", (void *)attribute},
      {"cuDevicePrimaryCtxRetain", (void *)retain},
      {"cuDevicePrimaryCtxRelease_v2", (void *)release},
      {"cuCtxPushCurrent_v2", (void *)push},
      {"cuCtxPopCurrent_v2", (void *)pop},
      {"cuCtxSynchronize", (void *)synchronize},
      {"cuModuleLoadData", (void *)load},
      {"cuModuleUnload", (void *)unload},
      {"cuModuleGetFunction", (void *)find},
      {"cuMemAlloc_v2", (void *)allocate},
      {"cuMemFree_v2", (void *)give_back},
      {"cuMemsetD8_v2", (void *)set_bytes},
      {"cuMemcpyHtoD_v2", (void *)copy_in},
      {"cuMemcpyDtoH_v2", (void *)copy_out},
      {"cuFuncSetAttribute", (void *)set_attribute},
      {"cuLaunchKernel", (void *)launch},
      {"cuGraphCreate", (void *)create_graph},
      {"cuGraphDestroy", (void *)destroy_graph},
      {"cuGraphAddKernelNode", (void *)add_node},
      {"cuGraphInstantiateWithFlags", (void *)instantiate},
      {"cuGraphExecKernelNodeSetParams", (void *)set_params},
      {"cuGraphExecDestroy", (void *)destroy_runnable},
      {"cuGraphLaunch", (void *)launch_graph},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; ++i)
    if (!strcmp(known[i].name, name))
      return known[i].function;
  return NULL;
}
