/* Copyright 2026 the fcos_ros authors
 * SPDX-License-Identifier: Apache-2.0
 *
 * Decode the raw outputs of a network, from the top of this file to its end: gates rule out most
 * cells, the best class of each other cell is scored and gets a box, and NMS keeps the best boxes.
 * decode.py, level_reader.py and nms.py do the same with numpy, slower. native.py calls these
 * functions, and declares their structs again.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define VERSION 5 /* changes with the structs and the functions */
#define BLOCK 1024 /* cells that are examined at once */
#define SPARSE 4 /* cells for each that is read, above which the others are skipped */
#define LINE 64 /* bytes that memory delivers at once */
#define LANES 8 /* values that are compared at once */
#define MARGIN 1e-9 /* of scores, relative: far above all rounding errors */
#define LOWEST_SCORE 1e-290 /* scores below it may have lost digits */

#ifdef __GNUC__
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)(address))
#endif

/* The place of the class values, box values or centerness of one level. */
typedef struct {
    const char *const *output; /* the first number of the output, which changes with each image */
    int64_t type, size; /* of its numbers: 0 int8, 1 int16, 2 int32, 3 float; bytes of each */
    int64_t first; /* index of the first number */
    int64_t cell_step, channel_step; /* numbers to the next; one of the steps is 1 */
    const double *scales; /* of each channel: value = number * scale */
    const float *factors; /* the same, rounded */
    const void *gates; /* of each channel: the lowest number that may become a hit */
} Part;

/* A grid of cells. */
typedef struct {
    int64_t width, cells;
    int64_t first_cell; /* cells of all levels are numbered consecutively */
    double spacing_x, spacing_y, offset; /* point of a cell = (index + offset) * spacing */
    double unit; /* canvas pixels of a distance of 1 */
    Part classes, box, centerness;
} Level;

typedef struct {
    const Level *levels, *end;
    int32_t classes, has_centerness;
    int32_t has_logarithms; /* box values are logarithms of distances */
    int32_t has_logits; /* class values and centerness are logits, not probabilities */
    int32_t has_root; /* a score is the square root of a product of probabilities */
    int32_t one_class_per_cell; /* only the best class of a cell is a hit */
    double lowest_value; /* of the class of a hit */
    double lowest_sum; /* of the values of class and centerness of a hit */
    const double *thresholds; /* of each class: the lowest score of a detection, above 0 */
    double *values; /* memory for the class values of one cell, and LANES of -inf after them */
} Head;

/* A class value that may become a detection. */
typedef struct {
    double value, centerness, score;
    float box[4]; /* x1, y1, x2, y2 in canvas pixels */
    int64_t cell;
    int32_t class_id;
} Hit;

/* A hit that NMS has kept. */
typedef struct Kept {
    float box[4];
    const struct Kept *previous; /* of the same class; NULL if there is none */
    int64_t hit;
    float score;
    int32_t class_id;
} Kept;

/* Hits, and the state of NMS. */
typedef struct {
    Hit *hits;
    const Hit **heap; /* those that were not visited yet; the best is the first */
    Kept *kept;
    const Kept **last; /* of each class; NULL if none is kept */
    int64_t *rivals; /* of each class: its hits */
    int64_t classes, room, found, waiting, count; /* room: for hits; count: of kept hits */
    double ambiguous; /* relative difference below which scores may be in another order */
    double most_rivals; /* mean number of hits of a class above which numpy is faster */
} Nms;

/* The values of a cell. */
#define ADDRESS(part, cell) \
    (*(part)->output + ((part)->first + (cell) * (part)->cell_step) * (part)->size)
#define NUMBERS(T, part, cell) ((const T *)(const void *)ADDRESS(part, cell))

/*
 * For each type of numbers:
 * centred_T lists the cells of a block whose centerness reaches its gate;
 * reached_T keeps the listed cells that have a class value which reaches its gate;
 * below_T returns whether all class values of a cell are below a bound;
 * load_T dequantises the values of a cell.
 * The inner loops combine comparisons instead of branching on them, so that compilers vectorise.
 */
