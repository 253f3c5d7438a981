"""The version, and which toolkits this build contains: none."""

from . import __version__

cuda = None
hip = None
git_version = ""
debug = False

__all__ = ["__version__", "cuda", "debug", "git_version", "hip"]
