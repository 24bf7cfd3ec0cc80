// Vector operations for one instruction set. deform_conv_cpu.cpp includes this file once per instruction set, each time
// in a separate namespace, after defining POSEWARPER_VECTOR_BYTES (64: AVX-512, 32: AVX2, 16: the compiler's default).

#define POSEWARPER_INLINE inline __attribute__((always_inline))

template <typename T>
struct Vectors;

template <>
struct Vectors<float> {
  typedef float Reals __attribute__((vector_size(POSEWARPER_VECTOR_BYTES)));
  typedef int32_t Ints __attribute__((vector_size(POSEWARPER_VECTOR_BYTES)));
};

template <>
struct Vectors<double> {
  typedef double Reals __attribute__((vector_size(POSEWARPER_VECTOR_BYTES)));
  typedef int64_t Ints __attribute__((vector_size(POSEWARPER_VECTOR_BYTES)));
};

template <typename T>
using Reals = typename Vectors<T>::Reals;
template <typename T>
using Ints = typename Vectors<T>::Ints;
template <typename T>
using Int = std::conditional_t<std::is_same_v<T, float>, int32_t, int64_t>;
template <typename T>
constexpr int64_t kLanes = POSEWARPER_VECTOR_BYTES / sizeof(T);

template <typename T>
POSEWARPER_INLINE Reals<T> load(const T* from) {
  Reals<T> value;
  __builtin_memcpy(&value, from, sizeof(value));
  return value;
}

template <typename T>
POSEWARPER_INLINE void store(T* to, Reals<T> value) {
  __builtin_memcpy(to, &value, sizeof(value));
}

// Loads the first `count` lanes and sets the others to zero. bfloat16 is the upper half of a float32.
template <typename T>
POSEWARPER_INLINE Reals<T> load_some(const T* from, int64_t count) {
  if (count >= kLanes<T>) {
    return load(from);
  }
  T lanes[kLanes<T>] = {};
  __builtin_memcpy(lanes, from, count * sizeof(T));
  return load(lanes);
}

typedef uint16_t Shorts __attribute__((vector_size(POSEWARPER_VECTOR_BYTES / 2)));
typedef uint32_t Words __attribute__((vector_size(POSEWARPER_VECTOR_BYTES)));

POSEWARPER_INLINE Words widen(Shorts halves) {
#if POSEWARPER_VECTOR_BYTES == 64
  return (Words)_mm512_cvtepu16_epi32((__m256i)halves);
#elif POSEWARPER_VECTOR_BYTES == 32
  return (Words)_mm256_cvtepu16_epi32((__m128i)halves);
#else
  return __builtin_convertvector(halves, Words);
#endif
}

template <typename T>
POSEWARPER_INLINE Reals<T> load_some(const c10::BFloat16* from, int64_t count) {
  Shorts halves = {};
  if (count >= kLanes<T>) {
    __builtin_memcpy(&halves, from, sizeof(halves));
  } else {
    __builtin_memcpy(&halves, from, count * sizeof(c10::BFloat16));
  }
  return (Reals<T>)(widen(halves) << 16);
}

template <typename T>
POSEWARPER_INLINE void store_some(T* to, Reals<T> value, int64_t count) {
  if (count >= kLanes<T>) {
    store(to, value);
  } else {
    __builtin_memcpy(to, &value, count * sizeof(T));
  }
}

template <typename T>
POSEWARPER_INLINE void store_some(c10::BFloat16* to, Reals<T> value, int64_t count) {
  const Words bits = (Words)value;
  const Words rounded = value == value ? bits + 0x7fff + (bits >> 16 & 1) : Words{} + 0x7fc00000u; // to nearest even
  const Shorts halves = __builtin_convertvector(rounded >> 16, Shorts);
  __builtin_memcpy(to, &halves, (count >= kLanes<T> ? kLanes<T> : count) * sizeof(c10::BFloat16));
}

template <typename T>
POSEWARPER_INLINE T sum(Reals<T> value) {
  T total = 0;
  for (int64_t lane = 0; lane < kLanes<T>; ++lane) {
    total += value[lane];
  }
  return total;
}

template <typename T>
POSEWARPER_INLINE Reals<T> fill(T value) {
  return value - Reals<T>{};
}

// Clamps values to the range from zero to `most`; NaN becomes zero.
template <typename T>
POSEWARPER_INLINE Reals<T> clamp_(Reals<T> value, Reals<T> most) {
  value = value > 0 ? value : Reals<T>{};
  return value < most ? value : most;
}
POSEWARPER_INLINE Reals<double> clamp(Reals<double> value, Reals<double> most) { return clamp_<double>(value, most); }
POSEWARPER_INLINE Reals<float> clamp(Reals<float> value, Reals<float> most) {
#if POSEWARPER_VECTOR_BYTES == 64
  return _mm512_min_ps(_mm512_max_ps(value, _mm512_setzero_ps()), most);
#elif POSEWARPER_VECTOR_BYTES == 32
  return _mm256_min_ps(_mm256_max_ps(value, _mm256_setzero_ps()), most);
#else
  return clamp_<float>(value, most);
#endif
}

template <typename T>
struct Quads {
  Reals<T> a, b, c, d;
};

// Loads from[at[l]] and the three numbers after it into lane l of a, b, c and d.
template <typename T>
POSEWARPER_INLINE Quads<T> load_quads(const T* from, const Int<T>* at) {
  Quads<T> q;
  for (int64_t lane = 0; lane < kLanes<T>; ++lane) {
    const T* quad = from + at[lane];
    q.a[lane] = quad[0];
    q.b[lane] = quad[1];
    q.c[lane] = quad[2];
    q.d[lane] = quad[3];
  }
  return q;
}

