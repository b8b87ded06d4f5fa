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

#include "packing.h"
#include "threads.h"

#include <stdlib.h>

#define GROUP 12
#define SUMS_AT_ONCE 32768
#define WORTH_A_THREAD 500000
#define SHARES 4

enum { LEFT = 1, RIGHT = 2, REST = 4 };

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

/* Where the sums of a panel go: added to others, or, if there is one block only, at once to out. */
typedef struct {
    float *sums; /* [rows, PANEL], or null */
    const task_t *task;
    const int32_t *lanes; /* of out, in whole eights of neighbours */
} goal_t;

#define EACH_ROW _Pragma("GCC unroll 12") for (int r = 0; r < rows; r++)

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

/* Hand over the sums of some rows. */
INLINE void reach(const goal_t *goal, vec sums[][2], ptrdiff_t row, int rows)
{
    if (goal->sums) {
        vec *to = (vec *)(goal->sums + row * PANEL);
        EACH_ROW
        {
            to[2 * r] += sums[r][0];
            to[2 * r + 1] += sums[r][1];
        }
        return;
    }
    const task_t *task = goal->task;
    EACH_ROW
    {
        float *out = task->out + task->plan->row_out[row + r];
        float first = task->first ? task->first[row + r] : 0;
        const vec8 *eights = (const vec8 *)sums[r];
        for (int i = 0; i < PANEL / 8; i++) {
            vec8 x = eights[i] + first;
            *(vec8 *)(out + goal->lanes[8 * i]) = task->rectify ? rectified(x) : x;
        }
    }
}

/* The chain over a: [n_k, PANEL] and b: [n_k, GROUP] */
INLINE void one_chain(const float *a, const float *b, ptrdiff_t n_k, const goal_t *goal,
                      ptrdiff_t row, int rows)
{
    vec sums[GROUP][2];
    EACH_ROW sums[r][0] = sums[r][1] = (vec){0};
    for (ptrdiff_t k = 0; k < n_k; k++)
        add_one(sums, a + k * PANEL, b + k * GROUP, rows);
    reach(goal, sums, row, rows);
}

INLINE void two_chains(const float *a, const float *b, ptrdiff_t n_k, const goal_t *goal,
                       ptrdiff_t row, int rows)
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
    EACH_ROW
    {
        even[r][0] += odd[r][0];
        even[r][1] += odd[r][1];
    }
    reach(goal, even, row, rows);
}

/* Sums are kept in registers: of thirty-two 24 with AVX-512, of sixteen 12 without. */
#define MOST_ROWS (LANES == 16 ? 12 : 6)

static void add_rows(const float *a, const float *b, ptrdiff_t n_k, const goal_t *goal,
                     ptrdiff_t row, int rows, int two)
{
    while (rows > 0) {
        int n, most = two ? MOST_ROWS / 2 : MOST_ROWS;
        if (two && rows >= 6 && most >= 6)
            two_chains(a, b, n_k, goal, row, n = 6);
        else if (two && rows % 3 == 0)
            two_chains(a, b, n_k, goal, row, n = 3);
        else if (two && rows >= 4 && most >= 4)
            two_chains(a, b, n_k, goal, row, n = 4);
        else if (two)
            two_chains(a, b, n_k, goal, row, n = 2);
        else if (rows >= 12 && most >= 12)
            one_chain(a, b, n_k, goal, row, n = 12);
        else if (rows >= 8 && most >= 8)
            one_chain(a, b, n_k, goal, row, n = 8);
        else if (rows >= 6 && rows != 8)
            one_chain(a, b, n_k, goal, row, n = 6);
        else if (rows >= 4)
            one_chain(a, b, n_k, goal, row, n = 4);
        else if (rows >= 2)
            one_chain(a, b, n_k, goal, row, n = 2);
        else
            one_chain(a, b, n_k, goal, row, n = 1);
        rows -= n;
        row += n;
        b += n;
    }
}

static void add_block(const plan_t *plan, const float *a, ptrdiff_t from, ptrdiff_t n_k, int two,
                      const goal_t *goal)
{
    for (ptrdiff_t row = 0; row < plan->rows; row += GROUP) {
        const float *b = plan->packed + row * plan->n_k + from * GROUP;
        int rows = (int)(plan->rows - row);
        if (rows >= GROUP && !(two & (LEFT | RIGHT)))
            add_rows(a, b, n_k, goal, row, GROUP, 0);
        else if (rows >= GROUP) {
            add_rows(a, b, n_k, goal, row, 6, two & LEFT);
            add_rows(a, b + 6, n_k, goal, row + 6, 6, two & RIGHT);
        } else {
            int fours = two & REST ? rows / 4 * 4 : 0;
            for (int r = 0; r < fours; r += 4)
                add_rows(a, b + r, n_k, goal, row + r, 4, 1);
            add_rows(a, b + fours, n_k, goal, row + fours, rows - fours, 0);
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

/* sums: [rows, PANEL] = first[row], or 0 */
static void begin_sums(const task_t *task, float *sums)
{
    vec *to = (vec *)sums;
    for (ptrdiff_t r = 0; r < task->plan->rows; r++, to += 2)
        to[0] = to[1] = (task->first ? task->first[r] : 0) - (vec){0};
}

static int in_whole_eights(const int32_t *lanes)
{
    int so_far = 1;
    for (int i = 0; i < PANEL; i += 8)
        so_far &= lanes[i] >= 0 && are_neighbours(lanes + i, 8);
    return so_far;
}

/* Add one block's products to the sums of a panel; the last one stores them. */
static void add_panel(const task_t *task, ptrdiff_t panel, ptrdiff_t block, float *packed,
                      float *sums)
{
    const plan_t *plan = task->plan;
    ptrdiff_t from = block ? plan->ends[block - 1] : 0, n_k = plan->ends[block] - from;
    const int32_t *lanes = plan->lane_a + panel * PANEL, *ks = plan->k_a + from;
    goal_t goal = {sums, task, plan->lane_out + panel * PANEL};
    if (plan->rows > 1 && plan->blocks == 1 && !task->last && in_whole_eights(goal.lanes))
        goal.sums = NULL;
    else if (block == 0)
        begin_sums(task, sums);
    if (plan->rows == 1)
        add_single(task->a, lanes, ks, plan->packed + from * GROUP, n_k, sums);
    else {
        pack_panel(task->a, lanes, ks, n_k, packed);
        add_block(plan, packed, from, n_k, plan->two[panel], &goal);
    }
    if (goal.sums && block == plan->blocks - 1)
        store_panel(task, goal.lanes, sums);
}

static void work(void *argument)
{
    task_t *task = argument;
    const plan_t *plan = task->plan;
    ptrdiff_t size = plan->rows * PANEL, most = task->panels_at_once;
    /* A vector that two lines of the cache share takes twice as long. */
    float *sums =
        aligned_alloc(64, sizeof(float) * (size_t)(most * size + plan->longest * PANEL));
    float *packed = sums + most * size;
    if (!sums)
        abort();
    for (;;) {
        ptrdiff_t begin = next_part(&task->next, most);
        ptrdiff_t end = begin + most < plan->panels ? begin + most : plan->panels;
        if (begin >= end)
            break;
        for (ptrdiff_t block = 0; block < plan->blocks; block++)
            for (ptrdiff_t panel = begin; panel < end; panel++)
                add_panel(task, panel, block, packed, sums + (panel - begin) * size);
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
