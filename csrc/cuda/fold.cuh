/* The rows of abi/folds.def for elements T, lanes L and accumulators A, as types with static functions: included by
 * reduce.cu with these, S (the suffix), LOAD, LOWEST, HIGHEST, IN_FLOAT, IN_LANE_T and IN_LANE_A set. */
#define IN_ANY(...) __VA_ARGS__
#define FOLDED(type, fold) \
    const type MORE = v > acc ? v : acc, LESS = v < acc ? v : acc; \
    (void)MORE, (void)LESS; \
    return (type)(fold);
#define FOLD(name, class_, lane, start_, map, fold) \
    IN_##class_(IN_LANE_##lane(struct JOIN2(name, S) { \
        typedef A Acc; \
        typedef L Lane; \
        static __device__ __forceinline__ A start() \
        { \
            return (A)(start_); \
        } \
        static __device__ __forceinline__ L lane_start() \
        { \
            return (L)(start_); \
        } \
        static __device__ __forceinline__ T load(const char *at, int dtype) \
        { \
            (void)dtype; \
            return (T)LOAD(at, dtype); \
        } \
        static __device__ __forceinline__ L one(L acc, T element, double shift) \
        { \
            const L x = (L)element, p = (L)shift, v = (L)(map); \
            (void)p, (void)x; \
            FOLDED(L, fold) \
        } \
        static __device__ __forceinline__ A merge(A acc, A v) \
        { \
            FOLDED(A, fold) \
        } \
    };))
#include "abi/folds.def"

#undef FOLDED
#undef T
#undef L
#undef A
#undef S
#undef LOAD
#undef LOWEST
#undef HIGHEST
#undef IN_FLOAT
#undef IN_ANY
#undef IN_LANE_T
#undef IN_LANE_A
