"""llama.cpp's own HTTP server on a model: `llama_server.py MODEL PORT`. Runs until SIGTERM."""

import signal
import sys

import xllamacpp

parameters = xllamacpp.CommonParams()
parameters.model.path = sys.argv[1]
parameters.port = int(sys.argv[2])
parameters.n_ctx = 512
parameters.n_parallel = 2
parameters.n_threads_http = 32
parameters.cpuparams.n_threads = 1
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
server = xllamacpp.Server(parameters)
signal.sigwait([signal.SIGTERM])
