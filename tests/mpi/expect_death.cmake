# cmake -DCOMMAND="mpirun;-n;3;dying_rank;abort" -P expect_death.cmake: the command must end soon, with exit code 1 and
# the message of the rank that failed.
execute_process(COMMAND ${COMMAND} TIMEOUT 60 RESULT_VARIABLE code ERROR_VARIABLE errors OUTPUT_VARIABLE output)
if(NOT code EQUAL 1)
  message(FATAL_ERROR "exit code ${code}, not 1:\n${errors}")
endif()
if(NOT "${errors}${output}" MATCHES "feddip: error: a test has failed \\(last rank\\): it was told to")
  message(FATAL_ERROR "the message is missing:\n${errors}")
endif()
