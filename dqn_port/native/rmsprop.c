/* RMSProp without a centre, in one pass. */

#include "threads.h"

#include <math.h>

typedef struct {
    float *w, *ms;
    const float *g;
    float keep, epsilon, lr;
} rmsprop_t;

static void update_part(const void *argument, ptrdiff_t begin, ptrdiff_t end)
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

/* ms += (g² − ms) · keep; w −= lr · g / √(ms + ε); all: [n] */
void rmsprop(float *w, const float *g, float *ms, ptrdiff_t n, float keep, float epsilon, float lr)
{
    rmsprop_t task = {w, ms, g, keep, epsilon, lr};
    in_parts(update_part, &task, n, PART / 4);
}
