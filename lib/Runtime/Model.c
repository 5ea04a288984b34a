/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#define _GNU_SOURCE
#include "Internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t fnv1a(const unsigned char *bytes, uint64_t count) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (uint64_t i = 0; i < count; ++i)
    hash = (hash ^ bytes[i]) * 0x100000001b3u;
  return hash;
}

/* Sets `file` and `file_bytes`. Only a file of exactly the size that the
 * compiler wrote is mapped, so that generated code cannot read past its end. */
static qm_status map_file(qm_model *model, const char *path) {
  const qm_descriptor *descriptor = model->descriptor;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return qmi_fail(QM_BAD_FILE, "%s: %s", path, strerror(errno));
  struct stat info;
  qm_status status = QM_OK;
  if (fstat(file, &info)) {
    status = qmi_fail(QM_BAD_FILE, "%s: %s", path, strerror(errno));
  } else if (!S_ISREG(info.st_mode)) {
    status = qmi_fail(QM_BAD_FILE, "%s: not a regular file", path);
  } else if ((uint64_t)info.st_size != descriptor->weights_bytes) {
    status = qmi_fail(QM_BAD_FILE,
                      "%s: has %lld bytes, but the weights of model %s have "
                      "%llu: it is cut short or another model's",
                      path, (long long)info.st_size, descriptor->name,
                      (unsigned long long)descriptor->weights_bytes);
  } else {
    void *bytes = mmap(NULL, info.st_size, PROT_READ, MAP_SHARED, file, 0);
    if (bytes == MAP_FAILED) {
      status = qmi_fail(QM_NO_MEMORY, "%s: cannot be mapped: %s", path,
                        strerror(errno));
    } else {
      model->file = bytes;
      model->file_bytes = info.st_size;
    }
  }
  close(file);
  return status;
}

/* A safetensors file: the length of its JSON header in 8 bytes, the header, the
 * data. The header names every tensor with its place, so a file whose header
 * has the compiler's hash is laid out as the generated code expects. */
static qm_status find_data(qm_model *model, const char *path) {
  const unsigned char *bytes = model->file;
  uint64_t length = 0;
  if (model->file_bytes >= 8)
    for (int i = 7; i >= 0; --i)
      length = length << 8 | bytes[i];
  if (model->file_bytes < 8 || length > model->file_bytes - 8)
    return qmi_fail(QM_BAD_FILE, "%s: not a safetensors file", path);
  if (fnv1a(bytes + 8, length) != model->descriptor->weights_header_hash)
    return qmi_fail(QM_BAD_FILE,
                    "%s: not the weights that model %s was compiled with", path,
                    model->descriptor->name);
  if ((length + 8) % QMI_LINE)
    return qmi_fail(QM_BAD_FILE, "%s: its data is not aligned to %d bytes",
                    path, QMI_LINE);
  model->weights = (char *)model->file + 8 + length;
  model->weights_bytes = (int64_t)(model->file_bytes - 8 - length);
#ifdef MADV_HUGEPAGE
  madvise(model->file, model->file_bytes, MADV_HUGEPAGE);
#endif
  /* Start reading now: the first token needs all of it. */
  madvise(model->file, model->file_bytes, MADV_WILLNEED);
  return QM_OK;
}

/* A device has a copy of its own, and the file is not needed any more. */
static qm_status copy_to_device(qm_model *model) {
  qmi_place place = model->place;
  const void *data = model->weights;
  size_t bytes = (size_t)model->weights_bytes;
  model->weights = bytes ? place.device->reserve(place.opened, bytes) : NULL;
  if (bytes && !model->weights)
    return qmi_fail(QM_NO_MEMORY,
                    "model %s: no memory on the GPU for %zu bytes of weights",
                    model->descriptor->name, bytes);
  qm_status status =
      place.device->write(place.opened, model->weights, data, bytes);
  munmap(model->file, model->file_bytes);
  model->file = NULL;
  return status;
}

/* A model without its weights. */
static qm_status open_descriptor(const qm_descriptor *descriptor,
                                 qm_model **model) {
  qm_status status = qmi_check_descriptor(descriptor);
  if (status)
    return status;
  const char *target = "";
  if (descriptor->versions) {
    int32_t version = qm_choose_version(descriptor->versions);
    if (version < 0)
      return QM_BAD_CPU;
    target = descriptor->versions->versions[version].target;
  }
  qm_model *opened = calloc(1, sizeof *opened);
  if (!opened)
    return qmi_fail(QM_NO_MEMORY, "no memory for model %s", descriptor->name);
  opened->descriptor = descriptor;
  opened->target = target;
  atomic_init(&opened->references, 1);
  const qm_gpu *gpu = descriptor->gpu;
  if (gpu) {
    opened->target = gpu->target;
    opened->place.device = gpu->device;
    status = gpu->device->open(descriptor, &opened->place.opened);
    if (status) {
      free(opened);
      return status;
    }
  }
  *model = opened;
  return QM_OK;
}

qm_status qm_model_open(const qm_descriptor *descriptor,
                        const char *weights_path, qm_model **model) {
  if (!model)
    return qmi_fail(QM_INVALID, "no place was given to put the model");
  qm_model *opened;
  qm_status status = open_descriptor(descriptor, &opened);
  if (status)
    return status;
  if (descriptor->weights_bytes) {
    status = weights_path
                 ? map_file(opened, weights_path)
                 : qmi_fail(QM_INVALID, "model %s needs its weights file",
                            descriptor->name);
    if (!status)
      status = find_data(opened, weights_path);
    if (!status && opened->place.device)
      status = copy_to_device(opened);
  }
  if (status) {
    qm_model_free(opened);
    return status;
  }
  *model = opened;
  return QM_OK;
}

qm_status qm_model_open_memory(const qm_descriptor *descriptor, void *data,
                               int64_t bytes, qm_model **model) {
  if (!model)
    return qmi_fail(QM_INVALID, "no place was given to put the model");
  if (descriptor && descriptor->gpu)
    return qmi_fail(QM_INVALID,
                    "model %s runs on a GPU: its weights come from a file",
                    descriptor->name);
  qm_model *opened;
  qm_status status = open_descriptor(descriptor, &opened);
  if (status)
    return status;
  if (bytes < 0 || (bytes && !data) || (uintptr_t)data % QMI_LINE) {
    qm_model_free(opened);
    return qmi_fail(QM_INVALID,
                    "model %s: the weights are not in memory aligned to %d "
                    "bytes",
                    descriptor->name, QMI_LINE);
  }
  opened->weights = data;
  opened->weights_bytes = bytes;
  *model = opened;
  return QM_OK;
}

void qm_model_free(qm_model *model) {
  if (!model || atomic_fetch_sub(&model->references, 1) != 1)
    return;
  qmi_place place = model->place;
  if (model->file)
    munmap(model->file, model->file_bytes);
  else if (place.device)
    qmi_place_release(place, model->weights, (size_t)model->weights_bytes);
  if (place.device)
    place.device->close(place.opened);
  free(model);
}

const qm_descriptor *qm_model_descriptor(const qm_model *model) {
  return model->descriptor;
}

const char *qm_model_target(const qm_model *model) { return model->target; }
