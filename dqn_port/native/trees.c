/* Binary trees of sums and minima, many leaves at once. Level by level, so that what is read of
 * memory for one leaf does not wait for another; what is left is as of one leaf after the other.
 */

#include <math.h>
#include <stddef.h>
#include <stdint.h>

/* find_slots: slots[i] = the leaf in which the running sum goes beyond prefixes[i], which are
 * used up. set_leaves: set leaves in order, and all nodes above them; where leaves stand on two
 * levels, the root is made again once all below it is. slots, too, are used up.
 * raise_to: out[i] = x[i]^exponent, one at a time, as the C library makes it.
 */
#define TREES_OF(real, power, find_slots, set_leaves, raise_to)                                    \
    void find_slots(const real *sum, ptrdiff_t n, real *prefixes, ptrdiff_t count,                 \
                    int64_t *slots)                                                                \
    {                                                                                              \
        for (ptrdiff_t i = 0; i < count; i++)                                                      \
            slots[i] = 1;                                                                          \
        for (int inner = 1; inner;) {                                                              \
            inner = 0;                                                                             \
            for (ptrdiff_t i = 0; i < count; i++) {                                                \
                if (slots[i] >= n)                                                                 \
                    continue;                                                                      \
                inner = 1;                                                                         \
                slots[i] *= 2;                                                                     \
                real left = sum[slots[i]];                                                         \
                if (!(left > prefixes[i])) {                                                       \
                    prefixes[i] -= left;                                                           \
                    slots[i]++;                                                                    \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        for (ptrdiff_t i = 0; i < count; i++)                                                      \
            slots[i] -= n;                                                                         \
    }                                                                                              \
                                                                                                   \
    void set_leaves(real *sum, real *min, ptrdiff_t n, ptrdiff_t levels, int64_t *slots,           \
                    const real *leaves, ptrdiff_t count)                                           \
    {                                                                                              \
        for (ptrdiff_t i = 0; i < count; i++) {                                                    \
            slots[i] += n;                                                                         \
            sum[slots[i]] = min[slots[i]] = leaves[i];                                             \
        }                                                                                          \
        for (; levels > 0; levels--)                                                               \
            for (ptrdiff_t i = 0; i < count; i++) {                                                \
                int64_t node = slots[i] = slots[i] > 3 ? slots[i] >> 1 : 1;                        \
                real first = min[2 * node], second = min[2 * node + 1];                            \
                sum[node] = sum[2 * node] + sum[2 * node + 1];                                     \
                min[node] = second < first ? second : first;                                       \
            }                                                                                      \
    }                                                                                              \
                                                                                                   \
    void raise_to(const real *x, ptrdiff_t n, real exponent, real *out)                            \
    {                                                                                              \
        for (ptrdiff_t i = 0; i < n; i++)                                                          \
            out[i] = power(x[i], exponent);                                                        \
    }

TREES_OF(double, pow, find_slots_double, set_leaves_double, raise_double)
TREES_OF(float, powf, find_slots_float, set_leaves_float, raise_float)
