// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0

// What the parts of the simulator share. One lock guards all of its state.

#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dnn.h"

enum { MAX_OUTPUTS = 32, MAX_ANSWERS = 32, MAX_NAMES = 8, NAME = 128, PATH = 4096 };

typedef struct {
  char name[NAME];
  hbDNNTensorProperties properties;
} Tensor;

typedef struct {
  uint64_t hash;  // Of the input that it answers.
  size_t offsets[MAX_OUTPUTS];
} Answer;

// A model file in memory. `model.c` has its functions.
typedef struct Model {
  struct Model *next;
  uint8_t *content;
  uint8_t *data;
  size_t data_size;
  char names[MAX_NAMES][NAME];  // Of as many models in one file, alike but for their names.
  const char *name_list[MAX_NAMES];
  int name_count;
  char board[NAME];
  char folder[PATH];  // Where the bookings of the cores are.
  int cores;
  int64_t service_us, cpu_us;
  Tensor input;
  size_t input_size;
  Tensor outputs[MAX_OUTPUTS];
  int output_count;
  Answer answers[MAX_ANSWERS];
  int answer_count;
  int running;  // Tasks that have not ended.
} Model;

// Memory as the BPU has it, and as the CPU's cache has it; `memory.c`.
typedef struct Block {
  struct Block *next;
  uint64_t id;
  uint32_t size;
  uint8_t *cpu;
  uint8_t *bpu;
  bool freed;
  int users;  // Tasks that have not ended.
} Block;

extern pthread_mutex_t lock;
extern int violations;

// Whether the fault that FCOS_SIM_FAULT=KIND[:N] asks for happens here: at the N-th time, counted
// since a model was loaded, or at all times. Kinds: `load`; for inferences `raise` (refused),
// `late` (refused as if late), `stray` (refused, with the handle of a task all the same), `wait`
// (ended by an error), `hang`, `crash`, `nan`; `alloc` and `flush` for memory.
bool fault_strikes(const char *kind);
void read_fault(void);

// A loaded model, or NULL when the handle is none. Call with the lock held.
Model *find_model(hbDNNHandle_t handle);
int count_models(void);
size_t item_size(int32_t type);

// The outputs for an input: one address for each output.
void find_answer(const Model *model, const uint8_t *input, const uint8_t **outputs);

// The block behind a description of memory, or NULL. Call with the lock held.
Block *find_block(const hbSysMem *memory);
int count_blocks(void);
void hold_block(Block *block);
void drop_block(Block *block);

int count_tasks(void);
int count_running(void);