#define DEFINE_READERS(T, FLAG)                                                                 \
    static int centred_##T(const Part *part, int64_t start, int cells, uint16_t *places)        \
    {                                                                                           \
        const T *numbers = NUMBERS(T, part, start), gate = *(const T *)part->gates;             \
        int count = 0;                                                                          \
        for (int i = 0; i < cells; i++) {                                                       \
            places[count] = (uint16_t)i;                                                        \
            count += numbers[i * part->cell_step] >= gate;                                      \
        }                                                                                       \
        return count;                                                                           \
    }                                                                                           \
    static int rows_##T(const Part *part, int64_t start, int classes, int count,                \
                        uint16_t *places)                                                       \
    {                                                                                           \
        const T *numbers = NUMBERS(T, part, start), *gates = part->gates;                       \
        int found = 0;                                                                          \
        for (int i = 0; i < count; i++) {                                                       \
            const T *row = numbers + places[i] * part->cell_step;                               \
            FLAG missed = 1;                                                                    \
            for (int c = 0; c < classes; c++)                                                   \
                missed &= row[c] < gates[c];                                                    \
            places[found] = places[i];                                                          \
            found += !missed;                                                                   \
        }                                                                                       \
        return found;                                                                           \
    }                                                                                           \
    static int columns_##T(const Part *part, int64_t start, int classes, int count,             \
                           uint16_t *places)                                                    \
    {                                                                                           \
        const T *numbers = NUMBERS(T, part, start), *gates = part->gates;                       \
        FLAG missed[BLOCK];                                                                     \
        int found = 0;                                                                          \
        for (int i = 0; i < BLOCK; i++)                                                         \
            missed[i] = 1;                                                                      \
        for (int c = 0; c < classes && count; c++)                                              \
            for (int i = 0; i <= places[count - 1]; i++)                                        \
                missed[i] &= numbers[c * part->channel_step + i] < gates[c];                    \
        for (int i = 0; i < count; i++) {                                                       \
            places[found] = places[i];                                                          \
            found += !missed[places[i]];                                                        \
        }                                                                                       \
        return found;                                                                           \
    }                                                                                           \
    static int below_##T(const Part *part, int64_t cell, int classes, float bound)              \
    {                                                                                           \
        const T *numbers = NUMBERS(T, part, cell);                                              \
        int32_t below = 1;                                                                      \
        for (int c = 0; c < classes; c++)                                                       \
            below &= (float)numbers[c * part->channel_step] * part->factors[c] < bound;         \
        return below;                                                                           \
    }                                                                                           \
    static void load_##T(const Part *part, int64_t cell, int channels, double *values)          \
    {                                                                                           \
        const T *numbers = NUMBERS(T, part, cell);                                              \
        for (int c = 0; c < channels; c++)                                                      \
            values[c] = numbers[c * part->channel_step] * part->scales[c];                      \
    }

DEFINE_READERS(int8_t, int8_t)
DEFINE_READERS(int16_t, int16_t)
DEFINE_READERS(int32_t, int32_t)
DEFINE_READERS(float, int32_t)

#define OF_TYPES(name) {name##_int8_t, name##_int16_t, name##_int32_t, name##_float}

static int (*const CENTRED[])(const Part *, int64_t, int, uint16_t *) = OF_TYPES(centred);
static int (*const ROWS[])(const Part *, int64_t, int, int, uint16_t *) = OF_TYPES(rows);
static int (*const COLUMNS[])(const Part *, int64_t, int, int, uint16_t *) = OF_TYPES(columns);
static int (*const BELOW[])(const Part *, int64_t, int, float) = OF_TYPES(below);
static void (*const LOAD[])(const Part *, int64_t, int, double *) = OF_TYPES(load);

/*
 * List the cells of a block that may hold a hit, and a few others; return their number. All cells
 * are read in order if many may hold one: memory delivers that faster than every second cell.
 */
