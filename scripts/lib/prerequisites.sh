# shellcheck shell=bash
# What every script of this repository needs before it can start. To be sourced by bash, from anywhere:
#
#   . "$(dirname "$0")/lib/prerequisites.sh"
#   require_node && install_packages && build           # what needs no container
#   trap stop_engine EXIT                               # before ensure_engine, so that Ctrl-C is covered too
#   ensure_engine && ensure_base_image                  # what the lab needs
#
# Each function prints one line for each thing it really does, and returns 1 after one sentence saying
# what to do when it cannot. An engine that was there already is used and never touched.

PASSBACK_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PASSBACK_HOME=${PASSBACK_LAB_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/passback}
PASSBACK_BASE_IMAGE=debian:trixie-slim
PASSBACK_PULL_LIMIT_S=45

engine_dir=$PASSBACK_HOME/engine
engine_host=unix://$engine_dir/docker.sock
engine_pid_file=$engine_dir/dockerd.pid

# --- telling what happens --------------------------------------------------------------------------

say() { printf '%s\n' "$*"; }

# The one sentence for a person who has to do something.
refuse() {
  printf '%s\n' "$*" >&2
  return 1
}

# For INT and TERM: said at once, because taking down what was started takes a while.
interrupted() {
  printf '\nStopping: what was started is taken down\n'
  exit "$1"
}

# progress "What is being done" NAME command...: one line with the seconds it took; what the command
# prints goes to NAME.log, which is named when it fails.
progress() {
  local what=$1 log=$PASSBACK_HOME/logs/$2.log began=$SECONDS
  shift 2
  mkdir -p "${log%/*}"
  printf '%s … ' "$what"
  if "$@" >"$log" 2>&1 </dev/null; then
    printf '%d s\n' "$((SECONDS - began))"
    return 0
  fi
  printf 'failed after %d s\n' "$((SECONDS - began))"
  tail -n 15 "$log" >&2
  refuse "The whole output is in $log"
}

# One script at a time inside; where there is no flock (macOS), callers do without.
locked() {
  local lock=$1
  shift
  mkdir -p "${lock%/*}"
  if ! command -v flock >/dev/null; then
    "$@"
    return
  fi
  (
    flock -x 9
    "$@" 9>&-
  ) 9>"$lock"
}

# Runs in the background, so that a signal sent to this script alone reaches what it runs.
run_until_stopped() {
  "$@" &
  local child=$! status=0
  trap 'kill -TERM "$child" 2>/dev/null' INT TERM
  while kill -0 "$child" 2>/dev/null; do
    status=0
    wait "$child" || status=$?
  done
  return "$status"
}

# --- Node and what npm brings ----------------------------------------------------------------------

require_node() {
  command -v node >/dev/null ||
    { refuse 'Node.js is missing: install Node.js 20.20 or newer (https://nodejs.org), then run this again.' || return; }
  node -e 'const [a, b] = process.versions.node.split("."); process.exit(+a > 20 || (+a === 20 && +b >= 20) ? 0 : 1)' ||
    refuse "Node.js $(node --version) is too old: install Node.js 20.20 or newer (https://nodejs.org), then run this again."
}

# Installs exactly what package-lock.json says, and only when that has changed since the last time.
install_packages() { locked "$PASSBACK_HOME/packages.lock" install_packages_once; }

