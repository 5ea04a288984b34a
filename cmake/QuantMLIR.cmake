# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Helpers that keep the CMakeLists.txt of the folders down to a list of sources.

# Every translation unit waits for the generated headers of all dialects: they
# are cheap to make and the dependency is then never forgotten.
set_property(GLOBAL PROPERTY QUANT_TABLEGEN_TARGETS "")

# quant_tablegen(TARGET FILE.td OUT.inc FLAGS... [OUT.inc FLAGS...]...)
# Outputs and their flags alternate: `Ops.h.inc -gen-op-decls`.
function(quant_tablegen target td)
  set(LLVM_TARGET_DEFINITIONS ${td})
  set(args ${ARGN})
  while(args)
    list(POP_FRONT args output flags)
    separate_arguments(flags)
    mlir_tablegen(${output} ${flags} -I${PROJECT_SOURCE_DIR}/include)
  endwhile()
  add_public_tablegen_target(${target})
  set_property(GLOBAL APPEND PROPERTY QUANT_TABLEGEN_TARGETS ${target})
endfunction()

# quant_doc(FILE.td NAME FLAGS...): a page of build/docs made from the .td.
function(quant_doc td name)
  set(LLVM_TARGET_DEFINITIONS ${td})
  separate_arguments(flags UNIX_COMMAND "${ARGN}")
  tablegen(MLIR ${name}.md ${flags} "-I${MLIR_MAIN_INCLUDE_DIR}"
           -I${PROJECT_SOURCE_DIR}/include ${MLIR_INCLUDE_ARGS})
  set(page ${PROJECT_BINARY_DIR}/docs/${name}.md)
  add_custom_command(OUTPUT ${page}
    COMMAND ${CMAKE_COMMAND} -E copy ${CMAKE_CURRENT_BINARY_DIR}/${name}.md
            ${page}
    DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/${name}.md)
  add_custom_target(quant-doc-${name} DEPENDS ${page})
  add_dependencies(quant-docs quant-doc-${name})
endfunction()

# add_quant_library(NAME SOURCES... [LINK LIBS...])
function(add_quant_library name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  llvm_update_compile_flags(${name})
  target_link_libraries(${name} PUBLIC ${ARG_LINK} MLIR LLVM)
  get_property(generated GLOBAL PROPERTY QUANT_TABLEGEN_TARGETS)
  add_dependencies(${name} ${generated})
endfunction()

# add_quant_tool(NAME SOURCES... [LINK LIBS...])
function(add_quant_tool name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  llvm_update_compile_flags(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} MLIR LLVM)
  get_property(generated GLOBAL PROPERTY QUANT_TABLEGEN_TARGETS)
  add_dependencies(${name} ${generated})
endfunction()
