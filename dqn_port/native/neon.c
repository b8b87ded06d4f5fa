/* Neon's optimisers, each operation rounded by itself as NumPy rounds it. */

#include "threads.h"

#include <math.h>

typedef struct {
    float *w, *s;
    const float *g;
    float part, lr, decay, share, epsilon;
} rmsprop_t;

static void rmsprop_part(const void *argument, ptrdiff_t begin, ptrdiff_t end)
{
    const rmsprop_t *task = argument;
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

/* g' = g · part; s = decay · s + g'² · share; w -= g' · lr / (√(s + ε) + ε) */
void neon_rmsprop(float *w, const float *g, float *s, ptrdiff_t n, float part, float lr,
                  float decay, float share, float epsilon)
{
    rmsprop_t task = {w, s, g, part, lr, decay, share, epsilon};
    in_parts(rmsprop_part, &task, n, PART);
}
