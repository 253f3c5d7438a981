/* Device functions of the simulated CUDA: barriers, warp collectives, atomics, bits, and the few mathematical
 * functions that C lacks.  What touches other threads carries the file and line of the call, so that a report
 * can name them; the rest is what the hardware computes. */
#ifndef CTSIM_INTRINSICS_H
#define CTSIM_INTRINSICS_H

#include <cstring>

/* ---- threads of a block ---- */

enum ctsim_Barrier { CTSIM_SYNC, CTSIM_SYNC_COUNT, CTSIM_SYNC_AND, CTSIM_SYNC_OR };
int ctsim_barrier(ctsim_Barrier kind, int predicate, const char *file, int line);

#define __syncthreads()        ((void)ctsim_barrier(CTSIM_SYNC, 0, __FILE__, __LINE__))
#define __syncthreads_count(p) ctsim_barrier(CTSIM_SYNC_COUNT, (p), __FILE__, __LINE__)
#define __syncthreads_and(p)   ctsim_barrier(CTSIM_SYNC_AND, (p), __FILE__, __LINE__)
#define __syncthreads_or(p)    ctsim_barrier(CTSIM_SYNC_OR, (p), __FILE__, __LINE__)

/* ---- lanes of a warp ---- */

enum ctsim_Collective { CTSIM_SHFL, CTSIM_BALLOT, CTSIM_SYNCWARP };
/* What lane `source` of the warp brought to this collective; CTSIM_BALLOT gives one bit for each non-zero
 * value. */
uint64_t ctsim_warp(ctsim_Collective kind, unsigned mask, uint64_t value, int source, const char *file,
                    int line);
int ctsim_lane();

enum ctsim_Shuffle { CTSIM_INDEX, CTSIM_UP, CTSIM_DOWN, CTSIM_XOR };

template <class T>
inline T ctsim_shuffle(ctsim_Shuffle kind, unsigned mask, T value, int arg, int width, const char *file,
                       int line)
{
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
    int lane = ctsim_lane(), first = lane & ~(width - 1), source = lane;
    switch (kind) {
    case CTSIM_INDEX: source = first + (arg & (width - 1)); break;
    case CTSIM_UP: source = lane - arg >= first ? lane - arg : lane; break;
    case CTSIM_DOWN: source = lane + arg < first + width ? lane + arg : lane; break;
    case CTSIM_XOR: source = (lane ^ arg) < first + width ? lane ^ arg : lane; break;
    }
    uint64_t word = 0;
    std::memcpy(&word, &value, sizeof(T));
    word = ctsim_warp(CTSIM_SHFL, mask, word, source, file, line);
    std::memcpy(&value, &word, sizeof(T));
    return value;
}

template <class T>
inline T ctsim_shuffle(ctsim_Shuffle kind, const char *file, int line, unsigned mask, T value, int arg,
                       int width = 32)
{
    return ctsim_shuffle(kind, mask, value, arg, width, file, line);
}

inline unsigned ctsim_ballot(const char *file, int line, unsigned mask, int predicate)
{
    return static_cast<unsigned>(ctsim_warp(CTSIM_BALLOT, mask, predicate != 0, 0, file, line));
}

inline void ctsim_syncwarp(const char *file, int line, unsigned mask = 0xffffffffu)
{
    ctsim_warp(CTSIM_SYNCWARP, mask, 0, 0, file, line);
}

#define __shfl_sync(...)       ctsim_shuffle(CTSIM_INDEX, __FILE__, __LINE__, __VA_ARGS__)
#define __shfl_up_sync(...)    ctsim_shuffle(CTSIM_UP, __FILE__, __LINE__, __VA_ARGS__)
#define __shfl_down_sync(...)  ctsim_shuffle(CTSIM_DOWN, __FILE__, __LINE__, __VA_ARGS__)
#define __shfl_xor_sync(...)   ctsim_shuffle(CTSIM_XOR, __FILE__, __LINE__, __VA_ARGS__)
#define __ballot_sync(mask, p) ctsim_ballot(__FILE__, __LINE__, (mask), (p))
#define __any_sync(mask, p)    (ctsim_ballot(__FILE__, __LINE__, (mask), (p)) != 0)
#define __all_sync(mask, p)    (ctsim_ballot(__FILE__, __LINE__, (mask), !(p)) == 0)
#define __syncwarp(...)        ctsim_syncwarp(__FILE__, __LINE__ __VA_OPT__(, ) __VA_ARGS__)

/* ---- memory ---- */

void ctsim_fence(); /* also tells the race detector that what came before is published */
inline void __threadfence()
{
    ctsim_fence();
}
inline void __threadfence_block()
{
    ctsim_fence();
}

template <class T> inline T __ldg(const T *p)
{
    return *p;
}

[[noreturn]] void ctsim_trap();
inline void __trap()
{
    ctsim_trap();
}

