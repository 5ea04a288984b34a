/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */

/* The C that a compiled model needs: it maps the weights, keeps the cache of a
 * conversation, and runs the generated code on threads. C11 and POSIX threads,
 * nothing else. quantc puts a copy of this header and the compiled runtime
 * beside the model, so an application needs only that folder:
 *
 *     qm_model *model;  qm_session *session;
 *     if (qm_model_open(&NAME_descriptor, "NAME.weights.safetensors", &model)
 * || qm_session_create(model, NULL, &session)) fail(qm_last_error());
 *     qm_session_feed(session, prompt, n, 1);
 *     const float *logits = qm_session_logits(session);     // [1][vocab_size]
 *
 * A function that can fail returns QM_OK (zero) or the kind of failure, leaves
 * everything as it was before the call, and qm_last_error() says in a sentence
 * what is wrong. Nothing here aborts or prints.
 *
 * Threads: different sessions, also of one model, may be used at the same time.
 * One session is used by one thread at a time. The child of a fork() must make
 * sessions of its own. A weights file must not be truncated or overwritten in
 * place while a model has it open: it is mapped. */

#ifndef QUANT_MLIR_RUNTIME_QUANT_RUNTIME_H
#define QUANT_MLIR_RUNTIME_QUANT_RUNTIME_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*===----------------------------------------------------------------------===*
 * Errors
 *===----------------------------------------------------------------------===*/

typedef enum {
  QM_OK = 0,
  QM_INVALID = 1,   /* the caller asked for something that cannot be done */
  QM_BAD_FILE = 2,  /* the weights file is missing or another model's */
  QM_BAD_MODEL = 3, /* the descriptor is not one this runtime understands */
  QM_NO_MEMORY = 4, /* the system has no memory or threads to give */
  QM_BAD_CPU = 5,   /* compiled for other CPUs than this one */
  QM_BAD_GPU = 6    /* no driver, no GPU, another GPU; or the GPU has failed */
} qm_status;

/* What went wrong in the last call that failed on this thread, without a
 * newline; "" if none did. Valid until the next call that fails. */
const char *qm_last_error(void);

/*===----------------------------------------------------------------------===*
 * CPUs: the data symbol NAME_versions
 *===----------------------------------------------------------------------===*/

/* An object has a version of its code for each target that it was compiled for.
 * The first that the CPU can run is used; among several, the environment
 * variable QM_TARGET can name another. */
typedef enum {
  QM_CPU_X86_64_V3 = 1 << 0, /* the levels of the x86-64 psABI */
  QM_CPU_X86_64_V4 = 1 << 1,
  QM_CPU_AVX_VNNI = 1 << 2,
  QM_CPU_AVX512_VNNI = 1 << 3,
  QM_CPU_AVX512_BF16 = 1 << 4,
  QM_CPU_DOTPROD = 1 << 5, /* AArch64: sdot */
  QM_CPU_I8MM = 1 << 6,    /* AArch64: smmla */
  QM_CPU_AMX = 1 << 7      /* tiles of bytes and of bf16 */
} qm_cpu_feature;

/* What this CPU has and the system knows of. */
uint64_t qm_cpu_features(void);

typedef struct {
  const char *target; /* as quantc was told, without "cpu:" */
  uint64_t needs;     /* of qm_cpu_feature */
} qm_version;

typedef struct {
  const char *name;
  uint32_t count;
  const qm_version *versions; /* the best first */
} qm_versions;

/* Which version runs here; -1 if there is none, and qm_last_error() says why.
 * Asks the system for permission where the version needs that (AMX). */
int32_t qm_choose_version(const qm_versions *versions);

/*===----------------------------------------------------------------------===*
 * What the compiler says about a model: the data symbol NAME_descriptor
 *===----------------------------------------------------------------------===*/

#define QM_ABI_VERSION 3u
#define QM_MAX_RANK 8

