// Owns the two stages of the guest's init: what runs before and after the command, as shell of busybox.

import { HOME, portPath, portReady } from './guest-paths.js';
import { LOADING_LISTS } from './modules.js';

// Both stages load modules: the files are at $MODULES.
const LOAD = `
# load LIST: each line of the list is a module and its parameters.
load() {
  while read -r module parameters; do
    insmod $MODULES/$module.ko $parameters || fail "the kernel does not load its module $module"
  done <$MODULES/$1
}`;

/** Stage one, from the initramfs: load modules, and put an overlay of the host's files in place. */
export const STAGE_ONE = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox --install -s /bin
PATH=/bin

fail() {
  echo "failed $*" >&3
  sleep 60
  poweroff -f
}

${LOAD}
MODULES=/node-dax/modules
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
load ${LOADING_LISTS.ports}
until [ -e ${portReady('status')} ]; do usleep 5000; done
exec 3<>${portPath('status')}
echo init >&3

load ${LOADING_LISTS.memory} &
load ${LOADING_LISTS.root}
mkdir /lower /upper /newroot
# The host must not change what the guest reads; in return the guest may cache it.
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose root /lower || fail "cannot mount the host's files"
mount -t tmpfs -o mode=755,size=75% upper /upper
mkdir /upper/files /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work root /newroot || fail "cannot mount the overlay"
mkdir -p /newroot/dev /newroot/proc /newroot/sys /newroot/run
mount -t tmpfs -o mode=755 run /newroot/run
mkdir /newroot${HOME}
cp -r /bin/busybox /node-dax/* /newroot${HOME}/
wait
for folder in dev proc sys; do mount --move /$folder /newroot/$folder; done
exec switch_root /newroot ${HOME}/busybox sh ${HOME}/stage-two
`;

/**
 * Runs the command. A subshell opens the outputs: opening a FIFO waits for the other end, and if a shell has children, or inherits
 * those of others as the init does, the end of one of them interrupts the wait. Then the command would never start.
 */
export const RUN_COMMAND = `( exec setsid $session sh ${HOME}/command <$stdin >$stdout 2>$stderr 3>&- 4>&- )`;