install_packages_once() {
  local stamp=$PASSBACK_ROOT/node_modules/.passback-lock wanted
  wanted=$(cksum <"$PASSBACK_ROOT/package-lock.json") || return
  if [ -d "$PASSBACK_ROOT/node_modules" ]; then
    [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
    # Installed by hand: npm's own copy of the lock file is as new as the lock file.
    if [ ! -e "$stamp" ] && [ "$PASSBACK_ROOT/node_modules/.package-lock.json" -nt "$PASSBACK_ROOT/package-lock.json" ]; then
      printf '%s\n' "$wanted" >"$stamp"
      return
    fi
  fi
  progress 'Installing npm packages' npm-ci npm --prefix "$PASSBACK_ROOT" ci --ignore-scripts &&
    printf '%s\n' "$wanted" >"$stamp"
}

build() {
  locked "$PASSBACK_HOME/build.lock" \
    progress 'Compiling' build npm --prefix "$PASSBACK_ROOT" run build
}

# ensure_tools 'COMMAND …' PACKAGE…: ends with the commands there, installed where this is root on Debian or Ubuntu.
ensure_tools() {
  local commands=$1 tool
  shift
  for tool in $commands; do
    command -v "$tool" >/dev/null && continue
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
      refuse "$tool is missing: install it (on Debian: $*), then run this again."
      return
    fi
    progress "Installing $*" "install-$tool" apt_install "$@" || return
  done
}

# --- the container engine --------------------------------------------------------------------------

# Ends with a container engine that answers, and DOCKER_HOST exported where it is not the default one.
ensure_engine() {
  if [ "${DOCKER_HOST:-}" != "$engine_host" ]; then
    engine_answers && return
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
      refuse 'No container engine answers: install and start Docker (https://docs.docker.com/engine/install/), or set DOCKER_HOST, then run this again.'
      return
    fi
    install_engine || return
    # On a booted system the package starts its own service, which then is the machine's engine.
    engine_answers && return
  fi

  # Our own engine lives as long as somebody holds engine.users: shared by every script that uses it,
  # let go of by the kernel when a script dies. engine.lock lets one script at a time start or stop it.
  mkdir -p "$engine_dir" || return
  exec 8>>"$engine_dir/engine.users" 9>>"$engine_dir/engine.lock"
  if ! { flock -w 180 -x 9 && flock -w 180 -s 8; }; then
    exec 8>&- 9>&-
    refuse "Another script has been starting or stopping the engine for three minutes: end it (it holds $engine_dir/engine.lock), then run this again."
    return
  fi
  export DOCKER_HOST=$engine_host
  # Nothing can outlive this engine, so nothing needs a reaper, whose image may be out of reach.
  export TESTCONTAINERS_RYUK_DISABLED=true
  local status=0
  engine_answers || start_engine || status=1
  exec 9>&-
  [ $status -eq 0 ] || exec 8>&-
  return $status
}

# For docker commands of one's own; nothing to say where the engine is the one that docker finds by itself.
tell_engine() {
  [ "${DOCKER_HOST:-}" != "$engine_host" ] ||
    say "For docker commands of your own, in another terminal: export DOCKER_HOST=$DOCKER_HOST"
}

# Stops our own engine when this script is the last to use it. Idempotent; never touches another engine.
stop_engine() {
  { true >&8; } 2>/dev/null || return 0
  exec 9>>"$engine_dir/engine.lock"
  flock -x 9
  if flock -n -x 8 && engine_pid >/dev/null; then
    progress 'Stopping the container engine' engine-stop end_engine
  fi
  # Said aloud: a child that outlives this script would hold the lock open with its copy of it.
  flock -u 8
  exec 8>&- 9>&-
}

engine_answers() { command -v docker >/dev/null && timeout 20 docker info >/dev/null 2>&1; }

# The process id of our own engine, if it runs: a number left behind by a crash may be somebody else by now.
engine_pid() {
  local pid
  pid=$(cat "$engine_pid_file" 2>/dev/null) && [ -n "$pid" ] &&
    grep -qzxF -- "$engine_pid_file" "/proc/$pid/cmdline" 2>/dev/null &&
    printf '%s\n' "$pid"
}

install_engine() {
  command -v dockerd >/dev/null && command -v docker >/dev/null && return
  progress 'Installing a container engine (docker.io)' engine-install apt_install docker.io iptables || return
  # Since Debian 13 the command line client is a package of its own.
  command -v docker >/dev/null || progress 'Installing its client (docker-cli)' engine-install apt_install docker-cli
}

apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q && apt-get install -q -y --no-install-recommends "$@"
}

