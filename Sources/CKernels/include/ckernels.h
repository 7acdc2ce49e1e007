// Vector kernels with run-time CPU dispatch. Row-major; float32 unless noted; `long` counts elements.
#ifndef SWIFT_PEFT_CKERNELS_H
#define SWIFT_PEFT_CKERNELS_H
#include <stdbool.h>
#include <stdint.h>

enum ck_activation {
  ck_gelu,        // x Phi(x), exact, by erf
  ck_gelu_tanh,   // the tanh approximation (gelu_new, gelu_fast, gelu_pytorch_tanh)
  ck_quick_gelu,  // x sigmoid(1.702 x)
  ck_relu,
  ck_silu,        // x sigmoid(x)
  ck_tanh,
  ck_mish,        // x tanh(ln(1 + e^x))
  ck_relu2,       // max(0, x)^2
};

// y[r, c] += bias[c]
void ck_add_bias(float *y, const float *bias, long rows, long columns);

// The numbers behind `void` are bfloat16 if `narrow`, otherwise float32.

// y = f(pre + bias), and if asked for, pre = f'(pre + bias); bias [columns] may be null
void ck_bias_activation(enum ck_activation kind, bool narrow, void *pre, const float *bias, void *y, bool slopes,
                        long rows, long columns);

// y = f(gate) up
void ck_gated(enum ck_activation kind, bool narrow, const void *gate, const void *up, void *y, long count);

// dup = dy f(gate), then dy *= up f'(gate)
void ck_gated_backward(enum ck_activation kind, bool narrow, const void *gate, const void *up, void *dy, void *dup,
                       long count);

// x = multiplier ∘ (x + bias) + residual, each of which may be null; one row.
void ck_add_branch(float *x, const float *bias, const float *multiplier, const float *residual, long columns);

// The same, and y = norm(x) gamma + beta; beta may be null too.
// Writes 1 / standard deviation and the mean.
void ck_residual_layer_norm(float *x, const float *bias, const float *multiplier, const float *residual,
                            const float *gamma, const float *beta, float epsilon, float *y, float *mean,
                            float *reciprocal_deviation, long columns);

// The gradient of layer norm with respect to its input, one row: dx from dy, the input x and its saved statistics.
void ck_layer_norm_backward(const float *dy, const float *x, const float *gamma, float mean,
                            float reciprocal_deviation, float *dx, long columns);

// The same with x in bfloat16, which is replaced by the normalised sum. image is y in bfloat16, sum is scratch
// [columns]. Returns 1 / standard deviation.
float ck_bf16_residual_layer_norm(uint16_t *x, const float *bias, const float *multiplier, const float *residual,
                                  const float *gamma, const float *beta, float epsilon, float *y, uint16_t *image,
                                  float *sum, long columns);

// Its gradient, from dy and the normalised sum; dx may be dy.
void ck_bf16_layer_norm_backward(const float *dy, const uint16_t *normal, const float *gamma,
                                 float reciprocal_deviation, float *dx, long columns);

// x = multiplier ∘ (x + bias) + residual (bias, multiplier, residual may be null), y = gamma x / rms(x), one row.
// Writes 1 / sqrt(mean(x²) + epsilon).
void ck_residual_rms_norm(float *x, const float *bias, const float *multiplier, const float *residual,
                          const float *gamma, float epsilon, float *y, float *reciprocal_rms, long columns);

// dy <- the gradient of RMS norm with respect to its input x, one row.
void ck_rms_norm_backward(float *dy, const float *x, const float *gamma, float reciprocal_rms, long columns);

// Rotates each head's pairs (x[i], x[half + i]) by the angles with these cosines and sines, one row of heads of `size`
// numbers. `direction` -1 rotates back.
void ck_rotate(float *x, const float *cosines, const float *sines, float direction, long heads, long size, long half);

// One row of scores with terms by relative position: s[j] <- scale (s[j] + a[r] + b[j, r]) + bias[r], where r = rows[j] and
// b has rows of `stride` numbers. a, b and bias may be null.
void ck_relative_scores(float *s, float scale, const int32_t *rows, const float *a, const float *b, long stride,
                        const float *bias, long count);

// The gradients of a and b, which may be null: da[r] += ds[j], db[j, r] += ds[j].
void ck_relative_gradients(const float *ds, const int32_t *rows, float *da, float *db, long stride, long count);

// z = cap tanh(scale s / cap) in s, and dz/ds in slope, which may be null.
void ck_soft_cap(float *s, float scale, float cap, float *slope, long count);

// One row of scores: s <- softmax(scale s); returns log sum exp(scale s).
float ck_softmax(float *s, float scale, long count);

