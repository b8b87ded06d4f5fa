/* Matrix products whose float32 sums are rounded as those of the original.
 *
 * Lua Torch7 multiplies matrices with OpenBLAS's sgemm; its Haswell kernels made the traces. Which
 * numbers are multiplied with which is the caller's, by tables of offsets, so that a convolution
 * needs no unfolded copy of its input. What is kept here is the order of the additions:
 *
 *     one chain:  sum = 0; for k: sum = fma(a, b, sum)
 *     two chains: the same for the even and for the odd k, as far as there are rounds of eight k,
 *                 the rest in the chain of the even ones; then sum = even + odd
 *     out = first; for each block of k: out = out + sum; then out = out + last
 *
 * Lanes are summed side by side in vectors and rows beside them, which changes no order. Of every
 * twelve rows the first six (LEFT) and the others (RIGHT) may want different chains for a lane,
 * and of the rows after the last twelve those in whole fours (REST).
 */

#include "threads.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#ifdef __AVX512F__
#define LANES 16
#else
#define LANES 8
#endif
#define PANEL (2 * LANES)
#define GROUP 12
#define SUMS_AT_ONCE 32768
#define WORTH_A_THREAD 500000
#define SHARES 4

enum { LEFT = 1, RIGHT = 2, REST = 4 };

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef float vec8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t order8 __attribute__((vector_size(32)));

typedef struct {
    const int32_t *lane_a;   /* [panels · PANEL]: where a lane begins in a */
    const int32_t *lane_out; /* the same in out; -1: the lane only fills its panel */
    const uint8_t *two;      /* [panels]: which rows have two chains there */
    const int32_t *row_b;    /* [rows] */
    const int32_t *row_out;
    const int32_t *k_a; /* [n_k], increasing */
    const int32_t *k_b;
    const int32_t *ends; /* [blocks] */
    float *packed;       /* [groups, n_k, GROUP] scratch */
    ptrdiff_t panels, rows, n_k, blocks, longest;
} plan_t;

typedef struct {
    const plan_t *plan;
    const float *a, *first, *last;
    float *out;
    int rectify;
    ptrdiff_t panels_at_once, next;
} task_t;

/* How many lanes a panel has; 0 where there is no fast fused multiply-add. */
int32_t lanes_of_a_panel(void)
{
#ifdef __FP_FAST_FMAF
    return PANEL;
#else
    return 0;
#endif
}

#define INLINE static inline __attribute__((always_inline))

INLINE vec fused(vec x, vec y, vec z)
{
#if defined(__AVX512F__)
    return (vec)_mm512_fmadd_ps((__m512)x, (__m512)y, (__m512)z);
#elif defined(__FMA__)
    return (vec)_mm256_fmadd_ps((__m256)x, (__m256)y, (__m256)z);
#else
    for (int i = 0; i < LANES; i++)
        z[i] = fmaf(x[i], y[i], z[i]);
    return z;
#endif
}

INLINE vec8 fused8(vec8 x, vec8 y, vec8 z)
{
#if defined(__FMA__)
    return (vec8)_mm256_fmadd_ps((__m256)x, (__m256)y, (__m256)z);
#else
    for (int i = 0; i < 8; i++)
        z[i] = fmaf(x[i], y[i], z[i]);
    return z;
#endif
}

#define EACH_ROW _Pragma("GCC unroll 12") for (int r = 0; r < rows; r++)

/* Load once: the compiler would rather read memory again in every multiplication. */
INLINE vec load(const float *from)
{
    vec x = *(const vec *)from;
#ifdef __x86_64__
    __asm__("" : "+v"(x));
#endif
    return x;
}

/* sums += a · b of one k; a: [PANEL], b: [rows] */
INLINE void add_one(vec sums[][2], const float *a, const float *b, int rows)
{
    vec low = load(a), high = load(a + LANES);
    EACH_ROW
    {
        vec x = b[r] - (vec){0};
        sums[r][0] = fused(low, x, sums[r][0]);
        sums[r][1] = fused(high, x, sums[r][1]);
    }
}

/* out: [rows, PANEL] += the chain over a: [n_k, PANEL] and b: [n_k, GROUP] */
INLINE void one_chain(const float *a, const float *b, ptrdiff_t n_k, float *out, int rows)
{
    vec sums[GROUP][2];
    EACH_ROW sums[r][0] = sums[r][1] = (vec){0};
    for (ptrdiff_t k = 0; k < n_k; k++)
        add_one(sums, a + k * PANEL, b + k * GROUP, rows);
    vec *to = (vec *)out;
    EACH_ROW
    {
        to[2 * r] += sums[r][0];
        to[2 * r + 1] += sums[r][1];
    }
}

