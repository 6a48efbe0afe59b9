# Shared by the scripts in this folder. Sourced, not run.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# One target folder for every checkout of a machine: the SDK then compiles once, not once per clone.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/tributary/target}"
bin_dir="$CARGO_TARGET_DIR/release"

# Beside it, what has the pallets' benchmarks: their feature would rebuild the SDK in the everyday folder, back and forth.
bench_dir=$(dirname "$CARGO_TARGET_DIR")/target-benchmarks
pallets=(datanets grants models jobs attribution channels)

# Runs cargo on the Wasm runtime with its benchmarks, with the flags of substrate-wasm-builder: `build` or `check`, and more.
cargo_benchmarks() {
    local flags="-C target-cpu=mvp -C target-feature=-sign-ext -C link-arg=--export-table -C link-arg=--import-memory -C link-arg=--export=__heap_base --cfg substrate_runtime"
    CARGO_TARGET_DIR="$bench_dir" RUSTFLAGS="$flags" cargo "$@" --release -p tributary-runtime --lib \
        --target wasm32v1-none --no-default-features --features runtime-benchmarks
}

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Installs the named Debian packages that are missing.
need_packages() {
    local missing=()
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    command -v apt-get >/dev/null || die "these packages are missing: ${missing[*]}; hint: install them with your system's package manager"
    say "installing Debian packages: ${missing[*]}"
    as_root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -qq "${missing[@]}" >/dev/null
}

# Installs Node.js and the packages of the pages' lock file if they are missing, and makes what the pages are typed by.
need_page_packages() {
    command -v npm >/dev/null || need_packages nodejs npm
    if [ ! -d studio/web/node_modules ] || [ studio/web/package-lock.json -nt studio/web/node_modules ]; then
        timed "installing the pages' packages" npm --prefix studio/web ci --no-audit --no-fund
    fi
    # From client/metadata.scale and studio/openapi.json, which are newer than the packages.
    npm --prefix studio/web run --silent generate
}

# Runs a command and says how long it took.
timed() {
    local name=$1 start=$SECONDS
    shift
    say "$name"
    "$@"
    say "$name: $((SECONDS - start)) s"
}
