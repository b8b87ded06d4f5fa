#ifndef DQN_PORT_PRODUCTS_H
#define DQN_PORT_PRODUCTS_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const int32_t *lane_a;   /* [panels · PANEL]: where a lane begins in a */
    const int32_t *lane_out; /* the same in out; -1: the lane only fills its panel */
    const uint8_t *two;      /* [panels]: which rows have two chains there */
    const int32_t *row_b;    /* [rows] */
    const int32_t *row_out;
    const int32_t *k_a; /* [n_k], increasing */
    const int32_t *k_b;
    const int32_t *ends; /* [blocks] */
    float *packed;       /* [groups, n_k, GROUP] scratch, as the next three */
    int32_t *lists;      /* [groups, CHAINS, n_k] */
    int32_t *counts;     /* [groups, blocks, CHAINS] */
    uint8_t *used;       /* [n_k]: whether any row has more than 0 there */
    ptrdiff_t panels, rows, n_k, blocks, longest, zeros;
} plan_t;

int32_t lanes_of_a_panel(void);
void sum_products(const plan_t *plan, const float *a, const float *b, const float *first,
                  const float *last, float *out, int rectify);

#endif
