#include "common.h"

// Each activation is a pair f, f'; EACH lists all of them.
INLINE float f_gelu(float x) { return 0.5f * x * (1.0f + verf(x * 0.70710678f)); }
INLINE float d_gelu(float x) {
  return 0.5f * (1.0f + verf(x * 0.70710678f)) + x * 0.39894228f * vexp_bounded(-0.5f * x * x);
}
INLINE float gelu_tanh_inner(float x) { return vtanh(0.79788456f * (x + 0.044715f * x * x * x)); }
INLINE float f_gelu_tanh(float x) { return 0.5f * x * (1.0f + gelu_tanh_inner(x)); }
INLINE float d_gelu_tanh(float x) {
  float t = gelu_tanh_inner(x);
  return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * 0.79788456f * (1.0f + 0.134145f * x * x);
}
INLINE float f_quick_gelu(float x) { return x * vsigmoid(1.702f * x); }
INLINE float d_quick_gelu(float x) {
  float s = vsigmoid(1.702f * x);
  return s + 1.702f * x * s * (1.0f - s);
}
INLINE float f_relu(float x) { return x < 0.0f ? 0.0f : x; }
INLINE float d_relu(float x) { return x > 0.0f ? 1.0f : 0.0f; }
INLINE float f_silu(float x) { return x * vsigmoid(x); }
INLINE float d_silu(float x) {
  float s = vsigmoid(x);
  return s + x * s * (1.0f - s);
}
INLINE float f_tanh(float x) { return vtanh(x); }
INLINE float d_tanh(float x) {
  float t = vtanh(x);
  return 1.0f - t * t;
}
// tanh(ln(1 + e^x)) = (e^2x + 2 e^x) / (e^2x + 2 e^x + 2)
INLINE float mish_inner(float x) {
  float e = vexp(x > 20.0f ? 20.0f : x), n = e * (e + 2.0f);
  return n / (n + 2.0f);
}
INLINE float f_mish(float x) { return x * mish_inner(x); }
INLINE float d_mish(float x) {
  float t = mish_inner(x);
  return t + x * (1.0f - t * t) * vsigmoid(x);
}
INLINE float f_relu2(float x) { return x < 0.0f ? 0.0f : x * x; }
INLINE float d_relu2(float x) { return x > 0.0f ? 2.0f * x : 0.0f; }

#define EACH(CASE) \
  CASE(gelu) CASE(gelu_tanh) CASE(quick_gelu) CASE(relu) CASE(silu) CASE(tanh) CASE(mish) CASE(relu2)

// e^x for x <= 0 to 1e-5, for results that are rounded to bfloat16.
INLINE float vexp_short(float x) {
  float shifted = x * 1.44269504f + 12582912.0f;
  float r = x - (shifted - 12582912.0f) * 0.69314718f;
  return exp_end(x, shifted, r, 8.3334519073e-3f);
}

// A result that is rounded to bfloat16 needs only 8 bits: Abramowitz and Stegun's erfc (7.1.26, error below 1.5e-7),
// whose exponential also gives the density.
INLINE float half_tail(float x, float *density) {
  float magnitude = from_bits(to_bits(x) & 0x7FFFFFFFu);
  float t = 1.0f / (1.0f + 0.2316419f * magnitude);  // p / sqrt(2)
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  float e = vexp_short(-0.5f * x * x);
  *density = e;
  return 0.5f * p * t * e;  // 1 - Phi(|x|)
}
INLINE float h_gelu(float x) {
  float density, tail = half_tail(x, &density);
  return x * (x < 0.0f ? tail : 1.0f - tail);
}
INLINE float hd_gelu(float x) {
  float density, tail = half_tail(x, &density);
  return (x < 0.0f ? tail : 1.0f - tail) + x * 0.39894228f * density;
}
#define SAME(name) \
  INLINE float h_##name(float x) { return f_##name(x); } \
  INLINE float hd_##name(float x) { return d_##name(x); }
SAME(gelu_tanh) SAME(quick_gelu) SAME(relu) SAME(silu) SAME(tanh) SAME(mish) SAME(relu2)

// The kernels for numbers of type `number`, which `read` widens and `write` rounds, with the pair f, d.
#define KERNELS(prefix, number, read, write, f, d, name) \
  DISPATCHED static void prefix##rows_##name(const number *pre, const float *bias, number *y, long rows, \
                                             long columns) { \
    for (long r = 0; r < rows; r++, pre += columns, y += columns) \
      if (bias) for (long c = 0; c < columns; c++) y[c] = write(f##name(read(pre[c]) + bias[c])); \
      else for (long c = 0; c < columns; c++) y[c] = write(f##name(read(pre[c]))); \
  } \
  DISPATCHED static void prefix##slopes_##name(number *pre, const float *bias, number *y, long rows, long columns) { \
    for (long r = 0; r < rows; r++, pre += columns, y += columns) \
      if (bias) for (long c = 0; c < columns; c++) { \
        float x = read(pre[c]) + bias[c]; \
        y[c] = write(f##name(x)); \
        pre[c] = write(d##name(x)); \
      } \
      else for (long c = 0; c < columns; c++) { \
        float x = read(pre[c]); \
        y[c] = write(f##name(x)); \
        pre[c] = write(d##name(x)); \
      } \
  } \
  DISPATCHED static void prefix##gated_##name(const number *gate, const number *up, number *y, long count) { \
    for (long i = 0; i < count; i++) y[i] = write(f##name(read(gate[i])) * read(up[i])); \
  } \
  DISPATCHED static void prefix##gated_backward_##name(const number *gate, const number *up, number *dy, number *dup, \
                                                       long count) { \
    for (long i = 0; i < count; i++) { \
      float slope = read(dy[i]), g = read(gate[i]); \
      dup[i] = write(slope * f##name(g)); \
      dy[i] = write(slope * read(up[i]) * d##name(g)); \
    } \
  }
#define FLOAT_KERNELS(name) KERNELS(, float, , , f_, d_, name)
#define BF16_KERNELS(name) KERNELS(bf16_, uint16_t, from_bf16, to_bf16, h_, hd_, name)
EACH(FLOAT_KERNELS)
EACH(BF16_KERNELS)

// The kernel of either type of numbers.
#define CALL(name, kernel, ...) \
  case ck_##name: \
    if (narrow) bf16_##kernel##_##name(__VA_ARGS__); else kernel##_##name(__VA_ARGS__); \
    break;

void ck_bias_activation(enum ck_activation kind, bool narrow, void *pre, const float *bias, void *y, bool slopes,
                        long rows, long columns) {
#define ROWS_OF(name) CALL(name, rows, pre, bias, y, rows, columns)
#define SLOPES_OF(name) CALL(name, slopes, pre, bias, y, rows, columns)
  if (slopes) switch (kind) { EACH(SLOPES_OF) }
  else switch (kind) { EACH(ROWS_OF) }
}

void ck_gated(enum ck_activation kind, bool narrow, const void *gate, const void *up, void *y, long count) {
#define GATED_OF(name) CALL(name, gated, gate, up, y, count)
  switch (kind) { EACH(GATED_OF) }
}

void ck_gated_backward(enum ck_activation kind, bool narrow, const void *gate, const void *up, void *dy, void *dup,
                       long count) {
#define GATED_BACKWARD_OF(name) CALL(name, gated_backward, gate, up, dy, dup, count)
  switch (kind) { EACH(GATED_BACKWARD_OF) }
}
