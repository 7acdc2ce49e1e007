#include "common.h"

// Philox4x32 with ten rounds: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
// WIDTH blocks at once. Even and odd blocks have a vector each, with a word in the lower half of every lane, since
// processors multiply those halves; the upper halves hold anything.
#define WIDTH 16
typedef uint64_t wide __attribute__((vector_size(4 * WIDTH)));
typedef uint32_t words __attribute__((vector_size(4 * WIDTH)));

struct counters {
  wide x0, x1, x2, x3;
};

INLINE void philox_round(struct counters *x, uint32_t k0, uint32_t k1) {
  wide p0 = (x->x0 & 0xFFFFFFFFu) * 0xD2511F53u, p1 = (x->x2 & 0xFFFFFFFFu) * 0xCD9E8D57u;
  x->x0 = p1 >> 32 ^ x->x1 ^ k0;
  x->x2 = p0 >> 32 ^ x->x3 ^ k1;
  x->x1 = p1;
  x->x3 = p0;
}

#define MERGED(even, odd) (words)(((even) & 0xFFFFFFFFu) | (odd) << 32)

// Word i of the blocks `first` to first + WIDTH - 1 in out[i].
INLINE void philox_blocks(words out[4], uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3, uint64_t key) {
  const wide even_numbers = {0, 2, 4, 6, 8, 10, 12, 14}, zero = {0};
  struct counters even = {even_numbers + first, zero + c1, zero + c2, zero + c3}, odd = even;
  odd.x0 += 1;
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int round = 0; round < 10; round++) {
    philox_round(&even, k0, k1);
    philox_round(&odd, k0, k1);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = MERGED(even.x0, odd.x0);
  out[1] = MERGED(even.x1, odd.x1);
  out[2] = MERGED(even.x2, odd.x2);
  out[3] = MERGED(even.x3, odd.x3);
}

DISPATCHED void ck_philox(uint32_t *out, long blocks, uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3,
                          uint64_t key) {
  words x[4];
  for (long block = 0; block < blocks; block += WIDTH) {
    philox_blocks(x, first + (uint32_t)block, c1, c2, c3, key);
    long here = blocks - block < WIDTH ? blocks - block : WIDTH;
    for (long i = 0; i < here; i++)
      for (int word = 0; word < 4; word++) out[4 * (block + i) + word] = x[word][i];
  }
}

// A group of 16 blocks gives 128 numbers: number n is half (n / 16) % 2 of word n / 32 of block n % 16. So the
// multipliers of a row depend only on its counters, and the loops below vectorise.
INLINE void multipliers(float *out, uint32_t threshold, float kept, uint32_t first, uint32_t c1, uint32_t c2,
                        uint32_t c3, uint64_t key) {
  words x[4];
  philox_blocks(x, first, c1, c2, c3, key);
  for (int word = 0; word < 4; word++) {
    // Comparisons give all ones or zero.
    STORE(out + 2 * WIDTH * word, (words)((x[word] & 0xFFFFu) >= threshold) & to_bits(kept));
    STORE(out + 2 * WIDTH * word + WIDTH, (words)(x[word] >> 16 >= threshold) & to_bits(kept));
  }
}

DISPATCHED void ck_dropout_multipliers(float *out, long count, uint32_t threshold, float kept, uint32_t first,
                                       uint32_t c1, uint32_t c2, uint32_t c3, uint64_t key) {
  const long group = 8 * WIDTH, whole = count - count % group;
  for (long at = 0; at < whole; at += group)
    multipliers(out + at, threshold, kept, first + (uint32_t)(at / 8), c1, c2, c3, key);
  if (whole < count) {
    float last[8 * WIDTH];
    multipliers(last, threshold, kept, first + (uint32_t)(whole / 8), c1, c2, c3, key);
    memcpy(out + whole, last, (size_t)(count - whole) * sizeof *out);
  }
}
