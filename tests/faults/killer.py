"""`inv` that ends or stops itself at an entry of its journal.

python killer.py before|after|stop NUMBER LEASE inv-arguments…

`before` and `after` kill it (SIGKILL) right before or right after that entry is written; `stop`
stops it (SIGSTOP) right after, and it goes on when it is woken. LEASE is the lock's, in seconds.
"""

import os
import signal
import sys

from invoke.main import program

from towline.state import lock
from towline.state.journal import Journal

when, number, lease, *arguments = sys.argv[1:]
lock.LEASE = float(lease)
write, written = Journal.write, 0


def counted(self, operation, event, *given, **named):
    global written
    # That the lock of a killed one was taken over is noted before anything begins.
    written += event != "note"
    here = event != "note" and written == int(number)
    if here and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    entry = write(self, operation, event, *given, **named)
    if here and when == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    if here and when == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    return entry


Journal.write = counted
sys.argv = ["inv", *arguments]
program.run()
