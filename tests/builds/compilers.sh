# Sourced: makes the Debian 13 root with its own compiler and those for other architectures, and sets root, tree.
# Where there can be no such root, it says so in one line and ends the script with success.
tree=$(cd "$here/../.." && pwd)
root=${BUILD_ROOTS:-/var/cache/pam_session_limit-builds}/trixie.targets

skip() {
    echo "*** NOT CHECKED: other architectures and Debian 13's compiler: $1 ***" >&2
    exit 0
}

[ "$(id -u)" -eq 0 ] || skip 'not root'
command -v debootstrap >/dev/null || skip 'debootstrap is not installed'
[ "$(dpkg --print-architecture)" = amd64 ] || skip 'Debian has the cross compilers for amd64'

mkdir -p "$(dirname "$root")"
exec 8>"$root.lock"
flock 8
# Made again when its recipe, this file, has changed.
recipe=$(cksum <"$here/compilers.sh")
if [ "$(cat "$root/recipe" 2>/dev/null)" != "$recipe" ]; then
    rm -rf "$root" "$root.unfinished"
    base=${root%/*}/trixie
    "$here/make-root" trixie "$base" ca-certificates make || skip 'no root could be made'
    echo "installing compilers in $root (once; about a minute); output in $root.log"
    cp -a "$base" "$root.unfinished"
    # The foreign libraries are unpacked, not installed: they would bring a C library and LLVM each.
    "$here/enter" "$root.unfinished" sh -euc '
        export DEBIAN_FRONTEND=noninteractive
        for architecture in i386 armhf arm64 riscv64; do dpkg --add-architecture $architecture; done
        apt-get update -qq
        apt-get install -qq --no-install-recommends -y cargo gcc libc6-dev libpam0g-dev \
            gcc-i686-linux-gnu libc6-dev-i386-cross gcc-arm-linux-gnueabihf libc6-dev-armhf-cross \
            gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-riscv64-linux-gnu libc6-dev-riscv64-cross
        version=$(dpkg-query -W -f "\${Version}" libstd-rust-dev)
        cd /var/cache/apt/archives
        for architecture in i386 armhf arm64 riscv64; do
            apt-get download -qq "libstd-rust-dev:$architecture=$version"
            dpkg -x libstd-rust-dev_*_$architecture.deb /
        done
        rm -f ./*.deb
    ' >"$root.log" 2>&1 </dev/null 8>&- || { tail -n 3 "$root.log" >&2; skip 'the compilers could not be installed'; }
    echo "$recipe" >"$root.unfinished/recipe"
    mv "$root.unfinished" "$root"
fi