typedef enum {
  QM_F32,
  QM_F16,
  QM_BF16,
  QM_F64,
  QM_I8,
  QM_I16,
  QM_I32,
  QM_I64,
  QM_INDEX, /* int64_t; with rank 0 a number that is passed by value */
  QM_BOOL,  /* one byte, 0 or 1 */
  QM_U8
} qm_dtype;

/* Generated code is entered as `entry(args)`, once on each thread, with an
 * array of pointers, one for each argument. For a tensor it points to a memref
 * descriptor { void *allocated, *aligned; int64_t offset, sizes[rank],
 * strides[rank]; }, for a QM_INDEX of rank 0 to an int64_t. */
typedef enum {
  QM_ARG_RESULT,       /* filled in by the callee, on each thread; any strides
                          (copied unless it is rows in the workspace) */
  QM_ARG_INPUT,        /* contiguous, row-major, never written */
  QM_ARG_WEIGHTS,      /* i8[?]: the data section of the weights file */
  QM_ARG_CACHE,        /* {layers, 2, kv_heads, -1, head_size}; -1 becomes the
                          session's context rounded up to a multiple of 64 */
  QM_ARG_WORKSPACE,    /* i8[workspace_bytes], aligned to 64 */
  QM_ARG_THREAD_ID,    /* an int64_t, 0 <= id < count; results of 0 are used */
  QM_ARG_THREAD_COUNT, /* an int64_t */
  QM_ARG_BARRIER       /* the pointer itself goes to qm_barrier */
} qm_arg_kind;

typedef struct {
  uint32_t kind;       /* qm_arg_kind */
  uint32_t dtype;      /* qm_dtype */
  uint32_t rank;       /* at most QM_MAX_RANK */
  const int64_t *dims; /* [rank], -1 where dynamic; NULL with rank 0 */
  const char *name;    /* never NULL; caches of one name are one cache */
} qm_arg;

typedef struct {
  const char *name;
  void (*entry)(void **args);
  uint32_t num_args;
  const qm_arg *args;
  uint64_t workspace_bytes;
} qm_function;

/* Code for a GPU. All buffers that generated code is given are then in the
 * GPU's memory, and `entry` launches functions by their number here. */
typedef struct {
  const struct qm_device *device;    /* the part of the runtime that runs it */
  void *(*driver)(const char *name); /* finds functions of the CUDA driver's
                                        interface; NULL: in libcuda.so.1 */
  const char *target;                /* as quantc was told: "cuda:sm_80" */
  uint32_t num_functions;
  const char *const *functions;
  const void *ptx; /* ends with a zero */
  const void
      *cubin; /* machine code for exactly that GPU; NULL: there is none */
} qm_gpu;

/* A "causal-lm" has the function "forward" with the inputs tokens i32[?],
 * position index, outputs index, one cache, and one result, the logits
 * f32[outputs, vocab_size] of the last `outputs` of the tokens (0 is allowed).
 */
typedef struct {
  uint32_t abi_version; /* QM_ABI_VERSION of the compiler */
  const char *name;
  const char *task;             /* "causal-lm", "encoder" or "graph" */
  uint64_t weights_bytes;       /* size of the weights file; 0: there is none */
  uint64_t weights_header_hash; /* FNV-1a 64 of the file's JSON header */
  int64_t vocab_size;           /* of token ids; 0: inputs are not token ids */
  int64_t hidden_size;
  int64_t context_length; /* the most tokens a session or sentence may have */
  int64_t batch_tokens;   /* the most a dynamic dimension of an input may be */
  uint32_t num_functions;
  const qm_function *functions;
  const qm_versions *versions; /* NULL: runs on any CPU */
  const qm_gpu *gpu;           /* NULL: runs on the CPU */
} qm_descriptor;

/*===----------------------------------------------------------------------===*
 * Models
 *===----------------------------------------------------------------------===*/

typedef struct qm_model qm_model;

/* Maps the weights read-only: several processes share one copy in memory. A
 * model for a GPU copies them there, once; it uses the first GPU that the
 * driver shows. weights_path: NULL for a model without weights. The descriptor
 * must outlive the model. *model is set only on success. */
qm_status qm_model_open(const qm_descriptor *descriptor,
                        const char *weights_path, qm_model **model);

