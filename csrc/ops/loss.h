/* Losses as nn.functional has them, old arguments and warnings included. */
#ifndef CTORCH_OPS_LOSS_H
#define CTORCH_OPS_LOSS_H

#include "ctorch.h"
#include "ops/args.h"

typedef enum LossReduction { LOSS_NONE, LOSS_MEAN, LOSS_SUM, LOSS_BATCHMEAN } LossReduction;

/* reduction=, or what size_average= and reduce= stand for, with their warning; -1 with an error. */
int loss_reduction(const Value *size_average, const Value *reduce, const char *text, LossReduction *out);
/* each, or its mean or sum; NULL in, NULL out. */
Tensor *loss_reduced(Tensor *each, LossReduction r);

/* ---- losses of every element (ops/loss.c) */
#define LOSS_ARGS const Value *size_average, const Value *reduce, const char *reduction
Tensor *op_mse_loss(Tensor *x, Tensor *target, LOSS_ARGS, Tensor *weight);
Tensor *op_l1_loss(Tensor *x, Tensor *target, LOSS_ARGS, Tensor *weight);
Tensor *op_smooth_l1_loss(Tensor *x, Tensor *target, LOSS_ARGS, double beta);
Tensor *op_huber_loss(Tensor *x, Tensor *target, const char *reduction, double delta, Tensor *weight);
Tensor *op_binary_cross_entropy(Tensor *x, Tensor *target, Tensor *weight, LOSS_ARGS);
Tensor *op_bce_with_logits(Tensor *x, Tensor *target, Tensor *weight, LOSS_ARGS, Tensor *pos_weight);
Tensor *op_soft_margin_loss(Tensor *x, Tensor *target, LOSS_ARGS);

/* ---- losses composed of other ops (ops/loss_composed.c) */
Tensor *op_kl_div(Tensor *x, Tensor *target, LOSS_ARGS, bool log_target);
Tensor *op_hinge_embedding_loss(Tensor *x, Tensor *target, double margin, LOSS_ARGS);
Tensor *op_margin_ranking_loss(Tensor *a, Tensor *b, Tensor *target, double margin, LOSS_ARGS);
Tensor *op_cosine_embedding_loss(Tensor *a, Tensor *b, Tensor *target, double margin, LOSS_ARGS);
Tensor *op_triplet_margin_loss(Tensor *anchor, Tensor *positive, Tensor *negative, double margin, double p,
                               double eps, bool swap, LOSS_ARGS);
Tensor *op_poisson_nll_loss(Tensor *x, Tensor *target, bool log_input, bool full, const Value *size_average,
                            double eps, const Value *reduce, const char *reduction);
Tensor *op_gaussian_nll_loss(Tensor *x, Tensor *target, const Value *var, bool full, double eps,
                             const char *reduction);

/* ---- losses of one class a line (ops/nll.c): x is (N, C, d...) or (C), target (N, d...) or () */
Tensor *op_nll_loss(Tensor *x, Tensor *target, Tensor *weight, int64_t ignore_index, LossReduction r);
Tensor *op_nn_nll_loss(Tensor *x, Tensor *target, Tensor *weight, const Value *size_average,
                       int64_t ignore_index, const Value *reduce, const char *reduction);
/* target: classes, or probabilities of x's shape. */
Tensor *op_cross_entropy(Tensor *x, Tensor *target, Tensor *weight, const Value *size_average,
                         int64_t ignore_index, const Value *reduce, const char *reduction,
                         double label_smoothing);
/* The gradient of log-probabilities of shape dims; total: what a mean was divided by. */
Tensor *op_nll_loss_backward(Tensor *g, int ndim, const int64_t *dims, Tensor *target, Tensor *weight,
                             int64_t ignore_index, int64_t r, Tensor *total);

/* ---- ops/embedding.c */
Tensor *op_embedding(Tensor *indices, Tensor *weight, const int64_t *padding_idx, const Value *max_norm,
                     double norm_type, bool scale_grad_by_freq, bool sparse);
Tensor *op_embedding_backward(Tensor *g, Tensor *indices, int64_t n_rows, int64_t padding_idx,
                              bool scale_by_freq);
Tensor *op_one_hot(Tensor *t, int64_t num_classes);

#endif
