#include <math.h>
#include <string.h>

#include "blocks.h"

// Makes blocks of numbers. Those of 32 numbers are made as ggml's reference code makes them, bit for bit; for blocks of
// 256 a scale and a minimum are found by least squares. Nothing may be contracted or reordered.
#pragma STDC FP_CONTRACT OFF

// Rounds to the nearest float16, halves to even.
static half narrow(float x) {
  const uint32_t bits = to_bits(x), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
  if (magnitude >= 0x47800000u)  // 65536, infinite or NaN
    return (half)(sign | (magnitude > 0x7F800000u ? 0x7E00u : 0x7C00u));
  if (magnitude < 0x38800000u) {
    // Subnormal: the sum rounds to a multiple of 2^-24.
    return (half)(sign | (to_bits(from_bits(magnitude) + 0.5f) - 0x3F000000u));
  }
  return (half)(sign | ((magnitude - 0x38000000u + 0xFFFu + (magnitude >> 13 & 1u)) >> 13));
}

static float reciprocal(float d) { return d == 0.0f ? 0.0f : 1.0f / d; }

static void quantise_q8_0(struct q8_0 *b, const float *x) {
  float largest = 0;
  for (int i = 0; i < 32; i++) largest = fmaxf(largest, fabsf(x[i]));
  const float d = largest / 127.0f, id = reciprocal(d);
  for (int i = 0; i < 32; i++) b->q[i] = (int8_t)roundf(x[i] * id);
  b->d = narrow(d);
}

// The number with the largest magnitude, the first of equal ones, with its sign.
static float largest_of(const float *x) {
  float largest = 0, value = 0;
  for (int i = 0; i < 32; i++)
    if (fabsf(x[i]) > largest) largest = fabsf(value = x[i]);
  return value;
}

static uint8_t code(float x, int most) {
  const int n = (int)x;
  return (uint8_t)(n < 0 ? 0 : n > most ? most : n);
}

static void pack_nibbles(uint8_t *q, const uint8_t *n) {
  for (int i = 0; i < 16; i++) q[i] = (uint8_t)((n[i] & 15) | n[16 + i] << 4);
}

static uint32_t fifth_bits(const uint8_t *n) {
  uint32_t high = 0;
  for (int i = 0; i < 32; i++) high |= (uint32_t)(n[i] >> 4 & 1) << i;
  return high;
}

static void quantise_q4_0(struct q4_0 *b, const float *x) {
  const float d = largest_of(x) / -8.0f, id = reciprocal(d);
  uint8_t n[32];
  for (int i = 0; i < 32; i++) n[i] = code(x[i] * id + 8.5f, 15);
  pack_nibbles(b->q, n);
  b->d = narrow(d);
}

static void quantise_q5_0(struct q5_0 *b, const float *x) {
  const float d = largest_of(x) / -16.0f, id = reciprocal(d);
  uint8_t n[32];
  for (int i = 0; i < 32; i++) n[i] = code(x[i] * id + 16.5f, 31);
  pack_nibbles(b->q, n);
  b->high = fifth_bits(n);
  b->d = narrow(d);
}

// The step from the smallest number to the largest, and the codes; returns the smallest number.
static float codes_between(const float *x, int most, uint8_t *n, float *step) {
  float least = x[0], greatest = x[0];
  for (int i = 1; i < 32; i++) {
    if (x[i] < least) least = x[i];
    if (x[i] > greatest) greatest = x[i];
  }
  *step = (greatest - least) / (float)most;
  const float id = reciprocal(*step);
  for (int i = 0; i < 32; i++) n[i] = code((x[i] - least) * id + 0.5f, most);
  return least;
}

static void quantise_q4_1(struct q4_1 *b, const float *x) {
  uint8_t n[32];
  float d;
  b->m = narrow(codes_between(x, 15, n, &d));
  b->d = narrow(d);
  pack_nibbles(b->q, n);
}

static void quantise_q5_1(struct q5_1 *b, const float *x) {
  uint8_t n[32];
  float d;
  b->m = narrow(codes_between(x, 31, n, &d));
  b->d = narrow(d);
  b->high = fifth_bits(n);
  pack_nibbles(b->q, n);
}

// The nearest whole number from 0 to `most`.
static int nearest(float x, int most) {
  const float r = rintf(x);
  return r <= 0 ? 0 : r >= (float)most ? most : (int)r;
}

