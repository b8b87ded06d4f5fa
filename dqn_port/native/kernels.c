/* Inner loops in C. Each computes the same numbers as the NumPy or PyTorch code that it replaces:
 * the same float32 operations in the same order. They are compiled without contraction to fused
 * multiply-adds and without reordering.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Many rows of a screen are equal to the row above, and then so is the result. */
static int repeats(const void *row, size_t size)
{
    return memcmp(row, (const char *)row - size, size) == 0;
}

/* out[r, i] = table[first[r, i] · 256 + second[r, i]]; all: [rows, width] */
void look_up_pairs(const uint8_t *first, const uint8_t *second, ptrdiff_t rows, ptrdiff_t width,
                   const float *restrict table, float *restrict out)
{
    size_t size = (size_t)width;
    for (ptrdiff_t r = 0; r < rows; r++, first += width, second += width, out += width)
        if (r && repeats(first, size) && repeats(second, size))
            memcpy(out, out - width, sizeof(float) * size);
        else
            for (ptrdiff_t i = 0; i < width; i++)
                out[i] = table[(size_t)first[i] << 8 | second[i]];
}

/* out[r, d] = (Σk weights[k, d] · x[r, taps[k, d]]) / total[d], in order of k.
 * x: [rows, src], out: [rows, dst], taps and weights: [n_taps, dst]; total: [dst] or null.
 */
void resample_rows(const float *x, ptrdiff_t rows, ptrdiff_t src, ptrdiff_t dst, ptrdiff_t n_taps,
                   const int32_t *restrict taps, const float *restrict weights,
                   const float *restrict total, float *restrict out)
{
    for (ptrdiff_t r = 0; r < rows; r++, x += src, out += dst) {
        if (r && repeats(x, sizeof(float) * (size_t)src)) {
            memcpy(out, out - dst, sizeof(float) * (size_t)dst);
            continue;
        }
        if (n_taps == 3) {
            /* One pass where an image shrinks to about half its width. */
            for (ptrdiff_t d = 0; d < dst; d++) {
                float sum = weights[d] * x[taps[d]];
                sum += weights[dst + d] * x[taps[dst + d]];
                sum += weights[2 * dst + d] * x[taps[2 * dst + d]];
                out[d] = sum;
            }
        } else {
            for (ptrdiff_t d = 0; d < dst; d++)
                out[d] = weights[d] * x[taps[d]];
            for (ptrdiff_t k = 1; k < n_taps; k++)
                for (ptrdiff_t d = 0; d < dst; d++)
                    out[d] += weights[k * dst + d] * x[taps[k * dst + d]];
        }
        if (total)
            for (ptrdiff_t d = 0; d < dst; d++)
                out[d] /= total[d];
    }
}

/* out[d, c] = (Σk weights[k, d] · x[taps[k, d], c]) / total[d], in order of k.
 * x: [src, columns], out: [dst, columns]; the rest as above.
 */
void resample_columns(const float *restrict x, ptrdiff_t columns, ptrdiff_t dst, ptrdiff_t n_taps,
                      const int32_t *restrict taps, const float *restrict weights,
                      const float *restrict total, float *restrict out)
{
    for (ptrdiff_t d = 0; d < dst; d++, out += columns) {
        const float *row = x + taps[d] * columns;
        for (ptrdiff_t c = 0; c < columns; c++)
            out[c] = weights[d] * row[c];
        for (ptrdiff_t k = 1; k < n_taps; k++) {
            row = x + taps[k * dst + d] * columns;
            for (ptrdiff_t c = 0; c < columns; c++)
                out[c] += weights[k * dst + d] * row[c];
        }
        if (total)
            for (ptrdiff_t c = 0; c < columns; c++)
                out[c] /= total[d];
    }
}
