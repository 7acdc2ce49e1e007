// Numbers in blocks with shared scales, as GGUF files store them. The layouts are ggml's (ggml-common.h).
#ifndef SWIFT_PEFT_CKERNELS_BLOCKS_H
#define SWIFT_PEFT_CKERNELS_BLOCKS_H
#include "common.h"

#define PACKED struct __attribute__((packed))

typedef uint16_t half;  // The bits of a float16 number.

INLINE float wide(half bits) {
  float magnitude = from_bits((uint32_t)(bits & 0x7FFF) << 13) * 0x1p112f;
  uint32_t special = magnitude >= 65536.0f ? 0x7F800000u : 0u;  // infinite or NaN
  return from_bits(to_bits(magnitude) | special | (uint32_t)(bits & 0x8000) << 16);
}

PACKED q8_0 { half d; int8_t q[32]; };
PACKED q4_0 { half d; uint8_t q[16]; };
PACKED q4_1 { half d, m; uint8_t q[16]; };
PACKED q5_0 { half d; uint32_t high; uint8_t q[16]; };
PACKED q5_1 { half d, m; uint32_t high; uint8_t q[16]; };
PACKED parts { half d, m; uint8_t s[12]; };  // What the numbers of eight parts are multiplied by; see `part_scale`.
PACKED q4_k { struct parts parts; uint8_t q[128]; };
PACKED q5_k { struct parts parts; uint8_t high[32], q[128]; };
PACKED q6_k { uint8_t low[128], high[64]; int8_t s[16]; half d; };
PACKED iq4_nl { half d; uint8_t q[16]; };

// What the nibbles of IQ4_NL stand for.
static const int8_t nonlinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
#endif