/* Relaxed, as CUDA's are: they order nothing else, and the race detector knows it. */
template <class T> inline T ctsim_exchange(T *p, T expected, T v)
{
    __atomic_compare_exchange_n(p, &expected, v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return expected;
}

/* clang-format off */
#define CTSIM_ATOMICS(T)                                                                                     \
    inline T atomicExch(T *p, T v) { return __atomic_exchange_n(p, v, __ATOMIC_RELAXED); }                   \
    inline T atomicCAS(T *p, T expected, T v) { return ctsim_exchange(p, expected, v); }                     \
    inline T atomicAdd(T *p, T v) { return __atomic_fetch_add(p, v, __ATOMIC_RELAXED); }                     \
    inline T atomicAnd(T *p, T v) { return __atomic_fetch_and(p, v, __ATOMIC_RELAXED); }                     \
    inline T atomicOr(T *p, T v) { return __atomic_fetch_or(p, v, __ATOMIC_RELAXED); }                       \
    inline T atomicXor(T *p, T v) { return __atomic_fetch_xor(p, v, __ATOMIC_RELAXED); }                     \
    inline T atomicMin(T *p, T v) { return ctsim_update(p, [v](T old) { return v < old ? v : old; }); }      \
    inline T atomicMax(T *p, T v) { return ctsim_update(p, [v](T old) { return v > old ? v : old; }); }
/* clang-format on */

template <class Bits, class T, class F> inline T ctsim_update_bits(T *p, F next)
{
    static_assert(sizeof(Bits) == sizeof(T), "one word");
    Bits *word = reinterpret_cast<Bits *>(p), old = __atomic_load_n(word, __ATOMIC_RELAXED), bits;
    T before, after;
    do {
        std::memcpy(&before, &old, sizeof(T));
        after = next(before);
        std::memcpy(&bits, &after, sizeof(T));
    } while (!__atomic_compare_exchange_n(word, &old, bits, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return before;
}

template <class T, class F> inline T ctsim_update(T *p, F next)
{
    if constexpr (sizeof(T) == 4)
        return ctsim_update_bits<unsigned int>(p, next);
    else
        return ctsim_update_bits<unsigned long long>(p, next);
}

CTSIM_ATOMICS(int)
CTSIM_ATOMICS(unsigned int)
CTSIM_ATOMICS(unsigned long long)
#undef CTSIM_ATOMICS

inline float atomicAdd(float *p, float v)
{
    return ctsim_update(p, [v](float old) { return old + v; });
}
inline double atomicAdd(double *p, double v)
{
    return ctsim_update(p, [v](double old) { return old + v; });
}
inline float atomicExch(float *p, float v)
{
    return ctsim_update(p, [v](float) { return v; });
}
inline unsigned short atomicCAS(unsigned short *p, unsigned short expected, unsigned short v)
{
    return ctsim_exchange(p, expected, v);
}
inline long long atomicMin(long long *p, long long v)
{
    return ctsim_update(p, [v](long long old) { return v < old ? v : old; });
}
inline long long atomicMax(long long *p, long long v)
{
    return ctsim_update(p, [v](long long old) { return v > old ? v : old; });
}

/* ---- bits ---- */

template <class To, class From> inline To ctsim_bits(From from)
{
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To to;
    std::memcpy(&to, &from, sizeof(To));
    return to;
}

/* clang-format off */
inline unsigned int __float_as_uint(float x) { return ctsim_bits<unsigned int>(x); }
inline int __float_as_int(float x) { return ctsim_bits<int>(x); }
inline float __uint_as_float(unsigned int u) { return ctsim_bits<float>(u); }
inline float __int_as_float(int i) { return ctsim_bits<float>(i); }
inline long long __double_as_longlong(double x) { return ctsim_bits<long long>(x); }
inline double __longlong_as_double(long long i) { return ctsim_bits<double>(i); }
inline int __popc(unsigned int x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline int __clz(int x) { return x ? __builtin_clz(static_cast<unsigned>(x)) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll(static_cast<unsigned long long>(x)) : 64; }
inline unsigned int __funnelshift_rc(unsigned int low, unsigned int high, unsigned int shift)
{ return static_cast<unsigned int>((static_cast<unsigned long long>(high) << 32 | low) >> (shift < 32 ? shift : 32)); }
inline unsigned int __umulhi(unsigned int a, unsigned int b)
{ return static_cast<unsigned int>(static_cast<unsigned long long>(a) * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{ return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64); }

/* ---- numbers ---- */

template <class T> inline std::enable_if_t<std::is_integral_v<T>, T> min(T a, T b) { return b < a ? b : a; }
template <class T> inline std::enable_if_t<std::is_integral_v<T>, T> max(T a, T b) { return a < b ? b : a; }
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }
/* clang-format on */

/* The operations that the compiler must not contract into a fused multiply-add.  A volatile is a rounding. */
inline float __fmul_rn(float a, float b)
{
    volatile float y = a * b;
    return y;
}
inline float __fadd_rn(float a, float b)
{
    volatile float y = a + b;
    return y;
}
inline double __dmul_rn(double a, double b)
{
    volatile double y = a * b;
    return y;
}
inline double __dadd_rn(double a, double b)
{
    volatile double y = a + b;
    return y;
}
inline float __fmaf_rn(float a, float b, float c)
{
    return fmaf(a, b, c);
}

#endif
