/* Copyright 2026 the fcos_ros authors
 * SPDX-License-Identifier: Apache-2.0
 *
 * Decode the raw outputs of a network: find the class values that may become detections, score
 * them, and suppress overlapping boxes. decode.py, level_reader.py and nms.py do the same with
 * numpy, slower. native.py calls these functions, and declares their structs again.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

/* Changes with the structs and the functions. */
#define VERSION 3

/* Cells that are examined at once. */
#define BLOCK 1024

/* The highest number of sides of an output. */
#define SIDES 8

/*
 * Below one in four, only the cells that passed the centerness gate are read. Memory delivers all
 * cells in order faster than every second one.
 */
#define SPARSE 4

/* Values that are compared at once. */
#define LANES 8

/* Relative and absolute changes of a value that are above those of rounding to float. */
#define SLACK 1e-6
#define SMALLEST 1e-30

/* Scores below it may have lost digits. */
#define LOWEST_SCORE 1e-290

/* Bytes that memory delivers at once, and a hint to deliver them soon. */
#define LINE 64
#ifdef __GNUC__
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)(address))
#endif

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
    const void *numbers;
} Array;

/* Its numbers are aligned, and in the order of bytes of this machine. */
#define READABLE 0x300

extern void *PySequence_GetItem(void *, intptr_t);
extern void *PyObject_GetAttr(void *, void *);
extern void *PyCapsule_GetPointer(void *, const char *);
extern void Py_DecRef(void *);

/* An output tensor: its numbers in the current image, and its form, which never changes. */
typedef struct {
    const void *numbers;
    char kind; /* i or f */
    int32_t size, sides;
    int64_t shape[SIDES], strides[SIDES];
} Output;

/* The place of the class values, box values or centerness of one level. */
typedef struct {
    const Output *output;
    int64_t kind;         /* of its numbers: 0 int8, 1 int16, 2 int32, 3 float */
    int64_t first;        /* index of the first number */
    int64_t cell_step;    /* numbers from a cell to the next */
    int64_t channel_step; /* numbers from a channel to the next; this step or the other is 1 */
    const double *scales; /* of each channel: value = number * scale */
    const float *factors; /* the same, rounded */
    const void *gates;    /* of each channel: the lowest number that may become a hit */
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
    const Level *levels, *end;
    int32_t classes;
    int32_t has_centerness;
    int32_t has_logarithms;     /* box values are logarithms of distances */
    int32_t has_logits;         /* class values and centerness are logits, not probabilities */
    int32_t has_root;           /* a score is the square root of a product of probabilities */
    int32_t one_class_per_cell; /* only the best class of a cell is a hit */
    double lowest_value;        /* of the class of a hit */
    double lowest_product;      /* of the probabilities of class and centerness of a hit */
    double lowest_sum;          /* of the values of class and centerness of a hit */
    const double *thresholds;   /* of each class: the lowest score of a detection */
    double rivals;              /* mean number of hits of a class above which numpy is faster */
    double *values;             /* memory for the class values of one cell */
} Head;

/* Class values that may become detections: one entry of each array for each of them. */
typedef struct {
    int64_t room; /* for hits */
    double *values, *centerness, *scores;
    float *boxes; /* x1, y1, x2, y2 in canvas pixels */
    int32_t *class_ids;
    int64_t *cells;
} Hits;

/* The state of NMS. */
typedef struct {
    Hits hits;
    int64_t classes;
    int64_t waiting;    /* hits that were not visited yet */
    int64_t *heap;      /* their indices; the best is the first */
    double ambiguous;   /* relative difference below which scores may be in another order */
    int64_t count;      /* boxes that were kept; of each: */
    int64_t *kept;      /* the index of its hit */
    float *boxes, *scores;
    int32_t *class_ids;
    int64_t *previous;  /* the place of the kept box of the same class before it, or -1 */
    int64_t *last;      /* of each class: the place of its last kept box, or -1 */
} Suppression;

