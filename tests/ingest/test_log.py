"""What ingest writes into its log about people: nothing."""

import json
import re

import httpx

from tests.ingest.requests import purchase
from tests.ingest.running_ingest import Ingest

PERSONAL = ["ada.byron@lovelace.example", "+442071234567", "4 St James Square"]
DOOR = "/v1/touchpoints"


def test_nothing_that_a_channel_sends_about_a_person_is_logged_whatever_becomes_of_it(ingest: Ingest, http: httpx.Client) -> None:
    # given
    email, phone, address = PERSONAL
    good = purchase("log-1", identifiers=[{"type": "email", "value": email}])
    wrong = [purchase("log-2", identifiers=email), {"event_id": "log-3", "type": address}, {"event_id": phone}, email]
    # when
    statuses = [
        http.post(DOOR, json=good).status_code,
        http.post(DOOR, json=wrong).status_code,
        http.post(DOOR, content=json.dumps(good)[:-5]).status_code,
        http.post(DOOR, json=good, headers={"Authorization": f"Bearer {address}"}).status_code,
        http.post(DOOR, content=b"\xff" + email.encode(), headers={"Content-Encoding": "gzip"}).status_code,
        http.post("/v1/track", json={"userId": email, "event": address, "timestamp": phone}).status_code,
        http.get(f"/{email}").status_code,
    ]
    # then
    assert statuses[:2] == [200, 200]
    assert set(statuses[2:5]) == {400, 401}
    assert statuses[-1] == 404
    log = ingest.log.read_text(encoding="utf-8")
    assert "connected to Kafka" in log
    assert not [value for value in PERSONAL if re.search(re.escape(value), log, re.IGNORECASE)]
    assert "log-1" not in log
