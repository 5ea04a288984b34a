/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "GPUGraph.h"

#include <stdlib.h>
#include <string.h>

/* No function has more: they may have 4 KB. */
enum { MAX_ARGUMENTS = 512 };

/* A list that grows. */
typedef struct {
  void *data;
  size_t count, capacity; /* elements */
} list;

/* A call's launches; their arguments are values[first_value] and so on. */
typedef struct {
  qmi_launch launch;
  size_t first_value, num_values;
} step;

typedef struct {
  list steps, values; /* of step, and of uint64_t */
} call;

struct qmi_recording {
  call now, before;
  int no_memory;
  cu_graph graph; /* of the functions of `before`; NULL: there is none yet */
  cu_graph_exec exec;
  cu_graph_node *nodes; /* one for each step */
};

static void *add(list *to, size_t count, size_t size) {
  if (to->count + count > to->capacity) {
    size_t capacity = 2 * (to->count + count);
    void *data = realloc(to->data, capacity * size);
    if (!data)
      return NULL;
    to->data = data;
    to->capacity = capacity;
  }
  void *added = (char *)to->data + to->count * size;
  to->count += count;
  return added;
}

static const step *step_at(const call *call, size_t i) {
  return (const step *)call->steps.data + i;
}
static uint64_t *values_of(const call *call, const step *step) {
  return (uint64_t *)call->values.data + step->first_value;
}

qmi_recording *qmi_recording_create(void) {
  return calloc(1, sizeof(qmi_recording));
}

static void forget_graph(const qmi_gpu *gpu, qmi_recording *recording) {
  if (recording->exec)
    gpu->cuda.cuGraphExecDestroy(recording->exec);
  if (recording->graph)
    gpu->cuda.cuGraphDestroy(recording->graph);
  free(recording->nodes);
  recording->exec = NULL;
  recording->graph = NULL;
  recording->nodes = NULL;
}

void qmi_recording_free(const qmi_gpu *gpu, qmi_recording *recording) {
  if (!recording)
    return;
  forget_graph(gpu, recording);
  free(recording->now.steps.data);
  free(recording->now.values.data);
  free(recording->before.steps.data);
  free(recording->before.values.data);
  free(recording);
}

void qmi_recording_begin(qmi_recording *recording) {
  recording->now.steps.count = recording->now.values.count = 0;
  recording->no_memory = 0;
}

void qmi_recording_add(qmi_recording *recording, const qmi_launch *launch,
                       void **arguments) {
  size_t count = 0;
  while (count < MAX_ARGUMENTS && arguments[count])
    ++count;
  size_t first = recording->now.values.count;
  uint64_t *values = add(&recording->now.values, count, sizeof *values);
  step *added = add(&recording->now.steps, 1, sizeof *added);
  if (!values || !added) {
    recording->no_memory = 1;
    return;
  }
  for (size_t i = 0; i < count; ++i)
    memcpy(&values[i], arguments[i], sizeof *values);
  *added = (step){*launch, first, count};
}

static void point_to(uint64_t *values, size_t count, void **arguments) {
  for (size_t i = 0; i < count; ++i)
    arguments[i] = &values[i];
  arguments[count] = NULL;
}

cu_result qmi_launch_now(const qmi_gpu *gpu, const qmi_launch *launch,
                         void **arguments, cu_stream stream) {
  return gpu->cuda.cuLaunchKernel(
      gpu->functions[launch->function], launch->blocks_x, launch->blocks_y, 1,
      launch->threads, 1, 1, launch->shared, stream, arguments, NULL);
}

static cu_kernel_node node_of(const qmi_gpu *gpu, const qmi_launch *launch,
                              void **arguments) {
  return (cu_kernel_node){gpu->functions[launch->function],
                          launch->blocks_x,
                          launch->blocks_y,
                          1,
                          launch->threads,
                          1,
                          1,
                          launch->shared,
                          arguments,
                          NULL};
}