/* The same with packed weights that the application has in memory: `bytes`
 * bytes at `data`, aligned to 64, which is the data section of a weights file
 * and is not checked. They must outlive the model and all its sessions; what
 * they contain may change between calls. Not for a model on a GPU. */
qm_status qm_model_open_memory(const qm_descriptor *descriptor, void *data,
                               int64_t bytes, qm_model **model);

/* NULL is fine. Sessions keep what they need: the order of freeing is free. */
void qm_model_free(qm_model *model);

const qm_descriptor *qm_model_descriptor(const qm_model *model);

/* The target of the version that runs, such as "x86-64-v4" or "cuda:sm_80"; ""
 * if the descriptor names none. */
const char *qm_model_target(const qm_model *model);

/*===----------------------------------------------------------------------===*
 * Sessions
 *===----------------------------------------------------------------------===*/

typedef struct qm_session qm_session;

/* The application's own threads, instead of the session's: must call
 * task(argument, i) once for every 0 <= i < threads, ALL AT THE SAME TIME (they
 * wait for each other at barriers), and return when all have returned. OpenMP:
 *
 *     void on_openmp(void *context, qm_task task, void *argument, int64_t n) {
 *     #pragma omp parallel num_threads(n)      // with omp_set_dynamic(0)
 *       task(argument, omp_get_thread_num());
 *     } */
typedef void (*qm_task)(void *argument, int64_t thread);
typedef void (*qm_executor)(void *context, qm_task task, void *argument,
                            int64_t threads);

/* Zero means "the default", so `{0}` and NULL are good options. */
typedef struct {
  int64_t context;      /* tokens it can hold; default: all the model can */
  int64_t threads;      /* default: the cores that this process may use; a
                           model on a GPU has one */
  qm_executor executor; /* default: threads of the session's own */
  void *executor_context;
} qm_session_options;

/* The cache is reserved, not touched: memory is used as tokens come.
 * *session is set only on success. */
qm_status qm_session_create(qm_model *model, const qm_session_options *options,
                            qm_session **session);
void qm_session_free(qm_session *session);

/* Appends n >= 1 tokens (ids in [0, vocab_size)), as many as fit into the
 * context, and keeps the logits of the last `outputs` of them, 0 <= outputs <=
 * n (1 to sample, n to score a text, 0 to only fill the cache). */
qm_status qm_session_feed(qm_session *session, const int32_t *tokens, int64_t n,
                          int64_t outputs);

/* [outputs][vocab_size] of the last feed, valid until the next call with this
 * session; NULL before the first feed and after one with outputs = 0. */
const float *qm_session_logits(const qm_session *session);

/* The best k, 1 <= k <= vocab_size, of the logits of the last token that was
 * fed, if they were kept: ids[k] and, unless NULL, logits[k], the largest
 * first, of equal ones the lower id; NaN is less than all numbers. All threads
 * of the session search. What qm_session_logits points to stays valid. */
qm_status qm_session_top(qm_session *session, int64_t k, int32_t *ids,
                         float *logits);

/* How many tokens the session holds, and how many it can. */
int64_t qm_session_position(const qm_session *session);
int64_t qm_session_context(const qm_session *session);

/* Forgets the tokens from `position` on, 0 <= position <= what it holds. */
qm_status qm_session_rewind(qm_session *session, int64_t position);

/* Row-major and contiguous; data aligned as its type asks. */
typedef struct {
  void *data;
  qm_dtype dtype;
  int32_t rank;
  int64_t dims[QM_MAX_RANK];
} qm_tensor;

/* Calls a function of any graph that has no cache (encoders are such).
 * function: NULL for the first. The inputs must have the types and ranks of the
 * function's inputs, its dimensions where those are static, and from 1 to
 * batch_tokens where not; in an encoder, integers must be ids below vocab_size.
 * Fills in `results`, which point into memory of the session and are valid
 * until the next call with it. */
qm_status qm_session_run(qm_session *session, const char *function,
                         const qm_tensor *inputs, uint32_t num_inputs,
                         qm_tensor *results, uint32_t num_results);

