"""Uni-LoRA's indices without numpy: PCG64, choice without replacement and shuffle in plain integers.

Run as a script it compares them with what peft draws.
"""

M32, M64, M128 = (1 << 32) - 1, (1 << 64) - 1, (1 << 128) - 1


def seed_words(seed, count):
    """numpy's SeedSequence: `count` words of 32 bits."""
    entropy = []
    while seed or not entropy:
        entropy.append(seed & M32)
        seed >>= 32
    factor = 0x43b0d7e5

    def hashed(value):
        nonlocal factor
        value ^= factor
        factor = factor * 0x931e8875 & M32
        value = value * factor & M32
        return value ^ value >> 16

    def mixed(x, y):
        value = 0xca01f9dd * x - 0x4973f715 * y & M32
        return value ^ value >> 16

    pool = [hashed(entropy[i] if i < len(entropy) else 0) for i in range(4)]
    for source in range(4):
        for target in range(4):
            if source != target:
                pool[target] = mixed(pool[target], hashed(pool[source]))
    for word in entropy[4:]:
        for target in range(4):
            pool[target] = mixed(pool[target], hashed(word))
    words, factor = [], 0x8b51f9dd
    for number in range(count):
        value = pool[number % 4] ^ factor
        factor = factor * 0x58f38ded & M32
        value = value * factor & M32
        words.append(value ^ value >> 16)
    return words


class PCG64:
    def __init__(self, seed):
        words = seed_words(seed, 8)
        a, b, c, d = (words[i] | words[i + 1] << 32 for i in range(0, 8, 2))
        self.increment, self.state, self.kept = ((c << 64 | d) << 1 | 1) & M128, 0, None
        self.step()
        self.state = self.state + (a << 64 | b) & M128
        self.step()

    def step(self):
        self.state = self.state * 0x2360ED051FC65DA44385DF649FCCF645 + self.increment & M128

    def next32(self):
        """The low half of a 64-bit number, then its high half."""
        if self.kept is not None:
            value, self.kept = self.kept, None
            return value
        self.step()
        folded, turn = (self.state >> 64 ^ self.state) & M64, self.state >> 122
        value = (folded >> turn | folded << (64 - turn & 63)) & M64
        self.kept = value >> 32
        return value & M32

    def bounded(self, most):
        """0 to `most` by Lemire's way."""
        if most == 0:
            return 0
        product = self.next32() * (most + 1)
        if product & M32 < most + 1:
            threshold = (M32 - most) % (most + 1)
            while product & M32 < threshold:
                product = self.next32() * (most + 1)
        return product >> 32

    def masked(self, most):
        """0 to `most` by rejection."""
        mask = (1 << most.bit_length()) - 1
        while (value := self.next32() & mask) > most:
            pass
        return value


def shuffle(draw, values, first=1):
    for i in range(len(values) - 1, first - 1, -1):
        j = draw(i)
        values[i], values[j] = values[j], values[i]


def choice(source, count, size):
    if count > 10000 and size > count // 50:
        values = list(range(count))
        shuffle(source.bounded, values, max(count - size, 1))
        return values[count - size:]
    seen, values = set(), []
    for last in range(count - size, count):
        value = source.bounded(last)
        value = last if value in seen else value
        seen.add(value)
        values.append(value)
    shuffle(source.bounded, values)
    return values


def indices(count, length, seed):
    """`count` entries of A and B → places in theta, which has `length` numbers."""
    source, (each, left) = PCG64(seed), divmod(count, length)
    values = [i for i in range(length) for _ in range(each)]
    if left:
        values += choice(source, length, left)
    shuffle(source.masked, values)
    return values


def main():
    from peft.tuners.unilora.model import UniLoraModel
    for case in ((1000, 64, 42), (64, 64, 42), (1001, 256, 7), (50, 64, 42), (30000, 12000, 42), (130000, 11000, 42),
                 (1 << 15, 256, 12345678901), (7, 3, 0), (99, 10, 1 << 200)):
        if indices(*case) != UniLoraModel.generate_index(*case).tolist():
            raise ValueError(f"other indices for {case}")
        print(case, "equal")


if __name__ == "__main__":
    main()
