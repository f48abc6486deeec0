/* Copyright 2026 the fcos_ros authors
 * SPDX-License-Identifier: Apache-2.0
 *
 * The parts of decoding that visit many numbers: find hits, and suppress overlapping boxes.
 * decode.py, level_reader.py and nms.py do the same with numpy, slower. native.py calls these
 * functions, and declares their structs again.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

/* Changes with the structs and the functions. */
#define VERSION 1

/* Cells that are examined at once. */
#define BLOCK 64

enum { INT8, INT16, INT32, FLOAT32, KINDS };

/* The place of the class values, box values or centerness of one level. */
typedef struct {
    int32_t output;       /* index of the tensor */
    int32_t kind;         /* of its numbers: INT8 ... */
    int64_t first;        /* index of the first number */
    int64_t cell_step;    /* numbers from a cell to the next */
    int64_t channel_step; /* numbers from a channel to the next; this step or the other is 1 */
    const double *scales; /* of each channel: value = number * scale */
    const void *gates;    /* of each channel: the lowest number that may become a detection */
} Part;

/* A grid of cells. */
typedef struct {
    int64_t width, cells;
    int64_t first_cell;                /* cells of all levels are numbered consecutively */
    double spacing_x, spacing_y, offset; /* point of a cell = (index + offset) * spacing */
    double unit;                       /* canvas pixels of a distance of 1 */
    Part classes, box, centerness;
} Level;

typedef struct {
    int32_t levels, classes;
    int32_t has_centerness;
    int32_t has_logarithms;     /* box values are logarithms of distances */
    int32_t has_logits;         /* class values and centerness are logits, not probabilities */
    int32_t one_class_per_cell; /* only the best class of a cell is a hit */
    double lowest_product;      /* of the probabilities of class and centerness of a hit */
    int32_t *ids;               /* memory for the classes of one cell */
    double *values;             /* likewise for their values */
} Head;

/* A class value that may become a detection. */
typedef struct {
    double value, centerness;
    float box[4]; /* x1, y1, x2, y2 in canvas pixels */
    int64_t cell, class_id;
} Hit;

/* The state of NMS: indices of candidates, which are sorted, best first. */
typedef struct {
    int64_t next, count;
    int64_t *kept;     /* candidates that were kept */
    int64_t *last;     /* of each class: the index in `kept` of its last box, or -1 */
    int64_t *previous; /* of each kept box: the same of the box of its class before it, or -1 */
} Suppression;

int fcos_version(void) { return VERSION; }

/*
 * For each type of numbers:
 * centred_T marks the cells whose centerness reaches its gate, and returns whether there is one;
 * scan_T removes the marks of cells without a class value that reaches its gate;
 * hits_T returns the number of such values of a cell, and sets their classes and values. It finds
 * the highest only if `only_best` is set.
 * The loops of the first two have no branch, so that compilers vectorise them.
 */
