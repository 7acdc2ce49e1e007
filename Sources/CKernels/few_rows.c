// Products of a few rows with a weight [.., columns], row by row: memory is fastest when a weight is read from its first
// byte to its last. The time is that of reading it, so blocks are unpacked in registers.
#include "parts.h"

// Single numbers as they lie in a file, 32 at a time.
PACKED float32 { uint32_t n[32]; };
PACKED bfloat16 { uint16_t n[32]; };
PACKED float16 { uint16_t n[32]; };

#define PLAIN(type) INLINE void type##_floats(lanes *w, const struct type *b)
PLAIN(float32) { for (int h = 0; h < 2; h++) w[h] = LOAD(lanes, b->n + LANES * h); }
PLAIN(bfloat16) {
  for (int h = 0; h < 2; h++) w[h] = (lanes)(CONVERT(LOAD(lane_halves, b->n + LANES * h), lane_bits) << 16);
}
PLAIN(float16) {
  for (int h = 0; h < 2; h++) {
    const lane_bits bits = CONVERT(LOAD(signed_halves, b->n + LANES * h), lane_bits);
    w[h] = (lanes)(bits << 13 & 0x8FFFE000u) * 0x1p112f;
  }
}
INLINE float float32_number(const void *w) { return LOAD(float, w); }
INLINE float bfloat16_number(const void *w) { return from_bf16(LOAD(uint16_t, w)); }
INLINE float float16_number(const void *w) { return scale_of(LOAD(uint16_t, w)); }

INLINE void add_part(lanes *s, const lanes *w, const float *x) {
  for (int h = 0; h < 2; h++) s[h] += w[h] * LOAD(lanes, x + LANES * h);
}
INLINE float total(const lanes *s) {
  float lane[LANES];
  STORE(lane, s[0] + s[1]);
  return lane_sum(lane);
}

INLINE float eight_sum(const float *s) { return (s[0] + s[4]) + (s[2] + s[6]) + ((s[1] + s[5]) + (s[3] + s[7])); }

#define ROW(type) \
  INLINE void type##_row(float *y, long y_stride, const float *x, long x_stride, const int few, const struct type *b, \
                         long columns)

#define PLAIN_ROW(type) \
  ROW(type) { \
    lanes s[4][2]; \
    float rest[4][8] = {{0}}; \
    for (int t = 0; t < few; t++) s[t][0] = s[t][1] = (lanes){0}; \
    long at = 0; \
    for (; at + 32 <= columns; at += 32, b++) { \
      lanes w[2]; \
      type##_floats(w, b); \
      for (int t = 0; t < few; t++) add_part(s[t], w, x + t * x_stride + at); \
    } \
    const char *w = (const char *)b; \
    const long bytes = sizeof b->n[0]; \
    for (; at + 8 <= columns; at += 8, w += 8 * bytes) \
      for (int t = 0; t < few; t++) \
        for (int i = 0; i < 8; i++) rest[t][i] += type##_number(w + i * bytes) * x[t * x_stride + at + i]; \
    for (int i = 0; at < columns; at++, i++) \
      for (int t = 0; t < few; t++) rest[t][i] += type##_number(w + i * bytes) * x[t * x_stride + at]; \
    for (int t = 0; t < few; t++) y[t * y_stride] = total(s[t]) + eight_sum(rest[t]); \
  }

// Blocks of `size` numbers.
#define BLOCK_ROWS(type, size) \
  ROW(type) { \
    lanes s[4][2]; \
    for (int t = 0; t < few; t++) s[t][0] = s[t][1] = (lanes){0}; \
    for (long at = 0; at < columns; b++) { \
      float scales[size / LANES], minima[size / LANES]; \
      type##_affine(scales, minima, b); \
      _Pragma("clang loop unroll(full)") for (int j = 0; j < size / 32; j++, at += 32) { \
        lane_bytes n[2]; \
        lanes w[2]; \
        type##_part(n, b, j); \
        for (int h = 0; h < 2; h++) w[h] = scales[2 * j + h] * CONVERT(n[h], lanes) + minima[2 * j + h]; \
        for (int t = 0; t < few; t++) add_part(s[t], w, x + t * x_stride + at); \
      } \
    } \
    for (int t = 0; t < few; t++) y[t * y_stride] = total(s[t]); \
  } \
  ROWS(type, DISPATCHED, float, columns / size * (long)sizeof(struct type))

#define PLAIN_ROWS(type) \
  PLAIN_ROW(type) \
  ROWS(type, DISPATCHED, float, columns * (long)sizeof(((struct type *)0)->n[0]))

PLAIN_ROWS(float32)
PLAIN_ROWS(bfloat16)
PLAIN_ROWS(float16)
BLOCK_ROWS(q8_0, 32)
BLOCK_ROWS(q4_0, 32)
BLOCK_ROWS(q4_1, 32)
BLOCK_ROWS(q5_0, 32)
BLOCK_ROWS(q5_1, 32)
BLOCK_ROWS(iq4_nl, 32)
BLOCK_ROWS(q4_k, 256)
BLOCK_ROWS(q5_k, 256)
BLOCK_ROWS(q6_k, 256)

void ck_few_times_rows(float *y, long y_stride, const float *x, long x_stride, long few, const void *weight,
                       enum ck_stored stored, struct ck_rows rows, long columns) {
#define CASE(type) \
  case ck_stored_##type: type##_rows(y, y_stride, x, x_stride, few, weight, rows, columns); break
  switch (stored) {
    CASE(float32);
    CASE(bfloat16);
    CASE(float16);
    CASE(q8_0);
    CASE(q4_0);
    CASE(q4_1);
    CASE(q5_0);
    CASE(q5_1);
    CASE(q4_k);
    CASE(q5_k);
    CASE(q6_k);
    CASE(iq4_nl);
  }
}
