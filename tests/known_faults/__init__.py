"""Faults that the project is known to have: each stands here as a test of what is right.

Every test says in its docstring what happens in the world and what is right. One that fails today
carries a strict ``xfail`` whose reason names the fault in a line; a check beside it that holds
today carries none. Whoever mends a fault removes its mark (a strict one fails as soon as its test
passes, so it can't be forgotten), says in its docstring what happened once, and leaves the test
where it is. Only a failed assertion counts as the fault (``raises=AssertionError``): what must hold
before anything can be judged is asked for with ``lab.given``, which raises another error, and an
exception that is itself the fault is caught with ``lab.tried`` and judged by an assertion. A test
stands for its kind: mend the kind, at other venues, in other fields, by other ways in. What needs
seconds, processes, root or luck is marked slow. ``lab`` holds what several share; input lies beside
a test under its name.
"""
