# Sourced by the scripts beside it: where we are, how a phase is shown with the time that it took, how tests are run.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PELTON_CACHE_DIR=${PELTON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pelton}
DEMO_MODEL_NAME=smollm2-135m-instruct-q4_1
DEMO_MODEL_FILE=$PELTON_CACHE_DIR/models/$DEMO_MODEL_NAME.gguf

# Colours only for a person at a terminal.
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then BOLD=$'\e[1m' PLAIN=$'\e[0m'; else BOLD='' PLAIN=''; fi

say() { printf '%s\n' "$*"; }
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# phase TITLE COMMAND...: says what starts, runs it, says how long it took; stops the script where it fails.
phase() {
  local title=$1 start=$EPOCHREALTIME status=0
  shift
  say "${BOLD}==> $title${PLAIN}"
  "$@" || status=$?
  local tenths=$(((${EPOCHREALTIME/[.,]/} - ${start/[.,]/}) / 100000))
  if [ "$status" != 0 ]; then
    say "${BOLD}==> $title: FAILED (exit code $status) after $((tenths / 10)).$((tenths % 10)) s${PLAIN}"
    exit "$status"
  fi
  say "${BOLD}==> $title: done in $((tenths / 10)).$((tenths % 10)) s${PLAIN}"
}

run_ctest() {
  local preset=$1 results=$2
  shift 2
  rm -rf "$results"
  mkdir -p "$results"
  local timeout_s=900
  if [ "$preset" = tsan ] || [ "$preset" = asan ]; then timeout_s=2700; fi # they take a model ten to fifty times as long
  ctest --test-dir "build/$preset" --output-on-failure --timeout "$timeout_s" --output-junit "$results/ctest.xml" "$@" ||
    true # the summary below decides
  python3 scripts/test_summary.py "$results"
}

# test_preset PRESET [CTEST-OPTION...]: runs the tests of a preset that is built, from $ROOT. Nothing may be skipped for
# want of something that can be had: PELTON_REQUIRE_ALL_TESTS=0 allows it.
test_preset() {
  RESULTS=$ROOT/build/$1/test-results
  export PELTON_REQUIRE_ALL_TESTS=${PELTON_REQUIRE_ALL_TESTS:-1}
  export CTEST_PARALLEL_LEVEL=${CTEST_PARALLEL_LEVEL:-2}
  # Each test program writes its cases as XML here; ctest itself only knows whole programs.
  export GTEST_OUTPUT=xml:$RESULTS/
  export PELTON_TEST_RESULTS=$RESULTS
  # The last line, for readers, people and machines: N passed, N failed.
  trap 'cat "$RESULTS/summary.txt" 2>/dev/null' EXIT
  phase "Testing preset $1" run_ctest "$1" "$RESULTS" "${@:2}"
}
