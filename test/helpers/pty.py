# Owns a terminal for a program under test: pty.py STEPS COMMAND... with STEPS a list of {"expect"}, {"send"} and {"resize"}
# in JSON. Prints, as JSON, what showed, how the program ended, and whether the terminal is as it was.

import fcntl, json, os, re, select, struct, sys, termios

steps, command = json.loads(sys.argv[1]), sys.argv[2:]
process, terminal = os.forkpty()
if process == 0:
    os.execvp(command[0], command)


def resize(rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


resize(24, 80)
before = termios.tcgetattr(terminal)
shown = seen = b""


def read():
    """Reads on; false at the end."""
    global shown, seen
    try:
        chunk = os.read(terminal, 65536)
    except OSError:
        return False
    shown, seen = shown + chunk, seen + chunk
    return chunk != b""


for step in steps:
    if "resize" in step:
        resize(*step["resize"])
    if "send" in step:
        os.write(terminal, step["send"].encode())
    while "expect" in step:
        found = re.search(step["expect"].encode(), seen)
        if found:
            seen = seen[found.end():]
            break
        if not read():
            break
# The parent's copy of the slave is closed: what is left to read ends with the program.
while True:
    ready, _, _ = select.select([terminal], [], [], 0.1)
    if ready:
        if not read():
            break
        continue
    ended, status = os.waitpid(process, os.WNOHANG)
    if ended:
        process = 0
        break
if process:
    _, status = os.waitpid(process, 0)
try:
    same = termios.tcgetattr(terminal)[:4] == before[:4]
except termios.error:
    same = None
print(json.dumps({"shown": shown.decode("utf8", "replace"), "status": os.waitstatus_to_exitcode(status), "same": same}))
