# SPDX-License-Identifier: BSD-2-Clause
"""The packages of other releases. The one before is the newest tag that is not this commit, and while there is no tag,
the commit that made the packages first: they are built once, in build/before/COMMIT. The one that follows is this tree
with a higher number."""

import glob
import os
import re
import shutil

from tap import ROOT, Skip, check, clean_environment, run

STORE = f"{ROOT}/build/before"


def git(*words, **options):
    """What git prints about this repository, without the newline."""
    return run("git", "-C", ROOT, *words, **options).stdout.strip()


def commit():
    """The commit of the release before."""
    if git("rev-parse", "--show-toplevel", good=False) != ROOT:
        raise Skip("no git repository, so there is no release before this one")
    tag = git("describe", "--tags", "--abbrev=0", "HEAD^", good=False)
    return git("rev-parse", "--short", tag or
               git("log", "--diff-filter=A", "--format=%H", "--", "packaging/debian/control").split()[-1])


def abi():
    """The ABI versions of that release and of this tree."""
    with open(f"{ROOT}/include/xmcast/abi.h", encoding="utf-8") as file:
        texts = (git("show", f"{commit()}:include/xmcast/abi.h"), file.read())
    return tuple(re.search(r"#define XMC_ABI_VERSION (\d+)", text)[1] for text in texts)


def before():
    """A directory with its package files, without debug symbols."""
    directory = f"{STORE}/{commit()}"
    if os.path.exists(directory):
        return directory
    os.makedirs(STORE, exist_ok=True)
    tree = f"{STORE}/tree"
    git("worktree", "prune")
    shutil.rmtree(tree, ignore_errors=True)
    git("worktree", "add", "--detach", "--force", tree, commit())
    try:
        run("make", "-s", "-C", tree, "deb", env=clean_environment(), timeout=2400)
        os.makedirs(f"{directory}.new", exist_ok=True)
        found = [path for path in glob.glob(f"{tree}/build/deb/*.deb") if "-dbgsym_" not in path]
        check(len(found) == 3, f"packages: {found}")
        for path in found:
            shutil.copy(path, f"{directory}.new/")
        os.rename(f"{directory}.new", directory)
    finally:
        git("worktree", "remove", "--force", tree)
    return directory


def following(source, directory):
    """Put the package of a file into the directory, as the version after it."""
    tree = f"{directory}/{os.path.basename(source)}.tree"
    run("dpkg-deb", "--raw-extract", source, tree)
    with open(f"{tree}/DEBIAN/control", encoding="utf-8") as file:
        # Dependencies on the same version follow as well.
        text = re.sub(r"-0upstream1\b", "-1", file.read())
    with open(f"{tree}/DEBIAN/control", "w", encoding="utf-8") as file:
        file.write(text)
    run("dpkg-deb", "--root-owner-group", "-b", tree, directory)
    shutil.rmtree(tree)
