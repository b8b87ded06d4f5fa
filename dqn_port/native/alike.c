/* Convolutions of pictures with many equal windows.
 *
 * Equal windows have equal sums, which are computed once. Every pixel has a number, equal for
 * pixels that are equal in all planes; the numbers of the windows are the next layer's picture.
 * Screens of Atari games are mostly background, and the samples of a minibatch show the same places.
 * The sums are those of sum_products in plain.py.
 */

#include "products.h"
#include "threads.h"
#include "vectors.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const int32_t *window_a; /* [windows]: where a window begins in a */
    const uint8_t *two;      /* [windows]: which rows have two chains there */
    int32_t *kinds;          /* [windows] out: which of the distinct windows each is like */
    int32_t *columns;        /* [windows] scratch, as all that follows: where its sums are */
    int32_t *firsts;         /* [windows]: of each distinct one, the first window */
    int32_t *begins;         /* the same: where it begins in the picture */
    int32_t *columns_of_kinds;
    uint32_t *hashes;        /* [windows]: of all of them */
    int32_t *table;          /* [size_of_table]: 0, or one more than a kind */
    int32_t *lanes;          /* [most_lanes]: where those that are summed begin in a */
    const int32_t *order;    /* [most_lanes]: 0, 1, 2 … */
    int32_t *rows_of_sums;   /* [rows] */
    uint8_t *two_of_panels;  /* [most_lanes] */
    float *sums;             /* [rows, most_lanes] */
    ptrdiff_t batch, height, width, kh, kw, out_height, out_width, dh, dw;
    ptrdiff_t size_of_table;
} windows_t;

typedef struct {
    const uint8_t *bytes;
    ptrdiff_t planes, size;
    uint32_t *numbers;
} pixels_t;

static void number_some_pixels(const void *argument, ptrdiff_t begin, ptrdiff_t end)
{
    const pixels_t *task = argument;
    ptrdiff_t size = task->size;
    for (ptrdiff_t b = begin; b < end; b++) {
        const uint8_t *bytes = task->bytes + b * task->planes * size;
        uint32_t *restrict to = task->numbers + b * size;
        if (task->planes == 4)
            for (ptrdiff_t i = 0; i < size; i++)
                to[i] = bytes[i] | (uint32_t)bytes[size + i] << 8 |
                        (uint32_t)bytes[2 * size + i] << 16 | (uint32_t)bytes[3 * size + i] << 24;
        else
            for (ptrdiff_t i = 0; i < size; i++) {
                to[i] = 0;
                for (ptrdiff_t p = 0; p < task->planes; p++)
                    to[i] |= (uint32_t)bytes[p * size + i] << 8 * p;
            }
    }
}

/* numbers[sample, i] = the bytes of all planes there; bytes: [batch, planes, size],
 * planes at most 4
 */
void number_pixels(const uint8_t *bytes, ptrdiff_t batch, ptrdiff_t planes, ptrdiff_t size,
                   int32_t *numbers)
{
    pixels_t task = {bytes, planes, size, (uint32_t *)numbers};
    in_parts(number_some_pixels, &task, batch, PART / size + 1);
}

/* Add a number to a hash. Its high bits must reach the low ones, which index the table: of four
 * frames the newest is in the highest byte.
 */
static inline uint32_t mixed(uint32_t hash, uint32_t number)
{
    return (hash ^ hash >> 15) * 0x9e3779b1u + number;
}

/* rows[y, x]: the hash of what a window's row that begins there shows */
static void hash_rows(const windows_t *w, const uint32_t *picture, uint32_t *restrict rows)
{
    ptrdiff_t columns = w->width - w->kw + 1;
    for (ptrdiff_t y = 0; y < w->height; y++) {
        const uint32_t *restrict from = picture + y * w->width;
        uint32_t *restrict to = rows + y * w->width;
        memcpy(to, from, sizeof(*to) * (size_t)columns);
        for (ptrdiff_t i = 1; i < w->kw; i++)
            for (ptrdiff_t x = 0; x < columns; x++)
                to[x] = mixed(to[x], from[x + i]);
    }
}

