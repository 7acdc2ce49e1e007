#include "common.h"

// Rounding to eight bits and back, around products in integers. A number v of a row with scale s is kept as
// round(v / s) + 128, which is never 0, so that products can take it without a sign.

// 1.5 * 2^23: added to a small number, it leaves the nearest whole number in the lowest bits.
#define MAGIC 12582912.0f

// v = x factor, and its largest magnitude and sum of squares.
INLINE void scaled_row(float *v, const uint16_t *x, const float *factor, long columns, float *largest, float *squares) {
  for (long c = 0; c < columns; c++) v[c] = from_bf16(x[c]) * factor[c];
  float sums[LANES] = {0};
  FOR_LANES(columns, sums[l] += v[i] * v[i];);
  *largest = from_bits(ck_largest_bits32(v, columns));
  *squares = lane_sum(sums);
}

DISPATCHED void ck_int8_round(uint8_t *out, float *scales, uint8_t *spikes, const uint16_t *x, const float *factor,
                              float *row, float spike, long rows, long columns) {
  for (long r = 0; r < rows; r++, x += columns, out += columns) {
    float largest, squares;
    scaled_row(row, x, factor, columns, &largest, &squares);
    float scale = largest / 127.0f, inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
    scales[r] = scale;
    if (spikes) spikes[r] = largest * largest * (float)columns > spike * spike * squares;
    for (long c = 0; c < columns; c++) out[c] = (uint8_t)to_bits(row[c] * inverse + (MAGIC + 128.0f));
  }
}

DISPATCHED void ck_int8_second_digit(uint8_t *out, const uint16_t *x, const float *factor, const uint8_t *first,
                                     float scale, long columns) {
  float inverse = scale > 0.0f ? 254.0f / scale : 0.0f;
  for (long c = 0; c < columns; c++) {
    float v = from_bf16(x[c]) * factor[c];
    float rest = v - scale * (float)((int)first[c] - 128);
    out[c] = (uint8_t)to_bits(rest * inverse + (MAGIC + 128.0f));
  }
}

// The number of a product before its row's scale.
INLINE float digits(const int32_t *first, const int32_t *second, const int32_t *correction, const float *scale, long c) {
  float sum = (float)(first[c] - correction[c]);
  if (second) sum += (float)(second[c] - correction[c]) * (1.0f / 254.0f);
  return sum * scale[c];
}

INLINE void finish_bf16(uint16_t *y, const int32_t *first, const int32_t *second, const int32_t *correction,
                        const float *columns_scale, float scale, const float *bias, int accumulate, long columns) {
  if (accumulate && bias)
    for (long c = 0; c < columns; c++)
      y[c] = to_bf16(digits(first, second, correction, columns_scale, c) * scale + bias[c] + from_bf16(y[c]));
  else if (accumulate)
    for (long c = 0; c < columns; c++)
      y[c] = to_bf16(digits(first, second, correction, columns_scale, c) * scale + from_bf16(y[c]));
  else if (bias)
    for (long c = 0; c < columns; c++)
      y[c] = to_bf16(digits(first, second, correction, columns_scale, c) * scale + bias[c]);
  else
    for (long c = 0; c < columns; c++) y[c] = to_bf16(digits(first, second, correction, columns_scale, c) * scale);
}

INLINE void finish_float32(float *y, const int32_t *first, const int32_t *second, const int32_t *correction,
                           const float *columns_scale, float scale, const float *bias, int accumulate, long columns) {
  if (!accumulate) for (long c = 0; c < columns; c++) y[c] = 0.0f;
  for (long c = 0; c < columns; c++) y[c] += digits(first, second, correction, columns_scale, c) * scale;
  if (bias) for (long c = 0; c < columns; c++) y[c] += bias[c];
}

DISPATCHED void ck_int8_finish(void *y, int is_bfloat16, const int32_t *first, const int32_t *second,
                               const int32_t *correction, const float *columns_scale, float scale, const float *bias,
                               int accumulate, long columns) {
  if (is_bfloat16) {
    if (second) finish_bf16(y, first, second, correction, columns_scale, scale, bias, accumulate, columns);
    else finish_bf16(y, first, 0, correction, columns_scale, scale, bias, accumulate, columns);
  } else {
    if (second) finish_float32(y, first, second, correction, columns_scale, scale, bias, accumulate, columns);
    else finish_float32(y, first, 0, correction, columns_scale, scale, bias, accumulate, columns);
  }
}

DISPATCHED float ck_int8_round_weights(int8_t *out, const float *w, const float *factor, float *row, long columns) {
  for (long c = 0; c < columns; c++) row[c] = w[c] * factor[c];
  float largest = from_bits(ck_largest_bits32(row, columns)), inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
  for (long c = 0; c < columns; c++) out[c] = (int8_t)(uint8_t)to_bits(row[c] * inverse + MAGIC);
  return largest / 127.0f;
}

DISPATCHED void ck_max_magnitudes(float *largest, const float *x, long columns) {
  for (long c = 0; c < columns; c++) {
    uint32_t b = to_bits(x[c]) & 0x7FFFFFFFu, l = to_bits(largest[c]);
    largest[c] = from_bits(b > l ? b : l);
  }
}
