"""Runs a command; prints its peak memory and the seconds that it computed for, as JSON in the last line."""

import json
import resource
import subprocess
import sys

process = subprocess.run(sys.argv[1:])
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"peak_memory_bytes": usage.ru_maxrss * 1024, "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2)}))
sys.exit(process.returncode)
