#!/usr/bin/env bash
# QEMU 7.2 (Debian bookworm, 1:7.2+dfsg-7+deb12u18+b3) with Linux 6.1 (6.1.176-1) and ndctl 76.1-1: persistent memory of CXL below a host bridge
# with one root port alone keeps nothing that is stored there, and nobody says so. Linux passes over the decoder of a bridge that
# has one port, and never commits it; QEMU decodes by it all the same, drops the stores and gives zeros to loads. A second root
# port, at which nothing is, mends it.
#
# Expected: what was written to /dev/pmem0 is read back from the memory, or the region or the write fails.
# Seen: with one port every command succeeds, and zeros are read; with two ports it is kept.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
linux=6.1.0-50-amd64

# The packages with all that they need, unpacked and not installed.
mkdir -p "$folder/cache/archives/partial" "$folder/root"
: >"$folder/status"
apt-get -qq -y --no-install-recommends -o Dir::State::status="$folder/status" -o Dir::Cache="$folder/cache" \
  -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 install --download-only \
  qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 ndctl=76.1-1 busybox-static=1:1.35.0-4+deb12u1+b1 cpio=2.13+dfsg-7.1 >/dev/null
(cd "$folder/cache/archives" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "linux-image-$linux=6.1.176-1")
for package in "$folder"/cache/archives/*.deb; do dpkg -x "$package" "$folder/root"; done
libraries=$(find "$folder/root" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
loader=$(find "$folder/root" -name 'ld-linux-x86-64.so.*' | head -n 1)
run() { "$loader" --library-path "$libraries" "$folder/root/usr/bin/$1" "${@:2}"; }
run qemu-system-x86_64 --version | head -n 1

# The guest: busybox, the two programs with their libraries, and the modules, in the order in which they are loaded.
guest=$folder/guest
modules=(nvdimm/libnvdimm nvdimm/nd_btt nvdimm/nd_pmem cxl/cxl_acpi cxl/cxl_pci cxl/cxl_mem cxl/cxl_pmem)
mkdir -p "$guest"/{bin,lib,lib64,modules,proc,sys,dev}
cp -L "$loader" "$guest/lib64/ld-linux-x86-64.so.2"
cp "$folder/root/bin/busybox" "$folder/root/usr/bin/cxl" "$folder/root/usr/bin/ndctl" "$guest/bin/"
for program in cxl ndctl; do
  "$loader" --library-path "$libraries" --list "$folder/root/usr/bin/$program" | awk '$3 ~ "^/" { print $3 }' | xargs -I '{}' cp -Lf '{}' "$guest/lib/"
done
for module in "${modules[@]}"; do cp "$folder/root/lib/modules/$linux/kernel/drivers/$module.ko" "$guest/modules/"; done
cat >"$guest/init" <<END
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin LD_LIBRARY_PATH=/lib
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for module in ${modules[*]##*/}; do insmod /modules/\$module.ko || echo "no \$module"; done
# wait_for FILE
wait_for() { until [ -e \$1 ]; do usleep 10000; done; }
try() { output=\$("\$@" 2>&1) || echo "failed: \$* \$output"; }
wait_for /sys/bus/cxl/devices/pmem0
try cxl create-region -d decoder0.0 -m -t pmem -w 1 mem0
wait_for /sys/bus/nd/devices/region0/size
try ndctl create-namespace -r region0 -m raw
wait_for /dev/pmem0
yes stored | head -c 1048576 >/stored
try dd if=/stored of=/dev/pmem0 bs=1M conv=fsync
echo 3 >/proc/sys/vm/drop_caches
dd if=/dev/pmem0 of=/read bs=1M count=1 2>/dev/null
head -c 1048576 /dev/zero >/zeros
echo "seen: \$(cmp -s /read /stored && echo kept || { cmp -s /read /zeros && echo zeros || echo others; })"
poweroff -f
END
chmod +x "$guest/init"
(cd "$guest" && find . | "$loader" --library-path "$libraries" "$folder/root/bin/cpio" --quiet -o -H newc >"$folder/initrd")

# boot PORTS: what becomes of a mebibyte that is written to memory below a bridge with so many root ports.
boot() {
  local ports=() port
  for ((port = 0; port < $1; port++)); do ports+=(-device "cxl-rp,id=port$port,bus=cxl0,port=$port,chassis=0,slot=$port"); done
  truncate -s 256M "$folder/memory"
  truncate -s 1M "$folder/labels"
  QEMU_MODULE_DIR=$folder/root/usr/lib/x86_64-linux-gnu/qemu timeout 900 "$loader" --library-path "$libraries" "$folder/root/usr/bin/qemu-system-x86_64" \
    -L "$folder/root/usr/share/seabios" -L "$folder/root/usr/share/qemu" \
    -nodefaults -no-user-config -no-reboot -display none -nic none -accel tcg -cpu max -m 512M -serial stdio \
    -M q35,cxl=on,cxl-fmw.0.targets.0=cxl0,cxl-fmw.0.size=256M \
    -object "memory-backend-file,id=memory,share=on,mem-path=$folder/memory,size=256M" \
    -object "memory-backend-file,id=labels,share=on,mem-path=$folder/labels,size=1M" \
    -device pxb-cxl,id=cxl0,bus=pcie.0,bus_nr=16 "${ports[@]}" \
    -device cxl-type3,bus=port0,memdev=memory,lsa=labels,sn=1 \
    -kernel "$folder/root/boot/vmlinuz-$linux" -initrd "$folder/initrd" -append 'console=ttyS0 quiet panic=-1' </dev/null >"$folder/console" 2>&1
  rm "$folder/memory" "$folder/labels"
  grep -aoE '(seen|failed|no): .*|no [a-z_]+$' "$folder/console" | tr -d '\r' | paste -sd';'
}

one=$(boot 1)
echo "one port: $one"
two=$(boot 2)
echo "two ports: $two"
[ "$one" = 'seen: zeros' ] && [ "$two" = 'seen: kept' ] || { echo 'these are different'; exit 1; }
