#include "common.h"

DISPATCHED void ck_add_bias(float *y, const float *bias, long rows, long columns) {
  for (long r = 0; r < rows; r++, y += columns)
    for (long c = 0; c < columns; c++) y[c] += bias[c];
}

DISPATCHED void ck_add_branch(float *x, const float *bias, const float *multiplier, const float *residual,
                              long columns) {
  add_branch(x, bias, multiplier, residual, columns);
}

DISPATCHED void ck_residual_layer_norm(float *x, const float *bias, const float *multiplier, const float *residual,
                                       const float *gamma, const float *beta, float epsilon, float *y, float *mean,
                                       float *reciprocal_deviation, long columns) {
  add_branch(x, bias, multiplier, residual, columns);
  float center, reciprocal;
  statistics(x, epsilon, columns, &center, &reciprocal);
  if (beta) for (long c = 0; c < columns; c++) y[c] = (x[c] - center) * reciprocal * gamma[c] + beta[c];
  else for (long c = 0; c < columns; c++) y[c] = (x[c] - center) * reciprocal * gamma[c];
  *mean = center;
  *reciprocal_deviation = reciprocal;
}

// With g = dy gamma and n the normalised input: dx = rstd (g - mean(g) - n mean(g n)).
DISPATCHED void ck_layer_norm_backward(const float *dy, const float *x, const float *gamma, float mean,
                                       float reciprocal_deviation, float *dx, long columns) {
  float sums[LANES] = {0}, products[LANES] = {0};
  FOR_LANES(columns, {
    float g = dy[i] * gamma[i];
    sums[l] += g;
    products[l] += g * (x[i] - mean);
  });
  float average = lane_sum(sums) / (float)columns;
  float slope = lane_sum(products) * reciprocal_deviation * reciprocal_deviation / (float)columns;
  for (long c = 0; c < columns; c++)
    dx[c] = reciprocal_deviation * (dy[c] * gamma[c] - average - (x[c] - mean) * slope);
}

DISPATCHED void ck_residual_rms_norm(float *x, const float *bias, const float *multiplier, const float *residual,
                                     const float *gamma, float epsilon, float *y, float *reciprocal_rms,
                                     long columns) {
  add_branch(x, bias, multiplier, residual, columns);
  float squares[LANES] = {0};
  FOR_LANES(columns, squares[l] += x[i] * x[i];);
  float reciprocal = 1.0f / sqrtf(lane_sum(squares) / (float)columns + epsilon);
  for (long c = 0; c < columns; c++) y[c] = x[c] * reciprocal * gamma[c];
  *reciprocal_rms = reciprocal;
}

// With g = dy gamma and r = 1 / rms: dx = r (g - x r² mean(g x)).
DISPATCHED void ck_rms_norm_backward(float *dy, const float *x, const float *gamma, float reciprocal_rms,
                                     long columns) {
  float products[LANES] = {0};
  FOR_LANES(columns, products[l] += dy[i] * gamma[i] * x[i];);
  float slope = lane_sum(products) / (float)columns * reciprocal_rms * reciprocal_rms;
  for (long c = 0; c < columns; c++) dy[c] = reciprocal_rms * (dy[c] * gamma[c] - x[c] * slope);
}

DISPATCHED void ck_rotate(float *x, const float *cosines, const float *sines, float direction, long heads, long size,
                          long half) {
  for (long head = 0; head < heads; head++, x += size)
    for (long i = 0; i < half; i++) {
      float first = x[i], second = x[half + i], sine = direction * sines[i];
      x[i] = first * cosines[i] - second * sine;
      x[half + i] = second * cosines[i] + first * sine;
    }
}

DISPATCHED float ck_softmax(float *s, float scale, long count) {
  float top = largest_number(s, count);
  float sums[LANES] = {0};
  FOR_LANES(count, {
    float e = vexp_bounded((s[i] - top) * scale);
    s[i] = e;
    sums[l] += e;
  });
  float sum = lane_sum(sums), reciprocal = 1.0f / sum;
  for (long i = 0; i < count; i++) s[i] *= reciprocal;
  return top * scale + logf(sum);
}

// With t = tanh(scale s / cap): s <- cap t; ds/dz = scale (1 - t²).
DISPATCHED void ck_soft_cap(float *s, float scale, float cap, float *slope, long count) {
  float rate = scale / cap;
  if (slope) {
    for (long i = 0; i < count; i++) {
      float t = vtanh(rate * s[i]);
      s[i] = cap * t;
      slope[i] = scale * (1.0f - t * t);
    }
  } else {
    for (long i = 0; i < count; i++) s[i] = cap * vtanh(rate * s[i]);
  }
}