INLINE void two_chains(const float *a, const float *b, ptrdiff_t n_k, float *out, int rows)
{
    vec even[GROUP / 2][2], odd[GROUP / 2][2];
    EACH_ROW even[r][0] = even[r][1] = odd[r][0] = odd[r][1] = (vec){0};
    ptrdiff_t k = 0;
    for (; k < n_k / 8 * 8; k += 2) {
        add_one(even, a + k * PANEL, b + k * GROUP, rows);
        add_one(odd, a + (k + 1) * PANEL, b + (k + 1) * GROUP, rows);
    }
    for (; k < n_k; k++)
        add_one(even, a + k * PANEL, b + k * GROUP, rows);
    vec *to = (vec *)out;
    EACH_ROW
    {
        to[2 * r] += even[r][0] + odd[r][0];
        to[2 * r + 1] += even[r][1] + odd[r][1];
    }
}

/* Sums are kept in registers: of thirty-two 24 with AVX-512, of sixteen 12 without. */
#define MOST_ROWS (LANES == 16 ? 12 : 6)

static void add_rows(const float *a, const float *b, ptrdiff_t n_k, float *out, int rows, int two)
{
    while (rows > 0) {
        int n, most = two ? MOST_ROWS / 2 : MOST_ROWS;
        if (two && rows >= 6 && most >= 6)
            two_chains(a, b, n_k, out, n = 6);
        else if (two && rows % 3 == 0)
            two_chains(a, b, n_k, out, n = 3);
        else if (two && rows >= 4 && most >= 4)
            two_chains(a, b, n_k, out, n = 4);
        else if (two)
            two_chains(a, b, n_k, out, n = 2);
        else if (rows >= 12 && most >= 12)
            one_chain(a, b, n_k, out, n = 12);
        else if (rows >= 8 && most >= 8)
            one_chain(a, b, n_k, out, n = 8);
        else if (rows >= 6 && rows != 8)
            one_chain(a, b, n_k, out, n = 6);
        else if (rows >= 4)
            one_chain(a, b, n_k, out, n = 4);
        else if (rows >= 2)
            one_chain(a, b, n_k, out, n = 2);
        else
            one_chain(a, b, n_k, out, n = 1);
        rows -= n;
        b += n;
        out += n * PANEL;
    }
}

static void add_block(const plan_t *plan, const float *a, ptrdiff_t from, ptrdiff_t n_k, int two,
                      float *out)
{
    for (ptrdiff_t row = 0; row < plan->rows; row += GROUP) {
        const float *b = plan->packed + row * plan->n_k + from * GROUP;
        float *to = out + row * PANEL;
        int rows = (int)(plan->rows - row);
        if (rows >= GROUP && !(two & (LEFT | RIGHT)))
            add_rows(a, b, n_k, to, GROUP, 0);
        else if (rows >= GROUP) {
            add_rows(a, b, n_k, to, 6, two & LEFT);
            add_rows(a, b + 6, n_k, to + 6 * PANEL, 6, two & RIGHT);
        } else {
            int fours = two & REST ? rows / 4 * 4 : 0;
            for (int r = 0; r < fours; r += 4)
                add_rows(a, b + r, n_k, to + r * PANEL, 4, 1);
            add_rows(a, b + fours, n_k, to + fours * PANEL, rows - fours, 0);
        }
    }
}

static int are_neighbours(const int32_t *offsets, int n)
{
    int so_far = 1;
    for (int i = 1; i < n; i++)
        so_far &= offsets[i] == offsets[0] + i;
    return so_far;
}

#ifdef __clang__
#define MIX(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define MIX(x, y, ...) __builtin_shuffle(x, y, (order8){__VA_ARGS__})
#endif

/* low[0..4], high[0..4] */
INLINE vec8 join(const float *low, const float *high)
{
#ifdef __AVX__
    return (vec8)_mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)),
                                      _mm_loadu_ps(high), 1);
#else
    return (vec8){low[0], low[1], low[2], low[3], high[0], high[1], high[2], high[3]};
#endif
}