// out[r] = sum of a b over row r
void ck_dots(const float *a, const float *b, float *out, long rows, long columns);
double ck_sum(const float *x, long count);
double ck_sum_of_squares(const float *x, long count);
double ck_sum_of_products(const float *x, const float *y, long count);
void ck_add(float *y, const float *x, long count);               // y += x
void ck_multiply(float *y, const float *x, long count);          // y *= x
void ck_scale(float *y, float factor, long count);               // y *= factor
void ck_scale_shift(float *y, float factor, float shift, long count);  // y = factor y + shift
void ck_add_transposed(float *out, const float *in, float factor, long rows, long columns);  // out += factor inᵀ

// bfloat16 numbers, by their 16 bits.
void ck_bf16_dots(const uint16_t *a, const uint16_t *b, float *out, long rows, long columns);
void ck_bf16_add(uint16_t *y, const uint16_t *x, long count);            // y += x
void ck_bf16_multiply(uint16_t *y, const float *x, long count);          // y *= x
void ck_bf16_multiply_bf16(uint16_t *y, const uint16_t *x, long count);  // y *= x
void ck_narrow_bfloat16(uint16_t *out, const float *in, long count);
void ck_narrow_scaled(uint16_t *out, const float *in, float factor, long count);
void ck_narrow_product(uint16_t *out, const float *a, const float *b, long count);  // out = a b; b may be null

// Rounds rows of x (each column times its `factor`) to eight bits: out = round(x / scale) + 128 with
// scale = max |x| / 127 of the row. `spikes`, which may be null, says which rows have a number of more than `spike` times
// the row's root mean square. `row` is scratch memory for `columns` floats.
void ck_int8_round(uint8_t *out, float *scales, uint8_t *spikes, const uint16_t *x, const float *factor, float *row,
                   float spike, long rows, long columns);

// What the rounding of a row left, in units of scale / 254: out = round(254 (x - scale (first - 128)) / scale) + 128.
void ck_int8_second_digit(uint8_t *out, const uint16_t *x, const float *factor, const uint8_t *first, float scale,
                          long columns);

// A row of a product of rounded numbers back to floats: y = (first - correction + (second - correction) / 254)
// columns_scale scale + bias, added to y if `accumulate`. second and bias may be null; y is bfloat16 or float32.
void ck_int8_finish(void *y, int is_bfloat16, const int32_t *first, const int32_t *second, const int32_t *correction,
                    const float *columns_scale, float scale, const float *bias, int accumulate, long columns);

// Rounds a row of a weight, each number times its `factor`, to out = round(w / scale); returns scale = max |w| / 127.
float ck_int8_round_weights(int8_t *out, const float *w, const float *factor, float *row, long columns);

// largest = max(largest, |x|) for each column; a NaN counts as the largest number.
void ck_max_magnitudes(float *largest, const float *x, long columns);

// A row of a tile of attention scores: s <- exp(scale (s - top)), times `multiplier` if there is one, where top is the
// largest number of this tile and those before it, and rounded to p if that is not null. top and sum carry the softmax
// from tile to tile; returns what is to be multiplied by what earlier tiles gave.
float ck_softmax_tile(float *s, uint16_t *p, const float *multiplier, float scale, float *top, float *sum, long count);

// A row, whole or of a tile. With e = exp(scale s - log_sum): s <- multiplier e, ds <- e (multiplier ds - delta) rate
// slope; multiplier and slope may be null. Without p16 and ds16 the results are in s and ds, else rounded in these, and s
// and ds are scratch memory.
void ck_attention_gradient(float *s, float *ds, uint16_t *p16, uint16_t *ds16, const float *multiplier,
                           const float *slope, float scale, float rate, float log_sum, float delta, long count);

// The type of a stored weight: single numbers, or blocks of numbers as GGUF files have them.
enum ck_stored {
  ck_stored_float32,
  ck_stored_bfloat16,
  ck_stored_float16,
  ck_stored_q8_0,
  ck_stored_q4_0,
  ck_stored_q4_1,
  ck_stored_q5_0,
  ck_stored_q5_1,
  ck_stored_q4_k,
  ck_stored_q5_k,
  ck_stored_q6_k,
  ck_stored_iq4_nl,
};

// The numbers of a block and its bytes.
struct ck_format { long block, bytes; };
struct ck_format ck_format(enum ck_stored stored);

// Writes `count` numbers, whole blocks, as float32 or rounded to bfloat16. The input may be unaligned.
void ck_widen(enum ck_stored stored, float *out, const void *in, long count);
void ck_narrow(enum ck_stored stored, uint16_t *out, const void *in, long count);

