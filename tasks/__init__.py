"""The Invoke task collection: `from towline.tasks import ns` is all a tasks.py needs.

It is made of the index, without the modules of the tasks: a task's own is imported when it is asked
for more than its name. A new task is added to `members`.
"""

from .deferred import collect
from .index import DEFAULTS, TASKS

ns = collect(TASKS, DEFAULTS)
