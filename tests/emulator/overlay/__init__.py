"""The local AWS: MiniStack, patched before it starts so that it behaves as AWS
does where a promotion of a machine image depends on it.

MiniStack has no plug-in API. What it has are module-level tables (API action →
handler, resource type → provisioner, resource type → drift reader), and these
are what the modules of this package replace. `patching` is the only way in: it
refuses to start when something it replaces is no longer there, because a patch
that silently patches nothing makes every test above it meaningless.

The overlay models AWS. It knows nothing of the product that is tested on it.
"""

#: The release whose internals the patches were written against. Bump it together
#: with requirements.in, then run the contract tests (see README.md).
MINISTACK_VERSION = "1.5.33"
