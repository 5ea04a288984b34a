# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How often each operation occurs in a .mlir file, in the order of their names."""

import collections
import re
import sys

with open(sys.argv[1]) as file:
    names = re.findall(r"^\s*(?:%\S+ = )?([a-z]\w*\.[a-z_]+)", file.read(), re.M)
for name, count in sorted(collections.Counter(names).items()):
    print(name, count)
