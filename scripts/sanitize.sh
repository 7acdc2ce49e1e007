#!/bin/sh
# Builds with a sanitizer, in a folder of its own, and runs the whole test suite.
#
#   scripts/sanitize.sh address|undefined|thread [ARGUMENT OF swift test …]
#
# Every process, of the tests and of the programs that they start, writes its reports into .build-KIND/reports: one
# report anywhere is a failure, whatever the process that made it was expected to end with.
#
# Run on 21 November 2026 over all 735 tests, with every data directory set, and no report: `thread` in 10, `undefined` in
# 8, `address` in 20 minutes on 2 cores, building aside. That each fails on a mistake was tried with a read past an
# array, an overflow of an int and a counter that threads share.
set -eu
cd "$(dirname "$0")/.."
kind=${1:-}
[ $# -eq 0 ] || shift
scratch=$PWD/.build-$kind
set -- --scratch-path "$scratch" "$@"
reports=$scratch/reports
options=log_path=$reports/report:exitcode=86
runtimes=$(dirname "$(readlink -f "$(command -v swift)")")/../lib/clang

# For tests that measure what a sanitizer changes.
export SANITIZER=$kind
# The backtracer of Swift would take the sanitizer's signals.
export SWIFT_BACKTRACE=enable=no
case $kind in
  address)
    # Leaks are not looked for: a program that ends by exit() (ArgumentParser's way) still holds what its frames own.
    export ASAN_OPTIONS=$options:detect_leaks=0:abort_on_error=0
    set -- --sanitize=address "$@" ;;
  undefined)
    # Swift checks itself, and its compiler has no such option here: this is for the C kernels, which stop at the first
    # report, and for the C of the packages. `vptr` is for C++ with type information, which there is none of.
    export UBSAN_OPTIONS=$options:print_stacktrace=1:halt_on_error=1
    runtime=$(ls "$runtimes"/*/lib/linux/libclang_rt.ubsan_standalone-"$(uname -m)".so | head -n 1)
    set -- -Xcc -fsanitize=undefined -Xcc -fno-sanitize=vptr -Xcc -fno-sanitize-recover=undefined \
      -Xlinker "$runtime" -Xlinker -rpath -Xlinker "$(dirname "$runtime")" "$@" ;;
  thread)
    export TSAN_OPTIONS=$options:halt_on_error=0
    mkdir -p "$scratch"
    clang -O1 -Wall -Wextra -Werror -c scripts/sanitizers/mutex.c -o "$scratch/mutex.o"
    # A debug build would take hours on a real model.
    set -- -c release -Xswiftc -enable-testing --sanitize=thread -Xlinker "$scratch/mutex.o" "$@" ;;
  *) echo "usage: scripts/sanitize.sh address|undefined|thread [ARGUMENT OF swift test …]" >&2; exit 64 ;;
esac

rm -rf "$reports"
mkdir -p "$reports"
status=0
swift test "$@" || status=$?
count=$(find "$reports" -type f | wc -l)
[ "$count" -eq 0 ] || cat "$reports"/* >&2
echo "$kind: $count processes with reports; swift test ended with $status" >&2
[ "$count" -eq 0 ] && [ "$status" -eq 0 ]