/* out[k][i] = from[at[i] + k], 4 × 8 */
INLINE void turn(const float *from, const int32_t *at, vec8 out[4])
{
    vec8 x[4], y[4];
    for (int i = 0; i < 4; i++)
        x[i] = join(from + at[i], from + at[i + 4]);
    for (int i = 0; i < 4; i += 2) {
        y[i] = MIX(x[i], x[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        y[i + 1] = MIX(x[i], x[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < 2; i++) {
        out[2 * i] = MIX(y[i], y[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        out[2 * i + 1] = MIX(y[i], y[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
}

/* How many of the next k, at most eight, lie side by side in whole fours. */
INLINE ptrdiff_t fours(const int32_t *ks, ptrdiff_t left)
{
    return left >= 8 && ks[7] - ks[0] == 7 ? 8 : left >= 4 && ks[3] - ks[0] == 3 ? 4 : 0;
}

INLINE void pack_fours(const float *from, const int32_t *at, float *out, ptrdiff_t width,
                       ptrdiff_t n)
{
    for (; n > 0; n -= 4, from += 4, out += 4 * width) {
        vec8 turned[4];
        turn(from, at, turned);
        for (int k = 0; k < 4; k++)
            *(vec8 *)(out + k * width) = turned[k];
    }
}

/* Eight lanes whose offsets are at most two runs of neighbours, as in images: the first run's
 * length and how far the second is shifted. 0: they are something else.
 */
static int two_runs(const int32_t *at, int32_t *shift)
{
    int n = 1;
    while (n < 8 && at[n] == at[0] + n)
        n++;
    *shift = n < 8 ? at[n] - n : at[0];
    /* What is read lies between the first lane and the last. */
    return n == 8 || (*shift >= at[0] && are_neighbours(at + n, 8 - n)) ? n : 0;
}

INLINE void copy_runs(const float *from, int32_t first, int32_t second, order8 of_first, float *to)
{
    order8 x = (order8)*(const vec8 *)(from + first), y = (order8)*(const vec8 *)(from + second);
    *(vec8 *)to = (vec8)((x & of_first) | (y & ~of_first));
}

/* out[k, lane] = a[lanes[lane] + ks[k]] */
static void pack_panel(const float *a, const int32_t *lanes, const int32_t *ks, ptrdiff_t n_k,
                       float *out)
{
    const order8 order = {0, 1, 2, 3, 4, 5, 6, 7};
    for (int i = 0; i < PANEL; i += 8) {
        const int32_t *at = lanes + i;
        float *to = out + i;
        int32_t shift;
        int n = two_runs(at, &shift);
        for (ptrdiff_t k = 0, step; k < n_k; k += step, to += step * PANEL) {
            const float *from = a + ks[k];
            ptrdiff_t together = n ? 0 : fours(ks + k, n_k - k);
            if (n)
                copy_runs(from, *at, shift, order < n, to);
            else if (together)
                pack_fours(from, at, to, PANEL, together);
            else
                for (int lane = 0; lane < 8; lane++)
                    to[lane] = from[at[lane]];
            step = together ? together : 1;
        }
    }
}

/* packed[group, k, row] = b[rows[row] + ks[k]] */
static void pack_rows(const plan_t *plan, const float *b)
{
    const int32_t *ks = plan->k_b;
    for (ptrdiff_t row = 0; row < plan->rows; row += GROUP) {
        const int32_t *rows = plan->row_b + row;
        int n = plan->rows - row < GROUP ? (int)(plan->rows - row) : GROUP;
        float *to = plan->packed + row * plan->n_k;
        for (ptrdiff_t k = 0, step; k < plan->n_k; k += step, to += step * GROUP) {
            int done = 0;
            ptrdiff_t together = fours(ks + k, plan->n_k - k);
            for (; together && done + 8 <= n; done += 8)
                pack_fours(b + ks[k], rows + done, to + done, GROUP, together);
            step = together ? together : 1;
            for (ptrdiff_t next = 0; next < step; next++)
                for (int r = done; r < n; r++)
                    to[next * GROUP + r] = b[rows[r] + ks[k + next]];
        }
    }
}

/* A single row: its lanes are turned in registers, as packing them would take as long again. */
static void add_single(const float *a, const int32_t *lanes, const int32_t *ks, const float *b,
                       ptrdiff_t n_k, float *out)
{
    enum { EIGHTS = PANEL / 8 };
    vec8 sums[EIGHTS];
    for (int i = 0; i < EIGHTS; i++)
        sums[i] = (vec8){0};
    for (ptrdiff_t k = 0, step; k < n_k; k += step) {
        step = fours(ks + k, n_k - k) ? 4 : 1;
        for (int i = 0; i < EIGHTS; i++) {
            const int32_t *at = lanes + 8 * i;
            vec8 x[4];
            if (step == 4)
                turn(a + ks[k], at, x);
            else
                for (int lane = 0; lane < 8; lane++)
                    x[0][lane] = a[at[lane] + ks[k]];
            for (ptrdiff_t next = 0; next < step; next++)
                sums[i] = fused8(x[next], b[(k + next) * GROUP] - (vec8){0}, sums[i]);
        }
    }
    for (int i = 0; i < EIGHTS; i++)
        ((vec8 *)out)[i] += sums[i];
}

/* (|x| + x) / 2 */
INLINE vec8 rectified(vec8 x)
{
    const order8 all_but_sign = (order8){0} + INT32_MAX;
    return ((vec8)((order8)x & all_but_sign) + x) / 2;
}

static void store_panel(const task_t *task, const int32_t *lanes, const float *sums)
{
    const plan_t *plan = task->plan;
    for (int i = 0; i < PANEL; i += 8) {
        const int32_t *at = lanes + i;
        int neighbours = *at >= 0 && are_neighbours(at, 8);
        vec8 last = {0};
        if (task->last)
            for (int lane = 0; lane < 8; lane++)
                last[lane] = at[lane] < 0 ? 0 : task->last[at[lane]];
        for (ptrdiff_t r = 0; r < plan->rows; r++) {
            vec8 x = *(const vec8 *)(sums + r * PANEL + i) + last;
            if (task->rectify)
                x = rectified(x);
            float *out = task->out + plan->row_out[r];
            if (neighbours)
                *(vec8 *)(out + *at) = x;
            else
                for (int lane = 0; lane < 8; lane++)
                    if (at[lane] >= 0)
                        out[at[lane]] = x[lane];
        }
    }
}

/* sums: [panels, rows, PANEL] = first[row], or 0 */
static void begin_sums(const task_t *task, ptrdiff_t panels, float *sums)
{
    for (vec *to = (vec *)sums; panels > 0; panels--)
        for (ptrdiff_t r = 0; r < task->plan->rows; r++, to += 2)
            to[0] = to[1] = (task->first ? task->first[r] : 0) - (vec){0};
}

static void work(void *argument)
{
    task_t *task = argument;
    const plan_t *plan = task->plan;
    ptrdiff_t size = plan->rows * PANEL, most = task->panels_at_once;
    float *sums = malloc(sizeof(float) * (size_t)(most * size + plan->longest * PANEL));
    float *packed = sums + most * size;
    if (!sums)
        abort();
    for (;;) {
        ptrdiff_t begin = next_part(&task->next, most);
        ptrdiff_t end = begin + most < plan->panels ? begin + most : plan->panels;
        if (begin >= end)
            break;
        begin_sums(task, end - begin, sums);
        for (ptrdiff_t block = 0, from = 0; block < plan->blocks; from = plan->ends[block++])
            for (ptrdiff_t panel = begin; panel < end; panel++) {
                const int32_t *lanes = plan->lane_a + panel * PANEL, *ks = plan->k_a + from;
                ptrdiff_t n_k = plan->ends[block] - from;
                float *to = sums + (panel - begin) * size;
                if (plan->rows == 1)
                    add_single(task->a, lanes, ks, plan->packed + from * GROUP, n_k, to);
                else {
                    pack_panel(task->a, lanes, ks, n_k, packed);
                    add_block(plan, packed, from, n_k, plan->two[panel], to);
                }
            }
        for (ptrdiff_t panel = begin; panel < end; panel++)
            store_panel(task, plan->lane_out + panel * PANEL, sums + (panel - begin) * size);
    }
    free(sums);
}

/* out[row_out + lane_out] = first[row] + Σ over blocks Σk a[lane_a + k_a] · b[row_b + k_b]
 *                           + last[lane_out], first and last where they are not null;
 * then (|out| + out) / 2 if that is asked for. No sum hangs on the number of threads.
 */
void sum_products(const plan_t *plan, const float *a, const float *b, const float *first,
                  const float *last, float *out, int rectify)
{
    ptrdiff_t panels = plan->panels;
    double size = (double)(panels * PANEL) * (double)(plan->rows * plan->n_k);
    ptrdiff_t threads = (ptrdiff_t)(size / WORTH_A_THREAD) + 1;
    ptrdiff_t fit = SUMS_AT_ONCE / (plan->rows * PANEL) + 1;
    threads = allowed_threads(threads);
    /* Small enough that no thread waits long for another's last. */
    ptrdiff_t share = (panels - 1) / (threads > 1 ? SHARES * threads : 1) + 1;
    task_t task = {plan, a, first, last, out, rectify, fit < share ? fit : share, 0};
    pack_rows(plan, b);
    in_parallel(work, &task, threads);
}
