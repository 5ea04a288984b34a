/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

/* Models and kernels on an NVIDIA GPU, by way of the CUDA driver. It is looked
 * for when they are opened, so that a machine without one says so in a
 * sentence. All work of models is on the driver's default stream, one thing
 * after the other; kernels are told their stream. Only what quantc has made for
 * GPUs is linked with this file.
 */

#define _GNU_SOURCE
#include "Internal.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*===----------------------------------------------------------------------===*
 * The driver's interface, as far as it is used
 *===----------------------------------------------------------------------===*/

typedef int cu_result; /* 0: well done */
typedef int cu_device;
typedef unsigned long long cu_address;
typedef void *cu_context, *cu_module, *cu_function, *cu_stream;

enum {
  CU_OUT_OF_MEMORY = 2,
  CU_CAPABILITY_MAJOR = 75, /* attributes of a device */
  CU_CAPABILITY_MINOR = 76,
  CU_MAX_DYNAMIC_SHARED_SIZE = 8 /* attribute of a function */
};

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

typedef struct {
#define MEMBER(name, parameters) cu_result(*name) parameters;
  DRIVER_FUNCTIONS(MEMBER)
#undef MEMBER
} driver;

static const char *const function_names[] = {
#define NAME(name, parameters) #name,
    DRIVER_FUNCTIONS(NAME)
#undef NAME
};

enum { NUM_FUNCTIONS = sizeof function_names / sizeof *function_names };

/* What a model or a library of kernels has opened. */
typedef struct qm_gpu_kernels {
  driver cuda;
  void *library;           /* NULL if the code brings a driver of its own */
  const char *kind, *name; /* for errors: model or kernels, and which */
  const qm_gpu *code;
  int device_number; /* of those that the driver shows */
  cu_device device;
  cu_context context;
  cu_module module;
  cu_function functions[];
} gpu;

static qm_status fail(const gpu *self, cu_result result, const char *what) {
  const char *text = NULL;
  self->cuda.cuGetErrorString(result, &text);
  return qmi_fail(result == CU_OUT_OF_MEMORY ? QM_NO_MEMORY : QM_BAD_GPU,
                  "%s %s: %s: %s (error %d of CUDA)", self->kind, self->name,
                  what, text ? text : "unknown error", result);
}

/*===----------------------------------------------------------------------===*
 * Opening
 *===----------------------------------------------------------------------===*/

static qm_status find_driver(gpu *self) {
  void *functions[NUM_FUNCTIONS];
  if (!self->code->driver) {
    self->library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!self->library)
      return qmi_fail(QM_BAD_GPU,
                      "%s %s needs an NVIDIA GPU (%s), and there is no "
                      "driver: %s",
                      self->kind, self->name, self->code->target, dlerror());
  }
  for (int i = 0; i < NUM_FUNCTIONS; ++i) {
    functions[i] = self->library ? dlsym(self->library, function_names[i])
                                 : self->code->driver(function_names[i]);
    if (!functions[i])
      return qmi_fail(QM_BAD_GPU,
                      "%s %s: the NVIDIA driver is too old: it has no %s",
                      self->kind, self->name, function_names[i]);
  }
  memcpy(&self->cuda, functions, sizeof functions);
  return QM_OK;
}

/* Machine code runs on GPUs of its own generation, PTX on later ones, too,
 * unless the name ends in a letter. */
static qm_status choose_image(gpu *self, const void **image) {
  int major = 0, minor = 0;
  cu_result result = self->cuda.cuDeviceGetAttribute(
      &major, CU_CAPABILITY_MAJOR, self->device);
  if (!result)
    result = self->cuda.cuDeviceGetAttribute(&minor, CU_CAPABILITY_MINOR,
                                             self->device);
  if (result)
    return fail(self, result, "the GPU's generation");
  const char *name = strstr(self->code->target, "sm_");
  char *end = NULL;
  long wanted = name ? strtol(name + 3, &end, 10) : 0;
  long has = 10 * major + minor;
  if (end && *end ? has != wanted : has < wanted)
    return qmi_fail(QM_BAD_GPU,
                    "%s %s: compiled for %s, this GPU is an sm_%ld: compile "
                    "the %s for it",
                    self->kind, self->name, self->code->target, has,
                    self->kind);
  int same = has / 10 == wanted / 10;
  *image = same && self->code->cubin ? self->code->cubin : self->code->ptx;
  return QM_OK;
}