// Writes `count` numbers, whole blocks, as blocks of a type: those of 32 numbers as ggml's reference code makes them, bit
// for bit; those of 256 with scales by least squares. False for types that numbers cannot be written in.
bool ck_quantise(enum ck_stored stored, void *out, const float *in, long count);

// ck_widen for one type each.
void ck_dequantise_q8_0(float *out, const void *in, long count);
void ck_dequantise_q4_0(float *out, const void *in, long count);
void ck_dequantise_q4_1(float *out, const void *in, long count);
void ck_dequantise_q5_0(float *out, const void *in, long count);
void ck_dequantise_q5_1(float *out, const void *in, long count);
void ck_dequantise_q4_k(float *out, const void *in, long count);
void ck_dequantise_q5_k(float *out, const void *in, long count);
void ck_dequantise_q6_k(float *out, const void *in, long count);
void ck_dequantise_iq4_nl(float *out, const void *in, long count);

// The most rows of x in the products below.
#define CK_FEW 8

// Rows of a weight: `count` from `first` on. Where `head` is not 0, it has the rows of each `head` in the order of
// llama.cpp: row 2 i + p is number p head / 2 + i.
struct ck_rows { long first, count, head; };

// y[b, r] = x[b] · row number r of `rows` of the weight [.., columns]: the product of a few tokens with a weight, which is
// read once, in its stored type.
void ck_few_times_rows(float *y, long y_stride, const float *x, long x_stride, long few, const void *weight,
                       enum ck_stored stored, struct ck_rows rows, long columns);

// Whether this machine multiplies a type faster with rows of x that are rounded to 16 bits, 32 numbers at a time.
bool ck_takes_digits(enum ck_stored stored);
// The bytes of such a row, a multiple of 4, and the row.
long ck_digits_size(long columns);
void ck_digits(void *out, const float *x, long columns);
// The same product with rows that `ck_digits` made, one after the other.
void ck_few_digits_times_rows(float *y, long y_stride, const void *digits, long few, const void *weight,
                              enum ck_stored stored, struct ck_rows rows, long columns);

// y[b, c] = Σ x[b, i] weight[i, first + c], for `outputs` columns of the weight [inputs, stride].
void ck_few_times_columns(float *y, long y_stride, const float *x, long x_stride, long few, const void *weight,
                          enum ck_stored stored, long first, long inputs, long outputs, long stride);

// For one query: s[j] = q · row j of keys, and out = Σ p[j] row j of values, of `count` rows of `size` numbers that lie `stride`
// apart.
void ck_query_keys(float *s, const float *q, const float *keys, long stride, long size, long count);
void ck_sum_values(float *out, const float *p, const float *values, long stride, long size, long count);

// Philox4x32-10: 4 words for each of `blocks` counters {first + i, c1, c2, c3}.
void ck_philox(uint32_t *out, long blocks, uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3, uint64_t key);

// Dropout multipliers: out[i] = 0 if the i-th 16-bit random number is below threshold, otherwise `kept`.
// A Philox block gives eight numbers; `first` is the number of the first block.
void ck_dropout_multipliers(float *out, long count, uint32_t threshold, float kept, uint32_t first, uint32_t c1,
                            uint32_t c2, uint32_t c3, uint64_t key);

// The caller computes the factors in double precision, since 1 - 0.999f is not 0.001f.
struct ck_adamw {
  float keep;              // 1 - rate decay
  float step_size;         // rate / (1 - beta1^t)
  float gain1;             // 1 - beta1
  float beta2, gain2;      // gain2 = 1 - beta2
  float root_correction2;  // sqrt(1 - beta2^t)
  float epsilon;
  float gradient_scale;    // clipping
};

// One AdamW step with decoupled decay (Loshchilov & Hutter), in the order of torch.optim.AdamW.
void ck_adamw_step(float *value, const float *gradient, float *first, float *second, struct ck_adamw step, long count);

// The largest bit pattern without its sign; the input may be unaligned.
uint32_t ck_largest_bits32(const void *in, long count);
uint16_t ck_largest_bits16(const void *in, long count);

// Widening to float32, which is exact; the input may be unaligned.
void ck_widen_bfloat16(float *out, const void *in, long count);
void ck_widen_float16(float *out, const void *in, long count);

// Runs `rounds` rounds of independent fused multiply-adds in registers, to time the peak of one core. Returns the
// number of floating-point operations.
double ck_peak_fma(long rounds, float *sink);

// The instruction set of the dispatched kernels: "avx512", "avx2" or "portable".
const char *ck_instruction_set(void);

// Sets bit p for every processor p that this process may use. 0 if that is unknown.
int ck_allowed_processors(void *bits, long bytes);

#endif
