/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

/* A libcuda.so.1 for machines without a GPU: memory is the host's, launches do
 * nothing, graphs are counted. What is called goes to the file CALLS, a line
 * each; FAIL="name result" lets a function fail, CAPABILITY="75" is the GPU's
 * generation, and GPUS how many there are. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int number(const char *variable, int otherwise) {
  const char *text = getenv(variable);
  return text ? atoi(text) : otherwise;
}

static int called(const char *name, const char *what, uint64_t size) {
  const char *path = getenv("CALLS"), *fail = getenv("FAIL");
  FILE *file = path ? fopen(path, "a") : NULL;
  if (file) {
    fprintf(file, "%s %s %llu\n", name, what, (unsigned long long)size);
    fclose(file);
  }
  size_t length = strlen(name);
  int fails = fail && !strncmp(fail, name, length) && fail[length] == ' ';
  return fails ? atoi(fail + length) : 0;
}

int cuInit(unsigned flags) { return called("cuInit", "", flags); }
int cuGetErrorString(int result, const char **text) {
  *text = result == 2 ? "out of memory" : "made to fail";
  return 0;
}
int cuDeviceGetCount(int *count) {
  *count = number("GPUS", 1);
  return called("cuDeviceGetCount", "", 0);
}
int cuDeviceGet(int *device, int which) {
  *device = which;
  return called("cuDeviceGet", "", 0);
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  (void)device;
  int generation = number("CAPABILITY", 80);
  *value = attribute == 75 ? generation / 10 : generation % 10;
  return 0;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
  static int here;
  (void)device;
  *context = &here;
  return called("cuDevicePrimaryCtxRetain", "", 0);
}
int cuDevicePrimaryCtxRelease_v2(int device) {
  (void)device;
  return called("cuDevicePrimaryCtxRelease", "", 0);
}

static int depth; /* of pushed contexts */
int cuCtxPushCurrent_v2(void *context) {
  ++depth;
  return context ? 0 : 1;
}
int cuCtxPopCurrent_v2(void **context) {
  *context = NULL;
  return --depth < 0;
}
static int outside(void) { return depth == 1 ? 0 : 201; }

int cuCtxSynchronize(void) {
  int result = called("cuCtxSynchronize", "", 0);
  return result ? result : outside();
}

/* Machine code is an ELF file, PTX is text. */
int cuModuleLoadData(void **module, const void *image) {
  static int here;
  *module = &here;
  int is_cubin = !memcmp(image, "\177ELF", 4);
  int is_ptx = !is_cubin && strstr(image, ".target sm_80") != NULL;
  int result = called("cuModuleLoadData", is_cubin ? "cubin" : "ptx", 0);
  return result ? result : is_cubin || is_ptx ? outside() : 200;
}
int cuModuleUnload(void *module) {
  (void)module;
  return called("cuModuleUnload", "", 0);
}
int cuModuleGetFunction(void **function, void *module, const char *name) {
  (void)module;
  *function = strdup(name);
  return called("cuModuleGetFunction", name, 0);
}

int cuMemAlloc_v2(uint64_t *memory, size_t bytes) {
  *memory = (uintptr_t)aligned_alloc(256, (bytes + 255) / 256 * 256);
  int result = called("cuMemAlloc", "", bytes);
  return result ? result : outside();
}
int cuMemFree_v2(uint64_t memory) {
  free((void *)(uintptr_t)memory);
  return called("cuMemFree", "", 0);
}
int cuMemsetD8_v2(uint64_t memory, unsigned char value, size_t bytes) {
  memset((void *)(uintptr_t)memory, value, bytes);
  return outside();
}
int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes) {
  memcpy((void *)(uintptr_t)to, from, bytes);
  int result = called("cuMemcpyHtoD", "", bytes);
  return result ? result : outside();
}
int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes) {
  memcpy(to, (void *)(uintptr_t)from, bytes);
  int result = called("cuMemcpyDtoH", "", bytes);
  return result ? result : outside();
}
/* Of the function that was named last. */
static unsigned allowed_shared = 48 << 10;
static void *allowed_function;

int cuFuncSetAttribute(void *function, int attribute, int value) {
  allowed_function = function;
  allowed_shared = (unsigned)value;
  int result = called("cuFuncSetAttribute", function, (uint64_t)value);
  return result ? result : attribute == 8 ? outside() : 1;
}
static int is_whole(void *function, const unsigned *blocks,
                    const unsigned *threads, unsigned shared,
                    void **arguments) {
  unsigned most =
      function == allowed_function ? allowed_shared : (unsigned)48 << 10;
  return blocks[0] && blocks[1] && blocks[2] == 1 && threads[0] &&
         threads[0] % 32 == 0 && threads[0] <= 1024 && threads[1] == 1 &&
         threads[2] == 1 && arguments && shared <= most;
}
int cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z,
                   unsigned threads, unsigned threads_y, unsigned threads_z,
                   unsigned shared, void *stream, void **arguments,
                   void **extra) {
  (void)extra;
  if (stream)
    called("stream", "", (uintptr_t)stream);
  unsigned blocks[] = {x, y, z}, all[] = {threads, threads_y, threads_z};
  int result = called("cuLaunchKernel", function, (uint64_t)x * y);
  return result                                               ? result
         : is_whole(function, blocks, all, shared, arguments) ? outside()
                                                              : 1;
}

/* Compiled with -DNO_GRAPHS it is a driver of before CUDA 11.4. */
#ifndef NO_GRAPHS
typedef struct {
  void *function;
  unsigned blocks[3], threads[3], shared;
  void **arguments, **extra;
} kernel_node;

static char graph, runnable;
static uintptr_t nodes;

int cuGraphCreate(void **made, unsigned flags) {
  *made = &graph;
  nodes = 0;
  return called("cuGraphCreate", "", flags);
}
int cuGraphDestroy(void *gone) {
  int result = called("cuGraphDestroy", "", 0);
  return result ? result : gone == &graph ? outside() : 1;
}
int cuGraphAddKernelNode(void **node, void *to, void *const *before,
                         size_t num_before, const kernel_node *kernel) {
  int is_chain = num_before == (nodes > 0) &&
                 (!num_before || (uintptr_t)before[0] == nodes);
  *node = (void *)++nodes;
  int result = called("cuGraphAddKernelNode", kernel->function, 0);
  int whole = to == &graph && is_chain &&
              is_whole(kernel->function, kernel->blocks, kernel->threads,
                       kernel->shared, kernel->arguments);
  return result ? result : whole ? outside() : 1;
}
int cuGraphInstantiateWithFlags(void **made, void *of,
                                unsigned long long flags) {
  *made = &runnable;
  int result = called("cuGraphInstantiate", "", flags);
  return result ? result : of == &graph ? outside() : 1;
}
int cuGraphExecKernelNodeSetParams(void *of, void *node,
                                   const kernel_node *kernel) {
  int result = called("cuGraphExecKernelNodeSetParams", kernel->function, 0);
  int whole = of == &runnable && node && (uintptr_t)node <= nodes &&
              is_whole(kernel->function, kernel->blocks, kernel->threads,
                       kernel->shared, kernel->arguments);
  return result ? result : whole ? outside() : 1;
}
int cuGraphExecDestroy(void *gone) {
  int result = called("cuGraphExecDestroy", "", 0);
  return result ? result : gone == &runnable ? outside() : 1;
}
int cuGraphLaunch(void *of, void *stream) {
  int result = called("cuGraphLaunch", "", (uintptr_t)stream);
  return result ? result : of == &runnable ? outside() : 1;
}
#endif
