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

#include "products.h"
#include "packing.h"
#include "threads.h"

#include <stdlib.h>

#define GROUP 12
#define SUMS_AT_ONCE 32768
#define WORTH_A_THREAD 500000
#define SHARES 4

enum { LEFT = 1, RIGHT = 2, REST = 4 };
enum { IN_LANES = 1, IN_ROWS = 2 }; /* where there are many zeros */
enum { ALL, EVEN, ODD, CHAINS };

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

/* The k of a block that are summed: all of them, or without those where one factor is 0 for every
 * lane, or every row, as adding 0 changes no sum.
 */
typedef struct {
    const int32_t *ks[CHAINS];
    ptrdiff_t n[CHAINS];
} terms_t;

/* x: [n_k, width]; lists: [CHAINS, size] */
INLINE terms_t list_terms(const float *x, int width, ptrdiff_t n_k, int all, int two,
                          int32_t *lists, ptrdiff_t size)
{
    int32_t *even = lists + EVEN * size, *odd = lists + ODD * size;
    ptrdiff_t n = 0, n_even = 0, n_odd = 0;
    for (ptrdiff_t k = 0; k < n_k; k++) {
        lists[n] = (int32_t)k;
        n += all || any_but_zero(x + k * width, width);
    }
    for (ptrdiff_t i = 0; two && i < n; i++) {
        int in_odd = lists[i] % 2 && lists[i] < n_k / 8 * 8;
        even[n_even] = odd[n_odd] = lists[i];
        n_odd += in_odd;
        n_even += !in_odd;
    }
    return (terms_t){{lists, even, odd}, {n, n_even, n_odd}};
}

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

/* The chain over the listed k of a: [n_k, PANEL] and b: [n_k, GROUP] */
INLINE void follow(const terms_t *terms, int chain, const float *a, const float *b,
                   vec sums[][2], int rows)
{
    EACH_ROW sums[r][0] = sums[r][1] = (vec){0};
    for (const int32_t *k = terms->ks[chain], *end = k + terms->n[chain]; k < end; k++)
        add_one(sums, a + (ptrdiff_t)*k * PANEL, b + (ptrdiff_t)*k * GROUP, rows);
}

INLINE void sum_up(const terms_t *terms, const float *a, const float *b, const goal_t *goal,
                   ptrdiff_t row, int rows, int two)
{
    vec sums[GROUP][2];
    if (two) {
        vec odd[GROUP][2];
        follow(terms, ODD, a, b, odd, rows);
        follow(terms, EVEN, a, b, sums, rows);
        EACH_ROW
        {
            sums[r][0] += odd[r][0];
            sums[r][1] += odd[r][1];
        }
    } else
        follow(terms, ALL, a, b, sums, rows);
    reach(goal, sums, row, rows);
}

/* Sums are kept in registers: of thirty-two 24 with AVX-512, of sixteen 12 without. */
#define MOST_ROWS (LANES == 16 ? 12 : 6)

static void add_rows(const terms_t *terms, const float *a, const float *b, const goal_t *goal,
                     ptrdiff_t row, int rows, int two)
{
    while (rows > 0) {
        int n;
        if (two && rows >= 6)
            sum_up(terms, a, b, goal, row, n = 6, 1);
        else if (two)
            sum_up(terms, a, b, goal, row, n = 4, 1);
        else if (rows >= 12 && MOST_ROWS >= 12)
            sum_up(terms, a, b, goal, row, n = 12, 0);
        else if (rows >= 8 && MOST_ROWS >= 8)
            sum_up(terms, a, b, goal, row, n = 8, 0);
        else if (rows >= 6 && rows != 8)
            sum_up(terms, a, b, goal, row, n = 6, 0);
        else if (rows >= 4)
            sum_up(terms, a, b, goal, row, n = 4, 0);
        else if (rows >= 2)
            sum_up(terms, a, b, goal, row, n = 2, 0);
        else
            sum_up(terms, a, b, goal, row, n = 1, 0);
        rows -= n;
        row += n;
        b += n;
    }
}

static terms_t terms_of_rows(const plan_t *plan, ptrdiff_t group, ptrdiff_t block, ptrdiff_t from)
{
    const int32_t *lists = plan->lists + group * CHAINS * plan->n_k + from;
    const int32_t *counts = plan->counts + (group * plan->blocks + block) * CHAINS;
    terms_t terms;
    for (int chain = 0; chain < CHAINS; chain++) {
        terms.ks[chain] = lists + chain * plan->n_k;
        terms.n[chain] = counts[chain];
    }
    return terms;
}