/* hashes[x]: the hash of the window that begins there in the first of the rows */
static void hash_windows(const windows_t *w, const uint32_t *restrict rows,
                         uint32_t *restrict hashes)
{
    ptrdiff_t columns = w->width - w->kw + 1;
    memcpy(hashes, rows, sizeof(*hashes) * (size_t)columns);
    for (ptrdiff_t i = 1; i < w->kh; i++)
        for (ptrdiff_t x = 0; x < columns; x++)
            hashes[x] = mixed(hashes[x], rows[i * w->width + x]);
}

typedef struct {
    const windows_t *windows;
    const int32_t *picture;
} look_t;

/* Hash the windows of some samples. */
static void hash_samples(const void *argument, ptrdiff_t begin, ptrdiff_t end)
{
    const windows_t *w = ((const look_t *)argument)->windows;
    const uint32_t *picture = (const uint32_t *)((const look_t *)argument)->picture;
    ptrdiff_t size = w->height * w->width, n = begin * w->out_height * w->out_width;
    uint32_t *rows = malloc(sizeof(*rows) * (size_t)(size + w->width)), *at_row = rows + size;
    if (!rows)
        abort();
    for (ptrdiff_t b = begin; b < end; b++) {
        hash_rows(w, picture + b * size, rows);
        for (ptrdiff_t i = 0; i < w->out_height; i++) {
            hash_windows(w, rows + i * w->dh * w->width, at_row);
            for (ptrdiff_t j = 0; j < w->out_width; j++, n++)
                w->hashes[n] = mixed(mixed(at_row[j * w->dw], w->two[n]), 0);
        }
    }
    free(rows);
}

static int same_windows(const windows_t *w, const int32_t *x, const int32_t *y)
{
    order8 differ = {0};
    int32_t rest = 0;
    for (ptrdiff_t row = 0; row < w->kh; row++, x += w->width, y += w->width) {
        ptrdiff_t i = 0;
        for (; i + 8 <= w->kw; i += 8)
            differ |= *(const order8_at *)(x + i) ^ *(const order8_at *)(y + i);
        for (; i < w->kw; i++)
            rest |= x[i] ^ y[i];
    }
    return !rest && !any_bit(differ);
}

/* Return the number of distinct windows, and set kinds, begins and firsts. */
static ptrdiff_t find_alike(const windows_t *w, const int32_t *picture)
{
    ptrdiff_t found = 0, n = 0, mask = w->size_of_table - 1;
    look_t look = {w, picture};
    in_parts(hash_samples, &look, w->batch, PART / (w->height * w->width * w->kw) + 1);
    memset(w->table, 0, sizeof(int32_t) * (size_t)w->size_of_table);
    for (ptrdiff_t b = 0; b < w->batch; b++)
        for (ptrdiff_t i = 0; i < w->out_height; i++)
            for (ptrdiff_t j = 0; j < w->out_width; j++, n++) {
                ptrdiff_t begin = (b * w->height + i * w->dh) * w->width + j * w->dw;
                uint32_t hash = w->hashes[n];
                ptrdiff_t slot = (hash ^ hash >> 15) & mask, kind;
                while ((kind = w->table[slot] - 1) >= 0 &&
                       !(w->hashes[w->firsts[kind]] == hash &&
                         w->two[w->firsts[kind]] == w->two[n] &&
                         same_windows(w, picture + w->begins[kind], picture + begin)))
                    slot = (slot + 1) & mask;
                if (kind < 0) {
                    kind = found++;
                    w->table[slot] = (int32_t)found;
                    w->begins[kind] = (int32_t)begin;
                    w->firsts[kind] = (int32_t)n;
                }
                w->kinds[n] = (int32_t)kind;
            }
    return found;
}

