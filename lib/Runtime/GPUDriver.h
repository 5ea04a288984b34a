/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

/* The CUDA driver's interface, as far as it is used, and a GPU that has been
 * opened by way of it. Types and functions are those of cuda.h, which is not
 * needed to build. */

#ifndef QUANT_MLIR_LIB_RUNTIME_GPUDRIVER_H
#define QUANT_MLIR_LIB_RUNTIME_GPUDRIVER_H

#include "Internal.h"

typedef int cu_result; /* 0: well done */
typedef int cu_device;
typedef unsigned long long cu_address;
typedef void *cu_context, *cu_module, *cu_function, *cu_stream;
typedef void *cu_graph, *cu_graph_exec, *cu_graph_node;

enum {
  CU_OUT_OF_MEMORY = 2,
  CU_CAPABILITY_MAJOR = 75, /* attributes of a device */
  CU_CAPABILITY_MINOR = 76,
  CU_MAX_DYNAMIC_SHARED_SIZE = 8 /* attribute of a function */
};

/* CUDA_KERNEL_NODE_PARAMS_v1 */
typedef struct {
  cu_function function;
  unsigned blocks_x, blocks_y, blocks_z, threads_x, threads_y, threads_z,
      shared;
  void **arguments, **extra;
} cu_kernel_node;

#define DRIVER_FUNCTIONS(F)                                                    \
  F(cuInit, (unsigned flags))                                                  \
  F(cuGetErrorString, (cu_result result, const char **text))                   \
  F(cuDeviceGetCount, (int *count))                                            \
  F(cuDeviceGet, (cu_device * device, int number))                             \
  F(cuDeviceGetAttribute, (int *value, int attribute, cu_device device))       \
  F(cuDevicePrimaryCtxRetain, (cu_context * context, cu_device device))        \
  F(cuDevicePrimaryCtxRelease_v2, (cu_device device))                          \
  F(cuCtxPushCurrent_v2, (cu_context context))                                 \
  F(cuCtxPopCurrent_v2, (cu_context * context))                                \
  F(cuCtxSynchronize, (void))                                                  \
  F(cuModuleLoadData, (cu_module * module, const void *image))                 \
  F(cuModuleUnload, (cu_module module))                                        \
  F(cuModuleGetFunction,                                                       \
    (cu_function * function, cu_module module, const char *name))              \
  F(cuFuncSetAttribute, (cu_function function, int attribute, int value))      \
  F(cuMemAlloc_v2, (cu_address * memory, size_t bytes))                        \
  F(cuMemFree_v2, (cu_address memory))                                         \
  F(cuMemsetD8_v2, (cu_address memory, unsigned char value, size_t bytes))     \
  F(cuMemcpyHtoD_v2, (cu_address to, const void *from, size_t bytes))          \
  F(cuMemcpyDtoH_v2, (void *to, cu_address from, size_t bytes))                \
  F(cuLaunchKernel, (cu_function function, unsigned blocks_x,                  \
                     unsigned blocks_y, unsigned blocks_z, unsigned threads_x, \
                     unsigned threads_y, unsigned threads_z, unsigned shared,  \
                     cu_stream stream, void **arguments, void **extra))

/* What drivers before CUDA 11.4 do not have. */
#define GRAPH_FUNCTIONS(F)                                                     \
  F(cuGraphCreate, (cu_graph * graph, unsigned flags))                         \
  F(cuGraphDestroy, (cu_graph graph))                                          \
  F(cuGraphAddKernelNode,                                                      \
    (cu_graph_node * node, cu_graph graph, const cu_graph_node *before,        \
     size_t num_before, const cu_kernel_node *kernel))                         \
  F(cuGraphInstantiateWithFlags,                                               \
    (cu_graph_exec * exec, cu_graph graph, unsigned long long flags))          \
  F(cuGraphExecKernelNodeSetParams,                                            \
    (cu_graph_exec exec, cu_graph_node node, const cu_kernel_node *kernel))    \
  F(cuGraphExecDestroy, (cu_graph_exec exec))                                  \
  F(cuGraphLaunch, (cu_graph_exec exec, cu_stream stream))

typedef struct {
#define MEMBER(name, parameters) cu_result(*name) parameters;
  DRIVER_FUNCTIONS(MEMBER)
  GRAPH_FUNCTIONS(MEMBER)
#undef MEMBER
} qmi_driver;

/* What a model or a library of kernels has opened. */
typedef struct qm_gpu_kernels {
  qmi_driver cuda;
  int has_graphs;          /* the driver has all of GRAPH_FUNCTIONS */
  void *library;           /* NULL if the code brings a driver of its own */
  const char *kind, *name; /* for errors: model or kernels, and which */
  const qm_gpu *code;
  int device_number; /* of those that the driver shows */
  cu_device device;
  cu_context context;
  cu_module module;
  cu_function functions[];
} qmi_gpu;

#endif /* QUANT_MLIR_LIB_RUNTIME_GPUDRIVER_H */