static int scan(const Head *head, const Level *level, int64_t start, int cells, uint16_t *places)
{
    const Part *classes = &level->classes, *centerness = &level->centerness;
    const int bytes = head->classes * (int)classes->size;
    int count = cells;
    if (head->has_centerness)
        count = CENTRED[centerness->type](centerness, start, cells, places);
    if (count * SPARSE < cells)
        for (int i = 0; i < count; i++)
            for (int byte = 0; byte < bytes; byte += LINE)
                PREFETCH(ADDRESS(classes, start + places[i]) + byte);
    else
        for (count = 0; count < cells; count++)
            places[count] = (uint16_t)count;
    return (classes->channel_step == 1 ? ROWS : COLUMNS)[classes->type](
        classes, start, head->classes, count, places);
}

/*
 * Return whether the class values of a cell are all too low for its centerness. They are compared
 * in float, which takes less time. The bound is lower by more than a value changes by rounding.
 */
static int is_hopeless(const Head *head, const Part *classes, int64_t cell, double centerness)
{
    const double bound = head->lowest_sum - centerness;
    return BELOW[classes->type](
        classes, cell, head->classes, (float)(bound - 1e-6 * fabs(bound) - 1e-30));
}

/* Return the index of the highest value; 0 if all are NaN. LANES of -inf follow the values. */
static int highest(const double *values, int count)
{
    double best[LANES];
    for (int lane = 0; lane < LANES; lane++)
        best[lane] = -INFINITY;
    for (int i = 0; i < count; i += LANES)
        for (int lane = 0; lane < LANES; lane++)
            best[lane] = values[i + lane] > best[lane] ? values[i + lane] : best[lane];
    for (int lane = 1; lane < LANES; lane++)
        best[0] = best[lane] > best[0] ? best[lane] : best[0];
    for (int i = 0; i < count; i++)
        if (values[i] == best[0])
            return i;
    return 0;
}

static double probability(const Head *head, double value)
{
    if (head->has_logits)
        return 1 / (1 + exp(-value));
    return value < 0 ? 0 : value > 1 ? 1 : value;
}

/* Return 0 if a side is not finite: such a box is no detection. */
static int set_box(const Head *head, const Level *level, int64_t cell, float *box)
{
    const double x = ((double)(cell % level->width) + level->offset) * level->spacing_x;
    const double y = ((double)(cell / level->width) + level->offset) * level->spacing_y;
    double distances[4];
    int finite = 1;
    LOAD[level->box.type](&level->box, cell, 4, distances);
    for (int side = 0; side < 4; side++) {
        const double point = side % 2 ? y : x, value = distances[side];
        const double distance = (head->has_logarithms ? exp(value) : value) * level->unit;
        const double outward = distance < 0 ? 0 : distance;
        box[side] = (float)(side < 2 ? point - outward : point + outward);
        finite &= isfinite(box[side]) != 0;
    }
    return finite;
}

/* Append the hits of one cell. Return 0 if there is no room for them. */
static int add_hits(const Head *head, const Level *level, int64_t cell, Nms *nms)
{
    const Part *classes = &level->classes, *centerness = &level->centerness;
    int class_id = 0, end = head->classes, has_box = 0;
    Hit hit = {.cell = level->first_cell + cell};
    double centred = 1;
    if (head->has_centerness) {
        LOAD[centerness->type](centerness, cell, 1, &hit.centerness);
        if (is_hopeless(head, classes, cell, hit.centerness))
            return 1;
        centred = probability(head, hit.centerness);
    }
    LOAD[classes->type](classes, cell, end, head->values);
    if (head->one_class_per_cell) {
        class_id = highest(head->values, end);
        end = class_id + 1;
    }
    for (; class_id < end; class_id++) {
        if (!((hit.value = head->values[class_id]) >= head->lowest_value))
            continue;
        const double product = probability(head, hit.value) * centred;
        hit.score = head->has_root ? sqrt(product) : product;
        if (!(hit.score >= head->thresholds[class_id] * (1 - MARGIN)))
            continue;
        if (!has_box && !set_box(head, level, cell, hit.box))
            return 1;
        if (nms->found == nms->room)
            return 0;
        has_box = 1;
        hit.class_id = class_id;
        nms->hits[nms->found++] = hit;
    }
    return 1;
}