#define DEFINE_SCAN(T)                                                                          \
    static int centred_##T(const void *tensor, const Part *part, int64_t cell, int cells,       \
                           uint8_t *marks)                                                      \
    {                                                                                           \
        const T *numbers = (const T *)tensor + part->first + cell * part->cell_step;            \
        const T gate = *(const T *)part->gates;                                                 \
        int any = 0;                                                                            \
        for (int i = 0; i < cells; i++)                                                         \
            any |= marks[i] = numbers[i * part->cell_step] >= gate;                             \
        return any;                                                                             \
    }                                                                                           \
                                                                                                \
    static void scan_rows_##T(const T *numbers, const Part *part, int classes, int cells,       \
                              uint8_t *marks)                                                   \
    {                                                                                           \
        const T *gates = part->gates;                                                           \
        for (int i = 0; i < cells; i++) {                                                       \
            const T *row = numbers + i * part->cell_step;                                       \
            int any = 0;                                                                        \
            if (!marks[i])                                                                      \
                continue;                                                                       \
            for (int c = 0; c < classes; c++)                                                   \
                any |= row[c] >= gates[c];                                                      \
            marks[i] = (uint8_t)any;                                                            \
        }                                                                                       \
    }                                                                                           \
                                                                                                \
    static void scan_columns_##T(const T *numbers, const Part *part, int classes, int cells,    \
                                 uint8_t *marks)                                                \
    {                                                                                           \
        uint8_t any[BLOCK] = {0};                                                               \
        for (int c = 0; c < classes; c++) {                                                     \
            const T *column = numbers + c * part->channel_step;                                 \
            const T gate = ((const T *)part->gates)[c];                                         \
            for (int i = 0; i < cells; i++)                                                     \
                any[i] |= column[i] >= gate;                                                    \
        }                                                                                       \
        for (int i = 0; i < cells; i++)                                                         \
            marks[i] &= any[i];                                                                 \
    }                                                                                           \
                                                                                                \
    static void scan_##T(const void *tensor, const Part *part, int64_t cell, int classes,       \
                         int cells, uint8_t *marks)                                             \
    {                                                                                           \
        const T *numbers = (const T *)tensor + part->first + cell * part->cell_step;            \
        if (part->channel_step == 1)                                                            \
            scan_rows_##T(numbers, part, classes, cells, marks);                                \
        else                                                                                    \
            scan_columns_##T(numbers, part, classes, cells, marks);                             \
    }                                                                                           \
                                                                                                \
    static int hits_##T(const void *tensor, const Part *part, int64_t cell, int classes,        \
                        int only_best, int32_t *ids, double *values)                            \
    {                                                                                           \
        const T *numbers = (const T *)tensor + part->first + cell * part->cell_step;            \
        const T *gates = part->gates;                                                           \
        int count = 0;                                                                          \
        for (int c = 0; c < classes; c++) {                                                     \
            const T number = numbers[c * part->channel_step];                                   \
            const double value = number * part->scales[c];                                      \
            if (!(number >= gates[c]))                                                          \
                continue;                                                                       \
            if (only_best && count && !(value > values[0] || isnan(values[0])))                 \
                continue;                                                                       \
            count = only_best ? 0 : count;                                                      \
            ids[count] = c;                                                                     \
            values[count++] = value;                                                            \
        }                                                                                       \
        return count;                                                                           \
    }

DEFINE_SCAN(int8_t)
DEFINE_SCAN(int16_t)
DEFINE_SCAN(int32_t)
DEFINE_SCAN(float)

static int (*const CENTRED[KINDS])(const void *, const Part *, int64_t, int, uint8_t *) = {
    centred_int8_t, centred_int16_t, centred_int32_t, centred_float};

static void (*const SCAN[KINDS])(const void *, const Part *, int64_t, int, int, uint8_t *) = {
    scan_int8_t, scan_int16_t, scan_int32_t, scan_float};

static int (*const HITS[KINDS])(const void *, const Part *, int64_t, int, int, int32_t *,
                                double *) = {hits_int8_t, hits_int16_t, hits_int32_t, hits_float};

/* Return the dequantised value of a channel of a cell. */
static double value_of(const void *const *outputs, const Part *part, int64_t cell, int channel)
{
    const void *tensor = outputs[part->output];
    const int64_t index = part->first + cell * part->cell_step + channel * part->channel_step;
    const double scale = part->scales[channel];
    switch (part->kind) {
    case INT8: return ((const int8_t *)tensor)[index] * scale;
    case INT16: return ((const int16_t *)tensor)[index] * scale;
    case INT32: return ((const int32_t *)tensor)[index] * scale;
    default: return ((const float *)tensor)[index] * scale;
    }
}

/* Return 0 if a side is not finite: such a box is no detection. */
static int set_box(const Head *head, const Level *level, const void *const *outputs, int64_t cell,
                   float *box)
{
    const double x = (double)(cell % level->width) + level->offset;
    const double y = (double)(cell / level->width) + level->offset;
    const double point[2] = {x * level->spacing_x, y * level->spacing_y};
    int finite = 1;
    for (int side = 0; side < 4; side++) {
        double distance = value_of(outputs, &level->box, cell, side);
        if (head->has_logarithms)
            distance = exp(distance);
        distance *= level->unit;
        if (distance < 0)
            distance = 0;
        box[side] = (float)(side < 2 ? point[side] - distance : point[side - 2] + distance);
        finite &= isfinite(box[side]) != 0;
    }
    return finite;
}

