# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The worker's side of kernels.py in Python; protocol.h says what is exchanged."""

import json
import math
import os
import sys
import time


def keep_to_cores(threads):
    """One thread keeps to the second core: interrupts come to the first."""
    os.sched_setaffinity(0, {1} if threads == 1 else set(range(threads)))


def copies_for(size, cold_megabytes):
    return max(1, math.ceil(cold_megabytes * 1e6 / size))


def timed(run, copies, seconds):
    """Runs for so many seconds, at least twice after one run that does not count."""
    run()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 200 and (len(times) < 2 or time.perf_counter() < end):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) / copies)
    return times


def serve(peer):
    """Answers requests until the input ends.

    peer: version(), prepare(variant, k, n, cold_megabytes) -> (bytes, copies),
    runner(variant, rows) -> (function, copies), release().
    """
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = answer_to(peer, request)
        except Exception as error:  # a variant that a peer lacks is no reason to die
            answer = {"error": f"{type(error).__name__}: {str(error)[:300]}"}
        print(json.dumps(answer), file=out, flush=True)


def answer_to(peer, request):
    command = request["cmd"]
    if command == "info":
        return {"version": peer.version()}
    if command == "prep":
        size, copies = peer.prepare(
            request["variant"], request["K"], request["N"], request["cold_mb"]
        )
        return {"bytes": size, "copies": copies}
    if command == "run":
        run, copies = peer.runner(request["variant"], request["M"])
        return {"t": timed(run, copies, request["seconds"])}
    peer.release()
    return {}
