// Products of a few rows with blocks in whole numbers. Making floats of blocks takes longer than reading them: here x is
// rounded to 16 bits instead, 32 numbers at a time, as two digits of eight. VNNI multiplies both with a part of a block as it
// is.
#include "parts.h"

// What a row of x is made into, for parts of 32 numbers that are read in groups of up to eight; beyond the last all is zero.
struct digits {
  int8_t *digits;  // of each part 32 high ones, then 32 low ones
  float *scales, *sums;
};

static long padded_parts(long columns) { return columns / 32 + 8; }

INLINE struct digits row_digits(const char *memory, long parts) {
  float *scales = (float *)(memory + 64 * parts);
  return (struct digits){(int8_t *)memory, scales, scales + parts};
}

long ck_digits_size(long columns) { return padded_parts(columns) * (64 + 2 * (long)sizeof(float)); }

DISPATCHED void ck_digits(void *out, const float *x, long columns) {
  const struct digits row = row_digits(out, padded_parts(columns));
  memset(out, 0, (size_t)ck_digits_size(columns));
  for (long p = 0; p < columns / 32; p++, x += 32) {
    // The high digit is at most 127, and 127 · 256 = 32512. Numbers whose inverse is infinite count as zero; those that are
    // not finite make the scale so.
    const float largest = from_bits(ck_largest_bits32(x, 32));
    const bool fits = largest > 1e-30f && largest <= 0x1.fffffep127f;
    const float inverse = fits ? 32512.0f / largest : 0.0f;
    row.scales[p] = fits || !(largest <= 1e-30f) ? largest / 32512.0f : 0.0f;
    int sum = 0;
    for (int i = 0; i < 32; i++) {
      const int number = fits ? (int)rintf(x[i] * inverse) : 1, high = (number + 128) >> 8;
      row.digits[64 * p + i] = (int8_t)high;
      row.digits[64 * p + 32 + i] = (int8_t)(number - 256 * high);
      sum += number;
    }
    // Of what x was rounded to, so that a minimum of -128 scales cancels exactly the 128 added to each number.
    row.sums[p] = row.scales[p] * (float)sum;
  }
}

#if defined(__x86_64__)
#include <immintrin.h>

#define VNNI __attribute__((target("arch=x86-64-v4,avx512vnni")))

bool ck_takes_digits(enum ck_stored stored) {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("x86-64-v4") || !__builtin_cpu_supports("avx512vnni")) return false;
  switch (stored) {
    case ck_stored_q8_0:
    case ck_stored_q4_0:
    case ck_stored_q4_1:
    case ck_stored_q5_0:
    case ck_stored_q5_1:
    case ck_stored_q4_k:
    case ck_stored_q5_k: return true;
    default: return false;
  }
}

// The numbers n of the parts of a group, w = scale n + minimum, twice each, and their scales and minima.
#define NUMBERS(type) VNNI INLINE __m512i type##_numbers(const struct type *b, int j)
#define AFFINE_GROUP(type) VNNI INLINE void type##_group(__m256 *scales, __m256 *minima, const struct type *b, int count)

VNNI INLINE __m512i twice(const uint8_t *bytes) { return _mm512_broadcast_i64x4(LOAD(__m256i, bytes)); }
VNNI INLINE __m512i low_nibbles(__m512i bytes) { return _mm512_and_si512(bytes, _mm512_set1_epi8(15)); }
// The low nibbles are 16 numbers, the high ones the next.
VNNI INLINE __m512i nibble_numbers(const uint8_t *q) {
  const long long four = 0x0004000400040004;
  const __m512i shifts = _mm512_set_epi64(four, four, 0, 0, four, four, 0, 0);
  return low_nibbles(_mm512_srlv_epi16(_mm512_broadcast_i32x4(LOAD(__m128i, q)), shifts));
}
// The low or the high nibbles of part j of eight, of which two share bytes.
VNNI INLINE __m512i nibbles_of_two(const uint8_t *q, int j) {
  const __m512i both = twice(q + 32 * (j / 2));
  return low_nibbles(j % 2 ? _mm512_srli_epi16(both, 4) : both);
}
// Adds the fifth bit of each number.
VNNI INLINE __m512i five_bits(__m512i n, uint64_t high) {
  return _mm512_or_si512(n, _mm512_maskz_set1_epi8(high, 16));
}

NUMBERS(q8_0) { return _mm512_xor_si512(twice((const uint8_t *)b[j].q), _mm512_set1_epi8(-128)); }
NUMBERS(q4_0) { return nibble_numbers(b[j].q); }
NUMBERS(q4_1) { return nibble_numbers(b[j].q); }
NUMBERS(q5_0) { return five_bits(nibble_numbers(b[j].q), b[j].high | (uint64_t)b[j].high << 32); }
NUMBERS(q5_1) { return five_bits(nibble_numbers(b[j].q), b[j].high | (uint64_t)b[j].high << 32); }
NUMBERS(q4_k) { return nibbles_of_two(b->q, j); }
NUMBERS(q5_k) {
  return five_bits(nibbles_of_two(b->q, j), _mm512_test_epi8_mask(twice(b->high), _mm512_set1_epi8((char)(1 << j))));
}

// The first four bytes of `count` blocks of `size` bytes: two float16 numbers each, or one and something else.
VNNI INLINE __m256i first_bytes(const void *blocks, int size, int count) {
  // Gathering them takes longer.
  uint32_t each[8] = {0};
  for (int i = 0; i < count; i++) memcpy(each + i, (const char *)blocks + i * size, sizeof *each);
  return LOAD(__m256i, each);
}
VNNI INLINE __m256 halves(__m256i lower) { return _mm256_cvtph_ps(_mm256_cvtepi32_epi16(lower)); }

