/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

/* Models and kernels on an NVIDIA GPU, by way of the CUDA driver. It is looked
 * for when they are opened, so that a machine without one says so in a
 * sentence. All work of models is on the driver's default stream, one thing
 * after the other; kernels are told their stream. Only what quantc has made for
 * GPUs is linked with this file.
 */

#define _GNU_SOURCE
#include "GPUGraph.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static qm_status fail(const qmi_gpu *self, cu_result result, const char *what) {
  const char *text = NULL;
  self->cuda.cuGetErrorString(result, &text);
  return qmi_fail(result == CU_OUT_OF_MEMORY ? QM_NO_MEMORY : QM_BAD_GPU,
                  "%s %s: %s: %s (error %d of CUDA)", self->kind, self->name,
                  what, text ? text : "unknown error", result);
}

/*===----------------------------------------------------------------------===*
 * Opening
 *===----------------------------------------------------------------------===*/

static const struct {
  const char *name;
  int is_for_graphs;
} functions[] = {
#define NEEDED(name, parameters) {#name, 0},
#define FOR_GRAPHS(name, parameters) {#name, 1},
    DRIVER_FUNCTIONS(NEEDED) GRAPH_FUNCTIONS(FOR_GRAPHS)
#undef NEEDED
#undef FOR_GRAPHS
};

enum { NUM_FUNCTIONS = sizeof functions / sizeof *functions };

static qm_status find_driver(qmi_gpu *self) {
  void *found[NUM_FUNCTIONS];
  if (!self->code->driver) {
    self->library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!self->library)
      return qmi_fail(QM_BAD_GPU,
                      "%s %s needs an NVIDIA GPU (%s), and there is no "
                      "driver: %s",
                      self->kind, self->name, self->code->target, dlerror());
  }
  self->has_graphs = 1;
  for (int i = 0; i < NUM_FUNCTIONS; ++i) {
    const char *name = functions[i].name;
    found[i] =
        self->library ? dlsym(self->library, name) : self->code->driver(name);
    if (!found[i] && !functions[i].is_for_graphs)
      return qmi_fail(QM_BAD_GPU,
                      "%s %s: the NVIDIA driver is too old: it has no %s",
                      self->kind, self->name, name);
    self->has_graphs &= found[i] != NULL;
  }
  memcpy(&self->cuda, found, sizeof found);
  return QM_OK;
}

/* Machine code runs on GPUs of its own generation, PTX on later ones, too,
 * unless the name ends in a letter. */
static qm_status choose_image(qmi_gpu *self, const void **image) {
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

static qm_status find_device(qmi_gpu *self) {
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

static qm_status load_functions(qmi_gpu *self, const void *image) {
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
static qm_status enter(qmi_gpu *self) {
  cu_result result = self->cuda.cuCtxPushCurrent_v2(self->context);
  return result ? fail(self, result, "the GPU's context") : QM_OK;
}
static void leave(qmi_gpu *self) {
  cu_context ours;
  self->cuda.cuCtxPopCurrent_v2(&ours);
}

static void close_gpu(void *opened) {
  qmi_gpu *self = opened;
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

static qm_status open_parts(qmi_gpu *self) {
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
                           const char *name, int device, qmi_gpu **opened) {
  qmi_gpu *self =
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
  qmi_gpu *self = NULL;
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
  qmi_gpu *self = opened;
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
  qmi_gpu *self = opened;
  if (enter(self))
    return;
  self->cuda.cuMemFree_v2((uintptr_t)memory);
  leave(self);
}

static qm_status write(void *opened, void *to, const void *from, size_t bytes) {
  qmi_gpu *self = opened;
  qm_status status = bytes ? enter(self) : QM_OK;
  if (status || !bytes)
    return status;
  cu_result result = self->cuda.cuMemcpyHtoD_v2((uintptr_t)to, from, bytes);
  leave(self);
  return result ? fail(self, result, "copying to the GPU") : QM_OK;
}

static qm_status read(void *opened, void *to, const void *from, size_t bytes) {
  qmi_gpu *self = opened;
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
  qmi_gpu *self;
  qmi_recording *recording; /* NULL: launches begin at once, on the stream */
  cu_stream stream;
  cu_result result;
  const char *failed; /* what has */
} running;

/* Bytes of shared memory that a block gets without having been asked for. */
#define ALWAYS_SHARED ((int64_t)48 << 10)

/* Called by generated code. arguments: pointers to 8 bytes each, then NULL.
 * After a failure nothing more is launched. */
void qm_gpu_launch(int64_t number, void **arguments, int64_t blocks_x,
                   int64_t blocks_y, int64_t threads, int64_t shared);

void qm_gpu_launch(int64_t number, void **arguments, int64_t blocks_x,
                   int64_t blocks_y, int64_t threads, int64_t shared) {
  qmi_gpu *self = running.self;
  if (running.result || !blocks_x || !blocks_y)
    return;
  running.failed = self->code->functions[number];
  if (shared > ALWAYS_SHARED)
    running.result = self->cuda.cuFuncSetAttribute(
        self->functions[number], CU_MAX_DYNAMIC_SHARED_SIZE, (int)shared);
  if (running.result)
    return;
  qmi_launch launch = {number, (unsigned)blocks_x, (unsigned)blocks_y,
                       (unsigned)threads, (unsigned)shared};
  if (running.recording)
    qmi_recording_add(running.recording, &launch, arguments);
  else
    running.result = qmi_launch_now(self, &launch, arguments, running.stream);
}

static qm_status begin(qmi_gpu *self, qmi_recording *recording,
                       cu_stream stream) {
  running.self = self;
  running.recording = recording;
  running.stream = stream;
  running.result = 0;
  return enter(self);
}

static qm_status end(qmi_gpu *self) {
  leave(self);
  return running.result ? fail(self, running.result, running.failed) : QM_OK;
}

static qm_status call(void *opened, void **state, void (*entry)(void **args),
                      void **args) {
  qmi_gpu *self = opened;
  if (!*state && !(*state = qmi_recording_create()))
    return qmi_fail(QM_NO_MEMORY, "no memory for a session");
  qm_status status = begin(self, *state, /*stream=*/NULL);
  if (status)
    return status;
  qmi_recording_begin(*state);
  entry(args);
  if (!running.result)
    running.result = qmi_recording_run(self, *state, &running.failed);
  if (!running.result) {
    running.failed = "the GPU has failed";
    running.result = self->cuda.cuCtxSynchronize();
  }
  return end(self);
}

static void forget(void *opened, void *state) {
  qmi_gpu *self = opened;
  if (enter(self))
    return;
  qmi_recording_free(self, state);
  leave(self);
}

const qm_device qm_gpu_device = {open_gpu, close_gpu, reserve, release,
                                 write,    read,      call,    forget};

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
  return begin(kernels, /*recording=*/NULL, stream);
}

qm_status qm_gpu_end(qm_gpu_kernels *kernels) { return end(kernels); }
