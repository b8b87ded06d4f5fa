/* A sweep of Q-values from the newest state to the oldest. */

#include <math.h>
#include <stddef.h>
#include <stdint.h>

/* The largest of n; NaN if one of them is, as NumPy has it. */
static double largest(const double *x, ptrdiff_t n)
{
    double best = x[0];
    for (ptrdiff_t i = 1; i < n; i++)
        if (x[i] > best || x[i] != x[i])
            best = x[i];
        else if (best != best)
            break;
    return best;
}

/* For k from n − 2 down: v = r[k] if ends[k], else r[k] + γ · max q[k + 1];
 * errors[k] = |v − q[k, a[k]]|, and q[k, a[k]] = v. q: [n, actions]
 */
void sweep_values(double *q, ptrdiff_t n, ptrdiff_t actions, const int64_t *a, const double *r,
                  const uint8_t *end_life, const uint8_t *end_episode, double gamma,
                  double *errors)
{
    for (ptrdiff_t k = n - 2; k >= 0; k--) {
        double v = r[k], *taken = q + k * actions + a[k];
        if (!end_life[k] && !end_episode[k])
            v += gamma * largest(q + (k + 1) * actions, actions);
        errors[k] = fabs(v - *taken);
        *taken = v;
    }
}