int fcos_version(void) { return VERSION; }

static int has_form(const Array *array, const Output *output)
{
    int same = (array->flags & READABLE) == READABLE && array->kind == output->kind
               && array->size == output->size && array->sides == output->sides;
    for (int side = 0; side < output->sides && same; side++)
        same = array->shape[side] == output->shape[side]
               && array->strides[side] == output->strides[side];
    return same;
}

/*
 * Set the numbers of the outputs to those of a sequence of arrays. The GIL must be held.
 * attribute: the name `__array_struct__`.
 * Return 1 if all arrays have the form of their output, 0 if not, -1 with an exception of Python.
 */
int fcos_point(Output *outputs, int count, void *arrays, void *attribute)
{
    int same = 1;
    for (int i = 0; i < count; i++) {
        void *object = PySequence_GetItem(arrays, i);
        void *capsule = object ? PyObject_GetAttr(object, attribute) : NULL;
        const Array *array = capsule ? PyCapsule_GetPointer(capsule, NULL) : NULL;
        if (array) {
            same &= has_form(array, &outputs[i]);
            outputs[i].numbers = array->numbers;
        }
        Py_DecRef(capsule);
        Py_DecRef(object);
        if (!array)
            return -1;
    }
    return same;
}

#define NUMBERS(T, part, cell) \
    ((const T *)(part)->output->numbers + (part)->first + (cell) * (part)->cell_step)

/*
 * For each type of numbers:
 * centred_T lists the cells whose centerness reaches its gate;
 * miss_rows_T and miss_columns_T set whether all class values of a cell miss their gates;
 * below_T returns whether all class values of a cell are below a bound;
 * load_T dequantises the values of a cell.
 * The inner loops add up or combine comparisons instead of branching on them, so that compilers
 * can vectorise.
 */
#define DEFINE_SCAN(T, FLAG)                                                                    \
    static int centred_##T(const Part *part, int64_t cell, int cells, uint16_t *places)         \
    {                                                                                           \
        const T *numbers = NUMBERS(T, part, cell), gate = *(const T *)part->gates;              \
        int count = 0;                                                                          \
        for (int i = 0; i < cells; i++) {                                                       \
            places[count] = (uint16_t)i;                                                        \
            count += numbers[i * part->cell_step] >= gate;                                      \
        }                                                                                       \
        return count;                                                                           \
    }                                                                                           \
                                                                                                \
    static void miss_rows_##T(const Part *part, int64_t cell, int classes, int count,           \
                              const uint16_t *places, uint8_t *misses)                          \
    {                                                                                           \
        const T *numbers = NUMBERS(T, part, cell), *gates = part->gates;                        \
        for (int i = 0; i < count && places; i++)                                               \
            for (int c = 0; c < classes; c += LINE / (int)sizeof(T))                            \
                PREFETCH(numbers + places[i] * part->cell_step + c);                            \
        for (int i = 0; i < count; i++) {                                                       \
            const int place = places ? places[i] : i;                                           \
            const T *row = numbers + place * part->cell_step;                                   \
            FLAG missed = 1;                                                                    \
            for (int c = 0; c < classes; c++)                                                   \
                missed &= row[c] < gates[c];                                                    \
            misses[place] = (uint8_t)missed;                                                    \
        }                                                                                       \
    }                                                                                           \
                                                                                                \
    static void miss_columns_##T(const Part *part, int64_t cell, int classes, int cells,        \
                                 uint8_t *misses)                                               \
    {                                                                                           \
        FLAG missed[BLOCK];                                                                     \
        for (int i = 0; i < BLOCK; i++)                                                         \
            missed[i] = 1;                                                                      \
        for (int c = 0; c < classes; c++) {                                                     \
            const T *column = NUMBERS(T, part, cell) + c * part->channel_step;                  \
            const T gate = ((const T *)part->gates)[c];                                         \
            for (int i = 0; i < cells; i++)                                                     \
                missed[i] &= column[i] < gate;                                                  \
        }                                                                                       \
        for (int i = 0; i < cells; i++)                                                         \
            misses[i] = (uint8_t)missed[i];                                                     \
    }                                                                                           \
                                                                                                \
    static void miss_##T(const Part *part, int64_t cell, int classes, int cells, int count,     \
                         const uint16_t *places, uint8_t *misses)                               \
    {                                                                                           \
        if (part->channel_step != 1)                                                            \
            miss_columns_##T(part, cell, classes, cells, misses);                               \
        else if (count * SPARSE < cells)                                                        \
            miss_rows_##T(part, cell, classes, count, places, misses);                          \
        else                                                                                    \
            miss_rows_##T(part, cell, classes, cells, NULL, misses);                            \
    }                                                                                           \
                                                                                                \
    static int below_##T(const Part *part, int64_t cell, int classes, float bound)              \
    {                                                                                           \
        const T *numbers = NUMBERS(T, part, cell);                                              \
        int32_t below = 1;                                                                      \
        for (int c = 0; c < classes; c++)                                                       \
            below &= (float)numbers[c * part->channel_step] * part->factors[c] < bound;         \
        return below;                                                                           \
    }                                                                                           \
                                                                                                \
    static void load_##T(const Part *part, int64_t cell, int channels, double *values)          \
    {                                                                                           \
        const T *numbers = NUMBERS(T, part, cell);                                              \
        for (int c = 0; c < channels; c++)                                                      \
            values[c] = numbers[c * part->channel_step] * part->scales[c];                      \
    }

