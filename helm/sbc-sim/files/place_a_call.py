"""What `helm test` runs: a call through the SIP service, and the simulator's own verdict on it. Exit code 1 when either fails.

place_a_call.py HOST:PORT API SECONDS SERVER_NAME CA [RULE ...]      RULE: may fail
"""

import json
import subprocess
import sys
from pathlib import Path

from sbc_sim.client import ApiError, Client


def placed(target: str, seconds: str, server_name: str, ca: str) -> dict:
    """Place the call; end the test when there was none."""
    trust = ["--ca", ca] if Path(ca).exists() else ["--insecure"]
    if not Path(ca).exists():
        print("the Secret has no ca.crt, so the certificate is not checked")
    named = ["--server-name", server_name] if server_name else []
    command = ["sbc-sim", "call", f"tls:{target}", "--seconds", seconds, *trust, *named, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    told = json.loads(done.stdout) if done.stdout.lstrip().startswith("{") else {}
    if told.get("failure"):
        sys.exit(f"FAILED: no connection to {target}: {told['failure']['detail']}")
    if not told.get("calls"):
        sys.exit(f"FAILED: sbc-sim call ended with {done.returncode}: {done.stdout}")
    return told["calls"][0]


def failed_rules(verdict: dict, ignored: list) -> list:
    """List the findings that count."""
    return [one for one in verdict["findings"] if one["status"] == "fail" and one["rule"] not in ignored]


def main(target: str, api: str, seconds: str, server_name: str, ca: str, *ignored: str) -> None:
    """Call, then ask what the simulator saw."""
    call = placed(target, seconds, server_name, ca)
    print(f"called {target}: {call['status']} {call['reason']}, echo: {call['cameBack']}")
    client = Client(api)
    seen = client.wait({"sipCallId": call["sipCallId"]}, state="ended", timeout=20)
    print(client.ladder(seen["id"]))
    wrong = failed_rules(client.verdict(seen["id"]), list(ignored))
    for one in wrong:
        print(f"{one['rule']} {one['title']}: {one['why']}\n  cure: {one['fix']}")
    for problem in call["problems"]:
        print(f"the caller says: {problem}")
    if wrong or not call["passed"]:
        sys.exit("FAILED")
    print("passed")


try:
    main(*sys.argv[1:])
except ApiError as error:
    sys.exit(f"FAILED: the API: {error}")