/*
 * Find the class values that may become detections, ascending by cell, then by class.
 * Return the number of hits, or -1 if there is no room for them.
 */
int64_t fcos_find(const Head *head, Nms *nms)
{
    uint16_t places[BLOCK];
    nms->found = 0;
    for (const Level *level = head->levels; level < head->end; level++)
        for (int64_t start = 0; start < level->cells; start += BLOCK) {
            const int64_t rest = level->cells - start;
            const int count = scan(head, level, start, rest < BLOCK ? (int)rest : BLOCK, places);
            for (int i = 0; i < count; i++)
                PREFETCH(ADDRESS(&level->box, start + places[i]));
            for (int i = 0; i < count; i++)
                if (!add_hits(head, level, start + places[i], nms))
                    return -1;
        }
    return nms->found;
}

static int precedes(const Hit *a, const Hit *b)
{
    return a->score > b->score || (a->score == b->score && a < b);
}

/* Move the hit at `place` of the heap down until it precedes its children. */
static void sift(const Nms *nms, int64_t place)
{
    const Hit **heap = nms->heap, *moved = heap[place];
    for (int64_t child; (child = 2 * place + 1) < nms->waiting; place = child) {
        if (child + 1 < nms->waiting && precedes(heap[child + 1], heap[child]))
            child++;
        if (!precedes(heap[child], moved))
            break;
        heap[place] = heap[child];
    }
    heap[place] = moved;
}

static double area(const float *box)
{
    return ((double)box[2] - box[0]) * ((double)box[3] - box[1]);
}

/* Nearly all pairs are apart: one branch for four comparisons takes less time than four. */
static int overlap(const float *a, const float *b, double iou_threshold)
{
    if (!((a[0] < b[2]) & (b[0] < a[2]) & (a[1] < b[3]) & (b[1] < a[3])))
        return 0;
    const double width = (double)(a[2] < b[2] ? a[2] : b[2]) - (a[0] > b[0] ? a[0] : b[0]);
    const double height = (double)(a[3] < b[3] ? a[3] : b[3]) - (a[1] > b[1] ? a[1] : b[1]);
    const double common = width * height;
    return common / (area(a) + area(b) - common) > iou_threshold;
}

/* Keep a hit unless its IoU with a kept hit of its class is above the threshold. */
static void visit(Nms *nms, const Hit *hit, double iou_threshold)
{
    const Kept **last = &nms->last[hit->class_id], *rival = *last;
    while (rival && !overlap(rival->box, hit->box, iou_threshold))
        rival = rival->previous;
    if (rival)
        return;
    Kept *kept = &nms->kept[nms->count++];
    *kept = (Kept){{0}, *last, hit - nms->hits, (float)hit->score, hit->class_id};
    memcpy(kept->box, hit->box, sizeof hit->box);
    *last = kept;
}

/* Return whether another `exp` may put two hits, of which `a` is the better, in another order. */
static int is_ambiguous(const Nms *nms, const Hit *a, const Hit *b)
{
    return a->score - b->score < nms->ambiguous * a->score
           && (a->value != b->value || a->centerness != b->centerness);
}

/*
 * Continue greedy NMS, class by class, until `wanted` hits are kept or none is waiting. Hits are
 * visited by falling score; of equal scores, the first hit comes first.
 * Return the number of kept hits, or -1 if the order of two hits is ambiguous.
 */
int64_t fcos_suppress(Nms *nms, double iou_threshold, int64_t wanted)
{
    while (nms->waiting && nms->count < wanted) {
        const Hit *best = nms->heap[0];
        nms->heap[0] = nms->heap[--nms->waiting];
        sift(nms, 0);
        if (nms->waiting && is_ambiguous(nms, best, nms->heap[0]))
            return -1;
        visit(nms, best, iou_threshold);
    }
    return nms->count;
}

