/* Optimizer steps over adjacent elements: each array is read and written once.  The order of operations is
 * PyTorch's, so that trajectories stay together; constants are rounded to the elements' type once. */
#include "abi/optim.h"

#include "abi/formula.h"

/* An inlined loop with constant flags for each way to go: no branch is left in any. */
#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define VECTORIZE _Pragma("clang loop vectorize(assume_safety)")
#else
#define VECTORIZE _Pragma("GCC ivdep")
#endif

#define SGD(T, S) \
    INLINE void \
    sgd_loop_##S(const Optim *o, const OptimItem *item, bool decays, bool has_momentum, bool nesterov) \
    { \
        T *p = (T *)item->p, *m = (T *)item->m; \
        const T *grad = (const T *)item->g; \
        const T sign = o->maximize ? -1 : 1, decay = (T)o->weight_decay, momentum = (T)o->momentum; \
        const T fresh = (T)(1 - o->dampening), lr = (T)-o->lr; \
        VECTORIZE \
        for (int64_t i = 0; i < item->n; i++) { \
            T g = sign * grad[i]; \
            if (decays) \
                g = g + decay * p[i]; \
            if (has_momentum) { \
                m[i] = m[i] * momentum + fresh * g; \
                g = nesterov ? g + momentum * m[i] : m[i]; \
            } \
            p[i] = p[i] + lr * g; \
        } \
    } \
    static void \
    sgd_##S(const Optim *o, const OptimItem *item) \
    { \
        const int ways = (o->weight_decay != 0) * 3 + (item->m != NULL) * (1 + o->nesterov); \
        switch (ways) { \
        case 0: sgd_loop_##S(o, item, false, false, false); break; \
        case 1: sgd_loop_##S(o, item, false, true, false); break; \
        case 2: sgd_loop_##S(o, item, false, true, true); break; \
        case 3: sgd_loop_##S(o, item, true, false, false); break; \
        case 4: sgd_loop_##S(o, item, true, true, false); break; \
        default: sgd_loop_##S(o, item, true, true, true); break; \
        } \
    }

/* decays: the weight decay is part of the gradient; a decoupled one multiplies p by keep.  m moves towards
 * g from the nearer end. */
#define ADAM(T, S) \
    INLINE void \
    adam_loop_##S(const Optim *o, const OptimItem *item, bool decays, bool amsgrad, bool from_m) \
    { \
        T *p = (T *)item->p, *m = (T *)item->m, *v = (T *)item->v, *top = (T *)item->top; \
        const T *grad = (const T *)item->g; \
        const T sign = o->maximize ? -1 : 1, decay = (T)o->weight_decay; \
        const T keep = (T)(o->decoupled ? 1 - o->lr * o->weight_decay : 1); \
        const T beta1 = (T)o->beta1, towards = (T)(1 - o->beta1); \
        const T beta2 = (T)o->beta2, fresh = (T)(1 - o->beta2); \
        const T eps = (T)o->eps, step = (T)-item->step_size, root = (T)item->root; \
        VECTORIZE \
        for (int64_t i = 0; i < item->n; i++) { \
            T g = sign * grad[i], x = p[i] * keep; \
            if (decays) \
                g = g + decay * x; \
            m[i] = from_m ? m[i] + towards * (g - m[i]) : g - beta1 * (g - m[i]); \
            v[i] = v[i] * beta2 + fresh * g * g; \
            T largest = v[i]; \
            if (amsgrad) \
                top[i] = largest = v[i] > top[i] || v[i] != v[i] ? v[i] : top[i]; \
            p[i] = x + step * m[i] / (FORMULA_PASTE(sqrt, S)(largest) / root + eps); \
        } \
    } \
    static void \
    adam_##S(const Optim *o, const OptimItem *item) \
    { \
        const bool decays = o->weight_decay != 0 && !o->decoupled; \
        switch (4 * decays + 2 * o->amsgrad + (o->beta1 > 0.5)) { \
        case 0: adam_loop_##S(o, item, false, false, false); break; \
        case 1: adam_loop_##S(o, item, false, false, true); break; \
        case 2: adam_loop_##S(o, item, false, true, false); break; \
        case 3: adam_loop_##S(o, item, false, true, true); break; \
        case 4: adam_loop_##S(o, item, true, false, false); break; \
        case 5: adam_loop_##S(o, item, true, false, true); break; \
        case 6: adam_loop_##S(o, item, true, true, false); break; \
        default: adam_loop_##S(o, item, true, true, true); break; \
        } \
    }

SGD(float, f)
SGD(double, d)
ADAM(float, f)
ADAM(double, d)

const OptimKernels ISA_NAME(optim_kernels) = {sgd_f, sgd_d, adam_f, adam_d};
