"""feddip for Spack, from a checkout: see jobs/spack/README.md."""

from spack.package import *

try:
    from spack_repo.builtin.build_systems.cmake import CMakePackage, generator

    languages = ("c", "cxx")
except ImportError:  # before Spack 1.0, whose compilers were no dependencies
    languages = ()


class Feddip(CMakePackage):
    """Federated learning with extreme dynamic pruning (FedDIP) over MPI, with oneDNN and kernels for sparse weights."""

    homepage = "https://arxiv.org/abs/2309.06805"

    license("BSD-3-Clause")

    version("0.1.0")

    generator("ninja")

    for language in languages:
        depends_on(language, type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("random123", type="build")
    depends_on("mpi")
    depends_on("onednn@2.6:2.7")
    depends_on("hdf5@1.10: +hl")
    depends_on("zlib-api")
    depends_on("xxhash")
    depends_on("libsodium")
    depends_on("fmt@9:")
    depends_on("spdlog@1.10:")
    depends_on("tomlplusplus@3:")
    depends_on("cli11@2.1:")

    conflicts("%gcc@:11", msg="feddip is written in C++20")
    conflicts("%clang@:13", msg="feddip is written in C++20")

    def cmake_args(self):
        return [
            self.define("FEDDIP_BUILD_TESTS", False),
            self.define("FEDDIP_BUILD_BENCHMARKS", False),
        ]
