// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0

// Read model files of the simulated board; `test/board/model_file.py` defines their format.

#define _GNU_SOURCE

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim.h"

enum { PAGE = 4096 };

pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
int violations;

static Model *models;

enum { ALWAYS = -1 };

static struct {
  char kind[NAME];
  long at;
  long count;
  bool probed;  // Whether the inference of loading is over.
} fault;

void read_fault(void) {
  const char *text = getenv("FCOS_SIM_FAULT");
  memset(&fault, 0, sizeof fault);
  fault.at = ALWAYS;
  if (text) sscanf(text, "%127[^:]:%ld", fault.kind, &fault.at);
}

bool fault_strikes(const char *kind) {
  if (strcmp(fault.kind, kind)) return false;
  if (!fault.probed) return fault.at == 0;
  fault.count++;
  return fault.at == ALWAYS || fault.count == fault.at;
}

bool fault_is(const char *kind) { return !strcmp(fault.kind, kind); }

void end_probe(void) { fault.probed = true; }

const char *hbDNNGetVersion(void) {
  const char *version = getenv("FCOS_SIM_VERSION");
  return version ? version : "1.24.5_(3.15.55 HBRT)";
}

size_t item_size(int32_t type) {
  static const uint8_t sizes[] = {[8] = 1, [9] = 1, [10] = 2, [11] = 2, [12] = 2, [13] = 4,
                                  [14] = 4, [15] = 4};
  return type >= 0 && type < (int32_t)sizeof sizes ? sizes[type] : 0;
}

static uint8_t *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  uint8_t *content = malloc(*size + 1);
  if (content && fread(content, 1, *size, file) != *size) {
    free(content);
    content = NULL;
  }
  fclose(file);
  if (content) content[*size] = 0;
  return content;
}

static bool read_input(Model *model, const char *values) {
  hbDNNTensorProperties *p = &model->input.properties;
  int32_t *shape = p->validShape.dimensionSize;
  if (sscanf(values, "%511s %d %d %d %d %d %d", model->input.name, &p->tensorType,
             &p->tensorLayout, shape, shape + 1, shape + 2, shape + 3) != 7)
    return false;
  p->validShape.numDimensions = 4;
  p->alignedShape = p->validShape;
  // The shape of an NV12 input is that of the pixels, and its strides are zeros.
  size_t pixels = (size_t)shape[2] * (size_t)(shape[1] == 3 ? shape[3] : shape[1]);
  model->input_size = pixels * 3 / 2;
  p->alignedByteSize = (int32_t)model->input_size;
  return true;
}

static bool read_output(Model *model, const char *values) {
  if (model->output_count == MAX_OUTPUTS) return false;
  Tensor *tensor = &model->outputs[model->output_count++];
  hbDNNTensorProperties *p = &tensor->properties;
  int32_t *valid = p->validShape.dimensionSize, *aligned = p->alignedShape.dimensionSize;
  size_t offset;
  if (sscanf(values, "%511s %d %d %d %d %d %d %d %d %d %d %d %zu %d", tensor->name,
             &p->tensorType, &p->tensorLayout, valid, valid + 1, valid + 2, valid + 3, aligned,
             aligned + 1, aligned + 2, aligned + 3, &p->scale.scaleLen, &offset,
             &p->quantizeAxis) != 14)
    return false;
  p->validShape.numDimensions = p->alignedShape.numDimensions = 4;
  if (p->scale.scaleLen) {
    p->quantiType = QUANTI_SCALE;
    p->scale.scaleData = (float *)(uintptr_t)offset;  // Until the address of the data is known.
  }
  size_t size = item_size(p->tensorType);
  for (int axis = 3; axis >= 0; axis--) {
    // The library of X3 does not report strides; they follow from the aligned shape.
    if (!strcmp(model->board, "x5")) p->stride[axis] = (int32_t)size;
    size *= (size_t)aligned[axis];
  }
  p->alignedByteSize = (int32_t)size;
  return size > 0;
}

static bool read_answer(Model *model, char *values) {
  if (model->answer_count == MAX_ANSWERS) return false;
  Answer *answer = &model->answers[model->answer_count++];
  answer->hash = strtoull(values, &values, 16);
  for (int i = 0; i < model->output_count; i++)
    answer->offsets[i] = strtoull(values, &values, 10);
  return true;
}

