"""Of the calls of MPI in the program, those that hand over data are counted by tests/mpi/independent_count.cpp."""
import os
import re
import subprocess
import unittest

import program

# Nothing that the caller has goes to others, or no more than a barrier's. Shared windows are memory, which is not counted.
HARMLESS = {f"MPI_{name}" for name in """
    Abort Barrier Comm_dup Comm_free Comm_rank Comm_set_errhandler Comm_size Comm_split_type Error_string Finalize Finalized
    Get_count Get_library_version Get_processor_name Init_thread Initialized Irecv Recv Testall Wait Waitall
    Win_allocate_shared Win_free Win_lock_all Win_set_errhandler Win_shared_query Win_sync Win_unlock_all""".split()}


def symbols(kind, path):
    """MPI's functions among those of the kind in nm's words."""
    told = subprocess.run(["nm", kind, path], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r" [TU] (MPI_\w+)", told))


class CountedCalls(unittest.TestCase):
    def test_none_in_the_program_hands_over_data_unseen(self):
        called = symbols("--undefined-only", program.FEDDIP)
        counted = symbols("--defined-only", os.environ["COUNTING"])
        self.assertLessEqual({"MPI_Isend", "MPI_Bcast", "MPI_Gather"}, called & counted)
        self.assertEqual(called - counted - HARMLESS, set(), "count them, or say that they hand over nothing")
        self.assertEqual(counted & HARMLESS, set())


if __name__ == "__main__":
    program.main()