// What x ≈ s n − m with the nearest n is wrong by. Large numbers count for more in a product.
static float affine_error(const float *x, int count, int most, float mean, double s, double m) {
  float error = 0;
  for (int i = 0; i < count; i++) {
    const int n = nearest((float)((x[i] + m) / s), most);
    const float difference = (float)(s * n - m) - x[i];
    error += (mean + fabsf(x[i])) * difference * difference;
  }
  return error;
}

// A scale and a minimum m >= 0 for x ≈ scale n − m with n from 0 to `most`: the obvious ones, from the smallest number to
// the largest, or better ones, from trying steps around the obvious one and solving for both given the codes.
static void fit_affine(const float *x, int count, int most, float *scale, float *minimum) {
  float least = 0, greatest = x[0], mean = 0;
  for (int i = 0; i < count; i++) {
    least = fminf(least, x[i]);
    greatest = fmaxf(greatest, x[i]);
    mean += x[i] * x[i];
  }
  mean = sqrtf(mean / (float)count);
  *minimum = -least;
  *scale = 0;
  if (greatest <= least) return;
  *scale = (greatest - least) / (float)most;
  float best = affine_error(x, count, most, mean, *scale, *minimum);
  for (int try = -10; try <= 10; try++) {
    const float inverse = ((float)most + 0.1f * (float)try) / (greatest - least);
    double w = 0, wn = 0, wnn = 0, wx = 0, wnx = 0;
    for (int i = 0; i < count; i++) {
      const double weight = mean + fabsf(x[i]), n = nearest((x[i] - least) * inverse, most);
      w += weight;
      wn += weight * n;
      wnn += weight * n * n;
      wx += weight * x[i];
      wnx += weight * n * x[i];
    }
    const double determinant = w * wnn - wn * wn;
    if (determinant <= 0) continue;
    double s = (w * wnx - wn * wx) / determinant, m = -(wnn * wx - wn * wnx) / determinant;
    // A minimum has no sign in the format.
    if (m < 0) {
      m = 0;
      s = wnx / wnn;
    }
    if (!(s > 0)) continue;
    const float error = affine_error(x, count, most, mean, s, m);
    if (error < best) {
      best = error;
      *scale = (float)s;
      *minimum = (float)m;
    }
  }
}

// Six bits of eight scales and minima; see `part_scale`.
static void pack_scales(uint8_t *s, const int *scale, const int *minimum) {
  for (int j = 0; j < 4; j++) {
    s[j] = (uint8_t)(scale[j] | scale[j + 4] >> 4 << 6);
    s[j + 4] = (uint8_t)(minimum[j] | minimum[j + 4] >> 4 << 6);
    s[j + 8] = (uint8_t)((scale[j + 4] & 15) | (minimum[j + 4] & 15) << 4);
  }
}

// The parts of Q4_K and Q5_K: their scales and minima in six bits, and the codes that are nearest with these, of which the
// low four bits are packed into `low`.
static void quantise_parts(struct parts *p, uint8_t *low, uint8_t *n, const float *x, int most) {
  float scale[8], minimum[8], largest_scale = 0, largest_minimum = 0;
  for (int j = 0; j < 8; j++) {
    fit_affine(x + 32 * j, 32, most, scale + j, minimum + j);
    largest_scale = fmaxf(largest_scale, scale[j]);
    largest_minimum = fmaxf(largest_minimum, minimum[j]);
  }
  p->d = narrow(largest_scale / 63.0f);
  p->m = narrow(largest_minimum / 63.0f);
  const float d = wide(p->d), m = wide(p->m), id = reciprocal(d), im = reciprocal(m);
  int scales[8], minima[8];
  for (int j = 0; j < 8; j++) {
    scales[j] = nearest(scale[j] * id, 63);
    minima[j] = nearest(minimum[j] * im, 63);
    const float step = reciprocal(d * (float)scales[j]), least = m * (float)minima[j];
    for (int i = 0; i < 32; i++) n[32 * j + i] = (uint8_t)nearest((x[32 * j + i] + least) * step, most);
  }
  pack_scales(p->s, scales, minima);
  for (int g = 0; g < 4; g++)
    for (int i = 0; i < 32; i++) low[32 * g + i] = (uint8_t)((n[64 * g + i] & 15) | (n[64 * g + 32 + i] & 15) << 4);
}