/* Begin NMS of all hits. */
int64_t fcos_start(Nms *nms, double iou_threshold, int64_t wanted)
{
    for (int64_t class_id = 0; class_id < nms->classes; class_id++)
        nms->last[class_id] = NULL;
    for (int64_t i = 0; i < nms->found; i++)
        nms->heap[i] = &nms->hits[i];
    nms->count = 0;
    nms->waiting = nms->found;
    for (int64_t place = nms->waiting / 2; place-- > 0;)
        sift(nms, place);
    return fcos_suppress(nms, iou_threshold, wanted);
}

/* Return whether C may decode the hits: not too slowly, and not by the last bits of a score. */
static int is_suitable(const Head *head, const Nms *nms)
{
    double pairs = 0;
    memset(nms->rivals, 0, (size_t)nms->classes * sizeof *nms->rivals);
    for (const Hit *hit = nms->hits; hit < nms->hits + nms->found; hit++) {
        if (hit->score < head->thresholds[hit->class_id] * (1 + nms->ambiguous)
            || (nms->ambiguous > 0 && hit->score < LOWEST_SCORE))
            return 0;
        pairs += (double)nms->rivals[hit->class_id]++;
    }
    return 2 * pairs <= nms->most_rivals * (double)nms->found;
}

/*
 * Find the detections: all hits after NMS. Return their number, or -1 if numpy has to decode:
 * there is no room for the hits, numpy is faster, or the last bits of scores matter.
 */
int64_t fcos_decode(const Head *head, Nms *nms, double iou_threshold, int64_t wanted)
{
    if (fcos_find(head, nms) < 0 || !is_suitable(head, nms))
        return -1;
    return fcos_start(nms, iou_threshold, wanted);
}

int fcos_version(void) { return VERSION; }

/*
 * The description of an array that numpy gives (https://numpy.org/doc/stable/reference/
 * arrays.interface.html), and the functions of Python that read it. The headers of Python are not
 * always installed.
 */
typedef struct {
    int version, sides;
    char kind;
    int size, flags;
    const intptr_t *shape, *strides;
    const char *numbers;
} Array;

#define READABLE 0x300 /* numbers are aligned, and in the order of bytes of this machine */

extern void *PySequence_GetItem(void *, intptr_t);
extern void *PyObject_GetAttr(void *, void *);
extern void *PyCapsule_GetPointer(void *, const char *);
extern void Py_DecRef(void *);

static int has_form(const Array *array, const Array *form)
{
    const size_t bytes = (size_t)form->sides * sizeof *form->shape;
    return (array->flags & READABLE) == READABLE && array->kind == form->kind
           && array->size == form->size && array->sides == form->sides
           && !memcmp(array->shape, form->shape, bytes)
           && !memcmp(array->strides, form->strides, bytes);
}

/*
 * Set the first numbers of the outputs to those of a sequence of arrays. The GIL must be held.
 * attribute: the name `__array_struct__`; forms: its values for arrays like the outputs.
 * Return 1 if all arrays have the form of their output, 0 if not, -1 with an exception of Python.
 */
int fcos_point(const char **outputs, int count, void *arrays, void *attribute, void **forms)
{
    int same = 1;
    for (int i = 0; i < count; i++) {
        void *object = PySequence_GetItem(arrays, i);
        void *capsule = object ? PyObject_GetAttr(object, attribute) : NULL;
        const Array *array = capsule ? PyCapsule_GetPointer(capsule, NULL) : NULL;
        if (array) {
            same &= has_form(array, PyCapsule_GetPointer(forms[i], NULL));
            outputs[i] = array->numbers;
        }
        Py_DecRef(capsule);
        Py_DecRef(object);
        if (!array)
            return -1;
    }
    return same;
}
