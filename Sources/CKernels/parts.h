// Parts of 32 numbers of stored blocks, for products that read a weight once: whole numbers in bytes, and what makes floats
// of them.
#ifndef SWIFT_PEFT_CKERNELS_PARTS_H
#define SWIFT_PEFT_CKERNELS_PARTS_H
#include "blocks.h"

typedef uint32_t lane_bits __attribute__((vector_size(4 * LANES)));
typedef uint16_t lane_halves __attribute__((vector_size(2 * LANES)));
typedef int16_t signed_halves __attribute__((vector_size(2 * LANES)));
typedef uint8_t lane_bytes __attribute__((vector_size(LANES)));
typedef int8_t signed_bytes __attribute__((vector_size(LANES)));

#define CONVERT(v, type) __builtin_convertvector(v, type)

// A scale. Weights with infinite ones have been refused, so that nothing is special here; `wide` takes longer.
INLINE float scale_of(half bits) {
  return from_bits((uint32_t)(int32_t)(int16_t)bits << 13 & 0x8FFFE000u) * 0x1p112f;
}

// Where a weight has the row that is number `row` of `rows`.
INLINE long stored_row(struct ck_rows rows, long row) {
  const long number = rows.first + row;
  if (rows.head == 0) return number;
  const long place = number % rows.head, half = rows.head / 2;
  return number - place + place % half * 2 + place / half;
}

// Calls for the row that is about a page ahead: the processor itself stops at the end of each page.
INLINE void prefetch_row(const char *weight, struct ck_rows rows, long row, long bytes) {
  const long ahead = row + 1 + 4096 / bytes;
  if (ahead >= rows.count) return;
  const char *start = weight + stored_row(rows, ahead) * bytes;
  for (long i = 0; i < bytes; i += 64) __builtin_prefetch(start + i);
}

// The product of a weight's rows of `bytes` bytes with rows of x, a few at a time: each row of the weight stays in the cache
// for all rows of x. type_row computes one with `few` rows of x, a constant, so that its sums stay in registers.
#define ROWS(type, attribute, number, bytes) \
  attribute static void type##_rows(float *y, long y_stride, const number *x, long x_stride, long few, \
                                    const char *weight, struct ck_rows rows, long columns) { \
    for (long row = 0; row < rows.count; row++) { \
      float *out = y + row; \
      const void *w = weight + stored_row(rows, row) * (bytes); \
      prefetch_row(weight, rows, row, (bytes)); \
      long t = 0; \
      for (; few - t >= 4; t += 4) type##_row(out + t * y_stride, y_stride, x + t * x_stride, x_stride, 4, w, columns); \
      if (few - t >= 2) { \
        type##_row(out + t * y_stride, y_stride, x + t * x_stride, x_stride, 2, w, columns); \
        t += 2; \
      } \
      if (few > t) type##_row(out + t * y_stride, y_stride, x + t * x_stride, x_stride, 1, w, columns); \
    } \
  }

// n = the numbers of part j, 0 ... 255, in two halves.
#define PART(type) INLINE void type##_part(lane_bytes *n, const struct type *b, int j)
// For every 16 numbers of a block, the scale and the minimum of w = scale n + minimum.
#define AFFINE(type) INLINE void type##_affine(float *scales, float *minima, const struct type *b)

// A block of one part.
INLINE void one_affine(float *scales, float *minima, float scale, float minimum) {
  for (int h = 0; h < 2; h++) scales[h] = scale, minima[h] = minimum;
}

// Of 16 bytes the low nibbles are one half, the high ones the other.
INLINE void nibble_part(lane_bytes *n, const uint8_t *q) {
  const lane_bytes both = LOAD(lane_bytes, q);
  n[0] = both & 15;
  n[1] = both >> 4;
}

// The same, and bit i of `high` is the fifth bit of number i.
INLINE void five_bit_part(lane_bytes *n, const uint8_t *q, uint32_t high) {
  typedef uint32_t words __attribute__((vector_size(16)));
  const lane_bytes bit = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const lane_bytes all = (lane_bytes)(words){high, high, high, high};
  const lane_bytes bits[2] = {
      __builtin_shufflevector(all, all, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1),
      __builtin_shufflevector(all, all, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3)};
  nibble_part(n, q);
  for (int h = 0; h < 2; h++) n[h] |= (lane_bytes)((bits[h] & bit) == bit) & 16;
}

