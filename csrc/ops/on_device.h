/* What is read off data in loops on the CPU, of other ops for devices: on_device.c. */
#ifndef CTORCH_OPS_ON_DEVICE_H
#define CTORCH_OPS_ON_DEVICE_H

#include "ops/ops.h"

/* 0, 1, ... n - 1 */
Tensor *device_counted(int64_t n, Device device);
/* j - i of row i and column j: (rows, columns) */
Tensor *device_distance(int64_t rows, int64_t columns, Device device);
/* rows: (count, n).  How many elements of each are not NaN (count, 1); where its mode is (count, 1). */
Tensor *device_numbers(Tensor *rows);
Tensor *device_modes(Tensor *rows, int64_t n);
/* x: int64 of one dim; weights NULL: 1 each. */
Tensor *device_bincount(Tensor *x, Tensor *weights, int64_t minlength);
/* Counts as int64. */
Tensor *device_histogram(Tensor *t, double min, double max, int64_t bins);
Tensor *device_repeats(Tensor *counts);
/* Slices along dim 0, dense. */
Tensor *device_slice_order(Tensor *slices);
int device_groups(Tensor *slices, Tensor *order, Tensor **firsts, Tensor **inverse, Tensor **counts);

#endif
