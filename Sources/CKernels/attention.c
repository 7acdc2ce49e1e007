#include "common.h"

// Rows of attention scores: of a tile, which has the queries of a block and some of the keys that they see, or whole ones.

DISPATCHED float ck_softmax_tile(float *s, uint16_t *p, const float *multiplier, float scale, float *top, float *sum,
                                 long count) {
  float before = *top, here = largest_number(s, count), now = here > before ? here : before;
  float sums[LANES] = {0};
  if (p && !multiplier) {
    FOR_LANES(count, {
      float e = vexp_bounded((s[i] - now) * scale);
      p[i] = to_bf16(e);
      sums[l] += e;
    });
  } else {
    FOR_LANES(count, {
      float e = vexp_bounded((s[i] - now) * scale);
      s[i] = e;
      sums[l] += e;
    });
    if (p) for (long i = 0; i < count; i++) p[i] = to_bf16(s[i] * multiplier[i]);
    else if (multiplier) for (long i = 0; i < count; i++) s[i] *= multiplier[i];
  }
  float factor = before == now ? 1.0f : vexp_bounded((before - now) * scale);
  *top = now;
  *sum = *sum * factor + lane_sum(sums);
  return factor;
}

DISPATCHED void ck_attention_gradient(float *s, float *ds, uint16_t *p16, uint16_t *ds16, const float *multiplier,
                                      const float *slope, float scale, float rate, float log_sum, float delta,
                                      long count) {
  if (p16 && !slope) {
    if (multiplier) for (long i = 0; i < count; i++) {
      float e = vexp(s[i] * scale - log_sum), m = multiplier[i];
      p16[i] = to_bf16(e * m);
      ds16[i] = to_bf16(e * (ds[i] * m - delta) * rate);
    }
    else for (long i = 0; i < count; i++) {
      float e = vexp(s[i] * scale - log_sum);
      p16[i] = to_bf16(e);
      ds16[i] = to_bf16(e * (ds[i] - delta) * rate);
    }
    return;
  }
  for (long i = 0; i < count; i++) s[i] = vexp(s[i] * scale - log_sum);
  if (multiplier) for (long i = 0; i < count; i++) ds[i] *= multiplier[i];
  for (long i = 0; i < count; i++) ds[i] = s[i] * (ds[i] - delta) * rate;
  if (slope) for (long i = 0; i < count; i++) ds[i] *= slope[i];
  if (multiplier) for (long i = 0; i < count; i++) s[i] *= multiplier[i];
  if (p16) {
    for (long i = 0; i < count; i++) p16[i] = to_bf16(s[i]);
    for (long i = 0; i < count; i++) ds16[i] = to_bf16(ds[i]);
  }
}

DISPATCHED void ck_query_keys(float *s, const float *q, const float *keys, long stride, long size, long count) {
  const long whole = size - size % LANES;
  for (long j = 0; j < count; j++, keys += stride) {
    lanes sums = {0};
    float lane[LANES];
    for (long i = 0; i < whole; i += LANES) sums += LOAD(lanes, q + i) * LOAD(lanes, keys + i);
    STORE(lane, sums);
    for (long i = whole; i < size; i++) lane[i - whole] += q[i] * keys[i];
    s[j] = lane_sum(lane);
  }
}

// Numbers of a value that are summed up in registers.
#define PIECE 64

INLINE void sum_piece(float *out, const float *p, const float *values, long stride, const long numbers, long count) {
  float sums[PIECE] = {0};
  for (long j = 0; j < count; j++)
    for (long i = 0; i < numbers; i++) sums[i] += p[j] * values[j * stride + i];
  for (long i = 0; i < numbers; i++) out[i] = sums[i];
}

DISPATCHED void ck_sum_values(float *out, const float *p, const float *values, long stride, long size, long count) {
  long at = 0;
  for (; at + PIECE <= size; at += PIECE) sum_piece(out + at, p, values + at, stride, PIECE, count);
  if (at < size) sum_piece(out + at, p, values + at, stride, size - at, count);
}
