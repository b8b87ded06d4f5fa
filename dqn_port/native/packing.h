#ifndef DQN_PORT_PACKING_H
#define DQN_PORT_PACKING_H

/* Copy panels of lanes and groups of rows, so that vectors can load them. */

#include "products.h"
#include "vectors.h"

/* How many of the next k are transposed together: 8 or 4 neighbours; or 3 if more follow, as then
 * one more may be read, and written to the place of the next.
 */
INLINE ptrdiff_t side_by_side(const int32_t *ks, ptrdiff_t left)
{
    return left >= 8 && ks[7] - ks[0] == 7   ? 8
           : left >= 4 && ks[3] - ks[0] == 3 ? 4
           : left >= 4 && ks[2] - ks[0] == 2 ? 3
                                             : 0;
}

/* out[i, lane] = lanes[lane][k + i], i < n up to the next four; out: [n, width] */
INLINE void pack_fours(const eight_t *lanes, ptrdiff_t k, float *out, ptrdiff_t width, ptrdiff_t n)
{
    for (; n > 0; n -= 4, k += 4, out += 4 * width) {
        vec8 turned[4];
        turn(lanes, k, turned);
        for (int i = 0; i < 4; i++)
            *(vec8 *)(out + i * width) = turned[i];
    }
}

#define RUNS 4

/* Eight lanes as runs of neighbours, each further on than the one before it, as in images. */
typedef struct {
    int n; /* 0: they are more than RUNS, or in no such order */
    int32_t at[RUNS]; /* where lane 0 would be if all were in this run */
    order8 since[RUNS]; /* the lanes from this run on */
} runs_t;

static inline runs_t runs_of(const int32_t *at)
{
    const order8 order = {0, 1, 2, 3, 4, 5, 6, 7};
    runs_t runs = {0};
    for (int lane = 0; lane < 8; lane++) {
        int32_t begin = at[lane] - lane;
        if (lane && begin == runs.at[runs.n - 1])
            continue;
        if (runs.n == RUNS || (lane && begin < runs.at[runs.n - 1]))
            return (runs_t){0};
        runs.at[runs.n] = begin;
        runs.since[runs.n++] = order >= lane;
    }
    return runs;
}

/* What is read lies between the first lane and the last. */
INLINE void copy_runs(const float *from, const runs_t *runs, int n, float *to)
{
    order8 x = *(const order8_at *)(from + runs->at[0]);
    _Pragma("GCC unroll 4") for (int i = 1; i < n; i++)
    {
        order8 y = *(const order8_at *)(from + runs->at[i]);
        x = (y & runs->since[i]) | (x & ~runs->since[i]);
    }
    *(vec8 *)to = (vec8)x;
}

/* n is a constant, so that the masks stay in registers. */
INLINE void pack_runs(const float *a, const runs_t *given, int n, const int32_t *ks,
                      const uint8_t *used, ptrdiff_t n_k, float *out)
{
    const runs_t runs = *given;
    for (ptrdiff_t k = 0; k < n_k; k++)
        if (!used || used[k])
            copy_runs(a + ks[k], &runs, n, out + k * PANEL);
}

/* to[lane] = from[at[lane]], eight lanes */
INLINE void gather(const float *from, const int32_t *at, float *to)
{
#ifdef __AVX2__
    _mm256_storeu_ps(to, _mm256_i32gather_ps(from, _mm256_loadu_si256((const __m256i *)at), 4));
#else
    for (int lane = 0; lane < 8; lane++)
        to[lane] = from[at[lane]];
#endif
}

static inline int none_of_bytes(const uint8_t *bytes, ptrdiff_t n)
{
    for (; n > 0; n--)
        if (*bytes++)
            return 0;
    return 1;
}

/* out[k, lane] = a[lanes[lane] + ks[k]]; out: [n_k, PANEL]. used: which k are needed, or null */
static void pack_panel(const float *a, const int32_t *lanes, const int32_t *ks,
                       const uint8_t *used, ptrdiff_t n_k, float *out)
{
    int all_whole = 1;
    for (int i = 0; i < PANEL; i += 8)
        all_whole &= are_neighbours(lanes + i, 8);
    if (all_whole) {
        for (ptrdiff_t k = 0; k < n_k; k++)
            for (int i = 0; i < PANEL && (!used || used[k]); i += 8)
                *(vec8 *)(out + k * PANEL + i) = *(const vec8 *)(a + ks[k] + lanes[i]);
        return;
    }
    for (int i = 0; i < PANEL; i += 8) {
        const int32_t *at = lanes + i;
        float *to = out + i;
        const runs_t runs = runs_of(at);
        switch (runs.n) {
#define OF(n)                                                                                      \
    case n:                                                                                        \
        pack_runs(a, &runs, n, ks, used, n_k, to);                                                 \
        continue
            OF(1);
            OF(2);
            OF(3);
            OF(4);
#undef OF
        }
        const eight_t begin = eight(a, at);
        for (ptrdiff_t k = 0, step; k < n_k; k += step, to += step * PANEL) {
            ptrdiff_t together = side_by_side(ks + k, n_k - k);
            step = together ? together : 1;
            if (used && none_of_bytes(used + k, step))
                continue;
            if (together)
                pack_fours(&begin, ks[k], to, PANEL, together);
            else
                gather(a + ks[k], at, to);
        }
    }
}

/* Eight lanes of bytes, over 255 */
static void pack_eight_of_bytes(const uint8_t *a, const int32_t *at, const int32_t *ks,
                                ptrdiff_t n_k, float *out)
{
    if (are_neighbours(at, 8)) {
        for (ptrdiff_t k = 0; k < n_k; k++)
            *(vec8 *)(out + k * PANEL) = bytes_over_255(a + *at + ks[k]);
        return;
    }
    for (ptrdiff_t k = 0, step; k < n_k; k += step) {
        uint8_t turned[8][8];
        step = side_by_side(ks + k, n_k - k) == 8 ? 8 : 1;
        if (step == 8)
            turn_bytes(a + ks[k], at, turned);
        else
            for (int lane = 0; lane < 8; lane++)
                turned[0][lane] = a[at[lane] + ks[k]];
        for (int next = 0; next < step; next++)
            *(vec8 *)(out + (k + next) * PANEL) = bytes_over_255(turned[next]);
    }
}

static void pack_bytes(const uint8_t *a, const int32_t *lanes, const int32_t *ks, ptrdiff_t n_k,
                       float *out)
{
    for (int i = 0; i < PANEL; i += 8)
        pack_eight_of_bytes(a, lanes + i, ks, n_k, out + i);
}

/* out[k, i] = b[row_b[rows[i]] + ks[k]]; out: [n_k, GROUP] and what is written after it */
static void pack_group(const float *b, const int32_t *row_b, const group_t *group,
                       const int32_t *ks, ptrdiff_t n_k, float *out)
{
    int32_t at[8];
    for (int i = 0; i < 8; i++)
        at[i] = row_b[group->rows[i]];
    const eight_t begin = eight(b, at);
    for (ptrdiff_t k = 0, step; k < n_k; k += step, out += step * GROUP) {
        step = side_by_side(ks + k, n_k - k);
        if (step)
            pack_fours(&begin, ks[k], out, GROUP, step);
        else {
            for (int i = 0; i < GROUP; i++)
                out[i] = begin.from[i][ks[k]];
            step = 1;
        }
    }
}

#endif