#define PAIRED(type) \
  AFFINE_GROUP(type) { \
    const __m256i both = first_bytes(b, sizeof *b, count); \
    *scales = halves(both); \
    *minima = halves(_mm256_srli_epi32(both, 16)); \
  }
#define CENTRED(type, zero) \
  AFFINE_GROUP(type) { \
    *scales = halves(first_bytes(b, sizeof *b, count)); \
    *minima = *scales * -(float)zero; \
  }
VNNI INLINE __m256 eight_floats(const void *numbers) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(numbers)));
}
#define OF_PARTS(type) \
  AFFINE_GROUP(type) { \
    (void)count; \
    uint32_t packed[4]; \
    part_bytes(packed, &b->parts); \
    *scales = _mm256_set1_ps(scale_of(b->parts.d)) * eight_floats(packed); \
    *minima = _mm256_set1_ps(-scale_of(b->parts.m)) * eight_floats(packed + 2); \
  }

CENTRED(q8_0, 128)
CENTRED(q4_0, 8)
PAIRED(q4_1)
CENTRED(q5_0, 16)
PAIRED(q5_1)
OF_PARTS(q4_k)
OF_PARTS(q5_k)

// The sums of a row of x: those of whole numbers times their scales, first the high digits' and then the low ones', and what
// the minima add.
struct sums { __m512 products; __m256 least; };

// s += scale Σ n x of a part, for both digits.
VNNI INLINE void add_digits(__m512 *s, __m512i n, const int8_t *x, float scale) {
  *s += _mm512_set1_ps(scale) * _mm512_cvtepi32_ps(_mm512_dpbusd_epi32(_mm512_setzero_si512(), n, LOAD(__m512i, x)));
}

VNNI INLINE float total(struct sums sums) {
  const __m256 high = _mm512_castps512_ps256(sums.products), low = _mm512_extractf32x8_ps(sums.products, 1);
  float s[8];
  STORE(s, 256.0f * high + low + sums.least);
  return (s[0] + s[4]) + (s[2] + s[6]) + ((s[1] + s[5]) + (s[3] + s[7]));
}

// `count`, the parts of a group, is a constant too. `blocks` are those of a group, and `rest` what is done with those that make
// up none. `size` is that of a row of x.
#define DIGIT_ROWS(type, blocks, rest) \
  VNNI INLINE void type##_add(struct sums *s, const char *x, long size, long padded, long first, const int few, \
                              const struct type *b, const int count) { \
    float factors[4][8]; \
    __m256 scales, minima; \
    type##_group(&scales, &minima, b, count); \
    for (int t = 0; t < few; t++) { \
      const struct digits row = row_digits(x + t * size, padded); \
      STORE(factors[t], scales * LOAD(__m256, row.scales + first)); \
      s[t].least += minima * LOAD(__m256, row.sums + first); \
    } \
    _Pragma("clang loop unroll(full)") for (int j = 0; j < count; j++) { \
      const __m512i n = type##_numbers(b, j); \
      for (int t = 0; t < few; t++) \
        add_digits(&s[t].products, n, (const int8_t *)x + t * size + 64 * (first + j), factors[t][j]); \
    } \
  } \
  VNNI INLINE void type##_row(float *y, long y_stride, const char *x, long size, const int few, const struct type *b, \
                              long columns) { \
    const long parts = columns / 32, padded = padded_parts(columns); \
    struct sums s[4]; \
    for (int t = 0; t < few; t++) s[t] = (struct sums){_mm512_setzero_ps(), _mm256_setzero_ps()}; \
    long first = 0; \
    for (; first + 8 <= parts; first += 8, b += blocks) type##_add(s, x, size, padded, first, few, b, 8); \
    rest \
    for (int t = 0; t < few; t++) y[t * y_stride] = total(s[t]); \
  } \
  ROWS(type, VNNI, char, columns / 32 * blocks / 8 * (long)sizeof(struct type))

#define REST(type, count) \
  if (parts - first >= count) { \
    type##_add(s, x, size, padded, first, few, b, count); \
    first += count; \
    b += count; \
  }

DIGIT_ROWS(q8_0, 8, REST(q8_0, 4) REST(q8_0, 2) REST(q8_0, 1))
DIGIT_ROWS(q4_0, 8, REST(q4_0, 4) REST(q4_0, 2) REST(q4_0, 1))
DIGIT_ROWS(q4_1, 8, REST(q4_1, 4) REST(q4_1, 2) REST(q4_1, 1))
DIGIT_ROWS(q5_0, 8, REST(q5_0, 4) REST(q5_0, 2) REST(q5_0, 1))
DIGIT_ROWS(q5_1, 8, REST(q5_1, 4) REST(q5_1, 2) REST(q5_1, 1))
DIGIT_ROWS(q4_k, 1,)
DIGIT_ROWS(q5_k, 1,)

void ck_few_digits_times_rows(float *y, long y_stride, const void *digits, long few, const void *weight,
                              enum ck_stored stored, struct ck_rows rows, long columns) {
#define CASE(type) \
  case ck_stored_##type: type##_rows(y, y_stride, digits, ck_digits_size(columns), few, weight, rows, columns); break
  switch (stored) {
    CASE(q8_0);
    CASE(q4_0);
    CASE(q4_1);
    CASE(q5_0);
    CASE(q5_1);
    CASE(q4_k);
    CASE(q5_k);
    default: break;
  }
}
#else
bool ck_takes_digits(enum ck_stored stored) { return (void)stored, false; }

void ck_few_digits_times_rows(float *y, long y_stride, const void *digits, long few, const void *weight,
                              enum ck_stored stored, struct ck_rows rows, long columns) {
  (void)y, (void)y_stride, (void)digits, (void)few, (void)weight, (void)stored, (void)rows, (void)columns;
}
#endif