static void quantise_q4_k(struct q4_k *b, const float *x) {
  uint8_t n[256];
  quantise_parts(&b->parts, b->q, n, x, 15);
}

static void quantise_q5_k(struct q5_k *b, const float *x) {
  uint8_t n[256];
  quantise_parts(&b->parts, b->q, n, x, 31);
  memset(b->high, 0, sizeof b->high);
  for (int j = 0; j < 8; j++)
    for (int i = 0; i < 32; i++) b->high[i] |= (uint8_t)(n[32 * j + i] >> 4 << j);
}

static int nearest_signed(float x) {
  const float r = rintf(x);
  return r <= -32 ? -32 : r >= 31 ? 31 : (int)r;
}

// A scale for x ≈ scale n with n from −32 to 31, likewise.
static float fit_scale(const float *x, int count) {
  float largest = 0, extreme = 0;
  for (int i = 0; i < count; i++)
    if (fabsf(x[i]) > largest) largest = fabsf(extreme = x[i]);
  if (largest == 0) return 0;
  float best = -1, scale = 0;
  for (int try = -9; try <= 9; try++) {
    const float inverse = -(32.0f + 0.1f * (float)try) / extreme;
    double nx = 0, nn = 0;
    for (int i = 0; i < count; i++) {
      const double n = nearest_signed(x[i] * inverse), weight = (double)x[i] * x[i];
      nx += weight * n * x[i];
      nn += weight * n * n;
    }
    // What the error becomes smaller by.
    if (nn > 0 && nx * nx / nn > best) {
      best = (float)(nx * nx / nn);
      scale = (float)(nx / nn);
    }
  }
  return scale;
}

static void quantise_q6_k(struct q6_k *b, const float *x) {
  float scale[16], largest = 0, extreme = 0;
  for (int j = 0; j < 16; j++) {
    scale[j] = fit_scale(x + 16 * j, 16);
    if (fabsf(scale[j]) > largest) largest = fabsf(extreme = scale[j]);
  }
  const half d = narrow(extreme / -128.0f);
  const float wide_d = wide(d), id = reciprocal(wide_d);
  uint8_t n[256];
  for (int j = 0; j < 16; j++) {
    const float s = rintf(scale[j] * id);
    const int8_t factor = (int8_t)(s < -128 ? -128 : s > 127 ? 127 : s);
    b->s[j] = factor;
    const float step = reciprocal(wide_d * (float)factor);
    for (int i = 0; i < 16; i++) n[16 * j + i] = (uint8_t)(nearest_signed(x[16 * j + i] * step) + 32);
  }
  for (int h = 0; h < 2; h++)
    for (int i = 0; i < 32; i++) {
      const uint8_t *part = n + 128 * h + i;
      b->low[64 * h + i] = (uint8_t)((part[0] & 15) | (part[64] & 15) << 4);
      b->low[64 * h + 32 + i] = (uint8_t)((part[32] & 15) | (part[96] & 15) << 4);
      b->high[32 * h + i] = (uint8_t)(part[0] >> 4 | part[32] >> 4 << 2 | part[64] >> 4 << 4 | part[96] >> 4 << 6);
    }
  b->d = d;
}

#define QUANTISE(type, size) \
  case ck_stored_##type: { \
    struct type *blocks = out; \
    for (long i = 0; i < count / size; i++) quantise_##type(blocks + i, in + size * i); \
    return true; \
  }

bool ck_quantise(enum ck_stored stored, void *out, const float *in, long count) {
  switch (stored) {
    case ck_stored_float32: memcpy(out, in, (size_t)(4 * count)); return true;
    case ck_stored_bfloat16: {
      for (long i = 0; i < count; i++) {
        const uint16_t bits = to_bf16(in[i]);
        memcpy((char *)out + 2 * i, &bits, 2);
      }
      return true;
    }
    case ck_stored_float16: {
      for (long i = 0; i < count; i++) {
        const half bits = narrow(in[i]);
        memcpy((char *)out + 2 * i, &bits, 2);
      }
      return true;
    }
    QUANTISE(q8_0, 32)
    QUANTISE(q4_0, 32)
    QUANTISE(q4_1, 32)
    QUANTISE(q5_0, 32)
    QUANTISE(q5_1, 32)
    QUANTISE(q4_k, 256)
    QUANTISE(q5_k, 256)
    QUANTISE(q6_k, 256)
    case ck_stored_iq4_nl: return false;
  }
}