DEFINE_SCAN(int8_t, int8_t)
DEFINE_SCAN(int16_t, int16_t)
DEFINE_SCAN(int32_t, int32_t)
DEFINE_SCAN(float, int32_t)

#define KINDS_OF(name) {name##_int8_t, name##_int16_t, name##_int32_t, name##_float}

static int (*const CENTRED[])(const Part *, int64_t, int, uint16_t *) = KINDS_OF(centred);
static void (*const MISS[])(const Part *, int64_t, int, int, int, const uint16_t *, uint8_t *)
    = KINDS_OF(miss);
static int (*const BELOW[])(const Part *, int64_t, int, float) = KINDS_OF(below);
static void (*const LOAD[])(const Part *, int64_t, int, double *) = KINDS_OF(load);

/* Return 0 if a side is not finite: such a box is no detection. */
static int set_box(const Head *head, const Level *level, int64_t cell, float *box)
{
    const double x = (double)(cell % level->width) + level->offset;
    const double y = (double)(cell / level->width) + level->offset;
    const double point[2] = {x * level->spacing_x, y * level->spacing_y};
    double distances[4];
    int finite = 1;
    LOAD[level->box.kind](&level->box, cell, 4, distances);
    for (int side = 0; side < 4; side++) {
        double distance = head->has_logarithms ? exp(distances[side]) : distances[side];
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

/* Return the product of the probabilities of class and centerness; 0 if it is no hit. */
static double product_of(const Head *head, double value, double centred)
{
    const double product = value >= head->lowest_value ? probability(head, value) * centred : 0;
    return product >= head->lowest_product ? product : 0;
}

/*
 * Return whether the class values of a cell are all too low for its centerness. They are compared
 * in float, which takes less time. Rounding changes a value by less than SLACK.
 */
static int is_hopeless(const Head *head, const Part *classes, int64_t cell, double centred)
{
    const double bound = head->lowest_sum - centred;
    return BELOW[classes->kind](classes, cell, head->classes,
                                (float)(bound - SLACK * fabs(bound) - SMALLEST));
}

/* Return the index of the highest value; 0 if all are NaN. The lanes are independent. */
static int highest(const double *values, int count)
{
    double lanes[LANES], best = -INFINITY;
    int i = 0;
    for (int lane = 0; lane < LANES; lane++)
        lanes[lane] = -INFINITY;
    for (; i + LANES <= count; i += LANES)
        for (int lane = 0; lane < LANES; lane++)
            lanes[lane] = values[i + lane] > lanes[lane] ? values[i + lane] : lanes[lane];
    for (; i < count; i++)
        best = values[i] > best ? values[i] : best;
    for (int lane = 0; lane < LANES; lane++)
        best = lanes[lane] > best ? lanes[lane] : best;
    for (i = 0; i < count; i++)
        if (values[i] == best)
            return i;
    return 0;
}

/* Append the hits of one cell. Return the number of hits after it, or -1 if there is no room. */
static int64_t add_hits(const Head *head, const Level *level, int64_t cell, const Hits *hits,
                        int64_t count)
{
    const Part *part = &level->classes, *centerness = &level->centerness;
    int class_id = 0, end = head->classes, has_box = 0;
    double centred = 0, factor = 1, product;
    float box[4];
    if (head->has_centerness) {
        LOAD[centerness->kind](centerness, cell, 1, &centred);
        if (is_hopeless(head, part, cell, centred))
            return count;
        factor = probability(head, centred);
    }
    LOAD[part->kind](part, cell, head->classes, head->values);
    if (head->one_class_per_cell) {
        class_id = highest(head->values, end);
        end = class_id + 1;
    }
    for (; class_id < end; class_id++) {
        const double value = head->values[class_id];
        if ((product = product_of(head, value, factor)) <= 0)
            continue;
        if (!has_box && !set_box(head, level, cell, box))
            return count;
        if (count == hits->room)
            return -1;
        has_box = 1;
        hits->values[count] = value;
        hits->centerness[count] = centred;
        hits->scores[count] = head->has_root ? sqrt(product) : product;
        memcpy(hits->boxes + 4 * count, box, sizeof box);
        hits->cells[count] = level->first_cell + cell;
        hits->class_ids[count++] = class_id;
    }
    return count;
}

/* List the cells of a block that may hold a hit; return their number. */
static int scan(const Head *head, const Level *level, int64_t start, int cells, uint16_t *places)
{
    const Part *classes = &level->classes, *centerness = &level->centerness;
    uint8_t misses[BLOCK];
    int count = cells, found = 0;
    if (head->has_centerness)
        count = CENTRED[centerness->kind](centerness, start, cells, places);
    else
        for (int i = 0; i < cells; i++)
            places[i] = (uint16_t)i;
    if (count)
        MISS[classes->kind](classes, start, head->classes, cells, count, places, misses);
    for (int i = 0; i < count; i++) {
        places[found] = places[i];
        found += !misses[places[i]];
    }
    return found;
}

/*
 * Find the class values that may become detections, ascending by cell, then by class.
 * Return the number of hits, or -1 if there is no room for them.
 */
int64_t fcos_find(const Head *head, const Hits *hits)
{
    int64_t count = 0;
    uint16_t places[BLOCK];
    for (const Level *level = head->levels; level < head->end; level++)
        for (int64_t start = 0; start < level->cells; start += BLOCK) {
            const int64_t rest = level->cells - start;
            const int found = scan(head, level, start, rest < BLOCK ? (int)rest : BLOCK, places);
            for (int i = 0; i < found && count >= 0; i++)
                count = add_hits(head, level, start + places[i], hits, count);
            if (count < 0)
                return -1;
        }
    return count;
}

static int precedes(const double *scores, int64_t a, int64_t b)
{
    return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
}

/* Move the entry at `place` of the heap down until it precedes its children. */
static void sift(const Suppression *nms, int64_t place)
{
    int64_t *heap = nms->heap, moved = heap[place], child;
    for (; (child = 2 * place + 1) < nms->waiting; place = child) {
        if (child + 1 < nms->waiting && precedes(nms->hits.scores, heap[child + 1], heap[child]))
            child++;
        if (!precedes(nms->hits.scores, heap[child], moved))
            break;
        heap[place] = heap[child];
    }
    heap[place] = moved;
}

/* Return whether another `exp` may put two hits, of which `a` is the better, in another order. */
static int is_ambiguous(const Suppression *nms, int64_t a, int64_t b)
{
    const Hits *hits = &nms->hits;
    return hits->scores[a] - hits->scores[b] < nms->ambiguous * hits->scores[a]
           && (hits->values[a] != hits->values[b] || hits->centerness[a] != hits->centerness[b]);
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

/* Keep a hit unless its IoU with a kept box of its class is above the threshold. */
static void visit(Suppression *nms, int64_t index, double iou_threshold)
{
    const int32_t class_id = nms->hits.class_ids[index];
    const float *box = nms->hits.boxes + 4 * index;
    int64_t rival = nms->last[class_id];
    while (rival >= 0 && !overlap(nms->boxes + 4 * rival, box, iou_threshold))
        rival = nms->previous[rival];
    if (rival >= 0)
        return;
    nms->kept[nms->count] = index;
    memcpy(nms->boxes + 4 * nms->count, box, 4 * sizeof *box);
    nms->scores[nms->count] = (float)nms->hits.scores[index];
    nms->class_ids[nms->count] = class_id;
    nms->previous[nms->count] = nms->last[class_id];
    nms->last[class_id] = nms->count++;
}

/*
 * Continue greedy NMS, class by class, until `wanted` boxes are kept or no hit is waiting. Hits
 * are visited by falling score; of equal scores, the first hit comes first.
 * Return the number of kept boxes, or -1 if the order of two hits is ambiguous.
 */
int64_t fcos_suppress(Suppression *nms, double iou_threshold, int64_t wanted)
{
    while (nms->waiting && nms->count < wanted) {
        const int64_t index = nms->heap[0];
        nms->heap[0] = nms->heap[--nms->waiting];
        sift(nms, 0);
        if (nms->waiting && is_ambiguous(nms, index, nms->heap[0]))
            return -1;
        visit(nms, index, iou_threshold);
    }
    return nms->count;
}

/* Begin NMS of the hits in the heap. */
int64_t fcos_start(Suppression *nms, double iou_threshold, int64_t wanted)
{
    nms->count = 0;
    for (int64_t class_id = 0; class_id < nms->classes; class_id++)
        nms->last[class_id] = -1;
    for (int64_t place = nms->waiting / 2; place-- > 0;)
        sift(nms, place);
    return fcos_suppress(nms, iou_threshold, wanted);
}

/*
 * Find the detections: all hits that reach the threshold of their class, after NMS.
 * Return the number of kept boxes, or -1 if numpy has to decode: there is no room for all hits,
 * a class has too many rivals, or the result depends on the last bits of scores, which are not
 * those of numpy.
 */
int64_t fcos_decode(const Head *head, Suppression *nms, double iou_threshold, int64_t wanted)
{
    const int64_t count = fcos_find(head, &nms->hits);
    double pairs = 0;
    nms->waiting = 0;
    memset(nms->last, 0, (size_t)head->classes * sizeof *nms->last);
    for (int64_t i = 0; i < count; i++) {
        const int32_t class_id = nms->hits.class_ids[i];
        const double score = nms->hits.scores[i], threshold = head->thresholds[class_id];
        if (fabs(score - threshold) < nms->ambiguous * threshold
            || (nms->ambiguous > 0 && score < LOWEST_SCORE))
            return -1;
        if (!(score >= threshold))
            continue;
        nms->heap[nms->waiting++] = i;
        pairs += (double)nms->last[class_id]++;
    }
    if (count < 0 || 2 * pairs > head->rivals * (double)nms->waiting)
        return -1;
    return fcos_start(nms, iou_threshold, wanted);
}
