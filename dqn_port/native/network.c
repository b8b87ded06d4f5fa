/* What Lua's nn and its optimiser do apart from the matrix products of products.c, with sums in
 * its order. Fused multiply-adds are explicit where OpenBLAS has them. plain.py has the same in
 * plain Python.
 */

#include "threads.h"
#include "vectors.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* y = (|x| + x) / 2 */
void rectify(const float *restrict x, ptrdiff_t n, float *restrict y)
{
    for (ptrdiff_t i = 0; i < n; i++)
        y[i] = (fabsf(x[i]) + x[i]) / 2;
}

typedef struct {
    const float *y, *of_y;
    float *of_x;
} rectifier_t;

static void rectify_gradients(const void *argument, ptrdiff_t begin, ptrdiff_t end)
{
    const rectifier_t *task = argument;
    const float *restrict y = task->y, *restrict of_y = task->of_y;
    float *restrict of_x = task->of_x;
    for (ptrdiff_t i = begin; i < end; i++)
        of_x[i] = y[i] > 0 ? of_y[i] : 0;
}

/* of_x = of_y where the Rectifier's output y is positive, else 0 */
void rectify_gradient(const float *y, const float *of_y, ptrdiff_t n, float *of_x)
{
    rectifier_t task = {y, of_y, of_x};
    in_parts(rectify_gradients, &task, n, PART);
}

typedef struct {
    const char *from;
    char *to;
    ptrdiff_t rows, row, to_plane, to_row;
} place_t;

static void place(const void *argument, ptrdiff_t begin, ptrdiff_t end)
{
    const place_t *task = argument;
    for (ptrdiff_t plane = begin; plane < end; plane++) {
        const char *from = task->from + plane * task->rows * task->row;
        for (ptrdiff_t i = 0; i < task->rows; i++, from += task->row)
            memcpy(task->to + plane * task->to_plane + i * task->to_row, from, (size_t)task->row);
    }
}

/* Copy planes into larger ones; rows and distances are in bytes. */
void place_planes(const char *from, ptrdiff_t planes, ptrdiff_t rows, ptrdiff_t row,
                  ptrdiff_t to_plane, ptrdiff_t to_row, char *to)
{
    place_t task = {from, to, rows, row, to_plane, to_row};
    in_parts(place, &task, planes, PART / (rows * row) + 1);
}

/* out = bytes / 255 */
void spread_bytes(const uint8_t *bytes, ptrdiff_t n, float *out)
{
    ptrdiff_t i = 0;
    for (; i + 8 <= n; i += 8)
        *(vec8 *)(out + i) = bytes_over_255(bytes + i);
    for (; i < n; i++)
        out[i] = over_255(bytes[i] - (vec8){0})[0];
}

typedef struct {
    const float *columns;
    const uint8_t *alive;
    float *x;
    ptrdiff_t planes, kh, kw, out_height, out_width, dh, dw, height, width, next;
} fold_t;

/* x[i] += from[i] for i < n; up to seven floats after them are read, and added to as zeros. */
static inline void add_run(float *x, const float *from, ptrdiff_t n)
{
    const order8 order = {0, 1, 2, 3, 4, 5, 6, 7};
    for (ptrdiff_t i = 0; i < n; i += 8) {
        order8 more = (order8)*(const vec8 *)(from + i);
        *(vec8 *)(x + i) += (vec8)(more & (order < (int32_t)(n - i)));
    }
}