DISPATCHED void ck_relative_scores(float *s, float scale, const int32_t *rows, const float *a, const float *b,
                                   long stride, const float *bias, long count) {
  if (a) for (long j = 0; j < count; j++) s[j] += a[rows[j]];
  if (b) for (long j = 0; j < count; j++) s[j] += b[j * stride + rows[j]];
  if (bias) for (long j = 0; j < count; j++) s[j] = s[j] * scale + bias[rows[j]];
  else for (long j = 0; j < count; j++) s[j] *= scale;
}

void ck_relative_gradients(const float *ds, const int32_t *rows, float *da, float *db, long stride, long count) {
  if (da) for (long j = 0; j < count; j++) da[rows[j]] += ds[j];
  if (db) for (long j = 0; j < count; j++) db[j * stride + rows[j]] += ds[j];
}

DISPATCHED void ck_dots(const float *a, const float *b, float *out, long rows, long columns) {
  for (long r = 0; r < rows; r++, a += columns, b += columns) {
    float sums[LANES] = {0};
    FOR_LANES(columns, sums[l] += a[i] * b[i];);
    out[r] = lane_sum(sums);
  }
}

// The sum of a term of i in double precision, in eight parts.
#define SUM(term) \
  double sums[8] = {0}; \
  long whole = count - count % 8; \
  for (long start = 0; start < whole; start += 8) \
    for (int l = 0; l < 8; l++) sums[l] += term(start + l); \
  for (long i = whole; i < count; i++) sums[i - whole] += term(i); \
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]))
#define NUMBER(i) (double)x[i]
#define SQUARE(i) ((double)x[i] * (double)x[i])
#define PRODUCT(i) ((double)x[i] * (double)y[i])
DISPATCHED double ck_sum(const float *x, long count) { SUM(NUMBER); }
DISPATCHED double ck_sum_of_squares(const float *x, long count) { SUM(SQUARE); }
DISPATCHED double ck_sum_of_products(const float *x, const float *y, long count) { SUM(PRODUCT); }

DISPATCHED void ck_add(float *y, const float *x, long count) {
  for (long i = 0; i < count; i++) y[i] += x[i];
}

DISPATCHED void ck_multiply(float *y, const float *x, long count) {
  for (long i = 0; i < count; i++) y[i] *= x[i];
}

DISPATCHED void ck_scale(float *y, float factor, long count) {
  for (long i = 0; i < count; i++) y[i] *= factor;
}

DISPATCHED void ck_scale_shift(float *y, float factor, float shift, long count) {
  for (long i = 0; i < count; i++) y[i] = factor * y[i] + shift;
}

typedef uint16_t __attribute__((aligned(1))) unaligned16;
typedef uint32_t __attribute__((aligned(1))) unaligned32;

DISPATCHED uint32_t ck_largest_bits32(const void *in, long count) {
  const unaligned32 *bits = in;
  uint32_t largest = 0;
  for (long i = 0; i < count; i++) largest = (bits[i] & 0x7FFFFFFFu) > largest ? bits[i] & 0x7FFFFFFFu : largest;
  return largest;
}

DISPATCHED uint16_t ck_largest_bits16(const void *in, long count) {
  const unaligned16 *bits = in;
  uint16_t largest = 0;
  for (long i = 0; i < count; i++) {
    uint16_t magnitude = bits[i] & 0x7FFF;
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}

DISPATCHED void ck_widen_bfloat16(float *out, const void *in, long count) {
  const unaligned16 *bits = in;
  for (long i = 0; i < count; i++) out[i] = from_bits((uint32_t)bits[i] << 16);
}

// The fields fit into those of a float; the factor 2^112 corrects the exponent bias, also for subnormal numbers.
DISPATCHED void ck_widen_float16(float *out, const void *in, long count) {
  const unaligned16 *bits = in;
  for (long i = 0; i < count; i++) {
    float magnitude = from_bits((uint32_t)(bits[i] & 0x7FFF) << 13) * 0x1p112f;
    uint32_t special = magnitude >= 65536.0f ? 0x7F800000u : 0u;  // infinite or NaN
    out[i] = from_bits(to_bits(magnitude) | special | (uint32_t)(bits[i] & 0x8000) << 16);
  }
}

DISPATCHED void ck_adamw_step(float *value, const float *gradient, float *first, float *second, struct ck_adamw step,
                              long count) {
  for (long i = 0; i < count; i++) {
    float g = gradient[i] * step.gradient_scale;
    float m = first[i] + step.gain1 * (g - first[i]);
    float v = step.beta2 * second[i] + step.gain2 * g * g;
    first[i] = m;
    second[i] = v;
    // sqrtf would set errno, which keeps the loop scalar.
    float deviation = __builtin_elementwise_sqrt(v) / step.root_correction2 + step.epsilon;
    value[i] = value[i] * step.keep - step.step_size * m / deviation;
  }
}
