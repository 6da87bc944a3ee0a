"""Whether an alert can be acknowledged: what screens were told last stands with its study.

A screen only knows alerts that were stored before they were sent, so the store knows every one of them.
"""

import sqlite3

from gateway.errors import DataError
from gateway.protocols.alerts import State, alert_from
from gateway.store.objects import stored_object


def waits_to_be_seen(connection: sqlite3.Connection, code: str, cart: str, alert_id: str) -> bool:
    """Whether nobody has seen this alert of a study on `cart`; DataError where there is no such alert."""
    row = connection.execute("SELECT cart, alerts FROM study WHERE code = ?", (code,)).fetchone()
    alerts = {} if row is None or row["cart"] != cart else stored_object(row["alerts"], "alerts")
    if alert_id not in alerts:
        raise DataError("there is no such alert", "alert_id")
    alert = alert_from(alerts[alert_id])
    return alert.acknowledged is None and alert.state is not State.INACTIVE