/* Every dw-th column of a plane lies in a layer of its own, where a window's row is a run. */
static void fold_planes(void *argument)
{
    fold_t *task = argument;
    ptrdiff_t dw = task->dw, layer = (task->width - 1) / dw + 1;
    ptrdiff_t taps = task->kh * task->kw, positions = task->out_height * task->out_width;
    ptrdiff_t of_plane = task->height * task->width, floats = dw * task->height * layer;
    ptrdiff_t size = PART / (taps * positions) + 1;
    float *layers = malloc(sizeof(float) * (size_t)(floats + 8));
    if (!layers)
        abort();
    for (ptrdiff_t plane; (plane = next_part(&task->next, size)) < task->planes;)
        for (ptrdiff_t end = plane + size; plane < end && plane < task->planes; plane++) {
            const float *from = task->columns + plane * taps * positions;
            float *x = task->x + plane * of_plane;
            if (task->alive && !task->alive[plane])
                continue;
            memset(layers, 0, sizeof(float) * (size_t)(floats + 8));
            for (ptrdiff_t h = 0; h < task->kh; h++)
                for (ptrdiff_t w = 0; w < task->kw; w++) {
                    float *to = layers + (w % dw * task->height + h) * layer + w / dw;
                    for (ptrdiff_t i = 0; i < task->out_height; i++, from += task->out_width)
                        add_run(to + i * task->dh * layer, from, task->out_width);
                }
            for (ptrdiff_t y = 0; y < task->height; y++)
                for (ptrdiff_t w = 0; w < dw; w++)
                    for (ptrdiff_t i = w, j = 0; i < task->width; i += dw, j++)
                        x[y * task->width + i] = layers[(w * task->height + y) * layer + j];
        }
    free(layers);
}

/* Add the gradients of all windows up to x: [batch, planes, height, width], window by window.
 * columns: [batch, planes, kh, kw, out_height, out_width], and seven floats after them. alive:
 * null, or [batch, planes]: which planes are needed; the others of x are left as they are.
 */
void fold(const float *columns, ptrdiff_t batch, ptrdiff_t planes, ptrdiff_t kh, ptrdiff_t kw,
          ptrdiff_t out_height, ptrdiff_t out_width, ptrdiff_t dh, ptrdiff_t dw, ptrdiff_t height,
          ptrdiff_t width, const uint8_t *alive, float *x)
{
    fold_t task = {columns,   alive, x,  batch * planes, kh,    kw, out_height,
                   out_width, dh,        dw, height,         width, 0};
    in_parallel(fold_planes, &task, batch * planes * kh * kw * out_height * out_width / PART);
}

typedef struct {
    const float *x;
    ptrdiff_t size;
    uint8_t *alive;
} alive_t;

static void find_alive_planes(const void *argument, ptrdiff_t begin, ptrdiff_t end)
{
    const alive_t *task = argument;
    for (ptrdiff_t i = begin; i < end; i++)
        task->alive[i] = (uint8_t)any_of(task->x + i * task->size, task->size);
}

/* alive[i] = whether any of x[i] is not 0; x: [n, size] */
void find_alive(const float *x, ptrdiff_t n, ptrdiff_t size, uint8_t *alive)
{
    alive_t task = {x, size, alive};
    in_parts(find_alive_planes, &task, n, PART / size + 1);
}

typedef struct {
    const float *x;
    ptrdiff_t batch, planes, n;
    float *out;
} planes_t;

static void sum_some_planes(const void *argument, ptrdiff_t begin, ptrdiff_t end)
{
    const planes_t *task = argument;
    ptrdiff_t n = task->n;
    for (ptrdiff_t p = begin; p < end; p += 8) {
        /* Eight sums at once, as each addition waits for the one before. */
        int side = end - p < 8 ? (int)(end - p) : 8;
        float total[8] = {0};
        for (ptrdiff_t b = 0; b < task->batch; b++) {
            const float *from = task->x + (b * task->planes + p) * n;
            float sum[8] = {0};
            if (side == 8)
                for (ptrdiff_t i = 0; i < n; i++)
                    for (int s = 0; s < 8; s++)
                        sum[s] += from[s * n + i];
            else
                for (int s = 0; s < side; s++)
                    for (ptrdiff_t i = 0; i < n; i++)
                        sum[s] += from[s * n + i];
            for (int s = 0; s < side; s++)
                total[s] += sum[s];
        }
        for (int s = 0; s < side; s++)
            task->out[p + s] = total[s];
    }
}

/* out[p] = Σ over the batch of (Σi x[b, p, i]); x: [batch, planes, n] */
void sum_planes(const float *x, ptrdiff_t batch, ptrdiff_t planes, ptrdiff_t n, float *out)
{
    planes_t task = {x, batch, planes, n, out};
    in_parts(sum_some_planes, &task, planes, (PART / (batch * n) / 8 + 1) * 8);
}

