#!/usr/bin/env bash
# Opens a report of `swift-peft runs report` in a headless Chromium: counts what it drew, moves the pointer over a chart,
# and takes pictures in light and in dark. Without Chromium it says so and ends well.
#
#   scripts/report_check.sh REPORT.html [DIRECTORY]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ $# -ge 1 ] || { status=64 die 'usage: scripts/report_check.sh REPORT.html [DIRECTORY]'; }
[ -s "$1" ] || die "there is no $1"
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$browser" ]; then
  note 'skipped: there is no chromium (apt-get install chromium)'
  exit 0
fi
report=$(readlink -f "$1")
pictures=${2:-$(dirname "$report")}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
browse() {
  timeout 120 "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$work/profile" \
    --window-size=1280,3000 "$@" 2>"$work/browser.log"
}

# A copy that hovers over the first chart, and has every error and every request to elsewhere in its title.
sed 's|</body>|<script>addEventListener("load", () => { const chart = document.querySelector("#charts svg[tabindex]"); \
  if (chart) { const box = chart.getBoundingClientRect(); chart.dispatchEvent(new PointerEvent("pointermove", \
  { clientX: box.left + box.width / 2, clientY: box.top + 60 })); } });</script></body>|' "$report" >"$work/hover.html"
browse --dump-dom "file://$report" >"$work/dom.html"
browse --dump-dom "file://$work/hover.html" >"$work/hovered.html"

count() { grep -o "$1" "$work/dom.html" | wc -l; }
failed=0
expect() {
  if [ "$2" -ge "$3" ]; then printf 'ok      %s: %s\n' "$1" "$2"; else
    printf 'FAILED  %s: %s instead of at least %s\n' "$1" "$2" "$3"
    failed=1
  fi
}
runs=$(grep -o '"status":"' "$report" | wc -l)
merges=$(grep -o '"lower":' "$report" | wc -l)
expect 'the script ran to its end' "$(count 'data-ready="true"')" 1
expect 'curves of runs' "$(count 'class="series"')" "$runs"
expect 'marks in the scatter chart' "$(count 'class="point"')" 1
expect 'rows of the table of runs' "$(sed -n '/id="run-table"/,/<\/section>/p' "$work/dom.html" | grep -o '<tr>' | wc -l)" "$runs"
if [ "$merges" -gt 0 ]; then
  expect 'lanes of the sharing map' "$(count 'class="lane"')" 2
  expect 'merges in the sharing map' "$(count 'class="merge"')" 1
  expect 'curves of distances' "$(count 'class="distance"')" 1
fi
expect 'rows of the tip under the pointer' "$(grep -o '<div id="tip"[^>]*>.*' "$work/hovered.html" | grep -o '<div>' | wc -l)" 1

browse --screenshot="$pictures/report-light.png" "file://$report"
browse --blink-settings=preferredColorScheme=0 --screenshot="$pictures/report-dark.png" "file://$report"
expect 'bytes of the light picture' "$(stat -c %s "$pictures/report-light.png")" 20000
expect 'bytes of the dark picture' "$(stat -c %s "$pictures/report-dark.png")" 20000
exit "$failed"
