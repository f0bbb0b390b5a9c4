from cosim.spiking.mpi_library import loaded_mpi_library

LINE = "7f10-7f20 r-xp 00000000 08:01 42    {}\n"


def maps(tmp_path, *paths):
    file = tmp_path / "maps"
    file.write_text("".join(LINE.format(path) for path in paths) + "7ffe-7fff rw-p 0 0 0\n")
    return file


def test_the_mpi_that_is_loaded_is_found(tmp_path):
    found = loaded_mpi_library(maps(tmp_path, "/lib/libc.so.6", "/opt/mpi/libmpi.so.12"))
    assert found == "/opt/mpi/libmpi.so.12"


def test_a_folder_may_have_spaces_in_its_name(tmp_path):
    path = "/home/me/my work/.venv/lib/libmpi.so.12"
    assert loaded_mpi_library(maps(tmp_path, path)) == path


def test_an_mpich_of_the_host_is_found(tmp_path):
    assert (
        loaded_mpi_library(maps(tmp_path, "/usr/lib/libmpich.so.12")) == "/usr/lib/libmpich.so.12"
    )


def test_libraries_that_only_begin_like_mpi_are_not_taken(tmp_path):
    assert (
        loaded_mpi_library(maps(tmp_path, "/usr/lib/libmpicxx.so.12", "/usr/lib/libmpir.so"))
        is None
    )


def test_no_mpi_and_no_proc_file_system_give_none(tmp_path):
    assert loaded_mpi_library(maps(tmp_path, "/lib/libc.so.6")) is None
    assert loaded_mpi_library(tmp_path / "absent") is None
