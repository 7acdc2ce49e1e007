#include <string.h>

#include "common.h"

#define CHUNK 1024

typedef uint16_t __attribute__((aligned(1))) unaligned16;

// `count` numbers of a weight from element `at` on: in place if they are aligned floats, otherwise in `buffer`.
INLINE const float *floats(const void *weight, enum ck_stored stored, long at, long count, float *buffer) {
  if (stored == ck_stored_float32) {
    const char *bytes = (const char *)weight + 4 * at;
    if ((uintptr_t)bytes % 4 == 0) return (const float *)bytes;
    memcpy(buffer, bytes, (size_t)(4 * count));
    return buffer;
  }
  if (stored > ck_stored_float16) {
    const struct ck_format format = ck_format(stored);
    ck_widen(stored, buffer, (const char *)weight + at / format.block * format.bytes, count);
    return buffer;
  }
  const unaligned16 *bits = (const unaligned16 *)weight + at;
  if (stored == ck_stored_bfloat16) {
    for (long i = 0; i < count; i++) buffer[i] = from_bits((uint32_t)bits[i] << 16);
  } else {
    ck_widen_float16(buffer, bits, count);
  }
  return buffer;
}

DISPATCHED void ck_few_times_columns(float *y, long y_stride, const float *x, long x_stride, long few,
                                     const void *weight, enum ck_stored stored, long first, long inputs, long outputs,
                                     long stride) {
  float buffers[4][CHUNK];
  for (long start = 0; start < outputs; start += CHUNK) {
    long count = outputs - start < CHUNK ? outputs - start : CHUNK;
    for (long b = 0; b < few; b++) memset(y + b * y_stride + start, 0, (size_t)(4 * count));
    for (long i = 0; i < inputs; i += 4) {
      const float *w[4];
      for (int k = 0; k < 4; k++) {
        long input = i + k < inputs ? i + k : i;
        w[k] = floats(weight, stored, input * stride + first + start, count, buffers[k]);
      }
      for (long b = 0; b < few; b++) {
        float f[4], *out = y + b * y_stride + start;
        for (int k = 0; k < 4; k++) f[k] = i + k < inputs ? x[b * x_stride + i + k] : 0.0f;
        for (long c = 0; c < count; c++)
          out[c] += (f[0] * w[0][c] + f[1] * w[1][c]) + (f[2] * w[2][c] + f[3] * w[3][c]);
      }
    }
  }
}
