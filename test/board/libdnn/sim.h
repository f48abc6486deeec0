// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0

// The interface between the parts of the simulator. One lock guards all of its state.

#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dnn.h"

enum { MAX_OUTPUTS = 32, MAX_ANSWERS = 32, MAX_NAMES = 8, NAME = 128, TENSOR_NAME = 512,
       PATH = 4096 };

typedef struct {
  char name[TENSOR_NAME];
  hbDNNTensorProperties properties;
} Tensor;

typedef struct {
  uint64_t hash;  // Of its input.
  size_t offsets[MAX_OUTPUTS];
} Answer;

// A model file in memory; see `model.c`.
typedef struct Model {
  struct Model *next;
  uint8_t *content;
  uint8_t *data;
  size_t data_size;
  char names[MAX_NAMES][NAME];  // Of the models in the file; all else is equal.
  const char *name_list[MAX_NAMES];
  int name_count;
  char board[NAME];
  char folder[PATH];  // Of the file `cores`.
  int cores;
  int64_t service_us, cpu_us;
  Tensor input;
  size_t input_size;
  Tensor outputs[MAX_OUTPUTS];
  int output_count;
  Answer answers[MAX_ANSWERS];
  int answer_count;
  int running;  // Tasks that have not finished.
} Model;

// A block of memory, with the bytes of the BPU and those of the CPU's cache; see `memory.c`. If they
// are those of an answer, its address is known.
typedef struct Block {
  struct Block *next;
  uint64_t id;
  uint32_t size;
  uint8_t *cpu;
  uint8_t *bpu;
  const uint8_t *cpu_answer, *bpu_answer;
  bool freed;
  int users;  // Tasks that have not finished.
} Block;

extern pthread_mutex_t lock;
extern int violations;

// Returns whether the fault of FCOS_SIM_FAULT=KIND[:N] happens now: at the N-th call since the
// first inference with a model, which is that of loading; with N = 0 only in that inference;
// without N at every later call. Kinds: for inferences `raise` (refused), `late` (refused with the
// code of a timeout), `stray` (refused, but with the handle of a task), `wait` (finished with an
// error), `hang`, `crash`, `nan`; for memory `alloc` and `flush`.
bool fault_strikes(const char *kind);
// Returns whether this is the kind of the fault: `load` and `memory` are faults of loading.
bool fault_is(const char *kind);
void read_fault(void);
void end_probe(void);  // Call when the memory of an inference is released.

// Returns a loaded model, or NULL for a wrong handle. Call with the lock held.
Model *find_model(hbDNNHandle_t handle);
int count_models(void);
size_t item_size(int32_t type);

// Finds the recorded outputs for an input: one address for each output.
void find_answer(const Model *model, const uint8_t *input, const uint8_t **outputs);

// Returns the block of a description of memory, or NULL. Call with the lock held.
Block *find_block(const hbSysMem *memory);
int count_blocks(void);
void write_answer(Block *block, const uint8_t *answer, size_t size);
void forget_answers(void);  // Call with the lock held when a model is released.
void hold_block(Block *block);
void drop_block(Block *block);

int count_tasks(void);
int count_running(void);
