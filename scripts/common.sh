# shellcheck shell=bash
# Sourced by the scripts beside it: the project root, one-line messages, root rights.

# shellcheck disable=SC2034 # read by the scripts that source this
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# say MESSAGE: what is being done, one line a step. Messages go to stderr, data to stdout.
say() { printf '==> %s\n' "$*" >&2; }

# die WHAT REMEDY: stop with what went wrong and what to do about it.
die() {
  printf 'error: %s\n  remedy: %s\n' "$1" "$2" >&2
  exit 1
}

# as_root COMMAND...: run it as root, through sudo when that asks for no password or someone can type it.
as_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
    sudo -- "$@"
  else
    die "this needs root rights: $*" "run it as root, or as a user who may use sudo"
  fi
}

# apt_install PACKAGE...: install from the machine's own apt sources, reading package lists first.
apt_install() {
  command -v apt-get >/dev/null || die "no apt-get here to install: $*" "install these by hand, then run this again"
  apt_update
  as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
    apt-get install --yes --quiet=2 --no-install-recommends "$@" >/dev/null </dev/null ||
    die "apt-get could not install: $*" "run: apt-get install $*"
}

# apt_update: read the package lists, once in a script's life.
apt_update() {
  [[ -z ${apt_updated:-} ]] || return 0
  as_root apt-get update --quiet=2 >/dev/null ||
    die "apt-get update failed" "check the network and /etc/apt, then run this again"
  apt_updated=yes
}

# debian_sources SUITE [NAMES]: this machine's Debian sources as one-line entries for SUITE, archive
# included; NAMES is a pattern of the suites wanted, by their ending ("" is the main one). Signatures
# are checked with the keyring that Debian installs.
debian_sources() {
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg codename options=""
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  [[ ! -f $keyring ]] || options="[signed-by=$keyring] "
  apt_update # the entries are only listed for sources that were read
  apt-get indextargets --format "deb $options\$(REPO_URI) \$(RELEASE) \$(COMPONENT)" \
    'Created-By: Packages' 'Origin: Debian' |
    awk -v from="$codename" -v to="$1" -v names="^$codename(${2:-})\$" '
      $NF == "main" && $(NF - 1) ~ names { sub(from, to, $(NF - 1)); print }' | sort -u
}

# python_environment EXTRAS: .venv with Python 3.11 or newer, Towline and its EXTRAS, first on PATH.
# What is there already for this folder and this pyproject.toml is left alone.
python_environment() {
  local venv=$root/.venv made_for candidate python=""
  made_for=$({ echo "$root"; cat "$root/pyproject.toml"; } | sha256sum)
  export PATH=$venv/bin:$PATH VIRTUAL_ENV=$venv
  for candidate in "$1" dev; do
    [[ $(cat "$venv/towline-$candidate" 2>/dev/null) != "$made_for" ]] || return 0
  done

  # A folder that was moved or copied has a .venv whose programs point to the old place.
  if [[ $("$venv/bin/pip" --version 2>/dev/null) != *"$venv/"* ]]; then
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
      "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
      python=$candidate && break
    done
    if [[ -z $python ]] || ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
      say "install Python with venv"
      apt_install python3 python3-venv
      python=python3
    fi
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
      die "Python here is older than 3.11" "install Python 3.11 or newer, then run this again"
    say "make .venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
  fi

  # On CI what is installed is what was reviewed, by hash; see scripts/lock-requirements.
  if [[ -n ${TOWLINE_LOCKED:-} ]]; then
    say "install what requirements/dev.txt locks into .venv"
    "$venv/bin/python" -m pip install -qq --require-hashes -r "$root/requirements/dev.txt" </dev/null &&
      "$venv/bin/python" -m pip install -qq --no-deps --no-build-isolation --editable "$root" </dev/null ||
      die "pip could not install what is locked" "read the lines above; scripts/lock-requirements locks anew"
    echo "$made_for" >"$venv/towline-dev"
    return 0
  fi
  say "install Towline with its extras [$1] into .venv"
  "$venv/bin/python" -m pip install -qq --disable-pip-version-check --editable "${root}[$1]" </dev/null ||
    die "pip could not install Towline" "read the lines above; a network or index problem: pip config list"
  echo "$made_for" >"$venv/towline-$1"
}
