"""What native libraries print is kept back, and nothing else of the process is changed."""

import os
import threading

from stylegan_tf.quiet import quiet_libraries


def test_threads_give_the_stream_back_as_it_was(capfd):
    before = os.fstat(2)
    barrier = threading.Barrier(4)

    def work():
        barrier.wait()
        with quiet_libraries():
            os.write(2, b"chatter\n")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.path.samestat(os.fstat(2), before)
    os.write(2, b"a word\n")
    assert capfd.readouterr().err == "a word\n"
