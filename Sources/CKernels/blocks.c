#include <string.h>

#include "blocks.h"

// Numbers of blocks. Every product and every sum is an operation of its own, so that the numbers are ggml's to the bit.
#pragma STDC FP_CONTRACT OFF

INLINE void q8_0_numbers(float *out, const struct q8_0 *b) {
  const float d = wide(b->d);
  for (int i = 0; i < 32; i++) out[i] = d * (float)b->q[i];
}

// Of 16 bytes the low nibbles are numbers 0 ... 15, the high ones 16 ... 31.
INLINE void nibbles(uint8_t *n, const uint8_t *q) {
  for (int i = 0; i < 16; i++) n[i] = q[i] & 15;
  for (int i = 0; i < 16; i++) n[16 + i] = q[i] >> 4;
}

INLINE void q4_0_numbers(float *out, const struct q4_0 *b) {
  const float d = wide(b->d);
  uint8_t n[32];
  nibbles(n, b->q);
  for (int i = 0; i < 32; i++) out[i] = d * (float)(n[i] - 8);
}

INLINE void q4_1_numbers(float *out, const struct q4_1 *b) {
  const float d = wide(b->d), m = wide(b->m);
  uint8_t n[32];
  nibbles(n, b->q);
  for (int i = 0; i < 32; i++) out[i] = d * (float)n[i] + m;
}

// Bit i of `high` is the fifth bit of number i.
INLINE void q5_0_numbers(float *out, const struct q5_0 *b) {
  const float d = wide(b->d);
  const uint32_t high = b->high;
  for (int i = 0; i < 16; i++) out[i] = d * (float)((int)((b->q[i] & 15) | (high >> i & 1) << 4) - 16);
  for (int i = 0; i < 16; i++) out[16 + i] = d * (float)((int)(b->q[i] >> 4 | (high >> (16 + i) & 1) << 4) - 16);
}

INLINE void q5_1_numbers(float *out, const struct q5_1 *b) {
  const float d = wide(b->d), m = wide(b->m);
  const uint32_t high = b->high;
  for (int i = 0; i < 16; i++) out[i] = d * (float)((b->q[i] & 15) | (high >> i & 1) << 4) + m;
  for (int i = 0; i < 16; i++) out[16 + i] = d * (float)(b->q[i] >> 4 | (high >> (16 + i) & 1) << 4) + m;
}

// Twelve bytes hold six bits of a scale and of a minimum for each of eight parts of 32 numbers: bytes 0 ... 3 and
// 4 ... 7 those of parts 0 ... 3, and in their two top bits what the nibbles of bytes 8 ... 11 lack of parts 4 ... 7.
INLINE int part_scale(const uint8_t *s, int j) { return j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4; }
INLINE int part_minimum(const uint8_t *s, int j) { return j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | (s[j] >> 6) << 4; }

// Of each 32 bytes of `low` the low nibbles are a part, the high ones the next. Bit j of high[i] is the fifth bit of
// number i of part j; `high` may be null.
INLINE void part_numbers(float *out, const struct parts *p, const uint8_t *low, const uint8_t *high) {
  const float d = wide(p->d), m = wide(p->m);
  for (int j = 0; j < 8; j++) {
    const float scale = d * (float)part_scale(p->s, j), minimum = m * (float)part_minimum(p->s, j);
    const uint8_t *q = low + 32 * (j / 2);
    const int shift = j % 2 * 4;
    for (int i = 0; i < 32; i++)
      out[32 * j + i] = scale * (float)((q[i] >> shift & 15) | (high ? (high[i] >> j & 1) << 4 : 0)) - minimum;
  }
}

INLINE void q4_k_numbers(float *out, const struct q4_k *b) { part_numbers(out, &b->parts, b->q, NULL); }

INLINE void q5_k_numbers(float *out, const struct q5_k *b) { part_numbers(out, &b->parts, b->q, b->high); }

