# Writes HEADER from TEMPLATE: the commit that is built of SOURCE, "unknown" outside a checkout (a released archive, or git not
# installed). Part of each build, for commits come between configurations; the header changes where the commit did.
set(FEDDIP_GIT_COMMIT unknown)
find_package(Git QUIET)
if(GIT_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} describe --always --dirty --abbrev=12 --exclude *
    WORKING_DIRECTORY ${SOURCE}
    OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed)
    set(FEDDIP_GIT_COMMIT ${described})
  endif()
endif()
configure_file(${TEMPLATE} ${HEADER} @ONLY)
