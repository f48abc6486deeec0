// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0

// Cached memory that CPU and BPU share. Here each side has its own bytes, and only a flush copies
// them. Without a flush, the other side always reads old bytes. Freed memory is unmapped, and outputs
// are read-only for the CPU: reading the one or writing to the other ends the process.
//
// A BPU takes no CPU time for its outputs. So an answer is not copied to a side that has it already.

#define _GNU_SOURCE

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim.h"

enum { OLD_CPU = 0xa5, OLD_BPU = 0x5a };

static Block *blocks;
static uint64_t last_id;

static bool map_block(Block *block, uint32_t size) {
  block->size = size;
  block->bpu = malloc(size);
  block->cpu = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (!block->bpu || block->cpu == MAP_FAILED) return false;
  memset(block->cpu, OLD_CPU, size);
  memset(block->bpu, OLD_BPU, size);
  return true;
}

int32_t hbSysAllocCachedMem(hbSysMem *memory, uint32_t size) {
  if (!memory || !size) return MEMORY_INVALID_ARGUMENT;
  int32_t code = MEMORY_EXHAUSTED;
  pthread_mutex_lock(&lock);
  if (!fault_strikes("alloc")) {
    Block *block = calloc(1, sizeof *block);
    if (block && map_block(block, size)) {
      block->id = ++last_id;
      block->next = blocks;
      blocks = block;
      *memory = (hbSysMem){block->id, block->cpu, size};
      code = OK;
    }
  }
  pthread_mutex_unlock(&lock);
  return code;
}

Block *find_block(const hbSysMem *memory) {
  Block *block = blocks;
  while (block && !(block->id == memory->phyAddr && block->cpu == memory->virAddr &&
                    block->size == memory->memSize))
    block = block->next;
  return block;
}

void write_answer(Block *block, const uint8_t *answer, size_t size) {
  if (block->bpu_answer != answer) memcpy(block->bpu, answer, size);
  block->bpu_answer = answer;
}

void forget_answers(void) {
  for (Block *block = blocks; block; block = block->next)
    block->bpu_answer = block->cpu_answer = NULL;
}

static void clean(Block *block) {
  memcpy(block->bpu, block->cpu, block->size);
  block->bpu_answer = NULL;
}

static void invalidate(Block *block) {
  if (block->cpu_answer && block->cpu_answer == block->bpu_answer) return;
  if (mprotect(block->cpu, block->size, PROT_READ | PROT_WRITE)) abort();
  memcpy(block->cpu, block->bpu, block->size);
  if (mprotect(block->cpu, block->size, PROT_READ)) abort();
  block->cpu_answer = block->bpu_answer;
}

int count_blocks(void) {
  int count = 0;
  for (Block *block = blocks; block; block = block->next) count++;
  return count;
}

int32_t hbSysFlushMem(hbSysMem *memory, int32_t flag) {
  int32_t code = MEMORY_INVALID_ARGUMENT;
  pthread_mutex_lock(&lock);
  Block *block = memory ? find_block(memory) : NULL;
  if (!block) {
    violations++;
  } else if (!fault_strikes("flush")) {
    if (flag == CACHE_CLEAN) clean(block);
    if (flag == CACHE_INVALIDATE) invalidate(block);
    if (flag == CACHE_CLEAN || flag == CACHE_INVALIDATE) code = OK;
  }
  pthread_mutex_unlock(&lock);
  return code;
}

int32_t hbSysFreeMem(hbSysMem *memory) {
  int32_t code = MEMORY_INVALID_ARGUMENT;
  pthread_mutex_lock(&lock);
  Block *block = memory ? find_block(memory) : NULL;
  end_probe();
  if (!block) {
    violations++;
  } else {
    if (block->users) violations++;  // The BPU still writes.
    Block **place = &blocks;
    while (*place != block) place = &(*place)->next;
    *place = block->next;
    munmap(block->cpu, block->size);
    block->freed = true;
    hold_block(block);
    drop_block(block);
    code = OK;
  }
  pthread_mutex_unlock(&lock);
  return code;
}

void hold_block(Block *block) { block->users++; }

void drop_block(Block *block) {
  if (--block->users || !block->freed) return;
  free(block->bpu);
  free(block);
}