// Adds lane l of a, b, c and d to to[2 · at[l]] and the three numbers after it. Lanes are processed in order, because
// their quads may overlap.
template <typename T>
POSEWARPER_INLINE void add_quads(T* to, const Int<T>* at, const Quads<T>& q) {
  for (int64_t lane = 0; lane < kLanes<T>; ++lane) {
    T* quad = to + 2 * int64_t(at[lane]);
    quad[0] += q.a[lane];
    quad[1] += q.b[lane];
    quad[2] += q.c[lane];
    quad[3] += q.d[lane];
  }
}

#if POSEWARPER_VECTOR_BYTES > 16
// float32 versions of both with 16-byte loads and a transposition. Gather instructions are slower, and much slower on
// processors with microcode mitigations.
#if POSEWARPER_VECTOR_BYTES == 64
POSEWARPER_INLINE Reals<float> interleave_low(Reals<float> a, Reals<float> b) { return _mm512_unpacklo_ps(a, b); }
POSEWARPER_INLINE Reals<float> interleave_high(Reals<float> a, Reals<float> b) { return _mm512_unpackhi_ps(a, b); }
POSEWARPER_INLINE Reals<float> join_low(Reals<float> a, Reals<float> b) {
  return (__m512)_mm512_unpacklo_pd((__m512d)a, (__m512d)b);
}
POSEWARPER_INLINE Reals<float> join_high(Reals<float> a, Reals<float> b) {
  return (__m512)_mm512_unpackhi_pd((__m512d)a, (__m512d)b);
}
// Loads the quads at at[0], at[4], at[8] and at[12].
POSEWARPER_INLINE Reals<float> every_fourth_quad(const float* from, const uint64_t* at) {
  __m512 quads = _mm512_castps128_ps512(_mm_loadu_ps(from + at[0]));
  quads = _mm512_insertf32x4(quads, _mm_loadu_ps(from + at[4]), 1);
  quads = _mm512_insertf32x4(quads, _mm_loadu_ps(from + at[8]), 2);
  return _mm512_insertf32x4(quads, _mm_loadu_ps(from + at[12]), 3);
}
#else
POSEWARPER_INLINE Reals<float> interleave_low(Reals<float> a, Reals<float> b) { return _mm256_unpacklo_ps(a, b); }
POSEWARPER_INLINE Reals<float> interleave_high(Reals<float> a, Reals<float> b) { return _mm256_unpackhi_ps(a, b); }
POSEWARPER_INLINE Reals<float> join_low(Reals<float> a, Reals<float> b) {
  return (__m256)_mm256_unpacklo_pd((__m256d)a, (__m256d)b);
}
POSEWARPER_INLINE Reals<float> join_high(Reals<float> a, Reals<float> b) {
  return (__m256)_mm256_unpackhi_pd((__m256d)a, (__m256d)b);
}
// Loads the quads at at[0] and at[4].
POSEWARPER_INLINE Reals<float> every_fourth_quad(const float* from, const uint64_t* at) {
  const __m256 quads = _mm256_castps128_ps256(_mm_loadu_ps(from + at[0]));
  return _mm256_insertf128_ps(quads, _mm_loadu_ps(from + at[4]), 1);
}
#endif

// Reads two indices at a time, because these loops are limited by loads.
POSEWARPER_INLINE void read_places(const int32_t* at, uint64_t (&places)[kLanes<float>]) {
  for (int64_t lane = 0; lane < kLanes<float>; lane += 2) {
    uint64_t two;
    __builtin_memcpy(&two, at + lane, sizeof(two));
    places[lane] = static_cast<uint32_t>(two);
    places[lane + 1] = two >> 32;
  }
}

POSEWARPER_INLINE Quads<float> load_quads(const float* from, const int32_t* at_) {
  uint64_t at[kLanes<float>];
  read_places(at_, at);
  const Reals<float> q0 = every_fourth_quad(from, at), q1 = every_fourth_quad(from, at + 1),
                     q2 = every_fourth_quad(from, at + 2), q3 = every_fourth_quad(from, at + 3);
  const Reals<float> ab01 = interleave_low(q0, q1), cd01 = interleave_high(q0, q1), ab23 = interleave_low(q2, q3),
                     cd23 = interleave_high(q2, q3);
  return {join_low(ab01, ab23), join_high(ab01, ab23), join_low(cd01, cd23), join_high(cd01, cd23)};
}

POSEWARPER_INLINE void add_quads(float* to, const int32_t* at_, const Quads<float>& q) {
  uint64_t at[kLanes<float>];
  read_places(at_, at);
  const Reals<float> ac01 = interleave_low(q.a, q.c), ac23 = interleave_high(q.a, q.c),
                     bd01 = interleave_low(q.b, q.d), bd23 = interleave_high(q.b, q.d);
  const Reals<float> every_fourth[4] = {
      interleave_low(ac01, bd01), interleave_high(ac01, bd01), interleave_low(ac23, bd23),
      interleave_high(ac23, bd23)};
  float quads[4][kLanes<float>];
  __builtin_memcpy(quads, every_fourth, sizeof(quads));
  for (int64_t lane = 0; lane < kLanes<float>; ++lane) {
    float* quad = to + 2 * at[lane];
    _mm_storeu_ps(quad, _mm_add_ps(_mm_loadu_ps(quad), _mm_loadu_ps(&quads[lane % 4][lane / 4 * 4])));
  }
}
#endif
