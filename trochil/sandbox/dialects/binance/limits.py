"""What requests weigh in a minute, and how many orders may be unfilled."""

from trochil.sandbox.dialect import (
    BaseDialect,
    Row,
)
from trochil.sandbox.dialects.binance.reading import Endpoint, SignedEndpoint
from trochil.sandbox.dialects.binance.words import (
    MINUTE_NS,
    MOST_ORDERS,
    MOST_WEIGHT,
    WINDOW_S,
    Wrong,
)
from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Rejected


class RequestLimits(BaseDialect):
    """All clients share one minute's weight; orders are counted by account."""

    @property
    def minute(self) -> str:
        return f"weight in minute {self.server.now_ns() // MINUTE_NS}"

    def minute_left_s(self) -> int:
        return 60 - self.server.now_ns() % MINUTE_NS // 10**9

    def count_weight(self, weight: int) -> None:
        self.numbers[self.minute] += weight
        if self.numbers[self.minute] > MOST_WEIGHT:
            raise Rejected(Reason.RATE_LIMITED)

    def give_weight_back(self, endpoint: Endpoint) -> None:
        """Orders that succeed, placed or cancelled, weigh nothing."""
        if isinstance(endpoint, SignedEndpoint) and endpoint.kind != "query":
            self.numbers[self.minute] = max(0, self.numbers[self.minute] - 1)

    def weight_headers(self) -> dict[str, str]:
        used = str(self.numbers[self.minute])
        return {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}

    def unfilled_orders(self, account: Account, window: str) -> int:
        """Orders that were placed in the window of now and did not trade."""
        now_s = self.server.now_ns() // 10**9
        begun_ns = (now_s - now_s % WINDOW_S[window]) * 10**9
        count = 0
        for order in reversed(self.venue.orders.values()):
            if order.time < begun_ns:
                break
            count += order.account is account and not order.filled
        return count

    def check_order_counts(self, account: Account) -> None:
        for window, words in (("10S", "50 orders per 10 SECOND"), ("1D", "160000 orders per DAY")):
            if self.unfilled_orders(account, window) >= MOST_ORDERS[window]:
                raise Rejected(Wrong.NO_ROOM_FOR_ORDERS, words)

    def order_limit_rows(self, account: Account | None = None) -> list[Row]:
        rows = []
        for window, interval, number in (("10S", "SECOND", 10), ("1D", "DAY", 1)):
            row: Row = {
                "rateLimitType": "ORDERS",
                "interval": interval,
                "intervalNum": number,
                "limit": MOST_ORDERS[window],
            }
            if account is not None:
                row["count"] = self.unfilled_orders(account, window)
            rows.append(row)
        return rows
