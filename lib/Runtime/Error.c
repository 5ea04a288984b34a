/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "Internal.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char message[512];

qm_status qmi_fail(qm_status code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return code;
}

const char *qm_last_error(void) { return message; }
