"""One run: a scenario on a server, from start to figures."""

from __future__ import annotations

import dataclasses

from bench.errors import BenchError
from bench.figures import Figures, percentile
from bench.scenario import Kind, Scenario, Settings
from bench.servers.base import Server
from bench.servers.recording import RecordingOurs
from bench.session import Session, Tell, Window

#: Before anything is measured everybody has got all for so long, or `Settings.ramp_s` is over.
_STEADY_S = 2.0
_RECORD_DRAIN_S = 2.0
#: Of one step of a search.
_STEP_S = 2.0
_STEP_RAMP_S = 4.0
_STEP_STEADY_S = 0.5
#: Grace after a step; short, since socket buffers would hide an overload of a few percent.
_STEP_DRAIN_S = 0.1
_GROWTH = 1.4
_FIRST_FACTOR = 1.0
_MAX_STEPS = 12
_BISECTIONS = 3


async def run_once(server: Server, scenario: Scenario, settings: Settings, tell: Tell) -> Figures:
    """Start, measure, stop."""
    session = Session(server, scenario, settings, tell)
    try:
        await session.open()
        ramp_s = await session.ramp(settings.ramp_s, _STEADY_S)
        if scenario.kind is Kind.SATURATION:
            return await _saturate(session, server, scenario, tell)
        if scenario.kind is Kind.RECORDING:
            return await _record(session, server, scenario, settings)
        window = await session.measure(settings.seconds, patience_s=settings.patience_s)
        return dataclasses.replace(_figures(session, server, scenario, window), ramp_s=ramp_s)
    finally:
        await session.close()


def _figures(session: Session, server: Server, scenario: Scenario, window: Window) -> Figures:
    before, after, use = window.before, window.after, window.use
    delivery = window.delivery
    delivered = max(delivery.delivered_packets, 1)
    latency_us = session.engine.latency_us(before.latency_count, after.latency_count)
    return Figures(
        server=server.name,
        scenario=scenario.name,
        version=server.version,
        profile=session.profile,
        expected_packets=delivery.expected_packets,
        delivered_packets=delivery.delivered_packets,
        subscribers=len(delivery.expected),
        short_subscribers=delivery.short,
        seconds=window.sending_s,
        cpu_us=use.server_s / delivered * 1e6,
        core_us=use.core_busy_s / delivered * 1e6,
        softirq_share=use.softirq_s / use.server_s if use.server_s else None,
        control_share=use.main_thread_s / use.server_s if server.interprets and use.server_s else None,
        latency_p50_us=percentile(latency_us, 50) if server.routes else None,
        latency_p99_us=percentile(latency_us, 99) if server.routes else None,
        latency_samples=len(latency_us),
        memory_bytes=session.joined.memory_bytes,
        join_cpu_ms=session.joined.cpu_ms,
        joins_per_s=session.joined.per_s,
        generator_busy=window.generator_busy,
        generator_drops=window.generator_drops,
        late_frames=after.late_frames - before.late_frames,
        unauthentic=after.unauthentic - before.unauthentic,
        malformed=after.malformed - before.malformed,
        reordered=after.reordered - before.reordered,
        asked=after.asked - before.asked,
        repaired=after.repaired - before.repaired,
        duplicates=after.duplicates - before.duplicates,
        padding=after.padding - before.padding,
        feedbacks=after.feedbacks - before.feedbacks,
        unanswered_checks=max((after.consents - before.consents) - (after.stun - before.stun), 0),
        sampled=after.sampled - before.sampled,
    )


async def _record(session: Session, server: Server, scenario: Scenario, settings: Settings) -> Figures:
    """Let all be recorded, and count in the record what is there of what was sent, the warm-up included."""
    if not isinstance(server, RecordingOurs):
        raise BenchError(f"{server.name} does not record: run {scenario.name} with --server '{RecordingOurs.name}'")
    window = await session.measure(settings.seconds, _RECORD_DRAIN_S)
    await server.stop_recording()
    recorded = server.recorded_packets()
    return dataclasses.replace(
        _figures(session, server, scenario, window),
        expected_packets=window.after.sent_packets,
        delivered_packets=recorded,
        cpu_us=window.use.server_s / max(1, window.after.sent_packets - window.before.sent_packets) * 1e6,
        core_us=window.use.core_busy_s / max(1, window.after.sent_packets - window.before.sent_packets) * 1e6,
        latency_p50_us=None,
        latency_p99_us=None,
    )


async def _saturate(session: Session, server: Server, scenario: Scenario, tell: Tell) -> Figures:
    """Raise the frame rate by 40 % a step until packets are missing, then close in on the highest that was not."""
    best: Window | None = None
    failed: Window | None = None
    good, bad, factor = 0.0, 0.0, _FIRST_FACTOR
    for _step in range(_MAX_STEPS):
        window = await _try(session, factor, tell)
        if window.delivery.complete:
            best, good = window, factor
            factor *= _GROWTH
        else:
            failed, bad = window, factor
            break
    if failed is not None:
        for _step in range(_BISECTIONS):
            factor = (good + bad) / 2
            window = await _try(session, factor, tell)
            if window.delivery.complete:
                best, good = window, factor
            else:
                failed, bad = window, factor
    shown = best or failed
    assert shown is not None
    figures = _figures(session, server, scenario, shown)
    bound = "steps" if failed is None else ("generator" if failed.generator_drops > 0 else "server")
    pps = shown.delivery.delivered_packets / (shown.sending_s + _STEP_DRAIN_S) if best is not None else None
    return dataclasses.replace(
        figures,
        saturation_pps=pps,
        saturation_bound=bound,
        # The path is overloaded or near it here: these belong to the other scenarios.
        latency_p50_us=None,
        latency_p99_us=None,
    )


async def _try(session: Session, factor: float, tell: Tell) -> Window:
    session.set_rate(factor)
    # Who controls congestion first finds out whether the path carries the new rate.
    await session.ramp(_STEP_RAMP_S, _STEP_STEADY_S)
    window = await session.measure(_STEP_S, _STEP_DRAIN_S)
    tell(f"x{factor:.2f}: {window.delivery.delivered_packets / window.sending_s:,.0f}/s")
    return window
