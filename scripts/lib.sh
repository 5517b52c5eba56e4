# Sourced by the scripts beside it: where we are, and how a phase is shown with the time that it took.

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
