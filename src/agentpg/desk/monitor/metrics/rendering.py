"""Metrics as Prometheus reads them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric as Family,
)
from prometheus_client.registry import Collector

from agentpg.desk.monitor.metrics.collecting import Collecting, Scrape
from agentpg.desk.monitor.metrics.described import METRICS, Metric
from agentpg.desk.monitor.metrics.parts import Sample


class _Collector(Collector):
    """What the library asks at each scrape."""

    def __init__(self, collecting: Collecting) -> None:
        self._collecting = collecting

    def collect(self) -> Iterator[Family]:
        """Every metric that has a number now."""
        yield from families(self._collecting.scrape())

    def describe(self) -> list[Family]:
        """Nothing, so that registering scrapes nothing."""
        return []


def registry_of(collecting: Collecting) -> CollectorRegistry:
    """A registry of the library that has these metrics alone."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(collecting))
    return registry


def text_of(collecting: Collecting) -> str:
    """The text form."""
    return generate_latest(registry_of(collecting)).decode()


def document_of(collecting: Collecting) -> dict[str, object]:
    """For JSON: each number with its name and its labels, and the parts that failed."""
    scrape = collecting.scrape()
    return {
        "up": scrape.up,
        "failed": [name for name, part in scrape.parts.items() if not part.ok],
        "metrics": [
            {"name": sample.name, "labels": sample.labels, "value": sample.value}
            for family in families(scrape)
            for sample in family.samples
        ],
    }


def families(scrape: Scrape) -> Iterator[Family]:
    """The library's form of what was collected, in the order in which it is described."""
    found: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in (*_of_the_scrape(scrape), *scrape.samples):
        if sample.value is not None:
            found[sample.name].append(sample)
    for metric in METRICS:
        if found[metric.name]:
            yield _family(metric, found[metric.name])


def _of_the_scrape(scrape: Scrape) -> Iterator[Sample]:
    yield Sample("pg_up", [], float(scrape.up))
    yield Sample("agentpg_metrics_timestamp_seconds", [], time.time())
    for name, part in scrape.parts.items():
        yield Sample("pg_scrape_collector_success", [name], float(part.ok))
        yield Sample("pg_scrape_collector_duration_seconds", [name], part.seconds)


def _family(metric: Metric, samples: Sequence[Sample]) -> Family:
    labels = metric.labels
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.meaning, labels=labels)
        for sample in samples:
            histogram.add_metric(sample.labels, sample.buckets, sample.value)
        return histogram
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.meaning, labels=labels)
    for sample in samples:
        family.add_metric(sample.labels, sample.value or 0.0)
    return family
