#include "common.h"

// Kernels on bfloat16 numbers. Arithmetic is float32; only stored results are rounded.

DISPATCHED void ck_narrow_bfloat16(uint16_t *out, const float *in, long count) {
  for (long i = 0; i < count; i++) out[i] = to_bf16(in[i]);
}

DISPATCHED void ck_narrow_scaled(uint16_t *out, const float *in, float factor, long count) {
  for (long i = 0; i < count; i++) out[i] = to_bf16(in[i] * factor);
}

DISPATCHED void ck_narrow_product(uint16_t *out, const float *a, const float *b, long count) {
  if (b) for (long i = 0; i < count; i++) out[i] = to_bf16(a[i] * b[i]);
  else for (long i = 0; i < count; i++) out[i] = to_bf16(a[i]);
}

DISPATCHED void ck_bf16_add(uint16_t *y, const uint16_t *x, long count) {
  for (long i = 0; i < count; i++) y[i] = to_bf16(from_bf16(y[i]) + from_bf16(x[i]));
}

DISPATCHED void ck_bf16_multiply(uint16_t *y, const float *x, long count) {
  for (long i = 0; i < count; i++) y[i] = to_bf16(from_bf16(y[i]) * x[i]);
}

DISPATCHED void ck_bf16_multiply_bf16(uint16_t *y, const uint16_t *x, long count) {
  for (long i = 0; i < count; i++) y[i] = to_bf16(from_bf16(y[i]) * from_bf16(x[i]));
}

DISPATCHED void ck_bf16_dots(const uint16_t *a, const uint16_t *b, float *out, long rows, long columns) {
  for (long r = 0; r < rows; r++, a += columns, b += columns) {
    float sums[LANES] = {0};
    FOR_LANES(columns, sums[l] += from_bf16(a[i]) * from_bf16(b[i]););
    out[r] = lane_sum(sums);
  }
}

DISPATCHED float ck_bf16_residual_layer_norm(uint16_t *x, const float *bias, const float *multiplier,
                                             const float *residual, const float *gamma, const float *beta,
                                             float epsilon, float *y, uint16_t *image, float *sum, long columns) {
  for (long c = 0; c < columns; c++) sum[c] = from_bf16(x[c]);
  add_branch(sum, bias, multiplier, residual, columns);
  float center, reciprocal;
  statistics(sum, epsilon, columns, &center, &reciprocal);
  for (long c = 0; c < columns; c++) {
    float normal = (sum[c] - center) * reciprocal, value = normal * gamma[c] + (beta ? beta[c] : 0.0f);
    x[c] = to_bf16(normal);
    y[c] = value;
    image[c] = to_bf16(value);
  }
  return reciprocal;
}

DISPATCHED void ck_bf16_layer_norm_backward(const float *dy, const uint16_t *normal, const float *gamma,
                                            float reciprocal_deviation, float *dx, long columns) {
  float sums[LANES] = {0}, products[LANES] = {0};
  FOR_LANES(columns, {
    float g = dy[i] * gamma[i];
    sums[l] += g;
    products[l] += g * from_bf16(normal[i]);
  });
  float average = lane_sum(sums) / (float)columns, slope = lane_sum(products) / (float)columns;
  for (long c = 0; c < columns; c++)
    dx[c] = reciprocal_deviation * (dy[c] * gamma[c] - average - from_bf16(normal[c]) * slope);
}

// Works on 16 x 16 squares, so that both sides stay in the cache.
DISPATCHED void ck_add_transposed(float *out, const float *in, float factor, long rows, long columns) {
  for (long c = 0; c < columns; c += 16)
    for (long r = 0; r < rows; r++)
      for (long i = c; i < c + 16 && i < columns; i++) out[i * rows + r] += factor * in[r * columns + i];
}
