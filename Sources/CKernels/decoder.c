#include <math.h>

#include "common.h"
#include "decoder_kernels.h"

DISPATCHED void ck_residual_rms_norm(float *x, const float *bias, const float *multiplier, const float *residual,
                                     const float *gamma, float epsilon, float *y, float *reciprocal_rms,
                                     long columns) {
  if (bias) for (long c = 0; c < columns; c++) x[c] += bias[c];
  if (multiplier) for (long c = 0; c < columns; c++) x[c] *= multiplier[c];
  if (residual) for (long c = 0; c < columns; c++) x[c] += residual[c];
  float squares[LANES] = {0};
  long whole = columns - columns % LANES;
  for (long c = 0; c < whole; c += LANES)
    for (int l = 0; l < LANES; l++) squares[l] += x[c + l] * x[c + l];
  for (long c = whole; c < columns; c++) squares[c - whole] += x[c] * x[c];
  float reciprocal = 1.0f / sqrtf(lane_sum(squares) / (float)columns + epsilon);
  for (long c = 0; c < columns; c++) y[c] = x[c] * reciprocal * gamma[c];
  *reciprocal_rms = reciprocal;
}

// With g = dy gamma and r = 1 / rms: dx = r (g - x r² mean(g x)).
DISPATCHED void ck_rms_norm_backward(float *dy, const float *x, const float *gamma, float reciprocal_rms,
                                     long columns) {
  float products[LANES] = {0};
  long whole = columns - columns % LANES;
  for (long c = 0; c < whole; c += LANES)
    for (int l = 0; l < LANES; l++) products[l] += dy[c + l] * gamma[c + l] * x[c + l];
  for (long c = whole; c < columns; c++) products[c - whole] += dy[c] * gamma[c] * x[c];
  float slope = lane_sum(products) / (float)columns * reciprocal_rms * reciprocal_rms;
  for (long c = 0; c < columns; c++) dy[c] = reciprocal_rms * (dy[c] * gamma[c] - x[c] * slope);
}

DISPATCHED void ck_rotate(float *x, const float *cosines, const float *sines, float direction, long heads, long half) {
  for (long head = 0; head < heads; head++, x += 2 * half)
    for (long i = 0; i < half; i++) {
      float first = x[i], second = x[half + i], sine = direction * sines[i];
      x[i] = first * cosines[i] - second * sine;
      x[half + i] = second * cosines[i] + first * sine;
    }
}

DISPATCHED double ck_sum(const float *x, long count) {
  double sums[8] = {0};
  long whole = count - count % 8;
  for (long i = 0; i < whole; i += 8)
    for (int l = 0; l < 8; l++) sums[l] += (double)x[i + l];
  for (long i = whole; i < count; i++) sums[i - whole] += (double)x[i];
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

DISPATCHED void ck_scale_shift(float *y, float factor, float shift, long count) {
  for (long i = 0; i < count; i++) y[i] = factor * y[i] + shift;
}
