// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0

// Run inferences: each has its own thread, which waits for one of the board's cores.

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"

enum { MAX_TASKS = 32, MAX_CORES = 8, SECOND = 1000000000 };

typedef struct Task {
  struct Task *next;
  Model *model;
  Block *input;
  Block *outputs[MAX_OUTPUTS];
  int core;  // Its number, or -1 for any.
  bool hang, nan, fail;
  unsigned hang_ends;  // The value when the task was submitted.
  bool done, released;
  int32_t code;
} Task;

static Task *tasks;  // Tasks that are not released.
static int running;
static unsigned hang_ends;  // Number of calls of `fcos_sim_go_on`.
static pthread_cond_t changed;

__attribute__((constructor)) static void set_up(void) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&changed, &attributes);
}

static struct timespec after(int64_t microseconds) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  int64_t rest = time.tv_nsec + microseconds * 1000;
  time.tv_sec += rest / SECOND;
  time.tv_nsec = rest % SECOND;
  return time;
}

static int64_t nanoseconds(struct timespec time) {
  return (int64_t)time.tv_sec * SECOND + time.tv_nsec;
}

static void sleep_until(struct timespec time) {
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR) continue;
}

// Reserves the core that is free first, among those the task may use, in a file that all processes
// lock, read and write. The file holds, for each core, the nanosecond of the monotonic clock until
// which the core is reserved. A BPU begins its next inference by itself, no matter when Linux
// wakes the process that waits for the last one.
static struct timespec reserve_core(const Task *task) {
  const Model *model = task->model;
  char path[PATH + 16];
  snprintf(path, sizeof path, "%s/cores", model->folder);
  int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  while (flock(file, LOCK_EX) && errno == EINTR) continue;
  int64_t free_at[MAX_CORES] = {0};
  if (ftruncate(file, sizeof free_at) || pread(file, free_at, sizeof free_at, 0) < 0) abort();
  int core = task->core < 0 ? 0 : task->core;
  for (int other = core + 1; task->core < 0 && other < model->cores; other++)
    if (free_at[other] < free_at[core]) core = other;
  int64_t start = nanoseconds(after(0));
  if (start < free_at[core]) start = free_at[core];
  free_at[core] = start + model->service_us * 1000;
  if (pwrite(file, free_at, sizeof free_at, 0) < 0) abort();
  close(file);
  return (struct timespec){free_at[core] / SECOND, free_at[core] % SECOND};
}

// Sets all values to NaN; integers to their minimum, as most conversions of NaN do.
static void spoil(Block *block, int32_t type, size_t size) {
  uint8_t *bytes = block->bpu;
  block->bpu_answer = NULL;
  static const uint8_t not_a_number[4] = {0, 0, 0xc0, 0x7f}, lowest[4] = {0, 0, 0, 0x80};
  size_t item = item_size(type);
  for (size_t i = 0; i < size; i++)
    bytes[i] = type == TYPE_F32 ? not_a_number[i % 4] : lowest[4 - item + i % item];
}

static void compute(const Task *task) {
  const Model *model = task->model;
  const uint8_t *answers[MAX_OUTPUTS];
  find_answer(model, task->input->bpu, answers);
  for (int i = 0; i < model->output_count; i++) {
    size_t size = (size_t)model->outputs[i].properties.alignedByteSize;
    write_answer(task->outputs[i], answers[i], size);
    if (task->nan) spoil(task->outputs[i], model->outputs[i].properties.tensorType, size);
  }
}

static void end_task(Task *task) {
  pthread_mutex_lock(&lock);
  drop_block(task->input);
  for (int i = 0; i < task->model->output_count; i++) drop_block(task->outputs[i]);
  task->model->running--;
  running--;
  task->code = task->fail ? RUN_FAILED : OK;
  task->done = true;
  if (task->released) free(task);
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
}

static void wait_while_hanging(const Task *task) {
  pthread_mutex_lock(&lock);
  while (hang_ends == task->hang_ends) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
}

static void *run(void *argument) {
  Task *task = argument;
  prctl(PR_SET_TIMERSLACK, 1);  // By default, Linux may wake a thread up to 50 microseconds late.
  sleep_until(after(task->model->cpu_us));
  if (task->hang) wait_while_hanging(task);
  struct timespec end = reserve_core(task);
  compute(task);
  sleep_until(end);
  end_task(task);
  return NULL;
}

void fcos_sim_go_on(void) {
  pthread_mutex_lock(&lock);
  hang_ends++;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
}