static int same_functions(const call *a, const call *b) {
  if (a->steps.count != b->steps.count)
    return 0;
  for (size_t i = 0; i < a->steps.count; ++i)
    if (step_at(a, i)->launch.function != step_at(b, i)->launch.function)
      return 0;
  return 1;
}

static int same_step(const call *a, const call *b, size_t i) {
  const step *one = step_at(a, i), *other = step_at(b, i);
  return !memcmp(&one->launch, &other->launch, sizeof one->launch) &&
         one->num_values == other->num_values &&
         !memcmp(values_of(a, one), values_of(b, other),
                 one->num_values * sizeof(uint64_t));
}

/* A chain: each step waits for the one before. */
static cu_result build_graph(const qmi_gpu *gpu, qmi_recording *recording) {
  const call *now = &recording->now;
  size_t count = now->steps.count;
  void *arguments[MAX_ARGUMENTS + 1];
  recording->nodes = calloc(count, sizeof *recording->nodes);
  if (!recording->nodes)
    return CU_OUT_OF_MEMORY;
  cu_result result = gpu->cuda.cuGraphCreate(&recording->graph, 0);
  for (size_t i = 0; i < count && !result; ++i) {
    const step *step = step_at(now, i);
    point_to(values_of(now, step), step->num_values, arguments);
    cu_kernel_node node = node_of(gpu, &step->launch, arguments);
    result = gpu->cuda.cuGraphAddKernelNode(
        &recording->nodes[i], recording->graph,
        i ? &recording->nodes[i - 1] : NULL, i ? 1 : 0, &node);
  }
  return result ? result
                : gpu->cuda.cuGraphInstantiateWithFlags(&recording->exec,
                                                        recording->graph, 0);
}

static cu_result update_graph(const qmi_gpu *gpu, qmi_recording *recording) {
  const call *now = &recording->now;
  void *arguments[MAX_ARGUMENTS + 1];
  cu_result result = 0;
  for (size_t i = 0; i < now->steps.count && !result; ++i) {
    if (same_step(now, &recording->before, i))
      continue;
    const step *step = step_at(now, i);
    point_to(values_of(now, step), step->num_values, arguments);
    cu_kernel_node node = node_of(gpu, &step->launch, arguments);
    result = gpu->cuda.cuGraphExecKernelNodeSetParams(
        recording->exec, recording->nodes[i], &node);
  }
  return result;
}

static cu_result run_graph(const qmi_gpu *gpu, qmi_recording *recording,
                           const char **failed) {
  *failed = "the graph of a call";
  cu_result result = recording->exec ? update_graph(gpu, recording)
                                     : build_graph(gpu, recording);
  return result ? result : gpu->cuda.cuGraphLaunch(recording->exec, NULL);
}

static cu_result run_steps(const qmi_gpu *gpu, const call *call,
                           const char **failed) {
  void *arguments[MAX_ARGUMENTS + 1];
  cu_result result = 0;
  for (size_t i = 0; i < call->steps.count && !result; ++i) {
    const step *step = step_at(call, i);
    *failed = gpu->code->functions[step->launch.function];
    point_to(values_of(call, step), step->num_values, arguments);
    result = qmi_launch_now(gpu, &step->launch, arguments, NULL);
  }
  return result;
}

cu_result qmi_recording_run(const qmi_gpu *gpu, qmi_recording *recording,
                            const char **failed) {
  *failed = "the list of a call's functions";
  if (recording->no_memory)
    return CU_OUT_OF_MEMORY;
  const call *now = &recording->now;
  cu_result result;
  if (gpu->has_graphs && now->steps.count > 1 &&
      same_functions(now, &recording->before)) {
    result = run_graph(gpu, recording, failed);
  } else {
    forget_graph(gpu, recording);
    result = run_steps(gpu, now, failed);
  }
  if (result) /* The graph may hold a part of what is new. */
    forget_graph(gpu, recording);
  call done = recording->now;
  recording->now = recording->before;
  recording->before = done;
  return result;
}
