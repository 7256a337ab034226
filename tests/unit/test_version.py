#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The version, commit and branch that the Makefile takes from git: names of tags and branches are outside input that
reaches a shell.

Prints TAP. Each case asks make for the variable in a directory of its own with a copy of the Makefile.
"""

import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def git(directory, *words):
    """Run git there, with an identity that needs no configuration of the user."""
    subprocess.run(["git", "-C", directory, "-c", "user.name=test", "-c", "user.email=test@localhost",
                    *words], check=True, capture_output=True)


def repository(directory, tag):
    """A repository with one commit that has this tag."""
    os.makedirs(directory, exist_ok=True)
    git(directory, "init", "-q")
    git(directory, "commit", "-q", "--allow-empty", "-m", "empty")
    git(directory, "checkout", "-q", "-b", f"branch-of-{tag}")
    git(directory, "tag", tag)


def version(directory):
    """The version that make writes in this directory, and the branch behind the commit; the commit must be git's."""
    shutil.copy(os.path.join(ROOT, "Makefile"), directory)
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("GIT_", "MAKE", "MFLAGS"))}
    subprocess.run(["make", "-C", directory, "B=out", "out/gen/version"], capture_output=True,
                   env=environment, check=False)
    with open(os.path.join(directory, "out/gen/version"), encoding="utf-8") as file:
        words = file.read().split()
    done = subprocess.run(["git", "-C", directory, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if os.path.exists(os.path.join(directory, ".git")) and words[1:2] != [done.stdout.strip()]:
        return f"{words}: not the commit"
    return " ".join(words[:1] + words[2:])


def main():
    """Run all cases."""
    with tempfile.TemporaryDirectory() as top:
        plain = os.path.join(top, "plain")
        repository(plain, "v1.2.3-rc1+deb")
        hostile = os.path.join(top, "hostile")
        repository(hostile, "v1';touch${IFS}x;'")
        inside = os.path.join(hostile, "unpacked")
        os.makedirs(inside)
        outside = os.path.join(top, "outside")
        os.makedirs(outside)
        # The Makefile itself is not committed there, so a version has no suffix for changes.
        cases = [
            ("a tag", plain, "v1.2.3-rc1+deb branch-of-v1.2.3-rc1+deb"),
            ("a tag with characters that a shell interprets", hostile, "unknown"),
            ("a directory inside another repository", inside, "unknown"),
            ("a directory outside of any repository", outside, "unknown"),
        ]
        print(f"1..{len(cases) + 1}")
        good = True
        for number, (what, directory, expected) in enumerate(cases, 1):
            seen = version(directory)
            good &= seen == expected
            print(f"{'ok' if seen == expected else 'not ok'} {number} - {what}")
            if seen != expected:
                print(f"# {seen!r}, expected {expected!r}", file=sys.stderr)
        left = [name for name in os.listdir(hostile) if name not in (".git", "Makefile", "out", "unpacked")]
        good &= not left
        print(f"{'ok' if not left else 'not ok'} {len(cases) + 1} - no command of a tag has run")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
