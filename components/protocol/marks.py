"""How a task's log tells apart what the task says of itself from what anybody else prints.

Each starts a line. A module of a user's may print them too, so of each kind the last line counts, and a task says its last ones when
nothing but itself is left to print (see `executor.command`).
"""

FIGURE = "[penstock] "  # the one figure that matters now
OUTPUTS = "[penstock-outputs] "  # what the task gave back: `ExecutorOutput` in its JSON form
ERROR = "[penstock-error] "  # why it failed, where a person can mend it
