// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0

// The part of the binary interface of libdnn 1.18 to 1.24 that we call, on RDK X3 and X5. Names,
// order and types of the fields are the vendor's.

#pragma once

#include <stdint.h>

enum { DIMENSIONS = 8, MEMORIES = 4 };

typedef struct {
  uint64_t phyAddr;
  void *virAddr;
  uint32_t memSize;
} hbSysMem;

typedef struct {
  int32_t dimensionSize[DIMENSIONS];
  int32_t numDimensions;
} hbDNNTensorShape;

typedef struct {
  int32_t shiftLen;
  uint8_t *shiftData;
} hbDNNQuantiShift;

typedef struct {
  int32_t scaleLen;
  float *scaleData;
  int32_t zeroPointLen;
  int8_t *zeroPointData;
} hbDNNQuantiScale;

typedef struct {
  hbDNNTensorShape validShape;    // Of the values.
  hbDNNTensorShape alignedShape;  // Of the memory, with padding.
  int32_t tensorLayout;
  int32_t tensorType;
  hbDNNQuantiShift shift;
  hbDNNQuantiScale scale;
  int32_t quantiType;
  int32_t quantizeAxis;
  int32_t alignedByteSize;
  int32_t stride[DIMENSIONS];  // In bytes; zeros if the library does not report them.
} hbDNNTensorProperties;

typedef struct {
  hbSysMem sysMem[MEMORIES];
  hbDNNTensorProperties properties;
} hbDNNTensor;

typedef struct {
  int32_t bpuCoreId;  // 0: any, 1: the first, 2: the second.
  int32_t dspCoreId;
  int32_t priority;
  int32_t more;
  int64_t customId;
  int32_t reserved1;
  int32_t reserved2;
} hbDNNInferCtrlParam;

_Static_assert(sizeof(hbSysMem) == 24, "hbSysMem");
_Static_assert(sizeof(hbDNNTensorShape) == 36, "hbDNNTensorShape");
_Static_assert(sizeof(hbDNNQuantiShift) == 16, "hbDNNQuantiShift");
_Static_assert(sizeof(hbDNNQuantiScale) == 32, "hbDNNQuantiScale");
_Static_assert(sizeof(hbDNNTensorProperties) == 176, "hbDNNTensorProperties");
_Static_assert(sizeof(hbDNNTensor) == 272, "hbDNNTensor");
_Static_assert(sizeof(hbDNNInferCtrlParam) == 32, "hbDNNInferCtrlParam");

enum { TYPE_NV12 = 1, TYPE_F32 = 13 };
enum { QUANTI_NONE = 0, QUANTI_SCALE = 2 };
enum { CACHE_INVALIDATE = 1, CACHE_CLEAN = 2 };

enum {
  OK = 0,
  INVALID_ARGUMENT = -6000001,
  INVALID_MODEL = -6000002,
  OUT_OF_MEMORY = -6000007,
  INVALID_PACKED_HANDLE = -6000004,
  INVALID_HANDLE = -6000005,
  CANNOT_OPEN = -6000006,
  TIMEOUT = -6000008,
  TOO_MANY_TASKS = -6000009,
  INVALID_TASK = -6000011,
  RUN_FAILED = -6000012,
  STILL_RUNNING = -6000013,
  INCOMPATIBLE_MODEL = -6000014,
  MISUSE = -6000015,
  MEMORY_INVALID_ARGUMENT = -6000129,
  MEMORY_EXHAUSTED = -6000130,
};

typedef void *hbPackedDNNHandle_t;
typedef void *hbDNNHandle_t;
typedef void *hbDNNTaskHandle_t;

#pragma GCC visibility push(default)

const char *hbDNNGetVersion(void);

int32_t hbDNNInitializeFromFiles(hbPackedDNNHandle_t *packed, const char **files, int32_t count);
int32_t hbDNNRelease(hbPackedDNNHandle_t packed);
int32_t hbDNNGetModelNameList(const char ***names, int32_t *count, hbPackedDNNHandle_t packed);
int32_t hbDNNGetModelHandle(hbDNNHandle_t *model, hbPackedDNNHandle_t packed, const char *name);

int32_t hbDNNGetInputCount(int32_t *count, hbDNNHandle_t model);
int32_t hbDNNGetInputName(const char **name, hbDNNHandle_t model, int32_t index);
int32_t hbDNNGetInputTensorProperties(hbDNNTensorProperties *properties, hbDNNHandle_t model,
                                      int32_t index);
int32_t hbDNNGetOutputCount(int32_t *count, hbDNNHandle_t model);
int32_t hbDNNGetOutputName(const char **name, hbDNNHandle_t model, int32_t index);
int32_t hbDNNGetOutputTensorProperties(hbDNNTensorProperties *properties, hbDNNHandle_t model,
                                       int32_t index);

int32_t hbDNNInfer(hbDNNTaskHandle_t *task, hbDNNTensor **outputs, const hbDNNTensor *inputs,
                   hbDNNHandle_t model, hbDNNInferCtrlParam *control);
int32_t hbDNNWaitTaskDone(hbDNNTaskHandle_t task, int32_t milliseconds);
int32_t hbDNNReleaseTask(hbDNNTaskHandle_t task);

int32_t hbSysAllocCachedMem(hbSysMem *memory, uint32_t size);
int32_t hbSysFlushMem(hbSysMem *memory, int32_t flag);
int32_t hbSysFreeMem(hbSysMem *memory);

// Only in the simulator. Returns the number of "models" (packed handles), "memories", "tasks" (not
// released) or "running" tasks (not finished, released or not) in use; or of "violations": calls
// that would corrupt memory on a board, or release something twice.
int32_t fcos_sim_count(const char *what);

// Lets the tasks that hang continue, as if the hardware worked again.
void fcos_sim_go_on(void);

#pragma GCC visibility pop
