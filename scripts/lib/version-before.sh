# shellcheck shell=bash
# Which version came before the one that is checked out. To be sourced by bash after prerequisites.sh, which has `refuse`.

in_git() { git -C "$PASSBACK_ROOT" "$@"; }

# Prints the newest tag v* of an earlier commit, else the commit that recorded what the newest version left on disk.
# Where this clone has neither it says what to do and returns 1: a check that has checked nothing must not pass.
version_before() {
  local found
  found=$(previous_tag) && [ -n "$found" ] || found=$(recorded_version)
  if [ -z "$found" ]; then
    refuse 'This clone has no earlier version, neither a tag v* nor the commit that recorded test/fixtures: fetch both (git fetch --tags, with --unshallow where only the last commits are here), or name a commit (--from), then run this again.'
    return
  fi
  printf '%s\n' "$found"
}

# The newest tag v* of a commit before this one, in the order of versions: a pre-release comes before its release.
previous_tag() {
  local tag here
  here=$(in_git rev-parse HEAD 2>/dev/null) || return 0
  for tag in $(in_git -c versionsort.suffix=- tag --merged HEAD --list 'v[0-9]*' --sort=-version:refname); do
    [ "$(in_git rev-parse "$tag^{commit}")" = "$here" ] || {
      printf '%s\n' "$tag"
      return
    }
  done
}

# The commit that recorded the newest of test/fixtures/v*: a clone without tags has it all the same. In a shallow one the
# oldest commit seems to have made everything that is there.
recorded_version() {
  local newest commit here
  here=$(in_git rev-parse HEAD 2>/dev/null) || return 0
  newest=$(cd "$PASSBACK_ROOT" && printf '%s\n' test/fixtures/v*/recording.json | sort -V | tail -n 1)
  commit=$(in_git log -1 --format=%H -- "$newest")
  [ -n "$commit" ] && [ "$commit" != "$here" ] || return 0
  ! grep -qsx "$commit" "$(in_git rev-parse --path-format=absolute --git-path shallow)" || return 0
  in_git rev-parse --short "$commit"
}