static bool read_line(Model *model, char *line) {
  char word[NAME] = "";
  int begin = 0;
  sscanf(line, "%127s %n", word, &begin);
  char *values = line + begin;
  if (!strcmp(word, "name"))
    return model->name_count < MAX_NAMES &&
           sscanf(values, "%127s", model->names[model->name_count++]) == 1;
  if (!strcmp(word, "board")) return sscanf(values, "%127s", model->board) == 1;
  if (!strcmp(word, "cores")) return sscanf(values, "%d", &model->cores) == 1;
  if (!strcmp(word, "service_us")) return sscanf(values, "%ld", &model->service_us) == 1;
  if (!strcmp(word, "cpu_us")) return sscanf(values, "%ld", &model->cpu_us) == 1;
  if (!strcmp(word, "input")) return read_input(model, values);
  if (!strcmp(word, "output")) return read_output(model, values);
  if (!strcmp(word, "answer")) return read_answer(model, values);
  return false;
}

// Replaces offsets by addresses, and checks that they are inside the data.
static bool find_data(Model *model) {
  for (int i = 0; i < model->output_count; i++) {
    hbDNNTensorProperties *p = &model->outputs[i].properties;
    if (p->scale.scaleLen) {
      size_t offset = (size_t)(uintptr_t)p->scale.scaleData;
      if (offset + (size_t)p->scale.scaleLen * sizeof(float) > model->data_size) return false;
      p->scale.scaleData = (float *)(void *)(model->data + offset);
    }
    for (int j = 0; j < model->answer_count; j++)
      if (model->answers[j].offsets[i] + (size_t)p->alignedByteSize > model->data_size)
        return false;
  }
  return true;
}

static bool read_model(Model *model, size_t size) {
  char *text = (char *)model->content;
  char *end = strstr(text, "\nend\n");
  if (strncmp(text, "fcos_sim 1\n", 11) || !end) return false;
  size_t header = (size_t)(end - text) + 5;
  size_t begin = (header + PAGE - 1) / PAGE * PAGE;
  if (begin > size) return false;
  model->data = model->content + begin;
  model->data_size = size - begin;
  end[0] = 0;
  char *rest = text + 11;
  for (char *line; (line = strsep(&rest, "\n"));)
    if (!read_line(model, line)) return false;
  for (int i = 0; i < model->name_count; i++) model->name_list[i] = model->names[i];
  return model->name_count && model->cores && model->input_size && model->output_count &&
         model->answer_count && find_data(model);
}

// All simulators use the same folder, and so take turns on the same cores.
static bool make_folder(Model *model) {
  const char *folder = getenv("FCOS_SIM_DIR"), *temporary = getenv("TMPDIR");
  if (folder) snprintf(model->folder, PATH, "%s", folder);
  else snprintf(model->folder, PATH, "%s/fcos_sim_%d", temporary ? temporary : "/tmp", getuid());
  if (mkdir(model->folder, 0777) == 0 || errno == EEXIST) return true;
  fprintf(stderr, "libdnn simulator: %s: %s\n", model->folder, strerror(errno));
  return false;
}

static int32_t load_model(Model *model, const char *path) {
  size_t size;
  if (fault_is("load")) return INVALID_MODEL;
  if (fault_is("memory")) return OUT_OF_MEMORY;
  model->content = read_file(path, &size);
  if (!model->content) return CANNOT_OPEN;
  if (!read_model(model, size)) return INVALID_MODEL;
  // Without FCOS_SIM_BOARD, the model is for this board.
  const char *board = getenv("FCOS_SIM_BOARD");
  if (board && strcmp(board, model->board)) return INCOMPATIBLE_MODEL;
  return make_folder(model) ? OK : MISUSE;
}

static void free_model(Model *model) {
  free(model->content);
  free(model);
}

int32_t hbDNNInitializeFromFiles(hbPackedDNNHandle_t *packed, const char **files, int32_t count) {
  if (!packed || !files || count != 1) return INVALID_ARGUMENT;  // We load one file at a time.
  Model *model = calloc(1, sizeof *model);
  pthread_mutex_lock(&lock);
  read_fault();
  int32_t code = load_model(model, files[0]);
  if (code == OK) {
    model->next = models;
    models = model;
    *packed = model;
  } else {
    free_model(model);
  }
  pthread_mutex_unlock(&lock);
  return code;
}

