#!/bin/sh
# Builds with a sanitizer, in a folder of its own, and runs the whole test suite.
#
#   scripts/sanitize.sh address|undefined|thread [ARGUMENT OF swift test …]
#
# So far only `address` has been run over the whole suite; the suppressions of `thread` are assumptions until it is.
# Any report ends the test process, or the program that a test runs, with another status: the run fails.
set -eu
cd "$(dirname "$0")/.."
kind=${1:-}
[ $# -eq 0 ] || shift
scratch=.build-$kind
set -- --sanitize="$kind" --scratch-path "$scratch" "$@"

# The backtracer of Swift would take the sanitizer's signals.
export SWIFT_BACKTRACE=enable=no
case $kind in
  address)
    # Leaks are not looked for: a program that ends by exit() (ArgumentParser's way) still holds what its frames own.
    export ASAN_OPTIONS=detect_leaks=0:abort_on_error=0:exitcode=86 ;;
  undefined)
    # SwiftPM's flag instruments Swift only as far as Swift checks itself; the C kernels are told apart, and stop at
    # the first report.
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:exitcode=86
    set -- -Xcc -fsanitize=undefined -Xcc -fno-sanitize-recover=undefined "$@" ;;
  thread)
    # Code that is not instrumented, whose synchronisation the sanitizer cannot see:
    # - libopenblas: its own worker pool, spinning on atomics and pthread conditions inside an -O2 C library;
    # - libgomp: OpenMP of oneDNN; barriers are futexes made by hand;
    # - libdnnl: hands work to libgomp's threads;
    # - libdispatch, libFoundation: Swift's own libraries, shipped without instrumentation (Process, FileHandle).
    mkdir -p "$scratch"
    for library in libopenblas libgomp libdnnl libdispatch libFoundation; do
      echo "called_from_lib:$library"
    done > "$scratch/suppressions"
    export TSAN_OPTIONS="suppressions=$PWD/$scratch/suppressions:halt_on_error=0:exitcode=86" ;;
  *) echo "usage: scripts/sanitize.sh address|undefined|thread [ARGUMENT OF swift test …]" >&2; exit 64 ;;
esac
exec swift test "$@"
