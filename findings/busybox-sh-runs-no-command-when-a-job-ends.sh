#!/usr/bin/env bash
# busybox 1.35.0 (Debian bookworm, busybox-static 1:1.35.0-4+deb12u1): a simple command whose output is a FIFO is not run if any
# background job of the script ends while the FIFO is opened. The shell opens the FIFO itself, before it forks, and SIGCHLD
# interrupts it. As the init of a machine, which inherits the children of others, it may meet that in every script.
#
# Expected: the opening goes on, as in dash 0.5.12 and bash 5.2: the reader gets "hello", and the status is 0.
# Seen: "can't create out: Interrupted system call", status 1, and the reader gets nothing. In parentheses, ( exec echo hello >out ),
# the command runs: that shell has no jobs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The packages, unpacked and not installed.
mkdir -p "$folder/cache/archives/partial" "$folder/root"
: >"$folder/status"
apt-get -qq -y --no-install-recommends -o Dir::State::status="$folder/status" -o Dir::Cache="$folder/cache" \
  -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 install --download-only busybox-static=1:1.35.0-4+deb12u1+b1 dash=0.5.12-2 >/dev/null
for package in "$folder"/cache/archives/{busybox-static,dash}_*.deb; do dpkg -x "$package" "$folder/root"; done

# The first job ends when the shell sleeps, which it does in the opening of the FIFO. The reader comes after that.
cat >"$folder/script" <<'EOF'
mkfifo out
until grep -q '^State:.S' /proc/$$/status; do sleep 0.01; done &
job=$!
{ while grep -q '^State:.[^Z]' /proc/$job/status 2>/dev/null; do sleep 0.01; done; sleep 0.1; cat out >read; } &
reader=$!
if [ "$1" = plain ]; then /bin/echo hello >out; else ( exec /bin/echo hello >out ); fi
status=$?
[ $status = 0 ] || kill $reader
wait
echo "status $status, read: $(cat read 2>/dev/null)"
EOF

run() {
  local form=$1
  shift
  rm -f "$folder/out" "$folder/read"
  (cd "$folder" && "$@" script "$form" 2>&1)
}
in_dash=$(run plain "$folder/root/bin/dash")
in_busybox=$(run plain "$folder/root/bin/busybox" sh)
in_parentheses=$(run parentheses "$folder/root/bin/busybox" sh)
printf 'dash: %s\nbusybox: %s\nbusybox, in parentheses: %s\n' "$in_dash" "$in_busybox" "$in_parentheses"
[ "$in_dash" = 'status 0, read: hello' ] || { echo 'dash is different'; exit 1; }
[[ $in_busybox == *'Interrupted system call'*'status 1, read: ' ]] || { echo 'busybox is different'; exit 1; }
[ "$in_parentheses" = 'status 0, read: hello' ] || { echo 'busybox in parentheses is different'; exit 1; }