/* Give every distinct window a column of sums; a panel has windows of one kind of chains. */
static ptrdiff_t lay_out(const windows_t *w, ptrdiff_t found)
{
    ptrdiff_t lanes = 0, panel = lanes_of_a_panel();
    for (int two = 0; two < SIDES; two++) {
        ptrdiff_t begin = lanes;
        for (ptrdiff_t kind = 0; kind < found; kind++)
            if (w->two[w->firsts[kind]] == two) {
                w->columns_of_kinds[kind] = (int32_t)lanes;
                w->lanes[lanes++] = w->window_a[w->firsts[kind]];
            }
        for (; lanes % panel; lanes++)
            w->lanes[lanes] = w->lanes[lanes - 1];
        memset(w->two_of_panels + begin / panel, two, (size_t)((lanes - begin) / panel));
    }
    return lanes;
}

typedef struct {
    const windows_t *windows;
    float *out;
    ptrdiff_t rows, lanes;
} hand_out_t;

static void hand_out(const void *argument, ptrdiff_t begin, ptrdiff_t end)
{
    const hand_out_t *task = argument;
    const windows_t *w = task->windows;
    ptrdiff_t positions = w->out_height * w->out_width;
    for (ptrdiff_t row = begin; row < end; row++) {
        const float *restrict from = w->sums + row * task->lanes;
        const int32_t *restrict columns = w->columns;
        for (ptrdiff_t b = 0; b < w->batch; b++, columns += positions) {
            float *restrict to = task->out + (b * task->rows + row) * positions;
            for (ptrdiff_t i = 0; i < positions; i++)
                to[i] = from[columns[i]];
        }
    }
}

/* out[sample, row, position] = first[row] + Σ over blocks Σk a[lane_a + k_a] · b[row_b + k_b], as
 * sum_products sums it. Returns the number of distinct windows in the picture.
 */
ptrdiff_t sum_alike(const plan_t *plan, const windows_t *w, const int32_t *picture, const void *a,
                    int of_bytes, const float *b, const float *first, float *out, int rectify)
{
    ptrdiff_t found = find_alike(w, picture), lanes = lay_out(w, found);
    plan_t these = *plan;
    these.lane_a = w->lanes;
    these.lane_out = w->order;
    these.two = w->two_of_panels;
    these.row_out = w->rows_of_sums;
    these.panels = lanes / lanes_of_a_panel();
    for (ptrdiff_t row = 0; row < plan->rows; row++)
        w->rows_of_sums[row] = (int32_t)(row * lanes);
    sum_products(&these, a, of_bytes, b, first, NULL, NULL, w->sums, rectify);
    ptrdiff_t windows = w->batch * w->out_height * w->out_width;
    for (ptrdiff_t n = 0; n < windows; n++)
        w->columns[n] = w->columns_of_kinds[w->kinds[n]];
    hand_out_t task = {w, out, plan->rows, lanes};
    in_parts(hand_out, &task, plan->rows, PART / windows + 1);
    return found;
}

/* Return how many distinct windows there are in a picture, [batch, height, width], and where each
 * begins. kinds: [batch, out_height, out_width], which of them each window is like; begins: room
 * for as many.
 */
ptrdiff_t find_windows(const int32_t *picture, ptrdiff_t batch, ptrdiff_t height, ptrdiff_t width,
                       ptrdiff_t side, ptrdiff_t stride, int32_t *kinds, int32_t *begins)
{
    ptrdiff_t out_height = (height - side) / stride + 1, out_width = (width - side) / stride + 1;
    ptrdiff_t n = batch * out_height * out_width, slots = 1;
    while (slots < 2 * n)
        slots *= 2;
    int32_t *room = malloc(sizeof(*room) * (size_t)(2 * n + slots));
    uint8_t *none = calloc((size_t)n, 1);
    if (!room || !none)
        abort();
    windows_t windows = {
        .two = none, .kinds = kinds, .begins = begins, .firsts = room,
        .hashes = (uint32_t *)(room + n), .table = room + 2 * n, .size_of_table = slots,
        .batch = batch, .height = height, .width = width, .kh = side, .kw = side,
        .out_height = out_height, .out_width = out_width, .dh = stride, .dw = stride,
    };
    ptrdiff_t found = find_alike(&windows, picture);
    free(none);
    free(room);
    return found;
}
