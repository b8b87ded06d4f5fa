/* Products of a single row, as in a linear layer when acting: lanes are transposed in registers, as
 * packing them would double the time. Most of the time is spent reading the weights. The same in
 * plain Python: sum_products in plain.py.
 */

#include "products.h"
#include "threads.h"
#include "vectors.h"

#define EIGHTS (PANEL / 8)
#define LANES_OF_A_THREAD 256

typedef struct {
    const plan_t *plan;
    const float *a, *b, *first, *last;
    float *out;
    int rectify;
    ptrdiff_t next;
} single_t;

/* How many k of a block, from the first one on, are taken in whole fours. */
static ptrdiff_t whole_fours(const int32_t *ks, ptrdiff_t n_k)
{
    return ks[n_k - 1] - ks[0] == n_k - 1 ? n_k / 4 * 4 : 0;
}

/* List for every block the fours of k of which not all are 0 in b. */
static void list_fours(const plan_t *plan, const float *b)
{
    for (ptrdiff_t block = 0, from = 0; block < plan->blocks; from = plan->ends[block++]) {
        const int32_t *ks = plan->k_b + from;
        ptrdiff_t n_k = plan->ends[block] - from, n = 0;
        for (ptrdiff_t k = 0; k < whole_fours(plan->k_a + from, n_k); k += 4) {
            plan->lists[from + n] = (int32_t)k;
            n += (b[ks[k]] != 0) | (b[ks[k + 1]] != 0) | (b[ks[k + 2]] != 0) | (b[ks[k + 3]] != 0);
        }
        plan->counts[block] = (int32_t)n;
    }
}

/* total += Σk a[lanes + k_a] · b[k_b] of one block; two: whether in two chains */
INLINE void add_block(const single_t *task, const eight_t *lanes, ptrdiff_t block, int two,
                      vec8 *total)
{
    const plan_t *plan = task->plan;
    ptrdiff_t from = block ? plan->ends[block - 1] : 0, n_k = plan->ends[block] - from;
    const int32_t *k_a = plan->k_a + from, *k_b = plan->k_b + from, *fours = plan->lists + from;
    const float *b = task->b + plan->row_b[0];
    vec8 sums[EIGHTS] = {{0}}, odd[EIGHTS] = {{0}}, x[4] = {{0}};
    for (ptrdiff_t n = 0; n < plan->counts[block]; n++) {
        int in_two = two && fours[n] < n_k / 8 * 8;
        for (int i = 0; i < EIGHTS; i++) {
            turn(lanes + i, k_a[fours[n]], x);
            for (int next = 0; next < 4; next++) {
                vec8 y = b[k_b[fours[n] + next]] - (vec8){0};
                if (in_two && next % 2)
                    odd[i] = fused8(x[next], y, odd[i]);
                else
                    sums[i] = fused8(x[next], y, sums[i]);
            }
        }
    }
    for (ptrdiff_t k = whole_fours(k_a, n_k); k < n_k; k++)
        for (int i = 0; i < EIGHTS; i++) {
            for (int lane = 0; lane < 8; lane++)
                x[0][lane] = lanes[i].from[lane][k_a[k]];
            vec8 y = b[k_b[k]] - (vec8){0};
            if (two && k % 2 && k < n_k / 8 * 8)
                odd[i] = fused8(x[0], y, odd[i]);
            else
                sums[i] = fused8(x[0], y, sums[i]);
        }
    for (int i = 0; i < EIGHTS; i++) {
        if (two)
            sums[i] += odd[i];
        total[i] += sums[i];
    }
}

static void sum_lanes(void *argument)
{
    single_t *task = argument;
    const plan_t *plan = task->plan;
    ptrdiff_t n = plan->panels * PANEL;
    for (ptrdiff_t begin; (begin = next_part(&task->next, PANEL)) < n;) {
        eight_t lanes[EIGHTS];
        vec8 total[EIGHTS];
        for (int i = 0; i < EIGHTS; i++) {
            lanes[i] = eight(task->a, plan->lane_a + begin + 8 * i);
            total[i] = (task->first ? *task->first : 0) - (vec8){0};
        }
        int two = plan->two[begin / PANEL] & plan->sides[0];
        for (ptrdiff_t block = 0; block < plan->blocks; block++)
            if (two)
                add_block(task, lanes, block, 1, total);
            else
                add_block(task, lanes, block, 0, total);
        for (int i = 0; i < PANEL; i++) {
            int32_t lane = plan->lane_out[begin + i];
            if (lane < 0)
                continue;
            float x = total[i / 8][i % 8] + (task->last ? task->last[lane] : 0);
            task->out[plan->row_out[0] + lane] = task->rectify ? (fabsf(x) + x) / 2 : x;
        }
    }
}

void sum_single_row(const plan_t *plan, const float *a, const float *b, const float *first,
                    const float *last, float *out, int rectify)
{
    single_t task = {plan, a, b, first, last, out, rectify, 0};
    list_fours(plan, b + plan->row_b[0]);
    in_parallel(sum_lanes, &task, plan->panels * PANEL / LANES_OF_A_THREAD);
}
