from __future__ import annotations

from sbc_sim.calls.fault_types import FAULT_TYPES
from tests.http.conftest import Lab


def test_the_list_of_faults_tells_every_type_with_what_it_does_and_what_its_value_may_be(lab: Lab) -> None:
    told = lab.client.get("/api/v1/faults").json()
    assert told["faults"] == []
    types = {one["name"]: one for one in told["types"]}
    assert set(types) == set(FAULT_TYPES)
    assert all(one["does"] and one["area"] in ("signalling", "media", "tls", "telephony") for one in types.values())
    assert (types["loss"]["least"], types["loss"]["most"], types["loss"]["words"]) == (0.0, 1.0, [])
    assert types["one-way"]["words"] == ["out", "in"]
    assert types["busy"]["unit"] == ""
