#!/bin/sh
# Feeds a reader inputs that libFuzzer makes up, guided by what they reach, under the address sanitizer.
#
#   scripts/fuzz.sh TARGET [SECONDS] [LIBFUZZER-OPTION …]
#
# TARGET is a folder of Tests/FuzzTests/Corpus, whose inputs it starts from; what it finds new is kept in
# .build-fuzz/corpus/TARGET, an input that breaks the reader in .build-fuzz/findings (exit status not 0).
# An input may take 10 seconds, 512 MB at once, and 2 GB altogether.
set -eu
cd "$(dirname "$0")/.."
target=${1:?usage: scripts/fuzz.sh TARGET [SECONDS]}
seconds=${2:-600}
shift; [ $# -eq 0 ] || shift

swift=$(readlink -f "$(command -v swift)")
library=$(ls "$(dirname "$swift")"/../lib/clang/*/lib/linux/libclang_rt.fuzzer_no_main-"$(uname -m)".a | head -n 1)
SWIFT_PEFT_FUZZ=1 swift build -c release --product swift-peft-fuzz --sanitize=address --scratch-path .build-fuzz \
  -Xswiftc -sanitize-coverage=edge,inline-8bit-counters,pc-table,trace-cmp \
  -Xlinker "$library" -Xlinker -lstdc++ >&2

mkdir -p .build-fuzz/corpus/"$target" .build-fuzz/findings
ASAN_OPTIONS=detect_leaks=0 SWIFT_BACKTRACE=enable=no FUZZ_TARGET=$target exec nice -n 19 .build-fuzz/release/swift-peft-fuzz \
  -max_total_time="$seconds" -timeout=10 -malloc_limit_mb=512 -rss_limit_mb=2048 -print_final_stats=1 -detect_leaks=0 \
  -artifact_prefix=.build-fuzz/findings/"$target"- "$@" \
  .build-fuzz/corpus/"$target" Tests/FuzzTests/Corpus/"$target"