static double probability(const Head *head, double value)
{
    if (head->has_logits)
        return 1 / (1 + exp(-value));
    return value < 0 ? 0 : value > 1 ? 1 : value;
}

/* Append the hits of one cell. Return the number of hits after it, or -1 if there is no room. */
static int64_t add_hits(const Head *head, const Level *level, const void *const *outputs,
                        int64_t cell, Hit *hits, int64_t count, int64_t room)
{
    const Part *part = &level->classes;
    const int found = HITS[part->kind](outputs[part->output], part, cell, head->classes,
                                       head->one_class_per_cell, head->ids, head->values);
    const double centerness = head->has_centerness
                                  ? value_of(outputs, &level->centerness, cell, 0) : 0;
    const double centred = head->has_centerness ? probability(head, centerness) : 1;
    Hit hit = {.centerness = centerness, .cell = level->first_cell + cell, .class_id = -1};
    for (int i = 0; i < found; i++) {
        if (!(probability(head, head->values[i]) * centred >= head->lowest_product))
            continue;
        if (hit.class_id < 0 && !set_box(head, level, outputs, cell, hit.box))
            return count;
        if (count == room)
            return -1;
        hit.value = head->values[i];
        hit.class_id = head->ids[i];
        hits[count++] = hit;
    }
    return count;
}

/*
 * Find the class values that may become detections, ascending by cell, then by class.
 * outputs: the tensors. hits: memory for `room` hits.
 * Return the number of hits, or -1 if there are more.
 */
int64_t fcos_find(const Head *head, const Level *levels, const void *const *outputs, Hit *hits,
                  int64_t room)
{
    int64_t count = 0;
    for (const Level *level = levels; level < levels + head->levels; level++) {
        const Part *classes = &level->classes, *centerness = &level->centerness;
        for (int64_t start = 0; start < level->cells; start += BLOCK) {
            const int64_t rest = level->cells - start;
            const int cells = rest < BLOCK ? (int)rest : BLOCK;
            uint8_t marks[BLOCK];
            memset(marks, 1, sizeof marks);
            if (head->has_centerness
                && !CENTRED[centerness->kind](outputs[centerness->output], centerness, start,
                                              cells, marks))
                continue;
            SCAN[classes->kind](outputs[classes->output], classes, start, head->classes, cells,
                                marks);
            for (int i = 0; i < cells; i++) {
                if (marks[i])
                    count = add_hits(head, level, outputs, start + i, hits, count, room);
                if (count < 0)
                    return -1;
            }
        }
    }
    return count;
}

static double area(const float *box)
{
    return ((double)box[2] - box[0]) * ((double)box[3] - box[1]);
}

static int overlap(const float *a, const float *b, double iou_threshold)
{
    const double width = (double)(a[2] < b[2] ? a[2] : b[2]) - (a[0] > b[0] ? a[0] : b[0]);
    const double height = (double)(a[3] < b[3] ? a[3] : b[3]) - (a[1] > b[1] ? a[1] : b[1]);
    if (!(width > 0 && height > 0))
        return 0;
    const double common = width * height;
    return common / (area(a) + area(b) - common) > iou_threshold;
}

/*
 * Continue greedy NMS, class by class, until `wanted` boxes are kept or no candidate is left.
 * boxes: (count, 4), best score first. A box is dropped if its IoU with a kept box of the same
 * class is above the threshold.
 */
void fcos_suppress(const float *boxes, const int64_t *class_ids, int64_t count,
                   double iou_threshold, int64_t wanted, Suppression *state)
{
    for (; state->next < count && state->count < wanted; state->next++) {
        const int64_t class_id = class_ids[state->next];
        const float *box = boxes + 4 * state->next;
        int64_t rival = state->last[class_id];
        while (rival >= 0 && !overlap(boxes + 4 * state->kept[rival], box, iou_threshold))
            rival = state->previous[rival];
        if (rival >= 0)
            continue;
        state->kept[state->count] = state->next;
        state->previous[state->count] = state->last[class_id];
        state->last[class_id] = state->count++;
    }
}