AFFINE(q8_0) { one_affine(scales, minima, scale_of(b->d), -128 * scale_of(b->d)); }
PART(q8_0) { for (int h = 0; h < 2; h++) n[h] = LOAD(lane_bytes, b->q + LANES * h) ^ 128; }

AFFINE(q4_0) { one_affine(scales, minima, scale_of(b->d), -8 * scale_of(b->d)); }
PART(q4_0) { nibble_part(n, b->q); }

AFFINE(q4_1) { one_affine(scales, minima, scale_of(b->d), scale_of(b->m)); }
PART(q4_1) { nibble_part(n, b->q); }

AFFINE(q5_0) { one_affine(scales, minima, scale_of(b->d), -16 * scale_of(b->d)); }
PART(q5_0) { five_bit_part(n, b->q, b->high); }

AFFINE(q5_1) { one_affine(scales, minima, scale_of(b->d), scale_of(b->m)); }
PART(q5_1) { five_bit_part(n, b->q, b->high); }

AFFINE(iq4_nl) { one_affine(scales, minima, scale_of(b->d), -128 * scale_of(b->d)); }
PART(iq4_nl) {
  uint8_t numbers[32];
  for (int i = 0; i < 16; i++) numbers[i] = (uint8_t)(nonlinear[b->q[i] & 15] + 128);
  for (int i = 0; i < 16; i++) numbers[16 + i] = (uint8_t)(nonlinear[b->q[i] >> 4] + 128);
  for (int h = 0; h < 2; h++) n[h] = LOAD(lane_bytes, numbers + LANES * h);
}

// All of `part_scale` and then all of `part_minimum`, in bytes.
INLINE void part_bytes(uint32_t *packed, const struct parts *p) {
  uint32_t s[3];
  memcpy(s, p->s, sizeof s);
  packed[0] = s[0] & 0x3F3F3F3Fu;
  packed[1] = (s[2] & 0x0F0F0F0Fu) | (s[0] >> 2 & 0x30303030u);
  packed[2] = s[1] & 0x3F3F3F3Fu;
  packed[3] = (s[2] >> 4 & 0x0F0F0F0Fu) | (s[1] >> 2 & 0x30303030u);
}

INLINE void parts_affine(float *scales, float *minima, const struct parts *p) {
  uint32_t packed[4];
  part_bytes(packed, p);
  const lane_bytes v = LOAD(lane_bytes, packed);
  const lane_bytes twice = __builtin_shufflevector(v, v, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  const lane_bytes least = __builtin_shufflevector(v, v, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15);
  STORE(scales, scale_of(p->d) * CONVERT(twice, lanes));
  STORE(minima, -scale_of(p->m) * CONVERT(least, lanes));
}

AFFINE(q4_k) { parts_affine(scales, minima, &b->parts); }
PART(q4_k) {
  for (int h = 0; h < 2; h++) {
    const lane_bytes q = LOAD(lane_bytes, b->q + 32 * (j / 2) + LANES * h);
    n[h] = j % 2 ? q >> 4 : q & 15;
  }
}

AFFINE(q5_k) { parts_affine(scales, minima, &b->parts); }
PART(q5_k) {
  for (int h = 0; h < 2; h++) {
    const lane_bytes q = LOAD(lane_bytes, b->q + 32 * (j / 2) + LANES * h);
    const lane_bytes high = LOAD(lane_bytes, b->high + LANES * h) & (uint8_t)(1 << j);
    n[h] = (j % 2 ? q >> 4 : q & 15) | ((lane_bytes)(high != 0) & 16);
  }
}

AFFINE(q6_k) {
  const lanes all = scale_of(b->d) * CONVERT(LOAD(signed_bytes, b->s), lanes);
  STORE(scales, all);
  STORE(minima, -32 * all);
}
PART(q6_k) {
  for (int h = 0; h < 2; h++) {
    const lane_bytes low = LOAD(lane_bytes, b->low + 64 * (j / 4) + 32 * (j % 2) + LANES * h);
    const lane_bytes high = LOAD(lane_bytes, b->high + 32 * (j / 4) + LANES * h);
    n[h] = (j % 4 / 2 ? low >> 4 : low & 15) | (high >> j % 4 * 2 & 3) << 4;
  }
}
#endif