/* terms: of the lanes, or null */
static void add_block(const plan_t *plan, const terms_t *of_lanes, const float *a, ptrdiff_t block,
                      ptrdiff_t from, int two, const goal_t *goal)
{
    for (ptrdiff_t row = 0; row < plan->rows; row += GROUP) {
        const float *b = plan->packed + row * plan->n_k + from * GROUP;
        terms_t of_rows, *terms = &of_rows;
        if (of_lanes)
            *terms = *of_lanes;
        else
            of_rows = terms_of_rows(plan, row / GROUP, block, from);
        int rows = (int)(plan->rows - row);
        if (rows >= GROUP && !(two & (LEFT | RIGHT)))
            add_rows(terms, a, b, goal, row, GROUP, 0);
        else if (rows >= GROUP) {
            add_rows(terms, a, b, goal, row, 6, two & LEFT);
            add_rows(terms, a, b + 6, goal, row + 6, 6, two & RIGHT);
        } else {
            int fours = two & REST ? rows / 4 * 4 : 0;
            for (int r = 0; r < fours; r += 4)
                add_rows(terms, a, b + r, goal, row + r, 4, 1);
            add_rows(terms, a, b + fours, goal, row + fours, rows - fours, 0);
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

/* List for every group of rows and block what is not 0 in it. */
static void list_rows(const plan_t *plan)
{
    ptrdiff_t n_k = plan->n_k, groups = (plan->rows - 1) / GROUP + 1;
    memset(plan->used, 0, (size_t)n_k);
    for (ptrdiff_t group = 0; group < groups; group++)
        for (ptrdiff_t block = 0, from = 0; block < plan->blocks; from = plan->ends[block++]) {
            const float *x = plan->packed + (group * n_k + from) * GROUP;
            int32_t *counts = plan->counts + (group * plan->blocks + block) * CHAINS;
            terms_t terms = list_terms(x, GROUP, plan->ends[block] - from, 0, 1,
                                       plan->lists + group * CHAINS * n_k + from, n_k);
            for (int chain = 0; chain < CHAINS; chain++)
                counts[chain] = (int32_t)terms.n[chain];
            for (ptrdiff_t i = 0; i < terms.n[ALL]; i++)
                plan->used[from + terms.ks[ALL][i]] = 1;
        }
}

/* A single row: its lanes are turned in registers, as packing them would take as long again. */
static void add_single(const float *a, const int32_t *lanes, const int32_t *ks,
                       const uint8_t *used, const float *b, ptrdiff_t n_k, float *out)
{
    enum { EIGHTS = PANEL / 8 };
    vec8 sums[EIGHTS];
    for (int i = 0; i < EIGHTS; i++)
        sums[i] = (vec8){0};
    for (ptrdiff_t k = 0, step; k < n_k; k += step) {
        step = fours(ks + k, n_k - k) ? 4 : 1;
        if (used && none(used + k, step))
            continue;
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
                      int32_t *lists, ptrdiff_t *dense, float *sums)
{
    const plan_t *plan = task->plan;
    ptrdiff_t from = block ? plan->ends[block - 1] : 0, n_k = plan->ends[block] - from;
    const int32_t *lanes = plan->lane_a + panel * PANEL, *ks = plan->k_a + from;
    goal_t goal = {sums, task, plan->lane_out + panel * PANEL};
    if (plan->rows > 1 && plan->blocks == 1 && !task->last && in_whole_eights(goal.lanes))
        goal.sums = NULL;
    else if (block == 0)
        begin_sums(task, sums);
    const uint8_t *used = plan->zeros == IN_ROWS ? plan->used + from : NULL;
    if (plan->rows == 1)
        add_single(task->a, lanes, ks, used, plan->packed + from * GROUP, n_k, sums);
    else {
        pack_panel(task->a, lanes, ks, used, n_k, packed);
        terms_t terms, *of_lanes = NULL;
        if (plan->zeros != IN_ROWS) {
            int two = plan->two[panel];
            if (plan->zeros == IN_LANES)
                terms = list_terms(packed, PANEL, n_k, 0, two, lists, plan->longest);
            else if (*dense == n_k) terms = (terms_t){{lists, lists+plan->longest, lists+2*plan->longest}, {n_k, n_k-n_k/8*4, n_k/8*4}};
            else terms = list_terms(packed, PANEL, n_k, 1, 1, lists, plan->longest), *dense = n_k;
            of_lanes = &terms;
        }
        add_block(plan, of_lanes, packed, block, from, plan->two[panel], &goal);
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
    int32_t *lists = malloc(sizeof(int32_t) * (size_t)(plan->longest * CHAINS));
    float *packed = sums + most * size;
    ptrdiff_t dense = 0;
    if (!sums || !lists)
        abort();
    for (;;) {
        ptrdiff_t begin = next_part(&task->next, most);
        ptrdiff_t end = begin + most < plan->panels ? begin + most : plan->panels;
        if (begin >= end)
            break;
        for (ptrdiff_t block = 0; block < plan->blocks; block++)
            for (ptrdiff_t panel = begin; panel < end; panel++)
                add_panel(task, panel, block, packed, lists, &dense, sums + (panel - begin) * size);
    }
    free(lists);
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
    if (plan->zeros == IN_ROWS)
        list_rows(plan);
    in_parallel(work, &task, threads);
}
