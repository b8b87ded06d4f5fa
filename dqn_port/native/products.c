/* Matrix products whose float32 sums are rounded as those of the original.
 *
 * Lua Torch7 multiplies matrices with OpenBLAS's sgemm; its Haswell kernels made the traces. Tables
 * of offsets say which numbers are multiplied, so that a convolution needs no unfolded copy of its
 * input. The order of the additions is:
 *
 *     one chain:  sum = 0; for k: sum = fma(a, b, sum)
 *     two chains: the same for the even and for the odd k, as far as there are rounds of eight k,
 *                 the rest in the chain of the even ones; then sum = even + odd
 *     out = first; for each block of k: out = out + sum; then out = out + last
 *
 * Lanes are summed side by side in vectors and rows beside them, which changes no order. The same
 * sums in plain Python: sum_products in plain.py.
 */

#include "products.h"
#include "rows.h"
#include "threads.h"

#include <stdlib.h>

#define SUMS_AT_ONCE 32768
#define WORTH_A_THREAD 500000
#define SHARES 4

typedef struct {
    const plan_t *plan;
    const void *a;
    const float *b, *first, *last;
    float *out;
    int of_bytes, rectify, in_part;
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

/* Where the sums of a panel go: added to others, or directly to out if there is only one block. */
typedef struct {
    float *sums; /* [rows, PANEL], or null */
    const task_t *task;
    const int32_t *lanes; /* of out, in whole eights of neighbours */
} goal_t;

#define EACH_ROW _Pragma("GCC unroll 6") for (int r = 0; r < n; r++)

/* sums += a · b of one k; a: [PANEL], b: [n] */
INLINE void add_one(vec sums[][2], const float *a, const float *b, int n)
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
INLINE void reach(const goal_t *goal, vec sums[][2], const int32_t *rows, int n)
{
    if (goal->sums) {
        EACH_ROW
        {
            vec *to = (vec *)(goal->sums + rows[r] * PANEL);
            to[0] += sums[r][0];
            to[1] += sums[r][1];
        }
        return;
    }
    /* Read before storing: the compiler cannot know that they do not alias. */
    const task_t task = *goal->task;
    const int32_t *row_out = task.plan->row_out;
    int32_t lanes[PANEL / 8];
    for (int i = 0; i < PANEL / 8; i++)
        lanes[i] = goal->lanes[8 * i];
    EACH_ROW
    {
        float *out = task.out + row_out[rows[r]], first = task.first ? task.first[rows[r]] : 0;
        const vec8 *eights = (const vec8 *)sums[r];
        for (int i = 0; i < PANEL / 8; i++) {
            vec8 x = eights[i] + first;
            *(vec8 *)(out + lanes[i]) = task.rectify ? rectified(x) : x;
        }
    }
}

/* One chain over the listed k of a: [n_k, PANEL] and b: [n_k, GROUP] */
INLINE void follow(const terms_t *terms, int chain, const float *a, const float *b,
                   vec sums[][2], int n)
{
    EACH_ROW sums[r][0] = sums[r][1] = (vec){0};
    for (const int32_t *k = terms->ks[chain], *end = k + terms->n[chain]; k < end; k++)
        add_one(sums, a + (ptrdiff_t)*k * PANEL, b + (ptrdiff_t)*k * GROUP, n);
}

/* n and two are constants, so that the sums stay in registers. */
INLINE void sum_up(const terms_t *terms, const float *a, const float *b, const goal_t *goal,
                   const int32_t *rows, int n, int two)
{
    vec sums[GROUP][2], odd[GROUP][2];
    if (two) {
        follow(terms, ODD, a, b, odd, n);
        follow(terms, EVEN, a, b, sums, n);
        EACH_ROW
        {
            sums[r][0] += odd[r][0];
            sums[r][1] += odd[r][1];
        }
    } else
        follow(terms, ALL, a, b, sums, n);
    reach(goal, sums, rows, n);
}

static void add_rows(const terms_t *terms, const float *a, const float *b, const goal_t *goal,
                     const int32_t *rows, int n, int two)
{
#define OF(size)                                                                                   \
    case size:                                                                                     \
        if (two)                                                                                   \
            sum_up(terms, a, b, goal, rows, size, 1);                                              \
        else                                                                                       \
            sum_up(terms, a, b, goal, rows, size, 0);                                              \
        break
    switch (n) {
        OF(1);
        OF(2);
        OF(3);
        OF(4);
        OF(5);
        OF(6);
    }
#undef OF
}

static void add_group(const group_t *group, const terms_t *terms, const float *a, const float *b,
                      int two, const goal_t *goal)
{
    int n = group->n, split = group->split;
    if (two & (group->first | group->second)) {
        add_rows(terms, a, b, goal, group->rows, split, two & group->first);
        add_rows(terms, a, b + split, goal, group->rows + split, n - split, two & group->second);
    } else
        add_rows(terms, a, b, goal, group->rows, n, 0);
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

static int goes_to_out_at_once(const task_t *task, const int32_t *lanes)
{
    const plan_t *plan = task->plan;
    int so_far = plan->blocks == 1 && !task->last;
    for (int i = 0; i < PANEL; i += 8)
        so_far &= lanes[i] >= 0 && are_neighbours(lanes + i, 8);
    return so_far;
}

typedef struct {
    float *packed;  /* [longest, PANEL] */
    int32_t *lists; /* [CHAINS, longest] */
} room_t;

/* Add one block's products to the sums of a panel; the last one stores them. */
static void add_panel(const task_t *task, ptrdiff_t panel, ptrdiff_t block, const room_t *room,
                      float *sums)
{
    const plan_t *plan = task->plan;
    const uint8_t *needed = task->in_part ? plan->needed + panel * plan->most_groups : NULL;
    ptrdiff_t groups = n_groups_of_block(plan, block);
    if (needed && none_of_bytes(needed, groups))
        return;
    ptrdiff_t from = start_of_block(plan, block), n_k = plan->ends[block] - from;
    const int32_t *lanes = plan->lane_a + panel * PANEL, *ks = plan->k_a + from;
    goal_t goal = {sums, task, plan->lane_out + panel * PANEL};
    if (goes_to_out_at_once(task, goal.lanes))
        goal.sums = NULL;
    else if (block == 0)
        begin_sums(task, sums);
    const uint8_t *used = plan->by_rows ? plan->used + from : NULL;
    int two = plan->two[panel];
    terms_t terms;
    if (task->of_bytes)
        pack_bytes(task->a, lanes, ks, n_k, room->packed);
    else
        pack_panel(task->a, lanes, ks, used, n_k, room->packed);
    if (!plan->by_rows)
        terms = list_terms(room->packed, PANEL, PANEL, n_k, two, room->lists, plan->longest);
    for (ptrdiff_t group = 0; group < groups; group++) {
        if (needed && !needed[group])
            continue;
        if (plan->by_rows)
            terms = terms_of_rows(plan, block, group);
        add_group(groups_of_block(plan, block) + group, &terms, room->packed,
                  packed_group(plan, block, group), two, &goal);
    }
    if (goal.sums && block == plan->blocks - 1)
        store_panel(task, goal.lanes, sums);
}

static void work(void *argument)
{
    task_t *task = argument;
    const plan_t *plan = task->plan;
    ptrdiff_t size = plan->rows * PANEL, most = task->panels_at_once;
    /* A vector that crosses a cache line takes twice as long. */
    float *sums =
        aligned_alloc(64, sizeof(float) * (size_t)(most * size + plan->longest * PANEL));
    int32_t *lists = malloc(sizeof(int32_t) * (size_t)(plan->longest * CHAINS));
    room_t room = {sums + most * size, lists};
    if (!sums || !lists)
        abort();
    for (;;) {
        ptrdiff_t begin = next_part(&task->next, most);
        ptrdiff_t end = begin + most < plan->panels ? begin + most : plan->panels;
        if (begin >= end)
            break;
        for (ptrdiff_t block = 0; block < plan->blocks; block++)
            for (ptrdiff_t panel = begin; panel < end; panel++)
                add_panel(task, panel, block, &room, sums + (panel - begin) * size);
    }
    free(lists);
    free(sums);
}

static void pack_blocks(const void *argument, ptrdiff_t begin, ptrdiff_t end)
{
    const task_t *task = argument;
    for (ptrdiff_t block = begin; block < end; block++)
        pack_block(task->plan, task->b, block);
}

/* Set to 0 the rows that were left out of the only block. */
static void clear_rows(const void *argument, ptrdiff_t begin, ptrdiff_t end)
{
    const task_t *task = argument;
    const plan_t *plan = task->plan;
    for (ptrdiff_t row = begin; row < end; row++)
        for (ptrdiff_t panel = 0; panel < plan->panels && !plan->used[row]; panel++) {
            const int32_t *lanes = plan->lane_out + panel * PANEL;
            if (!goes_to_out_at_once(task, lanes))
                continue;
            float *out = task->out + plan->row_out[row];
            for (int i = 0; i < PANEL; i += 8)
                *(vec8 *)(out + lanes[i]) = (vec8){0};
        }
}

static void clear_rows_left_out(const task_t *task)
{
    const plan_t *plan = task->plan;
    memset(plan->used, 0, (size_t)plan->rows);
    for (group_t *group = plan->groups; group < plan->groups + *plan->n_groups; group++)
        for (int i = 0; i < group->n; i++)
            plan->used[group->rows[i]] = 1;
    in_parts(clear_rows, task, plan->rows, PART / (plan->panels * PANEL) + 1);
}

/* out[row_out + lane_out] = first[row] + Σ over blocks Σk a[lane_a + k_a] · b[row_b + k_b]
 *                           + last[lane_out], first and last where they are not null;
 * then (|out| + out) / 2 if rectify. No sum depends on the number of threads.
 *
 * of_bytes: a has bytes, which stand for a / 255.
 * needed_by: null, or what out is multiplied with afterwards, in out's layout: where it is 0, out
 * may have any value. With samples: bytes that say which planes are needed. Products with 0 are
 * skipped: they would change a sum only if the other factor is not finite.
 */
void sum_products(const plan_t *plan, const void *a, int of_bytes, const float *b,
                  const float *first, const float *last, const void *needed_by, float *out,
                  int rectify)
{
    ptrdiff_t panels = plan->panels;
    if (plan->rows == 1 && !of_bytes) {
        sum_single_row(plan, a, b, first, last, out, rectify);
        return;
    }
    double size = (double)(panels * PANEL) * (double)(plan->rows * plan->n_k);
    ptrdiff_t threads = (ptrdiff_t)(size / WORTH_A_THREAD) + 1;
    ptrdiff_t fit = SUMS_AT_ONCE / (plan->rows * PANEL) + 1;
    threads = allowed_threads(threads);
    /* Small, so that no thread waits long for the last one. */
    ptrdiff_t share = (panels - 1) / (threads > 1 ? SHARES * threads : 1) + 1;
    task_t task = {plan, a, b, first, last, out, of_bytes, rectify, needed_by != NULL,
                   fit < share ? fit : share, 0};
    if (!plan->by_blocks)
        *plan->n_groups = (int32_t)form_groups(plan, NULL, 0, plan->n_k, plan->groups);
    in_parts(pack_blocks, &task, plan->blocks, PART / (plan->rows * plan->longest) + 1);
    if (plan->by_rows)
        list_rows(plan);
    if (plan->by_blocks && plan->blocks == 1)
        clear_rows_left_out(&task);
    if (needed_by && plan->samples)
        need_planes(plan, needed_by);
    else if (needed_by)
        need_elements(plan, needed_by);
    in_parallel(work, &task, threads);
}