static bool find_blocks(Task *task, const hbDNNTensor *inputs, const hbDNNTensor *outputs) {
  const Model *model = task->model;
  task->input = find_block(&inputs[0].sysMem[0]);
  if (!task->input || task->input->size < model->input_size) return false;
  if (inputs[0].properties.tensorType != TYPE_NV12) return false;
  for (int i = 0; i < model->output_count; i++) {
    const hbDNNTensorProperties *expected = &model->outputs[i].properties;
    task->outputs[i] = find_block(&outputs[i].sysMem[0]);
    if (!task->outputs[i] || task->outputs[i]->size < (uint32_t)expected->alignedByteSize ||
        memcmp(&outputs[i].properties, expected, sizeof *expected))
      return false;
  }
  return true;
}

static int32_t make_task(Task *task, hbDNNTensor **outputs, const hbDNNTensor *inputs,
                         hbDNNHandle_t handle, const hbDNNInferCtrlParam *control) {
  task->model = find_model(handle);
  if (!task->model) return INVALID_HANDLE;
  if (!outputs || !*outputs || !inputs || !control || control->more) return INVALID_ARGUMENT;
  task->core = control->bpuCoreId - 1;
  if (task->core < -1 || task->core >= task->model->cores) return INVALID_ARGUMENT;
  if (!find_blocks(task, inputs, *outputs)) return INVALID_ARGUMENT;
  if (count_tasks() >= MAX_TASKS) return TOO_MANY_TASKS;
  if (fault_strikes("crash")) raise(SIGSEGV);
  if (fault_strikes("raise")) return RUN_FAILED;
  if (fault_strikes("late")) return TIMEOUT;
  task->hang = fault_strikes("hang");
  task->hang_ends = hang_ends;
  task->nan = fault_strikes("nan");
  task->fail = fault_strikes("wait");
  return OK;
}

static void list_task(Task *task) {
  task->next = tasks;
  tasks = task;
}

static void start_task(Task *task) {
  list_task(task);
  hold_block(task->input);
  for (int i = 0; i < task->model->output_count; i++) hold_block(task->outputs[i]);
  task->model->running++;
  running++;
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  if (pthread_create(&thread, &attributes, run, task)) abort();
  pthread_attr_destroy(&attributes);
}

int32_t hbDNNInfer(hbDNNTaskHandle_t *handle, hbDNNTensor **outputs, const hbDNNTensor *inputs,
                   hbDNNHandle_t model, hbDNNInferCtrlParam *control) {
  if (!handle || *handle) return INVALID_ARGUMENT;
  Task *task = calloc(1, sizeof *task);
  pthread_mutex_lock(&lock);
  int32_t code = make_task(task, outputs, inputs, model, control);
  if (code == OK && fault_strikes("stray")) {
    code = RUN_FAILED;
    task->done = true;
    list_task(task);
    *handle = task;
  } else if (code == OK) {
    start_task(task);
    *handle = task;
  } else {
    free(task);
  }
  pthread_mutex_unlock(&lock);
  return code;
}

static Task **find_task(hbDNNTaskHandle_t handle) {
  Task **place = &tasks;
  while (*place && *place != handle) place = &(*place)->next;
  return place;
}

int32_t hbDNNWaitTaskDone(hbDNNTaskHandle_t handle, int32_t milliseconds) {
  struct timespec deadline = after((int64_t)milliseconds * 1000);
  int32_t code = OK;
  pthread_mutex_lock(&lock);
  Task *task = *find_task(handle);
  if (!task) {
    violations++;
    code = INVALID_TASK;
  }
  while (task && !task->done && code == OK) {
    if (milliseconds <= 0) {
      pthread_cond_wait(&changed, &lock);
    } else if (pthread_cond_timedwait(&changed, &lock, &deadline) == ETIMEDOUT && !task->done) {
      code = TIMEOUT;
    }
  }
  if (task && code == OK) code = task->code;
  pthread_mutex_unlock(&lock);
  return code;
}

// As on a board, a released task that has not finished continues, and may still write.
int32_t hbDNNReleaseTask(hbDNNTaskHandle_t handle) {
  int32_t code = OK;
  pthread_mutex_lock(&lock);
  Task **place = find_task(handle);
  Task *task = *place;
  if (!task) {
    violations++;
    code = INVALID_TASK;
  } else {
    *place = task->next;
    if (task->done) free(task);
    else task->released = true;
  }
  pthread_mutex_unlock(&lock);
  return code;
}

int count_tasks(void) {
  int count = 0;
  for (Task *task = tasks; task; task = task->next) count++;
  return count;
}

int count_running(void) { return running; }

int32_t fcos_sim_count(const char *what) {
  int32_t count = -1;
  pthread_mutex_lock(&lock);
  if (!strcmp(what, "models")) count = count_models();
  if (!strcmp(what, "memories")) count = count_blocks();
  if (!strcmp(what, "tasks")) count = count_tasks();
  if (!strcmp(what, "running")) count = count_running();
  if (!strcmp(what, "violations")) count = violations;
  pthread_mutex_unlock(&lock);
  return count;
}
