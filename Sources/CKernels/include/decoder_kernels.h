// Vector kernels of decoder models: RMS norm and rotary embedding. Everything is float32 and row-major.
#ifndef SWIFT_PEFT_DECODER_KERNELS_H
#define SWIFT_PEFT_DECODER_KERNELS_H

// x = multiplier ∘ (x + bias) + residual (bias, multiplier, residual may be null), y = gamma x / rms(x), one row.
// Writes 1 / sqrt(mean(x²) + epsilon).
void ck_residual_rms_norm(float *x, const float *bias, const float *multiplier, const float *residual,
                          const float *gamma, float epsilon, float *y, float *reciprocal_rms, long columns);

// dy <- the gradient of RMS norm with respect to its input x, one row.
void ck_rms_norm_backward(float *dy, const float *x, const float *gamma, float reciprocal_rms, long columns);

// Turns each head's pairs (x[i], x[half + i]) by the angles with these cosines and sines, one row; `direction` is 1, or
// -1 to turn back.
void ck_rotate(float *x, const float *cosines, const float *sines, float direction, long heads, long half);

double ck_sum(const float *x, long count);
void ck_scale_shift(float *y, float factor, float shift, long count);  // y = factor y + shift
#endif
