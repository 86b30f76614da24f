"""What all tests share: Hypothesis without deadlines, for the machine may be busy and time is not what is tested; PostgreSQL."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.support.postgres import own_postgres as own_postgres
from tests.support.postgres import postgres as postgres

settings.register_profile("sbc-sim", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sbc-sim")
