"""The guardian: a small process beside every run that switches the outputs off when the run dies or hangs.

The measuring process tells it over a pipe that it is alive. When the pipe ends without a goodbye, or the word of life
does not come in time, the guardian opens connections of its own, writes every safe-off message of the sources before
any question, then those of the switches, and then asks whether all is off. Its log lies beside the run file and ends
with ``VERIFIED OFF`` or ``NOT VERIFIED OFF: ...``; what is not verified is tried again for a minute. A process that
only hung is killed as soon as the messages are out, so that it cannot switch anything on again.

What it cannot do: when every process is killed at once (the guardian too), when the operating system crashes, or when
the computer loses power, an instrument stays as it is unless it has a watchdog of its own. Nor can it reach an
instrument whose link is dead: the log then says so, and somebody must go there. Software does not replace an interlock.

Not here: what switches an instrument off (each driver declares it), the ordinary end of a run
(:mod:`labctl.run.engine`), in which the run itself switches off and the guardian only hears goodbye.
"""

from labctl.run.guardian.client import Guardian, guard_run

__all__ = ["Guardian", "guard_run"]
