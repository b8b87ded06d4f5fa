#ifndef DQN_PORT_PRODUCTS_H
#define DQN_PORT_PRODUCTS_H

#include <stddef.h>
#include <stdint.h>

/* Rows that are summed side by side. */
#define GROUP 6

/* A row stands on sides, as bits, and a lane has two chains for the rows of some sides. */
#define SIDES 8

typedef struct {
    int32_t rows[8]; /* the last one again where there are fewer */
    int32_t n, split;
    int32_t first, second; /* what the rows before the split are, and those from there on */
} group_t;

typedef struct {
    const int32_t *lane_a;   /* [panels · PANEL]: where a lane begins in a */
    const int32_t *lane_out; /* the same in out; -1: the lane only fills its panel */
    const uint8_t *two;      /* [panels]: rows of which sides have two chains there */
    const int32_t *samples;  /* [panels, 2]: the first and the last sample of its lanes, or null */
    const int32_t *row_b;    /* [rows] */
    const int32_t *row_out;
    const uint8_t *sides; /* [rows] */
    const int32_t *k_a;   /* [n_k], increasing within a block, as the next */
    const int32_t *k_b;
    const int32_t *ends; /* [blocks] */
    /* scratch: */
    group_t *groups; /* [blocks, most_groups], or those of all blocks [most_groups] */
    int32_t *n_groups;
    float *packed;   /* [blocks, groups, n_k, GROUP], eight floats after each block */
    int32_t *lists;  /* [groups, CHAINS, n_k] */
    int32_t *counts; /* [groups, blocks, CHAINS] */
    uint8_t *used;   /* [n_k]: whether any row has more than 0 there; [rows]: which are in */
    uint8_t *needed; /* [panels, most_groups] */
    ptrdiff_t panels, rows, n_k, blocks, longest, most_groups;
    ptrdiff_t by_rows;   /* whether zeros are looked for in b, not in a */
    ptrdiff_t by_blocks; /* whether rows are left out that are 0 in a whole block; then nothing is
                          * first, and all of out is needed */
    ptrdiff_t rows_of_a_plane; /* where samples are given */
} plan_t;

int32_t lanes_of_a_panel(void);
void sum_products(const plan_t *plan, const void *a, int of_bytes, const float *b,
                  const float *first, const float *last, const void *needed_by, float *out,
                  int rectify);
void sum_single_row(const plan_t *plan, const float *a, const float *b, const float *first,
                    const float *last, float *out, int rectify);

#endif
