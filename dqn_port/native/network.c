/* What Lua's nn and its optimiser do beside the matrix products of products.c, with the additions
 * in its order. Fused multiply-adds are written out where OpenBLAS has them.
 */

#include <math.h>
#include <stddef.h>
#include <string.h>

/* y = (|x| + x) / 2 */
void rectify(const float *restrict x, ptrdiff_t n, float *restrict y)
{
    for (ptrdiff_t i = 0; i < n; i++)
        y[i] = (fabsf(x[i]) + x[i]) / 2;
}

/* of_x = of_y where the Rectifier's output y is positive, else 0 */
void rectify_gradient(const float *restrict y, const float *restrict of_y, ptrdiff_t n,
                      float *restrict of_x)
{
    for (ptrdiff_t i = 0; i < n; i++)
        of_x[i] = y[i] > 0 ? of_y[i] : 0;
}

/* Add the gradients of all windows up to x: [batch, planes, height, width], window by window.
 * columns: [batch, planes, kh, kw, out_height, out_width]
 */
void fold(const float *restrict columns, ptrdiff_t batch, ptrdiff_t planes, ptrdiff_t kh,
          ptrdiff_t kw, ptrdiff_t out_height, ptrdiff_t out_width, ptrdiff_t dh, ptrdiff_t dw,
          ptrdiff_t height, ptrdiff_t width, float *restrict x)
{
    memset(x, 0, sizeof(float) * (size_t)(batch * planes * height * width));
    for (ptrdiff_t plane = 0; plane < batch * planes; plane++, x += height * width)
        for (ptrdiff_t h = 0; h < kh; h++)
            for (ptrdiff_t w = 0; w < kw; w++)
                for (ptrdiff_t i = 0; i < out_height; i++, columns += out_width) {
                    float *to = x + (i * dh + h) * width + w;
                    if (dw == 1)
                        for (ptrdiff_t j = 0; j < out_width; j++)
                            to[j] += columns[j];
                    else
                        for (ptrdiff_t j = 0; j < out_width; j++)
                            to[j * dw] += columns[j];
                }
}

/* out[p] = Σ over the batch of (Σi x[b, p, i]); x: [batch, planes, n] */
void sum_planes(const float *restrict x, ptrdiff_t batch, ptrdiff_t planes, ptrdiff_t n,
                float *restrict out)
{
    for (ptrdiff_t p = 0; p < planes; p += 8) {
        /* Side by side, as each sum waits for its last addition. */
        int side = planes - p < 8 ? (int)(planes - p) : 8;
        float total[8] = {0};
        for (ptrdiff_t b = 0; b < batch; b++) {
            const float *from = x + (b * planes + p) * n;
            float sum[8] = {0};
            if (side == 8)
                for (ptrdiff_t i = 0; i < n; i++)
                    for (int s = 0; s < 8; s++)
                        sum[s] += from[s * n + i];
            else
                for (int s = 0; s < side; s++)
                    for (ptrdiff_t i = 0; i < n; i++)
                        sum[s] += from[s * n + i];
            for (int s = 0; s < side; s++)
                total[s] += sum[s];
        }
        for (int s = 0; s < side; s++)
            out[p + s] = total[s];
    }
}

/* Sum of x[0], x[step] … in the order of sgemv's rows that are left over from whole fours. */
static float sum_left_over(const float *x, ptrdiff_t n, ptrdiff_t step)
{
    ptrdiff_t b = 0;
    float sum = 0;
    if (step == 1)
        for (; b < n / 4 * 4; b += 4)
            sum += x[b] + x[b + 1] + x[b + 2] + x[b + 3];
    else if (step <= 3)
        for (; b < n / 4 * 4; b += 4) {
            sum += x[b * step] + x[(b + 1) * step];
            sum += x[(b + 2) * step] + x[(b + 3) * step];
        }
    for (; b < n; b++)
        sum += x[b * step];
    return sum;
}

static float sum_eight(const float *x, ptrdiff_t n, ptrdiff_t step, int two)
{
    float first = 0, second = 0;
    for (ptrdiff_t b = 0; b < n; b++) {
        if (two && b % 2)
            second += x[b * step];
        else
            first += x[b * step];
    }
    return first + second;
}

/* out[i] = Σb x[b, i]; x: [batch, n]. Lua: sgemv with a vector of ones. */
void sum_columns(const float *restrict x, ptrdiff_t batch, ptrdiff_t n, float *restrict out)
{
    ptrdiff_t fours = n / 4 * 4, whole = fours / 4096 * 4096;
    for (ptrdiff_t i = 0; i < n; i++) {
        const float *from = x + i;
        if (i >= fours) {
            out[i] = sum_left_over(from, batch, n);
            continue;
        }
        /* What is left over from sixteens comes first in its block, in two sums. */
        int two = i >= whole && i - whole < (fours - whole) % 16;
        ptrdiff_t b = 0;
        float sum = 0;
        for (; b + 8 <= batch; b += 8)
            sum += sum_eight(from + b * n, 8, n, two);
        if (b + 4 <= batch) {
            sum += sum_eight(from + b * n, 4, n, two);
            b += 4;
        }
        for (; b < batch; b++)
            sum += from[b * n];
        out[i] = sum;
    }
}

/* Lua adds tensors by saxpy, which has no fused multiply-adds for what is left over from
 * thirty-twos.
 */
static ptrdiff_t whole(ptrdiff_t n)
{
    return n / 32 * 32;
}

/* y += a · x */
void saxpy(float *restrict y, const float *restrict x, ptrdiff_t n, float a)
{
    for (ptrdiff_t i = 0; i < whole(n); i++)
        y[i] = fmaf(a, x[i], y[i]);
    for (ptrdiff_t i = whole(n); i < n; i++)
        y[i] += a * x[i];
}

static inline float divided(float lr, float dw, float g, float g2, float epsilon)
{
    float variance = g2 - g * g;
    return lr * dw / sqrtf(variance + epsilon);
}

/* Centred RMSProp in one pass. Lua: qLearnMinibatch. */
void centred_rmsprop(float *restrict w, const float *restrict dw, float *restrict g,
                     float *restrict g2, ptrdiff_t n, float decay, float share, float epsilon,
                     float lr)
{
    for (ptrdiff_t i = 0; i < whole(n); i++) {
        g[i] = fmaf(share, dw[i], decay * g[i]);
        g2[i] = fmaf(share, dw[i] * dw[i], decay * g2[i]);
        w[i] += divided(lr, dw[i], g[i], g2[i], epsilon);
    }
    for (ptrdiff_t i = whole(n); i < n; i++) {
        g[i] = share * dw[i] + decay * g[i];
        g2[i] = share * (dw[i] * dw[i]) + decay * g2[i];
        w[i] += divided(lr, dw[i], g[i], g2[i], epsilon);
    }
}
