"""What all tests share: Hypothesis without deadlines, for the machine may be busy and time is not what is tested."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("sbc-sim", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sbc-sim")
