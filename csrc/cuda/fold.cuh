/* The rows of abi/folds.def for elements T and accumulators A as a type with static functions: included by reduce.cu with
 * these, S (the suffix), LOWEST, HIGHEST and IN_FLOAT set. */
#define IN_ANY(...) __VA_ARGS__
#define MORE (v > acc ? v : acc)
#define LESS (v < acc ? v : acc)

struct JOIN2(Folds, S) {
    typedef T Element;
    typedef A Acc;
    /* A partial result, in the lane that its row has. */
#define lane_X lane_T
    struct Part {
        T lane_T;
        A lane_A;
    };

    static __device__ __forceinline__ A start(int row)
    {
        switch (row) {
#define FOLD(name, class_, lane, start, map, fold, merge) IN_##class_(case FOLD_##name: return (A)(start);)
#include "abi/folds.def"
        default: return 0;
        }
    }

    /* Folds `count` elements, one or BATCH. */
    static __device__ __forceinline__ void fold(int row, Part *part, const T *elements, int count, double shift)
    {
        switch (row) {
#define FOLD(name, class_, lane, start, map, fold, merge) \
    IN_##class_(case FOLD_##name: { \
        auto acc = part->lane_##lane; \
        typedef decltype(acc) L; \
        for (int j = 0; j < BATCH; j++) { \
            const L x = (L)elements[j], p = (L)shift, v = (L)(map); \
            (void)x, (void)p; \
            acc = j < count ? (L)(fold) : acc; \
        } \
        part->lane_##lane = acc; \
        break; \
    })
#include "abi/folds.def"
        default: break;
        }
    }

    static __device__ __forceinline__ A merge(int row, A acc, A v)
    {
        switch (row) {
#define FOLD(name, class_, lane, start, map, fold, merge) IN_##class_(case FOLD_##name: return (A)(fold);)
#include "abi/folds.def"
        default: return acc;
        }
    }

    static __device__ __forceinline__ A value(int row, const Part &part)
    {
        switch (row) {
#define FOLD(name, class_, lane, start, map, fold, merge) IN_##class_(case FOLD_##name: return (A)part.lane_##lane;)
#include "abi/folds.def"
        default: return 0;
        }
    }
};

#undef MORE
#undef LESS
#undef T
#undef A
#undef S
#undef LOWEST
#undef HIGHEST
#undef IN_FLOAT
#undef IN_ANY