/*===----------------------------------------------------------------------===*
 * Kernels without a model: quantc --kernels
 *===----------------------------------------------------------------------===*/

/* A kernel is run by a team: each of `threads` threads calls it with the same
 * arguments, a qm_team that says which of them it is, and one barrier for all.
 * A kernel waits inside where it has to, and returns when this thread's part is
 * done: only after qm_barrier(team.barrier, team.threads) may a thread read
 * what others have written. NULL instead of a team: one thread does all. */
typedef struct {
#ifdef __cplusplus
  alignas(64) uint32_t words[32];
#else
  _Alignas(64) uint32_t words[32];
#endif
} qm_barrier_memory; /* zero before its first use */

typedef struct {
  int64_t thread;  /* 0 to threads - 1 */
  int64_t threads; /* 1 or more */
  void *barrier;   /* a qm_barrier_memory */
} qm_team;

/* How a packed weight [n][k] lies in memory. quantc writes one for each kernel;
 * what it means in detail is a matter between the compiler and this runtime. */
typedef struct {
  int64_t n, k;
  int64_t lanes, vectors; /* their product: rows of a panel */
  int64_t group;          /* values of a row whose codes lie together */
  int64_t scale_group;    /* values of a row that share a scale */
  int64_t scale_block;    /* values whose scales share a factor; 0: none do */
  int64_t group_bytes, panel_bytes;
  int64_t scale_offset, minimum_offset; /* 0: the format has none */
  uint32_t code_bits;   /* of an integer code; 0: numbers are stored as given */
  uint32_t code_bytes;  /* of a number in `codes`; 1 for integer codes */
  uint32_t depth;       /* numbers of a row that lie together */
  uint32_t scale_dtype; /* a qm_dtype */
  uint32_t minimum_dtype;
  float scale_factor; /* scales are multiplied by it as they are packed */
} qm_panels;

/* Bytes of a packed weight. */
static inline int64_t qm_packed_bytes(const qm_panels *layout) {
  int64_t rows = layout->lanes * layout->vectors;
  return (layout->n + rows - 1) / rows * layout->panel_bytes;
}

/* Packs a weight for a kernel: w[n][k] = scale * (code - offset) + minimum,
 * offset as the kernel's header says, or scale * number for floats.
 * codes: [n][k], a byte each, or floats in their type; scales and minimums:
 * [n][ceil(k / scale_group)], NULL if the format has none. With a scale_block
 * they are integers, and each row goes on with k / scale_block factors. */
qm_status qm_pack_weight(const qm_panels *layout, const void *codes,
                         const float *scales, const float *minimums,
                         void *packed);

/* The same for one panel, of which `count` rows exist. Cannot fail. */
void qm_pack_panel(const qm_panels *layout, const void *codes,
                   const float *scales, const float *minimums, int64_t count,
                   void *packed);

/*===----------------------------------------------------------------------===*
 * Kernels for a GPU
 *===----------------------------------------------------------------------===*/

/* Kernels that a device has loaded. */
typedef struct qm_gpu_kernels qm_gpu_kernels;

/* Loads a library's code (NAME_gpu of its header; NAME is for errors) into the
 * primary context of a device, which is the one that the CUDA runtime and
 * PyTorch use. device: its number among those that the driver shows. *kernels
 * is set only on success. */
qm_status qm_gpu_kernels_open(const qm_gpu *code, const char *name,
                              int32_t device, qm_gpu_kernels **kernels);

/* Once all calls have ended. NULL is fine. */
void qm_gpu_kernels_free(qm_gpu_kernels *kernels);

/*===----------------------------------------------------------------------===*
 * Called by generated code
 *===----------------------------------------------------------------------===*/

/* Returns when all n threads have come here; what they wrote before is seen by
 * all after. */
void qm_barrier(void *barrier, int64_t n);

#ifdef __cplusplus
}
#endif

#endif /* QUANT_MLIR_RUNTIME_QUANT_RUNTIME_H */