/* Sum of x[0], x[step] … in the order of sgemv's last rows, after whole fours. */
static float sum_left_over(const float *x, ptrdiff_t n, ptrdiff_t step)
{
    ptrdiff_t b = 0;
    float sum = 0;
    if (step == 1)
        for (; b < n / 4 * 4; b += 4)
            sum += x[b] + x[b + 1] + x[b + 2] + x[b + 3];
    else if (step <= 3)
        for (; b < n / 4 * 4; b += 4) {
            sum += x[b * step] + x[(b + 1) * step];
            sum += x[(b + 2) * step] + x[(b + 3) * step];
        }
    for (; b < n; b++)
        sum += x[b * step];
    return sum;
}

static float sum_eight(const float *x, ptrdiff_t n, ptrdiff_t step, int two)
{
    float first = 0, second = 0;
    for (ptrdiff_t b = 0; b < n; b++) {
        if (two && b % 2)
            second += x[b * step];
        else
            first += x[b * step];
    }
    return first + second;
}

/* out[i] = Σb x[b, i]; x: [batch, n]. Lua: sgemv with a vector of ones. */
void sum_columns(const float *restrict x, ptrdiff_t batch, ptrdiff_t n, float *restrict out)
{
    ptrdiff_t fours = n / 4 * 4, whole = fours / 4096 * 4096;
    for (ptrdiff_t i = 0; i < n; i++) {
        const float *from = x + i;
        if (i >= fours) {
            out[i] = sum_left_over(from, batch, n);
            continue;
        }
        /* The rest after whole sixteens comes first in its block, in two sums. */
        int two = i >= whole && i - whole < (fours - whole) % 16;
        ptrdiff_t b = 0;
        float sum = 0;
        for (; b + 8 <= batch; b += 8)
            sum += sum_eight(from + b * n, 8, n, two);
        if (b + 4 <= batch) {
            sum += sum_eight(from + b * n, 4, n, two);
            b += 4;
        }
        for (; b < batch; b++)
            sum += from[b * n];
        out[i] = sum;
    }
}

/* Lua adds tensors by saxpy, which has fused multiply-adds only in whole blocks of 32. */
static ptrdiff_t whole(ptrdiff_t n)
{
    return n / 32 * 32;
}

/* y += a · x */
void saxpy(float *restrict y, const float *restrict x, ptrdiff_t n, float a)
{
    for (ptrdiff_t i = 0; i < whole(n); i++)
        y[i] = fmaf(a, x[i], y[i]);
    for (ptrdiff_t i = whole(n); i < n; i++)
        y[i] += a * x[i];
}

static inline float divided(float lr, float dw, float g, float g2, float epsilon)
{
    float variance = g2 - g * g;
    return lr * dw / sqrtf(variance + epsilon);
}

typedef struct {
    float *w, *g, *g2;
    const float *dw;
    ptrdiff_t n;
    float decay, share, epsilon, lr;
} rmsprop_t;

static void rmsprop_part(const void *argument, ptrdiff_t begin, ptrdiff_t end)
{
    const rmsprop_t *task = argument;
    float *restrict w = task->w, *restrict g = task->g, *restrict g2 = task->g2;
    const float *restrict dw = task->dw;
    float decay = task->decay, share = task->share, epsilon = task->epsilon, lr = task->lr;
    ptrdiff_t i = begin, fused = end < whole(task->n) ? end : whole(task->n);
    for (; i < fused; i++) {
        g[i] = fmaf(share, dw[i], decay * g[i]);
        g2[i] = fmaf(share, dw[i] * dw[i], decay * g2[i]);
        w[i] += divided(lr, dw[i], g[i], g2[i], epsilon);
    }
    for (; i < end; i++) {
        g[i] = share * dw[i] + decay * g[i];
        g2[i] = share * (dw[i] * dw[i]) + decay * g2[i];
        w[i] += divided(lr, dw[i], g[i], g2[i], epsilon);
    }
}

/* Centred RMSProp in one pass. Lua: qLearnMinibatch. */
void centred_rmsprop(float *w, const float *dw, float *g, float *g2, ptrdiff_t n, float decay,
                     float share, float epsilon, float lr)
{
    rmsprop_t task = {w, g, g2, dw, n, decay, share, epsilon, lr};
    in_parts(rmsprop_part, &task, n, PART);
}