start_engine() {
  engine_pid >/dev/null || rm -f "$engine_pid_file"
  progress 'Starting a container engine' engine-start launch_engine || {
    refuse "The engine's own log is $PASSBACK_HOME/logs/dockerd.log"
    return
  }
  # What a crash left of earlier labs.
  docker container prune --force --filter label=org.testcontainers >/dev/null 2>&1
  docker network prune --force --filter label=org.testcontainers >/dev/null 2>&1
  return 0
}

launch_engine() {
  local tries
  if ! engine_pid; then
    # A session of its own: Ctrl-C is for the script, which takes its containers down first.
    setsid dockerd --data-root "$engine_dir/data" --exec-root "$engine_dir/exec" \
      --pidfile "$engine_pid_file" --host "$engine_host" \
      >"$PASSBACK_HOME/logs/dockerd.log" 2>&1 </dev/null 8>&- 9>&- &
  fi
  for ((tries = 0; tries < 120; tries++)); do
    engine_answers && return
    sleep 0.5
    [ $tries -lt 4 ] || engine_pid >/dev/null || break
  done
  tail -n 15 "$PASSBACK_HOME/logs/dockerd.log"
  return 1
}

end_engine() {
  local pid tries
  pid=$(engine_pid) || return 0
  kill -TERM "$pid"
  for ((tries = 0; tries < 120; tries++)); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.25
  done
  return 1
}

# --- the image the lab is built on -----------------------------------------------------------------

# Ends with the base image in the engine: from the engine's registry, or made of Debian's own packages.
ensure_base_image() { locked "$PASSBACK_HOME/base-image.lock" base_image_once && base_image_environment; }

base_image_once() {
  docker image inspect "$PASSBACK_BASE_IMAGE" >/dev/null 2>&1 && return
  printf 'Fetching the base image %s … ' "$PASSBACK_BASE_IMAGE"
  local began=$SECONDS
  if timeout "$PASSBACK_PULL_LIMIT_S" docker pull -q "$PASSBACK_BASE_IMAGE" >/dev/null 2>&1; then
    say "$((SECONDS - began)) s"
    return
  fi
  say "not to be had after $((SECONDS - began)) s"
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    refuse "The image $PASSBACK_BASE_IMAGE cannot be pulled: connect the engine to a registry that has it, or run this as root on Debian, then run it again."
    return
  fi
  command -v debootstrap >/dev/null ||
    progress 'Installing debootstrap' debootstrap-install apt_install debootstrap debian-archive-keyring || return
  progress "Making $PASSBACK_BASE_IMAGE from Debian's packages (about a minute)" base-image make_base_image
}

# No registry gave us the base image, so none will give the reaper of testcontainers.
base_image_environment() {
  [ -z "$(docker image inspect -f '{{index .Config.Labels "org.passback.made-by"}}' "$PASSBACK_BASE_IMAGE" 2>/dev/null)" ] ||
    export TESTCONTAINERS_RYUK_DISABLED=true
}

make_base_image() (
  tree=$(mktemp -d "$PASSBACK_HOME/base-image.XXXXXX") || exit
  trap 'rm -rf "$tree"' EXIT
  # The mirror this machine already uses; none configured (Ubuntu, say) leaves debootstrap its default.
  # shellcheck disable=SC2016 # a format of apt-get
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 'Component: main' | sed -n 1p)
  debootstrap --variant=minbase trixie "$tree" ${mirror:+"$mirror"} || exit
  rm -rf "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* "$tree"/var/log/*
  set -o pipefail
  tar -C "$tree" -c . |
    docker import --change 'CMD ["bash"]' --change 'LABEL org.passback.made-by=debootstrap' - "$PASSBACK_BASE_IMAGE"
)
