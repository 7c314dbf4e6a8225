"""A script that gives up root's powers and then becomes another program: PostgreSQL refuses to run as root.

    python -I unprivileged.py namespace FOLDER PROGRAM ARGUMENT...
        In a user namespace of its own in which our user appears as `nobody`. For the kernel it stays the same
        user, so its files stay readable however private the folders above them are, and none changes owner.
    python -I unprivileged.py nobody FOLDER PROGRAM ARGUMENT...
        Really as `nobody`. What the program writes must belong to that user.
    python -I unprivileged.py nobody-searching FOLDER PROGRAM ARGUMENT...
        The same, keeping one capability: to pass through folders that are closed to it (CAP_DAC_READ_SEARCH).

Then it enters FOLDER, which shows whether the new self can, and becomes PROGRAM.

It is a script because these calls must happen in a process with one thread, between fork and exec, where the
code of a running server has no business. It imports the standard library only. It never returns: it ends or
becomes the program. See user_namespaces(7) and capabilities(7).
"""

import ctypes
import os
import pwd
import sys

CLONE_NEWUSER = 0x10000000
PR_SET_KEEPCAPS = 8
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_READ_SEARCH = 2
LINUX_CAPABILITY_VERSION_3 = 0x20080522


def enter_namespace() -> None:
    uid, gid, appears_as = os.geteuid(), os.getegid(), _unprivileged_user()
    _call("unshare", CLONE_NEWUSER)
    for name, line in (
        ("setgroups", "deny"),  # must come before gid_map, see user_namespaces(7)
        ("uid_map", f"{appears_as.pw_uid} {uid} 1"),
        ("gid_map", f"{appears_as.pw_gid} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as map_file:
            map_file.write(line)


def become_nobody(*, searching: bool) -> None:
    nobody = pwd.getpwnam("nobody")
    if searching:
        _call("prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(nobody.pw_gid, nobody.pw_gid, nobody.pw_gid)
    os.setresuid(nobody.pw_uid, nobody.pw_uid, nobody.pw_uid)
    if searching:
        only_search = 1 << CAP_DAC_READ_SEARCH
        header = (ctypes.c_uint32 * 2)(LINUX_CAPABILITY_VERSION_3, 0)
        # effective, permitted, inheritable; twice, for the low and the high 32 capabilities
        wanted = (ctypes.c_uint32 * 6)(only_search, only_search, only_search, 0, 0, 0)
        _call("capset", header, wanted)
        _call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0)


def _unprivileged_user() -> pwd.struct_passwd:
    """A user other than root with an entry in the password file: initdb looks itself up there."""
    users = [user for user in pwd.getpwall() if user.pw_uid != 0]
    return next((user for user in users if user.pw_name == "nobody"), users[0])


def _call(function: str, *arguments: int | ctypes.Array[ctypes.c_uint32]) -> None:
    words = [ctypes.c_ulong(argument) if isinstance(argument, int) else argument for argument in arguments]
    if getattr(ctypes.CDLL(None, use_errno=True), function)(*words) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{function}: {os.strerror(error)}")


def main(way: str, folder: str, program: str, *arguments: str) -> None:
    if way == "namespace":
        enter_namespace()
    else:
        become_nobody(searching=way == "nobody-searching")
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.chdir(folder)
    os.execv(program, [program, *arguments])


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (OSError, LookupError) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
