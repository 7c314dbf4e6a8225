"""CPU time of a process, all of its threads together: steadier than a rate where others use the machine too."""

import os
from pathlib import Path


def cpu_s(pid: int) -> float:
    """User and system time so far (proc_pid_stat(5)); resolution 10 ms."""
    # The second field, the program's name in brackets, may hold spaces and brackets itself.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
