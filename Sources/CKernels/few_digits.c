// Products of a few rows with blocks of 256 numbers, in whole numbers. Their parts have scales of their own, and unpacking
// takes longer than reading: x is therefore rounded to 16 bits, 32 numbers at a time, as two digits of eight, of which VNNI
// multiplies 32 with a part's numbers as they are.
#include "parts.h"

// What a row of x is made into. `sums` are of 16 numbers each.
struct digits {
  int8_t *digits;  // 32 high ones, then 32 low ones
  float *scales, *sums;
};

INLINE struct digits row_digits(const void *memory, long columns) {
  char *base = (char *)memory;
  return (struct digits){(int8_t *)base, (float *)(base + 2 * columns), (float *)(base + 2 * columns) + columns / 32};
}

long ck_digits_size(long columns) { return 2 * columns + columns / 32 * 3 * (long)sizeof(float); }

DISPATCHED void ck_digits(void *out, const float *x, long columns) {
  const struct digits row = row_digits(out, columns);
  for (long p = 0; p < columns / 32; p++, x += 32) {
    const float largest = from_bits(ck_largest_bits32(x, 32));
    // The high digit is at most 127: 127 · 256 = 32512.
    const float inverse = largest > 0 ? 32512.0f / largest : 0.0f;
    row.scales[p] = largest / 32512.0f;
    for (int i = 0; i < 32; i++) {
      const int number = (int)rintf(x[i] * inverse), high = (number + 128) >> 8;
      row.digits[64 * p + i] = (int8_t)high;
      row.digits[64 * p + 32 + i] = (int8_t)(number - 256 * high);
    }
    for (int h = 0; h < 2; h++) {
      float lane[LANES];
      memcpy(lane, x + LANES * h, sizeof lane);
      row.sums[2 * p + h] = lane_sum(lane);
    }
  }
}

#if defined(__x86_64__)
#include <immintrin.h>

#define VNNI __attribute__((target("arch=x86-64-v4,avx512vnni")))

bool ck_takes_digits(enum ck_stored stored) {
  __builtin_cpu_init();
  return (stored == ck_stored_q4_k || stored == ck_stored_q5_k || stored == ck_stored_q6_k) &&
         __builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512vnni");
}

// s += scales Σ n x of a part.
VNNI INLINE void add_digits(eight *s, const lane_bytes *n, const int8_t *x, const float *scales, float x_scale) {
  const __m256i numbers = _mm256_set_m128i((__m128i)n[1], (__m128i)n[0]);
  const __m256i high = _mm256_dpbusd_epi32(_mm256_setzero_si256(), numbers, LOAD(__m256i, x));
  const __m256i low = _mm256_dpbusd_epi32(_mm256_setzero_si256(), numbers, LOAD(__m256i, x + 32));
  const float f = scales[0] * x_scale, g = scales[1] * x_scale;
  *s += (eight){f, f, f, f, g, g, g, g} * (eight)_mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_slli_epi32(high, 8), low));
}

VNNI INLINE float digits_total(eight s, lanes least) {
  float eights[8], lane[LANES];
  STORE(eights, s);
  STORE(lane, least);
  return (eights[0] + eights[4]) + (eights[2] + eights[6]) + ((eights[1] + eights[5]) + (eights[3] + eights[7])) +
         lane_sum(lane);
}

// `few` is a constant wherever these are inlined.
#define ROW(type) \
  VNNI INLINE void type##_row(float *y, long y_stride, const char *x, const int few, const struct type *b, long columns) { \
    eight s[4]; \
    lanes least[4]; \
    struct digits rows[4]; \
    for (int t = 0; t < few; t++) { \
      s[t] = (eight){0}; \
      least[t] = (lanes){0}; \
      rows[t] = row_digits(x + t * ck_digits_size(columns), columns); \
    } \
    for (long at = 0; at < columns; at += 256, b++) { \
      float scales[LANES], minima[LANES]; \
      type##_affine(scales, minima, b); \
      for (int t = 0; t < few; t++) least[t] += LOAD(lanes, minima) * LOAD(lanes, rows[t].sums + at / LANES); \
      _Pragma("clang loop unroll(full)") for (int j = 0; j < 8; j++) { \
        lane_bytes n[2]; \
        type##_part(n, b, j); \
        for (int t = 0; t < few; t++) \
          add_digits(s + t, n, rows[t].digits + 2 * at + 64 * j, scales + 2 * j, rows[t].scales[at / 32 + j]); \
      } \
    } \
    for (int t = 0; t < few; t++) y[t * y_stride] = digits_total(s[t], least[t]); \
  }

#define ROWS(type) \
  ROW(type) \
  VNNI static void type##_rows(float *y, long y_stride, const char *x, long few, const char *weight, long rows, \
                               long columns) { \
    const long size = ck_digits_size(columns); \
    for (long row = 0; row < rows; row++, weight += columns / 256 * (long)sizeof(struct type)) { \
      long t = 0; \
      for (; few - t >= 4; t += 4) \
        type##_row(y + t * y_stride + row, y_stride, x + t * size, 4, (const void *)weight, columns); \
      if (few - t >= 2) { \
        type##_row(y + t * y_stride + row, y_stride, x + t * size, 2, (const void *)weight, columns); \
        t += 2; \
      } \
      if (few > t) type##_row(y + t * y_stride + row, y_stride, x + t * size, 1, (const void *)weight, columns); \
    } \
  }

ROWS(q4_k)
ROWS(q5_k)
ROWS(q6_k)

void ck_few_digits_times_rows(float *y, long y_stride, const void *digits, long few, const void *weight,
                              enum ck_stored stored, long first, long rows, long columns) {
  const char *w = (const char *)weight + first * columns / 256 * ck_format(stored).bytes;
  if (stored == ck_stored_q4_k) q4_k_rows(y, y_stride, digits, few, w, rows, columns);
  if (stored == ck_stored_q5_k) q5_k_rows(y, y_stride, digits, few, w, rows, columns);
  if (stored == ck_stored_q6_k) q6_k_rows(y, y_stride, digits, few, w, rows, columns);
}
#else
bool ck_takes_digits(enum ck_stored stored) { return (void)stored, false; }

void ck_few_digits_times_rows(float *y, long y_stride, const void *digits, long few, const void *weight,
                              enum ck_stored stored, long first, long rows, long columns) {
  (void)y, (void)y_stride, (void)digits, (void)few, (void)weight, (void)stored, (void)first, (void)rows, (void)columns;
}
#endif