static qm_status find_device(gpu *self) {
  cu_result result = self->cuda.cuInit(0);
  if (result)
    return fail(self, result, "no NVIDIA GPU can be used");
  int count = 0;
  result = self->cuda.cuDeviceGetCount(&count);
  if (!result && count == 0)
    return qmi_fail(QM_BAD_GPU,
                    "%s %s needs an NVIDIA GPU (%s), and there is none",
                    self->kind, self->name, self->code->target);
  if (!result && (self->device_number < 0 || self->device_number >= count))
    return qmi_fail(QM_INVALID, "%s %s: GPU %d is asked for, and there are %d",
                    self->kind, self->name, self->device_number, count);
  if (!result)
    result = self->cuda.cuDeviceGet(&self->device, self->device_number);
  if (result)
    return fail(self, result, "the GPU");
  return QM_OK;
}

static qm_status load_functions(gpu *self, const void *image) {
  cu_result result = self->cuda.cuModuleLoadData(&self->module, image);
  if (result)
    return fail(self, result, "the driver does not take the code");
  for (uint32_t i = 0; i < self->code->num_functions; ++i) {
    result = self->cuda.cuModuleGetFunction(&self->functions[i], self->module,
                                            self->code->functions[i]);
    if (result)
      return fail(self, result, self->code->functions[i]);
  }
  return QM_OK;
}

/* Whatever thread calls, and whatever context it uses otherwise. */
static qm_status enter(gpu *self) {
  cu_result result = self->cuda.cuCtxPushCurrent_v2(self->context);
  return result ? fail(self, result, "the GPU's context") : QM_OK;
}
static void leave(gpu *self) {
  cu_context ours;
  self->cuda.cuCtxPopCurrent_v2(&ours);
}

static void close_gpu(void *opened) {
  gpu *self = opened;
  if (self->module && !enter(self)) {
    self->cuda.cuModuleUnload(self->module);
    leave(self);
  }
  if (self->context)
    self->cuda.cuDevicePrimaryCtxRelease_v2(self->device);
  if (self->library)
    dlclose(self->library);
  free(self);
}

static qm_status open_parts(gpu *self) {
  const void *image = NULL;
  qm_status status = find_driver(self);
  if (!status)
    status = find_device(self);
  if (!status)
    status = choose_image(self, &image);
  if (status)
    return status;
  cu_result result =
      self->cuda.cuDevicePrimaryCtxRetain(&self->context, self->device);
  if (result)
    return fail(self, result, "the GPU's context");
  status = enter(self);
  if (status)
    return status;
  status = load_functions(self, image);
  leave(self);
  return status;
}

static qm_status open_code(const qm_gpu *code, const char *kind,
                           const char *name, int device, gpu **opened) {
  gpu *self =
      calloc(1, sizeof *self + code->num_functions * sizeof(cu_function));
  if (!self)
    return qmi_fail(QM_NO_MEMORY, "no memory for %s %s", kind, name);
  self->kind = kind;
  self->name = name;
  self->code = code;
  self->device_number = device;
  qm_status status = open_parts(self);
  if (status) {
    close_gpu(self);
    return status;
  }
  *opened = self;
  return QM_OK;
}

static qm_status open_gpu(const qm_descriptor *model, void **opened) {
  gpu *self = NULL;
  qm_status status =
      open_code(model->gpu, "model", model->name, /*device=*/0, &self);
  if (!status)
    *opened = self;
  return status;
}

/*===----------------------------------------------------------------------===*
 * Memory
 *===----------------------------------------------------------------------===*/

static void *reserve(void *opened, size_t bytes) {
  gpu *self = opened;
  if (enter(self))
    return NULL;
  cu_address memory = 0;
  cu_result result = self->cuda.cuMemAlloc_v2(&memory, bytes);
  if (!result && self->cuda.cuMemsetD8_v2(memory, 0, bytes)) {
    self->cuda.cuMemFree_v2(memory);
    memory = 0;
  }
  leave(self);
  return result ? NULL : (void *)(uintptr_t)memory;
}

