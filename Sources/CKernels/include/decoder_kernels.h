// Vector kernels of decoder models. Row-major float32.
#ifndef SWIFT_PEFT_DECODER_KERNELS_H
#define SWIFT_PEFT_DECODER_KERNELS_H

// x = multiplier ∘ (x + bias) + residual (bias, multiplier, residual may be null), y = gamma x / rms(x), one row.
// Writes 1 / sqrt(mean(x²) + epsilon).
void ck_residual_rms_norm(float *x, const float *bias, const float *multiplier, const float *residual,
                          const float *gamma, float epsilon, float *y, float *reciprocal_rms, long columns);

// dy <- the gradient of RMS norm with respect to its input x, one row.
void ck_rms_norm_backward(float *dy, const float *x, const float *gamma, float reciprocal_rms, long columns);

// Rotates each head's pairs (x[i], x[half + i]) by the angles with these cosines and sines, one row. `direction` -1
// rotates back.
void ck_rotate(float *x, const float *cosines, const float *sines, float direction, long heads, long half);

double ck_sum(const float *x, long count);
void ck_scale_shift(float *y, float factor, float shift, long count);  // y = factor y + shift

// The type of a stored weight.
enum ck_stored { ck_stored_float32, ck_stored_bfloat16, ck_stored_float16 };

// The most rows of x in the two products below.
#define CK_FEW 8

// y[b, r] = x[b] · row first + r of the weight [.., columns], for `rows` rows: the product of a few tokens with a
// weight, which is read once, in its stored type.
void ck_few_times_rows(float *y, long y_stride, const float *x, long x_stride, long few, const void *weight,
                       enum ck_stored stored, long first, long rows, long columns);

// y[b, c] = Σ x[b, i] weight[i, first + c], for `outputs` columns of the weight [inputs, stride].
void ck_few_times_columns(float *y, long y_stride, const float *x, long x_stride, long few, const void *weight,
                          enum ck_stored stored, long first, long inputs, long outputs, long stride);
#endif