int32_t hbDNNRelease(hbPackedDNNHandle_t packed) {
  int32_t code = INVALID_PACKED_HANDLE;
  pthread_mutex_lock(&lock);
  Model **place = &models;
  while (*place && *place != packed) place = &(*place)->next;
  Model *model = *place;
  if (!model) {
    violations++;
  } else if (model->running) {
    violations++;
    code = STILL_RUNNING;
  } else {
    *place = model->next;
    forget_answers();
    free_model(model);
    code = OK;
  }
  pthread_mutex_unlock(&lock);
  return code;
}

Model *find_model(hbDNNHandle_t handle) {
  Model *model = models;
  while (model && model != handle) model = model->next;
  return model;
}

int count_models(void) {
  int count = 0;
  for (Model *model = models; model; model = model->next) count++;
  return count;
}

static Model *find_model_locking(hbDNNHandle_t handle) {
  pthread_mutex_lock(&lock);
  Model *model = find_model(handle);
  pthread_mutex_unlock(&lock);
  return model;
}

int32_t hbDNNGetModelNameList(const char ***names, int32_t *count, hbPackedDNNHandle_t packed) {
  Model *model = find_model_locking(packed);
  if (!model) return INVALID_PACKED_HANDLE;
  *names = model->name_list;
  *count = model->name_count;
  return OK;
}

int32_t hbDNNGetModelHandle(hbDNNHandle_t *handle, hbPackedDNNHandle_t packed, const char *name) {
  Model *model = find_model_locking(packed);
  if (!model) return INVALID_PACKED_HANDLE;
  for (int i = 0; i < model->name_count; i++)
    if (!strcmp(name, model->names[i])) {
      *handle = model;
      return OK;
    }
  return INVALID_ARGUMENT;
}

int32_t hbDNNGetInputCount(int32_t *count, hbDNNHandle_t handle) {
  if (!find_model_locking(handle)) return INVALID_HANDLE;
  *count = 1;
  return OK;
}

int32_t hbDNNGetOutputCount(int32_t *count, hbDNNHandle_t handle) {
  Model *model = find_model_locking(handle);
  if (!model) return INVALID_HANDLE;
  *count = model->output_count;
  return OK;
}

static int32_t find_tensor(Tensor **tensor, hbDNNHandle_t handle, bool output, int32_t index) {
  Model *model = find_model_locking(handle);
  if (!model) return INVALID_HANDLE;
  if (index < 0 || index >= (output ? model->output_count : 1)) return INVALID_ARGUMENT;
  *tensor = output ? &model->outputs[index] : &model->input;
  return OK;
}

static int32_t get_name(const char **name, hbDNNHandle_t handle, bool output, int32_t index) {
  Tensor *tensor;
  int32_t code = find_tensor(&tensor, handle, output, index);
  if (code == OK) *name = tensor->name;
  return code;
}

static int32_t get_properties(hbDNNTensorProperties *properties, hbDNNHandle_t handle,
                              bool output, int32_t index) {
  Tensor *tensor;
  int32_t code = find_tensor(&tensor, handle, output, index);
  if (code == OK) *properties = tensor->properties;
  return code;
}

int32_t hbDNNGetInputName(const char **name, hbDNNHandle_t model, int32_t index) {
  return get_name(name, model, false, index);
}

int32_t hbDNNGetOutputName(const char **name, hbDNNHandle_t model, int32_t index) {
  return get_name(name, model, true, index);
}

int32_t hbDNNGetInputTensorProperties(hbDNNTensorProperties *properties, hbDNNHandle_t model,
                                      int32_t index) {
  return get_properties(properties, model, false, index);
}

int32_t hbDNNGetOutputTensorProperties(hbDNNTensorProperties *properties, hbDNNHandle_t model,
                                       int32_t index) {
  return get_properties(properties, model, true, index);
}

static uint64_t fnv1a64(const uint8_t *bytes, size_t size) {
  uint64_t hash = 0xcbf29ce484222325;
  for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * 0x100000001b3;
  return hash;
}

void find_answer(const Model *model, const uint8_t *input, const uint8_t **outputs) {
  const Answer *answer = model->answers;
  // The hash takes long, and is not needed for a single answer.
  uint64_t hash = model->answer_count > 1 ? fnv1a64(input, model->input_size) : 0;
  for (int i = 0; i < model->answer_count; i++)
    if (model->answers[i].hash == hash) {
      answer = &model->answers[i];
      break;
    }
  for (int i = 0; i < model->output_count; i++) outputs[i] = model->data + answer->offsets[i];
}
