/* OpenCV's bilinear resize of bytes, in whole numbers. */

#include <stddef.h>
#include <stdint.h>

/* One axis: for every place of the result the two places it lies between, and their 2048ths. */
typedef struct {
    const int32_t *low, *high, *low_weight, *high_weight; /* [dst] */
} axis_t;

static axis_t axis_of(const int32_t *table, ptrdiff_t dst)
{
    return (axis_t){table, table + dst, table + 2 * dst, table + 3 * dst};
}

static void mix_row(const uint8_t *restrict x, const uint8_t *restrict gray, const axis_t *axis,
                    ptrdiff_t width, int32_t *restrict sums)
{
    for (ptrdiff_t i = 0; i < width; i++)
        sums[i] = (gray[x[axis->low[i]]] * axis->low_weight[i] +
                   gray[x[axis->high[i]]] * axis->high_weight[i]) >> 4;
}

/* out: [height, width], of gray[screen], [any, src_width]; columns, rows: the axes, four tables each;
 * sums: room for [2, width], in which a row of sums is kept until the next but one comes.
 */
void shrink_bytes(const uint8_t *screen, const uint8_t *gray, ptrdiff_t src_width,
                  ptrdiff_t width, ptrdiff_t height, const int32_t *columns, const int32_t *rows,
                  int32_t *restrict sums, uint8_t *out)
{
    axis_t column = axis_of(columns, width), row = axis_of(rows, height);
    int32_t held[2] = {-1, -1};
    for (ptrdiff_t y = 0; y < height; y++, out += width) {
        const int32_t ends[2] = {row.low[y], row.high[y]};
        for (int i = 0; i < 2; i++)
            if (held[ends[i] % 2] != ends[i]) {
                held[ends[i] % 2] = ends[i];
                mix_row(screen + ends[i] * src_width, gray, &column, width,
                        sums + ends[i] % 2 * width);
            }
        const int32_t *low = sums + ends[0] % 2 * width, *high = sums + ends[1] % 2 * width;
        int32_t low_weight = row.low_weight[y], high_weight = row.high_weight[y];
        for (ptrdiff_t i = 0; i < width; i++)
            out[i] = (uint8_t)(((low_weight * low[i] >> 16) + (high_weight * high[i] >> 16) + 2) >>
                               2);
    }
}
