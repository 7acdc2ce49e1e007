// Shared by the kernel files: run-time dispatch and elementary functions that the compiler can vectorise.
#ifndef SWIFT_PEFT_CKERNELS_COMMON_H
#define SWIFT_PEFT_CKERNELS_COMMON_H
#include <math.h>
#include <string.h>

#include "ckernels.h"

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

// The loader selects clones before the thread sanitizer, which instruments all functions, is initialised.
#if defined(__x86_64__) && defined(__linux__) && !__has_feature(thread_sanitizer)
#define DISPATCHED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define DISPATCHED
#endif

#define INLINE static inline __attribute__((always_inline))

// Sums have 16 lanes, so that their order does not depend on the vector width.
#define LANES 16

// Runs the statements for i = 0 ... count - 1; l is the lane of number i.
#define FOR_LANES(count, ...) \
  do { \
    const long whole = (count) - (count) % LANES; \
    for (long start = 0; start < whole; start += LANES) \
      for (int l = 0; l < LANES; l++) { \
        const long i = start + l; \
        __VA_ARGS__ \
      } \
    for (long i = whole; i < (count); i++) { \
      const long l = i - whole; \
      __VA_ARGS__ \
    } \
  } while (0)

// LANES numbers, which the compiler keeps in registers, unlike an array. LOAD and STORE are macros, since the calling
// convention for returned vectors depends on the processor.
typedef float lanes __attribute__((vector_size(4 * LANES)));
#define LOAD(type, from) ({ type loaded; memcpy(&loaded, from, sizeof loaded); loaded; })
#define STORE(to, ...) \
  do { const __typeof__(__VA_ARGS__) stored = (__VA_ARGS__); memcpy(to, &stored, sizeof stored); } while (0)

INLINE float from_bits(uint32_t bits) { union { uint32_t u; float f; } v = {bits}; return v.f; }
INLINE uint32_t to_bits(float x) { union { float f; uint32_t u; } v = {x}; return v.u; }

INLINE float lane_sum(const float *lanes) {
  float halves[8];
  for (int i = 0; i < 8; i++) halves[i] = lanes[i] + lanes[i + 8];
  for (int i = 0; i < 4; i++) halves[i] += halves[i + 4];
  return (halves[0] + halves[2]) + (halves[1] + halves[3]);
}

// The largest of `count` numbers.
INLINE float largest_number(const float *x, long count) {
  float tops[LANES];
  for (int l = 0; l < LANES; l++) tops[l] = -INFINITY;
  FOR_LANES(count, tops[l] = x[i] > tops[l] ? x[i] : tops[l];);
  float top = tops[0];
  for (int l = 1; l < LANES; l++) top = tops[l] > top ? tops[l] : top;
  return top;
}

// bfloat16 is the upper half of a float's bits. Narrowing rounds to the nearest even number; NaN stays NaN.
INLINE float from_bf16(uint16_t bits) { return from_bits((uint32_t)bits << 16); }
INLINE uint16_t to_bf16(float x) {
  uint32_t bits = to_bits(x), rounded = bits + 0x7FFFu + (bits >> 16 & 1u);
  return (uint16_t)((x != x ? bits | 0x400000u : rounded) >> 16);
}

// The end of e^x = 2^n e^r, n = shifted - 1.5 * 2^23: p holds the polynomial's terms from r^5 on.
INLINE float exp_end(float x, float shifted, float r, float p) {
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  float y = p * from_bits((to_bits(shifted) - 0x4B400000u + 127u) << 23);
  return x < -87.33f ? 0.0f : y;
}

// e^x for x <= 88 to about 1 ulp, above that nonsense; 0 below -87.33 (no subnormal results), NaN stays NaN. Cephes'
// polynomial, Cody and Waite's reduction.
INLINE float vexp_bounded(float x) {
  float shifted = x * 1.44269504f + 12582912.0f;  // 1.5 * 2^23: rounds to the nearest whole number
  float n = shifted - 12582912.0f;
  float r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  return exp_end(x, shifted, r, p * r + 8.3334519073e-3f);
}

// The same for all x: infinite above 88.37.
INLINE float vexp(float x) {
  float y = vexp_bounded(x);
  return x > 88.37f ? __builtin_inff() : y;
}

// erf(x) to about 1 ulp (N. Juffa's minimax polynomials).
INLINE float verf(float a) {
  float t = from_bits(to_bits(a) & 0x7FFFFFFFu), s = a * a;
  float r = -1.72853470e-5f * t + 3.83197126e-4f, u = -3.88396438e-3f * t + 2.42546219e-2f;
  r = r * s + u;
  r = r * t + -1.06777877e-1f;
  r = r * t + -6.34846687e-1f;
  r = r * t + -1.28717512e-1f;
  r = r * t + -t;
  float large = from_bits(to_bits(1.0f - vexp_bounded(r)) | (to_bits(a) & 0x80000000u));
  float q = -5.96761703e-4f;
  q = q * s + 4.99119423e-3f;
  q = q * s + -2.67681349e-2f;
  q = q * s + 1.12819925e-1f;
  q = q * s + -3.76125336e-1f;
  q = q * s + 1.28379166e-1f;
  float small = q * a + a;
  return t > 0.927734375f ? large : small;
}

// The mean of a row and 1 / its standard deviation, in two passes.
INLINE void statistics(const float *x, float epsilon, long columns, float *mean, float *reciprocal_deviation) {
  float sums[LANES] = {0}, squares[LANES] = {0};
  FOR_LANES(columns, sums[l] += x[i];);
  float center = lane_sum(sums) / (float)columns;
  FOR_LANES(columns, squares[l] += (x[i] - center) * (x[i] - center););
  *mean = center;
  *reciprocal_deviation = 1.0f / sqrtf(lane_sum(squares) / (float)columns + epsilon);
}

// x = multiplier (x + bias) + residual, each of which may be null.
INLINE void add_branch(float *x, const float *bias, const float *multiplier, const float *residual, long columns) {
  if (bias) for (long c = 0; c < columns; c++) x[c] += bias[c];
  if (multiplier) for (long c = 0; c < columns; c++) x[c] *= multiplier[c];
  if (residual) for (long c = 0; c < columns; c++) x[c] += residual[c];
}

INLINE float vsigmoid(float x) { return 1.0f / (1.0f + vexp(-x)); }

// tanh(x). Near zero an odd polynomial (Cephes) keeps the relative accuracy.
INLINE float vtanh(float x) {
  float s = x * x;
  float p = -5.70498872745e-3f;
  p = p * s + 2.06390887954e-2f;
  p = p * s + -5.37397155531e-2f;
  p = p * s + 1.33314422036e-1f;
  p = p * s + -3.33332819422e-1f;
  float small = p * s * x + x;
  float t = from_bits(to_bits(x) & 0x7FFFFFFFu);
  float large = 1.0f - 2.0f / (vexp(2.0f * t) + 1.0f);
  large = from_bits(to_bits(large) | (to_bits(x) & 0x80000000u));
  return t > 0.625f ? large : small;
}
#endif
