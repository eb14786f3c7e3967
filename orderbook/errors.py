"""The one error family.

TrochilError
├── ConfigError            a setting, a file or the machine is not as it must be
│   ├── BadPair            no such pair, or not of the form BASE-QUOTE
│   └── HiddenPackage      a user's own file hides one of our packages
├── NotReady               not yet: still syncing, trading not enabled, actor restarting
│   └── StaleBook          the book's writer is dead, or its feed is broken
├── Lagged                 a reader fell behind; ``missed`` says by how many
├── Disconnected           the network or the venue went away; trying again can help
│   └── UnreadableAnswer       an answer that can't be read: it proves nothing
├── OrderNotFound          this market knows no order of that id; the venue wasn't queried
├── JournalError           the journal can't be written or read: nothing is sent
├── Fenced                 a younger market of this account has begun: this one must stop
└── VenueError             the venue said no
    ├── AuthenticationError    keys missing, wrong, or without permission
    ├── RateLimited            until ``retry_at`` (unix seconds)
    ├── ClockSkew              the venue finds our clock wrong
    ├── NotFound               the venue knows no such order (no proof that it never will)
    │   └── NotListed          a query that doesn't find every order: no proof however often
    ├── DuplicateOrder         the client order id is already there: the first try did arrive
    ├── UnknownOutcome         it may or may not have happened
    └── Refused                proof that it did not happen
        ├── InsufficientFunds      the account can't pay for it
        ├── InvalidOrder           outside the venue's rules
        └── Halted             trading was stopped here by halt()
"""


class TrochilError(Exception):
    """Everything that Trochil raises on purpose."""


class ConfigError(TrochilError):
    """A setting, a file or the machine is not as it must be."""


class BadPair(ConfigError):
    """No such pair, or not of the form BASE-QUOTE."""


class HiddenPackage(ConfigError, ImportError):
    """A user's own file hides one of our packages."""


class NotReady(TrochilError):
    """Not yet: still syncing, trading not enabled, actor restarting."""


class StaleBook(NotReady):
    """The book's writer is dead, or its feed is broken."""


class Lagged(TrochilError):
    """A reader fell behind and missed messages."""

    def __init__(self, missed: int) -> None:
        super().__init__(f"fell behind by {missed} messages; read again from a snapshot")
        self.missed = missed

    def __reduce__(self) -> tuple[type["Lagged"], tuple[int]]:
        return Lagged, (self.missed,)


class Disconnected(TrochilError):
    """The network or the venue went away; trying again can help."""


class UnreadableAnswer(Disconnected):
    """The venue answered, and the answer can't be read: it proves nothing."""


class OrderNotFound(TrochilError):
    """This market knows no order of that id; the venue wasn't queried."""


class JournalError(TrochilError):
    """The journal can't be written or read: nothing is sent that depends on it."""


class Fenced(TrochilError):
    """A younger market of this account has begun: this one must stop."""


class VenueError(TrochilError):
    """The venue said no."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message, code)
        self.message = message
        self.code = code

    def __str__(self) -> str:
        return f"{self.message} (code {self.code})" if self.code else self.message


class AuthenticationError(VenueError):
    """Keys missing, wrong, or without permission."""


class RateLimited(VenueError):
    """The venue's limit is reached; ``retry_at`` in unix seconds."""

    def __init__(self, message: str, code: str = "", retry_at: float = 0.0) -> None:
        super().__init__(message, code)
        self.retry_at = retry_at


class ClockSkew(VenueError):
    """The venue finds our clock wrong; nothing was done."""


class NotFound(VenueError):
    """The venue knows no such order. No proof that it never will."""


class NotListed(NotFound):
    """A query that doesn't find every order: no proof, however often it is repeated."""


class DuplicateOrder(VenueError):
    """The client order id is already there: the first try did arrive."""


class UnknownOutcome(VenueError):
    """It may or may not have happened: query the venue, never send again blindly."""


class Refused(VenueError):
    """Proof that it did not happen."""


class InsufficientFunds(Refused):
    """The account can't pay for it."""


class InvalidOrder(Refused):
    """Outside the venue's rules."""


class Halted(Refused):
    """Trading was stopped here by halt()."""
