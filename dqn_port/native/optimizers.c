/* Optimisers in few passes, each operation rounded by itself where nothing else is said. */

#include "threads.h"

#include <math.h>

typedef struct {
    float *w, *ms;
    const float *g;
    float keep, epsilon, lr;
} rmsprop_t;

static void rmsprop_part(const void *argument, ptrdiff_t begin, ptrdiff_t end)
{
    const rmsprop_t *task = argument;
    float *restrict w = task->w, *restrict ms = task->ms;
    const float *restrict g = task->g;
    float keep = task->keep, epsilon = task->epsilon, lr = task->lr;
    for (ptrdiff_t i = begin; i < end; i++) {
        ms[i] += (g[i] * g[i] - ms[i]) * keep;
        w[i] -= lr * g[i] / sqrtf(ms[i] + epsilon);
    }
}

/* RMSProp without a centre: ms += (g² − ms) · keep; w −= lr · g / √(ms + ε); all: [n] */
void rmsprop(float *w, const float *g, float *ms, ptrdiff_t n, float keep, float epsilon, float lr)
{
    rmsprop_t task = {w, ms, g, keep, epsilon, lr};
    in_parts(rmsprop_part, &task, n, PART / 4);
}

typedef struct {
    float *w, *s;
    const float *g;
    float part, lr, decay, share, epsilon;
} neon_t;

static void neon_part(const void *argument, ptrdiff_t begin, ptrdiff_t end)
{
    const neon_t *task = argument;
    float *restrict w = task->w, *restrict s = task->s;
    const float *restrict g = task->g;
    float part = task->part, lr = task->lr, decay = task->decay, share = task->share;
    float epsilon = task->epsilon;
    for (ptrdiff_t i = begin; i < end; i++) {
        float mean = g[i] * part;
        s[i] = decay * s[i] + mean * mean * share;
        w[i] -= mean * lr / (sqrtf(s[i] + epsilon) + epsilon);
    }
}

/* Neon's: g' = g · part; s = decay · s + g'² · share; w -= g' · lr / (√(s + ε) + ε) */
void neon_rmsprop(float *w, const float *g, float *s, ptrdiff_t n, float part, float lr,
                  float decay, float share, float epsilon)
{
    neon_t task = {w, s, g, part, lr, decay, share, epsilon};
    in_parts(neon_part, &task, n, PART);
}

typedef struct {
    float *g, *m, *v, *out;
    float rise, keep, share, low;
} moments_t;

static void moments_part(const void *argument, ptrdiff_t begin, ptrdiff_t end)
{
    const moments_t *task = argument;
    float *restrict m = task->m, *restrict v = task->v, *restrict out = task->out;
    const float *restrict g = task->g;
    float rise = task->rise, keep = task->keep, share = task->share, low = task->low;
    for (ptrdiff_t i = begin; i < end; i++) {
        m[i] = fmaf(rise, g[i] - m[i], m[i]);
        v[i] = fmaf(share * g[i], g[i], keep * v[i]);
        out[i] = v[i] < low ? low : v[i];
    }
}

/* m += rise · (g − m); v = keep · v + share · g · g; out = v, but at least low; all: [n].
 * PyTorch fuses the additions, too.
 */
void adam_moments(float *g, float *m, float *v, ptrdiff_t n, float rise, float keep, float share,
                  float low, float *out)
{
    moments_t task = {g, m, v, out, rise, keep, share, low};
    in_parts(moments_part, &task, n, PART / 4);
}

typedef struct {
    float *w, *g;
    const float *m, *roots;
    float divisor, epsilon, step;
} weights_t;

static void weights_part(const void *argument, ptrdiff_t begin, ptrdiff_t end)
{
    const weights_t *task = argument;
    float *restrict w = task->w, *restrict g = task->g;
    const float *restrict m = task->m, *restrict roots = task->roots;
    float divisor = task->divisor, epsilon = task->epsilon, step = task->step;
    for (ptrdiff_t i = begin; i < end; i++) {
        w[i] += step * m[i] / (roots[i] / divisor + epsilon);
        g[i] = 0;
    }
}

/* w += step · m / (roots / divisor + ε); g = 0; all: [n] */
void adam_weights(float *w, float *g, const float *m, const float *roots, ptrdiff_t n,
                  float divisor, float epsilon, float step)
{
    weights_t task = {w, g, m, roots, divisor, epsilon, step};
    in_parts(weights_part, &task, n, PART / 4);
}
