"""What is posted to a node, and what its metrics say then."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.offers import make_offer

SDP = {"Content-Type": "application/sdp"}
SEND = make_offer(("audio", "sendonly"), ("video", "sendonly"))
RECEIVE = make_offer(("audio", "recvonly"), ("video", "recvonly"))


async def scrape(http: httpx.AsyncClient) -> dict[tuple[str, str], float]:
    """The metrics' values by name and the values of the labels, joined by commas."""
    text = (await http.get("/metrics")).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = {(sample.name, ",".join(sample.labels.values())): sample.value for sample in samples}
    assert len(found) == len(samples)  # no series twice
    return found
