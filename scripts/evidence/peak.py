"""Runs a command and prints its peak memory in bytes as the last line."""

import resource
import subprocess
import sys

process = subprocess.run(sys.argv[1:])
print("peak_memory_bytes:", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
sys.exit(process.returncode)