// Two halves of four parts of 32 numbers, with a scale for every 16.
INLINE void q6_k_numbers(float *out, const struct q6_k *b) {
  const float d = wide(b->d);
  for (int h = 0; h < 2; h++)
    for (int j = 0; j < 4; j++) {
      const uint8_t *low = b->low + 64 * h + j % 2 * 32, *high = b->high + 32 * h;
      float *numbers = out + 128 * h + 32 * j;
      const float first = d * (float)b->s[8 * h + 2 * j], second = d * (float)b->s[8 * h + 2 * j + 1];
      const int shift = j / 2 * 4;
      for (int i = 0; i < 16; i++)
        numbers[i] = first * (float)((int)((low[i] >> shift & 15) | (high[i] >> 2 * j & 3) << 4) - 32);
      for (int i = 16; i < 32; i++)
        numbers[i] = second * (float)((int)((low[i] >> shift & 15) | (high[i] >> 2 * j & 3) << 4) - 32);
    }
}

INLINE void iq4_nl_numbers(float *out, const struct iq4_nl *b) {
  const float d = wide(b->d);
  uint8_t n[32];
  nibbles(n, b->q);
  for (int i = 0; i < 32; i++) out[i] = d * (float)nonlinear[n[i]];
}

#define DEQUANTISE(type, size) \
  DISPATCHED void ck_dequantise_##type(float *out, const void *in, long count) { \
    const struct type *blocks = in; \
    for (long i = 0; i < count / size; i++) type##_numbers(out + size * i, blocks + i); \
  }

DEQUANTISE(q8_0, 32)
DEQUANTISE(q4_0, 32)
DEQUANTISE(q4_1, 32)
DEQUANTISE(q5_0, 32)
DEQUANTISE(q5_1, 32)
DEQUANTISE(q4_k, 256)
DEQUANTISE(q5_k, 256)
DEQUANTISE(q6_k, 256)
DEQUANTISE(iq4_nl, 32)

struct ck_format ck_format(enum ck_stored stored) {
  switch (stored) {
    case ck_stored_float32: return (struct ck_format){1, 4};
    case ck_stored_bfloat16: return (struct ck_format){1, 2};
    case ck_stored_float16: return (struct ck_format){1, 2};
    case ck_stored_q8_0: return (struct ck_format){32, sizeof(struct q8_0)};
    case ck_stored_q4_0: return (struct ck_format){32, sizeof(struct q4_0)};
    case ck_stored_q4_1: return (struct ck_format){32, sizeof(struct q4_1)};
    case ck_stored_q5_0: return (struct ck_format){32, sizeof(struct q5_0)};
    case ck_stored_q5_1: return (struct ck_format){32, sizeof(struct q5_1)};
    case ck_stored_q4_k: return (struct ck_format){256, sizeof(struct q4_k)};
    case ck_stored_q5_k: return (struct ck_format){256, sizeof(struct q5_k)};
    case ck_stored_q6_k: return (struct ck_format){256, sizeof(struct q6_k)};
    case ck_stored_iq4_nl: return (struct ck_format){32, sizeof(struct iq4_nl)};
  }
}

void ck_widen(enum ck_stored stored, float *out, const void *in, long count) {
  switch (stored) {
    case ck_stored_float32: memcpy(out, in, (size_t)(4 * count)); break;
    case ck_stored_bfloat16: ck_widen_bfloat16(out, in, count); break;
    case ck_stored_float16: ck_widen_float16(out, in, count); break;
    case ck_stored_q8_0: ck_dequantise_q8_0(out, in, count); break;
    case ck_stored_q4_0: ck_dequantise_q4_0(out, in, count); break;
    case ck_stored_q4_1: ck_dequantise_q4_1(out, in, count); break;
    case ck_stored_q5_0: ck_dequantise_q5_0(out, in, count); break;
    case ck_stored_q5_1: ck_dequantise_q5_1(out, in, count); break;
    case ck_stored_q4_k: ck_dequantise_q4_k(out, in, count); break;
    case ck_stored_q5_k: ck_dequantise_q5_k(out, in, count); break;
    case ck_stored_q6_k: ck_dequantise_q6_k(out, in, count); break;
    case ck_stored_iq4_nl: ck_dequantise_iq4_nl(out, in, count); break;
  }
}

// A piece stays in the first-level cache.
#define PIECE 2048

void ck_narrow(enum ck_stored stored, uint16_t *out, const void *in, long count) {
  float numbers[PIECE];
  const struct ck_format format = ck_format(stored);
  for (long start = 0; start < count; start += PIECE) {
    const long length = count - start < PIECE ? count - start : PIECE;
    ck_widen(stored, numbers, (const char *)in + start / format.block * format.bytes, length);
    ck_narrow_bfloat16(out + start, numbers, length);
  }
}
