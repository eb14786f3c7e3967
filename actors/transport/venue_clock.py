"""The time on a venue's clock, whatever the clock of this machine says."""

from actors.clock import Clock

REFRESH = 300.0
"""Seconds after which the venue's time is read again."""
JUMP = 0.25
"""Seconds that our clock may gain or lose against the monotonic one before the venue's time is
read again: it was set, or the machine was suspended."""


class VenueClock:
    """A venue's time, counted on from its last reading by the monotonic clock.

    Our own clock is the answer before the first reading, and where the venue tells no time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._read_at: float | None = None  # monotonic seconds
        self._ahead = 0.0  # venue's seconds minus monotonic seconds
        self._own_ahead = 0.0  # our clock's seconds minus monotonic seconds, at the reading
        self.is_doubted = False
        """Whether a refusal may have been for the time: it is read again before the next use."""

    def now(self) -> float:
        """Unix seconds on the venue's clock."""
        if self._read_at is None:
            return self._clock.time()
        return self._clock.monotonic() + self._ahead

    @property
    def offset(self) -> float:
        """Seconds that the venue's clock is ahead of ours."""
        return self.now() - self._clock.time()

    @property
    def is_due(self) -> bool:
        """Whether the venue's time must be read before it is used."""
        if self._read_at is None or self.is_doubted:
            return True
        now = self._clock.monotonic()
        jumped = self._clock.time() - now - self._own_ahead
        return now - self._read_at > REFRESH or abs(jumped) > JUMP

    def was_read_since(self, moment: float) -> bool:
        """Whether it was read after ``moment`` (monotonic seconds)."""
        return self._read_at is not None and self._read_at > moment

    def note(self, theirs: float, sent: float, received: float) -> None:
        """Take a reading: ``theirs`` unix seconds; ``sent`` and ``received``: monotonic seconds.

        The answer was made somewhere between: half the round trip bounds the error.
        """
        self._read_at = received
        self._ahead = theirs - (sent + received) / 2
        self._own_ahead = self._clock.time() - self._clock.monotonic()
        self.is_doubted = False
