# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The one exception that users of the package need to know."""


class InputError(Exception):
    """An input is at fault: a file, a model, a text.

    The message is one line that names the file and the reason. The command line prints it and
    exits with 1; everything else that escapes is a bug of ours and keeps its traceback.
    """

    def __init__(self, message):
        super().__init__(" ".join(str(message).split()))