/** Stage two, from the overlay: make the devices usable, run the command, report its exit status. */
export const STAGE_TWO = `
mkdir ${HOME}/applets ${HOME}/provisioned
${HOME}/busybox --install -s ${HOME}/applets
PATH=${HOME}/applets

fail() {
  echo "failed $*" >&3
  sleep 60
  poweroff -f
}

${LOAD}
# Runs a program quietly; its last words become the failure.
quietly() {
  words=$("$@" </dev/null 2>&1) || fail "$* says: $(echo "$words" | tail -n 3 | tr '\\n' ' ')"
}

# The variable by which the command knows a device.
provided() { echo "$1=$2" >${HOME}/provisioned/$1; }

# wait_for FILE...: waits until one of the files is there.
wait_for() {
  tries=0
  until for file; do [ -e $file ] && break; done; do wait_again $1; done
}

wait_again() {
  tries=$((tries + 1))
  [ $tries -lt 2000 ] || fail "there is no $1 yet"
  usleep 5000
}

# regions_of SLOT...: the numbers of the regions that the NVDIMMs in these slots are, ascending. QEMU lists NVDIMMs to
# the kernel in an order of its own; the handle of each is its slot plus one.
regions_of() {
  for folder in /sys/bus/nd/devices/region*; do
    [ -e $folder/mapping0 ] || continue
    dimm=$(cut -d, -f1 $folder/mapping0)
    case " $* " in *" $(($(cat /sys/bus/nd/devices/$dimm/nfit/handle 2>/dev/null) - 1)) "*) echo \${folder##*/region} ;; esac
  done | sort -n
}

# bus_regions PROVIDER: the numbers of the regions of a bus that are no NVDIMMs, ascending.
bus_regions() {
  for folder in /sys/bus/nd/devices/region*; do
    [ ! -e $folder/mapping0 ] && [ "$(cat $(realpath $folder)/../provider)" = $1 ] && echo \${folder##*/region}
  done | sort -n
}

# hmem_regions: the numbers of the soft-reserved ranges that are device-dax, ascending.
hmem_regions() {
  for folder in /sys/devices/platform/hmem.*/dax*.0; do
    folder=\${folder##*/dax}
    echo \${folder%.0}
  done | sort -n
}

# cxl_memory COUNT: the persistent or volatile CXL devices that there are to be, in the order of their serial numbers.
cxl_memory() {
  tries=0
  until [ $(ls -d /sys/bus/cxl/devices/endpoint* 2>/dev/null | wc -l) = $1 ]; do wait_again "CXL device"; done
  for folder in /sys/bus/cxl/devices/mem*; do echo $(($(cat $folder/serial))) \${folder##*/}; done | sort -n
}

# cxl_regions COUNT KIND: makes a region of each of the CXL devices that are of this kind, in the window of its number
# among all, and prints its number, which the region on the NVDIMM bus or the device-dax has as well.
cxl_regions() {
  window=-1
  cxl_memory $1 | while read -r serial memory; do
    window=$((window + 1))
    [ $(($(cat /sys/bus/cxl/devices/$memory/$2/size))) = 0 ] || cxl_region_of_$2 decoder0.$window $memory
  done
}

cxl_region_of_pmem() {
  until [ -e /sys/bus/cxl/devices/pmem\${2#mem} ]; do wait_again "NVDIMM of $2"; done
  quietly $CXL create-region -d $1 -m -t pmem -w 1 $2
  echo "$words" | sed -n 's/^ *"region":"region\\([0-9]*\\)".*/\\1/p'
}

# By sysfs: the program cxl makes such regions from version 77 on.
cxl_region_of_ram() {
  region=$(cat /sys/bus/cxl/devices/$1/create_ram_region)
  echo $region >/sys/bus/cxl/devices/$1/create_ram_region || fail "$1 makes no region"
  for decoder in /sys/bus/cxl/devices/endpoint*/decoder*.0; do
    [ "$(cat $(dirname $decoder)/uport/serial 2>/dev/null)" = "$(cat /sys/bus/cxl/devices/$2/serial)" ] && break
  done
  size=$(($(cat /sys/bus/cxl/devices/$2/ram/size)))
  { cd /sys/bus/cxl/devices/$region && echo ram >$decoder/mode && echo $size >$decoder/dpa_size &&
    echo 256 >interleave_granularity && echo 1 >interleave_ways && echo $size >size && echo \${decoder##*/} >target0 &&
    echo 1 >commit && echo $region >/sys/bus/cxl/drivers/cxl_region/bind; } || fail "$2 does not become $region"
  echo \${region#region}
}

# namespace REGION MODE ALIGN STATE NAME: makes the namespace of a fresh NVDIMM, and checks that of any other.
namespace() {
  folder=/sys/bus/nd/devices/namespace$1.0
  wait_for $folder
  if [ $4 = fresh ]; then
    # Nothing is written to a region while the platform has it read-only.
    read_only=$(cat /sys/bus/nd/devices/region$1/read_only)
    echo 0 >/sys/bus/nd/devices/region$1/read_only
    case $(cat $folder/size) in
      0) quietly $NDCTL create-namespace -f -r region$1 -m $2 -a $3 ;;
      *) quietly $NDCTL create-namespace -f -e namespace$1.0 -m $2 -a $3 ;;
    esac
    echo $read_only >/sys/bus/nd/devices/region$1/read_only
  else
    # The mode is not known before a driver has the namespace.
    wait_for /dev/pmem$1 /dev/pmem$1s /dev/dax$1.0
  fi
  mode=$(cat $folder/mode)
  if [ $mode = memory ]; then mode=fsdax; fi
  if [ $mode = dax ]; then mode=devdax; fi
  [ $mode = $2 ] || fail "$5 carries a namespace in mode $mode, not $2; nothing was changed"
}

# realign DEVICE ALIGN: sets the alignment of a device-dax that is no namespace. Since Linux 6.3 such memory is left for
# kmem, which is not loaded.
realign() {
  wait_for /sys/bus/dax/devices/$1
  [ ! -e /sys/bus/dax/devices/$1/driver ] || echo $1 >/sys/bus/dax/drivers/device_dax/unbind
  echo $2 >/sys/bus/dax/devices/$1/align
  echo $1 >/sys/bus/dax/drivers/device_dax/new_id
  [ -e /sys/bus/dax/devices/$1/driver ] || echo $1 >/sys/bus/dax/drivers/device_dax/bind
  [ $(cat /sys/bus/dax/devices/$1/align) = $2 ] || fail "$1 does not take the alignment $2"
}

# aligned REGION ALIGN NAME: checks the alignment of a device-dax.
aligned() {
  align=$(cat /sys/bus/nd/devices/$(cat /sys/bus/nd/devices/namespace$1.0/holder)/align)
  [ $align = $2 ] || fail "$3 carries a device-dax aligned to $align bytes, not $2; nothing was changed"
}

# filesystem DEVICE TYPE OPTIONS STATE NAME FOLDER: makes the filesystem of a fresh device, and mounts it.
filesystem() {
  wait_for $1
  if [ $4 = fresh ]; then
    case $2 in
      xfs) quietly $MKFS_XFS -q -f -K -m reflink=0 $1 ;;
      ext4) quietly $MKFS_EXT4 -q -F -b 4096 -E nodiscard $1 ;;
      ext2) quietly $MKFS_EXT2 -q -F -b 4096 -E nodiscard $1 ;;
    esac
  else
    type=$($BLKID -p -s TYPE -o value $1)
    [ "$type" = $2 ] || fail "$5 carries \${type:-no filesystem}, not $2; nothing was changed"
  fi
  mkdir -p $6
  wait_for ${HOME}/filesystems-loaded
  quietly mount -t $2 -o $3 $1 $6
}

# link DEVICE NAME: gives a device the name that was asked for.
link() {
  mkdir -p /dev/nvdimm
  ln -s $1 /dev/nvdimm/$2
}

# The addresses of QEMU's user mode. The file of the name server may be a link into the host's /run.
network() {
  wait_for /sys/class/net/eth0
  quietly ifconfig eth0 10.0.2.15 netmask 255.255.255.0
  quietly route add default gw 10.0.2.2
  rm -f /etc/resolv.conf
  echo nameserver 10.0.2.3 >/etc/resolv.conf
}

mkdir -p /dev/pts /dev/shm /tmp
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
for link in fd: stdin:/0 stdout:/1 stderr:/2; do ln -sf /proc/self/fd\${link#*:} /dev/\${link%:*}; done
mount -t debugfs debug /sys/kernel/debug 2>/dev/null
hostname node-dax-guest
ifconfig lo 127.0.0.1
ulimit -c 0
ulimit -H -n 1048576
for bus in /sys/bus/nd/devices/ndbus*; do cat $bus/wait_probe 2>/dev/null; done >/dev/null
MODULES=${HOME}/modules
{ load ${LOADING_LISTS.filesystems} && touch ${HOME}/filesystems-loaded; } &
. ${HOME}/plan
wait
echo provisioned >&3

# Each port that carries an output has a process of its own, which reads to the end of what the command writes.
carriers=
for output in $outputs; do
  wait_for /sys/class/virtio-ports/\${output##*/}/name
  mkfifo ${HOME}/\${output%%=*}
  cat ${HOME}/\${output%%=*} >\${output#*=} 3>&- &
  carriers="$carriers $!"
done
if [ $stdin = ${HOME}/stdin ]; then
  wait_for ${portReady('stdin')}
  mkfifo ${HOME}/stdin
  cat ${portPath('stdin')} >${HOME}/stdin 3>&- &
fi
session=
if [ $stdin = ${portPath('terminal')} ]; then
  wait_for ${portPath('terminal')}
  exec 4<>${portPath('terminal')}
  # The host tells the size of its terminal, now and whenever it changes.
  read -r word rows columns <&3
  stty iutf8 rows $rows cols $columns <&4
  while read -r word rows columns; do stty rows $rows cols $columns <&4; done <&3 &
  session=-c
fi
${RUN_COMMAND}
status=$?

carrying() {
  for carrier in $carriers; do kill -0 $carrier 2>/dev/null && return; done
  return 1
}

# What the command left running may hold its output open: it has a second to end, and is killed then. What carries the output is not killed before it
# has come to the end.
tries=0
while carrying; do
  if [ $tries -ge 100 ]; then
    for process in /proc/[0-9]*; do
      case " $$ $carriers " in *" \${process#/proc/} "*) ;; *) kill -9 \${process#/proc/} 2>/dev/null ;; esac
    done
  fi
  usleep 10000
  tries=$((tries + 1))
done
kill -9 -1
wait
# The host looks for trailers from now on. What it told of the size of its terminal may come before its answer.
echo ended >&3
while read -r word rest <&3 && [ "$word" != trailers ]; do :; done
for output in $outputs; do cat ${HOME}/trailer >\${output#*=}; done
if [ -n "$session" ]; then
  # What was open is hung up since the command, which led the session of the terminal, ended.
  exec 4<>${portPath('terminal')}
  stty raw <&4
  cat ${HOME}/trailer >&4
fi
finish
echo "exit $status" >&3
sleep 60
poweroff -f
`;