static void release(void *opened, void *memory) {
  gpu *self = opened;
  if (enter(self))
    return;
  self->cuda.cuMemFree_v2((uintptr_t)memory);
  leave(self);
}

static qm_status write(void *opened, void *to, const void *from, size_t bytes) {
  gpu *self = opened;
  qm_status status = bytes ? enter(self) : QM_OK;
  if (status || !bytes)
    return status;
  cu_result result = self->cuda.cuMemcpyHtoD_v2((uintptr_t)to, from, bytes);
  leave(self);
  return result ? fail(self, result, "copying to the GPU") : QM_OK;
}

static qm_status read(void *opened, void *to, const void *from, size_t bytes) {
  gpu *self = opened;
  qm_status status = enter(self);
  if (status)
    return status;
  cu_result result = self->cuda.cuMemcpyDtoH_v2(to, (uintptr_t)from, bytes);
  leave(self);
  return result ? fail(self, result, "copying from the GPU") : QM_OK;
}

/*===----------------------------------------------------------------------===*
 * Running
 *===----------------------------------------------------------------------===*/

/* The call that this thread is in. */
static _Thread_local struct {
  gpu *self;
  cu_stream stream;
  cu_result result;
  const char *function; /* whose launch has failed */
} running;

/* Bytes of shared memory that a block gets without having been asked for. */
#define ALWAYS_SHARED ((int64_t)48 << 10)

/* Called by generated code. After a failure nothing more is launched. */
void qm_gpu_launch(int64_t number, void **arguments, int64_t blocks_x,
                   int64_t blocks_y, int64_t threads, int64_t shared);

void qm_gpu_launch(int64_t number, void **arguments, int64_t blocks_x,
                   int64_t blocks_y, int64_t threads, int64_t shared) {
  gpu *self = running.self;
  cu_function function = self->functions[number];
  if (running.result || !blocks_x || !blocks_y)
    return;
  running.function = self->code->functions[number];
  if (shared > ALWAYS_SHARED)
    running.result = self->cuda.cuFuncSetAttribute(
        function, CU_MAX_DYNAMIC_SHARED_SIZE, (int)shared);
  if (!running.result)
    running.result = self->cuda.cuLaunchKernel(
        function, (unsigned)blocks_x, (unsigned)blocks_y, 1, (unsigned)threads,
        1, 1, (unsigned)shared, running.stream, arguments, NULL);
}

static qm_status begin(gpu *self, cu_stream stream) {
  running.self = self;
  running.stream = stream;
  running.result = 0;
  return enter(self);
}

static qm_status end(gpu *self) {
  leave(self);
  return running.result ? fail(self, running.result, running.function) : QM_OK;
}

static qm_status call(void *opened, void (*entry)(void **args), void **args) {
  gpu *self = opened;
  qm_status status = begin(self, /*stream=*/NULL);
  if (status)
    return status;
  entry(args);
  cu_result result = running.result ? 0 : self->cuda.cuCtxSynchronize();
  status = end(self);
  return result ? fail(self, result, "the GPU has failed") : status;
}

const qm_device qm_gpu_device = {open_gpu, close_gpu, reserve, release,
                                 write,    read,      call};

/*===----------------------------------------------------------------------===*
 * Kernels
 *===----------------------------------------------------------------------===*/

qm_status qm_gpu_kernels_open(const qm_gpu *code, const char *name,
                              int32_t device, qm_gpu_kernels **kernels) {
  if (!code || !name || !kernels)
    return qmi_fail(QM_INVALID,
                    "qm_gpu_kernels_open: no code, name or place for kernels");
  return open_code(code, "kernels", name, device, kernels);
}

void qm_gpu_kernels_free(qm_gpu_kernels *kernels) {
  if (kernels)
    close_gpu(kernels);
}

/* Called by the C functions of kernels, in front of what launches and behind
 * it. */
qm_status qm_gpu_begin(qm_gpu_kernels *kernels, void *stream);
qm_status qm_gpu_end(qm_gpu_kernels *kernels);

qm_status qm_gpu_begin(qm_gpu_kernels *kernels, void *stream) {
  if (!kernels)
    return qmi_fail(QM_INVALID, "a kernel is called, but not opened");
  return begin(kernels, stream);
}

qm_status qm_gpu_end(qm_gpu_kernels *kernels) { return end(kernels); }
