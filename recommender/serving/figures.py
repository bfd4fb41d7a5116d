"""Figures of a running server for Prometheus: requests, seconds, lists and their sources, events, versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from recommender.serving.service import Answers, Service

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)


class Figures:
    """A registry of its own, so that two servers of one process do not add up."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self, service: Service) -> None:
        self.service = service
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "recommender_requests", "Answered requests", ["path", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "recommender_request_seconds", "Seconds to answer", ["path"], buckets=SECONDS, registry=self.registry
        )
        self._lists = Counter("recommender_lists", "Lists by how full they were", ["length"], registry=self.registry)
        self._places = Counter("recommender_places", "Places of lists by source", ["source"], registry=self.registry)
        self.events = Counter("recommender_events", "Events on the disk", registry=self.registry)
        self._version = Gauge("recommender_model", "1 for the model in use", ["version"], registry=self.registry)

    def answered(self, path: str, status: int, seconds: float) -> None:
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def listed(self, answers: Answers, k: int) -> None:
        for shown in answers.lists:
            n = len(shown.items)
            self._lists.labels("full" if n == k else "short" if n else "empty").inc()
            for source in set(shown.sources):
                self._places.labels(source).inc(shown.sources.count(source))

    def text(self) -> bytes:
        self._version.clear()
        self._version.labels(self.service.used.version).set(1)
        text: bytes = generate_latest(self.registry)
        return text
