"""A process that dies right before one of its steps, whichever is asked for."""

import itertools
import os
import sys
import traceback

CHANGES = {"os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir", "os.mkdir", "os.chmod"}
KILLED = 77
# What Git is only asked: dying right before that is dying before the next step.
ASKING = {"rev-parse", "symbolic-ref", "status", "config", "diff-index", "log", "cat-file"}


def is_step(event, arguments):
    if event in CHANGES or event == "subprocess.Popen":
        return True
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    return event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & writing)


def die_at(is_the_one, act):
    """Run `act` in a child that dies right before a step; whether it got through."""
    child = os.fork()
    if child == 0:

        def watch(event, arguments):
            if is_step(event, arguments) and is_the_one(event, arguments):
                os._exit(KILLED)

        try:
            sys.addaudithook(watch)
            act()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, KILLED)
    return code == 0


def number(wanted):
    """The step with this number, from 1."""
    counter = itertools.count(1)
    return lambda event, arguments: next(counter) == wanted


def changing(wanted):
    """The step with this number, from 1, without questions to Git."""
    the_one = number(wanted)

    def is_the_one(event, arguments):
        asks = event == "subprocess.Popen" and not ASKING.isdisjoint(arguments[1])
        return not asks and the_one(event, arguments)

    return is_the_one
