"""Messages of failures as in public bug reports: each kind of cause in the wording of many libraries."""
# ruff: noqa: E501 (log lines as they are)

from __future__ import annotations

import pytest

from tests.diagnose.logs import of, raised

GPU = "cuda-out-of-memory"
HOST = "host-out-of-memory"
WORDINGS: list[tuple[str, str, str]] = [
    # id, R: a retry can help, F: every other run would fail, the exception
    (
        GPU,
        "",
        "torch.AcceleratorError: CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation' in https://docs.nvidia.com/cuda/",
    ),
    (
        GPU,
        "",
        "torch.distributed.DistBackendError: NCCL error in: x.cpp:3356, unhandled cuda error, NCCL version 2.26.2\nncclUnhandledCudaError: Call to CUDA function failed.\nLast error:\nFailed to CUDA calloc async 608 bytes",
    ),
    (
        GPU,
        "",
        'RuntimeError: NVML_SUCCESS == r INTERNAL ASSERT FAILED at "../c10/cuda/CUDACachingAllocator.cpp":1016, please report a bug to PyTorch.',
    ),
    (GPU, "", "RuntimeError: cusolver error: CUSOLVER_STATUS_INTERNAL_ERROR, when calling `cusolverDnCreate(handle)`."),
    (
        GPU,
        "",
        "XlaRuntimeError: INTERNAL: RET_CHECK failure (gpu_compiler.cc:626) dnn != nullptr; Failed to create cuDNN handle: CUDNN_STATUS_INTERNAL_ERROR",
    ),
    (
        GPU,
        "",
        "jaxlib.xla_extension.XlaRuntimeError: UNKNOWN: Failed to determine best cudnn convolution algorithm for:\n%cudnn-conv = (f32[1,64])",
    ),
    (
        GPU,
        "",
        "tensorflow.python.framework.errors_impl.UnknownError: Failed to get convolution algorithm. This is probably because cuDNN failed to initialize",
    ),
    (
        GPU,
        "",
        "mxnet.base.MXNetError: [10:11:12] src/storage/./pooled_storage_manager.h:161: cudaMalloc retry failed: out of memory",
    ),
    (
        GPU,
        "",
        "RuntimeError: Error in void faiss::gpu::allocMemorySpaceV(): Error: 'err == cudaSuccess' failed: failed to cudaMalloc 1610612736 bytes (error 2 out of memory)",
    ),
    (GPU, "", "RuntimeError: GET was unable to find an engine to execute this computation"),
    (GPU, "", "triton.runtime.errors.OutOfMemoryError: out of memory"),
    (
        GPU,
        "",
        "torch._dynamo.exc.BackendCompilerFailed: backend='inductor' raised:\nOutOfMemoryError: CUDA out of memory. Tried to allocate 1.95 GiB",
    ),
    (HOST, "", "RuntimeError: cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED"),
    (
        HOST,
        "",
        "RuntimeError: unable to mmap 4194304 bytes from file </data/model.safetensors>: Cannot allocate memory (12)",
    ),
    (HOST, "", "polars.exceptions.ComputeError: memory allocation of 17179869184 bytes failed"),
    (
        "worker-killed",
        "R",
        "RuntimeError: One of the subprocesses has abruptly died during map operation.To debug the error, disable multiprocessing.",
    ),
    (
        "gpu-architecture",
        "F",
        "triton.runtime.errors.PTXASError: PTXAS error: Internal Triton PTX codegen error\n`ptxas` stderr:\nptxas fatal   : Value 'sm_120a' is not defined for option 'gpu-name'",
    ),
    ("gpu-architecture", "F", "RuntimeError: Triton Error [CUDA]: no kernel image is available for execution on the device"),
    (
        "gpu-architecture",
        "F",
        "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 GPU has compute capability 7.5.",
    ),
    (
        "gpu-architecture",
        "F",
        "ValueError: type fp8e4nv not supported in this architecture. The supported fp8 dtypes are ('fp8e4b15', 'fp8e5')",
    ),
    ("gpu-architecture", "F", "RuntimeError: Found Tesla K80 which is too old to be supported by the triton GPU compiler"),
    (
        "gpu-driver",
        "F",
        "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 803: system has unsupported display driver / cuda driver combination",
    ),
    (
        "gpu-absent",
        "F",
        "RuntimeError: Attempting to deserialize object on CUDA device 1 but torch.cuda.device_count() is 1.",
    ),
    ("gpu-absent", "F", "lightning.fabric.utilities.exceptions.MisconfigurationException: No supported gpu backend found!"),
    (
        "gpu-absent",
        "F",
        "lightning.fabric.utilities.exceptions.MisconfigurationException: You requested gpu: [1]\n But your machine only has: [0]",
    ),
    ("gpu-absent", "F", "RuntimeError: No GPU found. A GPU is needed for quantization."),
    ("gpu-absent", "F", "pynvml.NVMLError_LibraryNotFound: NVML Shared Library Not Found"),
    ("file-too-large", "", "OSError: [Errno 27] File too large: '/out/model.pt'"),
    ("inotify-limit", "", "OSError: [Errno 28] inotify watch limit reached"),
    (
        "disk-full",
        "RF",
        "RuntimeError: Data processing error: CAS service error : IO Error: No space left on device (os error 28)",
    ),
    ("disk-full", "RF", 'ValueError: RESOURCE_EXHAUSTED: Error writing local file "/ckpt/0/d": No space left on device'),
    ("stale-file-handle", "R", "OSError: [Errno 521] Unknown error 521"),
    (
        "stale-file-handle",
        "R",
        "OSError: Unable to synchronously open file (file read failed: filename = 'a.h5', errno = 116, error message = 'Stale file handle')",
    ),
    ("file-in-use", "R", "OSError: [Errno 16] Device or resource busy: '.nfs000000000ab12'"),
    (
        "file-locked",
        "R",
        "BlockingIOError: [Errno 11] Unable to synchronously open file (unable to lock file, errno = 11, error message = 'Resource temporarily unavailable')",
    ),
    ("file-locked", "R", "OSError: [Errno 37] No locks available"),
    ("storage-failed", "R", "RuntimeError: write(): fd 29 failed with Input/output error"),
    ("storage-failed", "R", "OSError: [Errno 112] Host is down: '/mnt/smb/x'"),
    ("storage-failed", "R", "TimeoutError: [Errno 110] Connection timed out: '/nfs/data/x.parquet'"),
    ("network", "R", "TimeoutError: [Errno 110] Connection timed out"),
    (
        "port-in-use",
        "R",
        "ConnectionError: Tried to launch distributed communication on port `29500`, but another process is utilizing it.",
    ),
    (
        "port-in-use",
        "R",
        "RuntimeError: Failed to bind to address [::]:8466; set GRPC_VERBOSITY=debug environment variable to see detailed error message.",
    ),
    ("port-in-use", "R", "OSError: Cannot find empty port in range: 7860-7860."),
    (
        "collective-failed",
        "R",
        "RuntimeError: Rank 1 successfully reached monitoredBarrier, but received errors while waiting for send/recv from rank 0.",
    ),
    ("collective-failed", "R", "XlaRuntimeError: DEADLINE_EXCEEDED: Barrier timed out. Barrier_id: PjRT_Client_Connect."),
    ("collective-failed", "R", "horovod.common.exceptions.HorovodInternalError: ncclAllReduce failed: unhandled cuda error"),
    (
        "rate-limited",
        "R",
        "openai.RateLimitError: Error code: 429 - {'error': {'message': 'You exceeded your current quota'}}",
    ),
    (
        "not-found",
        "",
        "OSError: me/x does not appear to have a file named pytorch_model.bin, model.safetensors, tf_model.h5",
    ),
    (
        "not-found",
        "",
        "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/data/models/x'.",
    ),
    (
        "network",
        "R",
        "RuntimeError: Data processing error: CAS service error : ReqwestMiddleware Error: Request failed after 5 retries",
    ),
    (
        "wandb-run-deleted",
        "",
        'wandb.errors.errors.CommError: failed to upsert bucket: returned error 409 Conflict: {"errors":[{"message":"run x was previously created and deleted; try a new run name"}]}',
    ),
    (
        "wandb-refused",
        "",
        'wandb.errors.errors.CommError: Error uploading run: returned error 400: {"errors":[{"message":"bad request"}]}',
    ),
    (
        "wandb-refused",
        "",
        "wandb.errors.errors.UsageError: Invalid project name 'a/b': cannot contain characters '/,\\,#,?,%,:', found '/'",
    ),
    (
        "wandb-denied",
        "F",
        "wandb.errors.CommError: It appears that you do not have permission to access the requested resource. (Error 404: Not Found)",
    ),
    (
        "video-decoder",
        "F",
        "av.error.DecoderNotFoundError: [Errno 1094995529] Decoder not found; last error log: [libdav1d] x",
    ),
    ("video-decoder", "F", "ValueError: No valid stream found in input file. Is -1 of the desired media type?"),
    (
        "video-decoder",
        "F",
        "RuntimeError: Could not load libtorchcodec. Likely causes:\n          1. FFmpeg\n\n[start of libtorchcodec loading traceback]\nFFmpeg version 7: libavutil.so.59: cannot open shared object file",
    ),
    ("library-broken", "F", "RuntimeError: operator torchvision::nms does not exist"),
    (
        "library-broken",
        "F",
        "ValueError: numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, got 88 from PyObject",
    ),
    (
        "diverged",
        "",
        "ValueError: Expected parameter loc (Tensor of shape (64, 2)) of distribution Normal to satisfy the constraint Real(), but found invalid values:\ntensor([[nan, nan]], device='cuda:0')",
    ),
    ("diverged", "", "RuntimeError: probability tensor contains either `inf`, `nan` or element < 0"),
    ("diverged", "", "ValueError: matrix contains invalid numeric entries"),
]


@pytest.mark.parametrize(("id_", "flags", "exception"), WORDINGS)
def test_a_cause_is_known_in_the_words_of_many_libraries(id_: str, flags: str, exception: str) -> None:
    cause = of(raised(exception))
    assert cause.id == id_
    assert (cause.retry, cause.fatal_for_round) == ("R" in flags, "F" in flags)
    assert cause.line
    assert cause.advice
    assert "{" not in cause.text.replace('{"', "")


@pytest.mark.parametrize(
    "exception",
    [
        "RuntimeError: The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 1",
        "ValueError: allocation failed: 3 slots",
        "RuntimeError: Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!",
        "KeyError: 'nan found'",
        "AssertionError: the heartbeat monitor is missing",
    ],
)
def test_similar_words_are_not_taken_for_a_cause(exception: str) -> None:
    assert of(raised(exception)).text == exception.replace("`", "")


# ---------------------------------------------------------------------------------------------------- without an exception


@pytest.mark.parametrize(
    ("id_", "words", "code"),
    [
        (HOST, "memory allocation of 8589934592 bytes failed\nAborted (core dumped)", 134),
        (HOST, "OpenBLAS error: Memory allocation still failed after 10 retries, giving up.", 1),
        (HOST, "=>> PBS: job killed: mem 66000000kb exceeded limit 64000000kb", 137),
        (HOST, "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit.\nExited with exit code 1.", 1),
        (HOST, "slurmstepd: error: Exceeded job memory limit", 137),
        ("time-limit", "=>> PBS: job killed: walltime 3605 exceeded limit 3600\nTerminated", 143),
        ("time-limit", "TERM_RUNLIMIT: job killed after reaching LSF run time limit.", 140),
        (
            "process-limit",
            "OMP: Error #34: System unable to allocate necessary resources for OMP thread:\nOMP: System error #11: Resource temporarily unavailable\nAborted (core dumped)",
            134,
        ),
        ("process-limit", "libgomp: Thread creation failed: Resource temporarily unavailable", 1),
        (
            "process-limit",
            "terminate called after throwing an instance of 'std::system_error'\n  what():  Resource temporarily unavailable",
            134,
        ),
        ("gpu-architecture", "ptxas fatal   : Value 'sm_120' is not defined for option 'gpu-name'", 1),
        (
            "video-decoder",
            "[vost#0:0 @ 0x13207240] Unknown encoder 'libsvtav1'\nError opening output files: Encoder not found",
            1,
        ),
        ("sigabrt", "wandb: WARNING 429 Client Error: Too Many Requests\nstep 5\nAborted (core dumped)", 134),
        ("sigxfsz", "step 5", 153),
    ],
)
def test_what_a_program_says_as_it_ends_is_its_reason(id_: str, words: str, code: int) -> None:
    assert of(f"step 10/100\n{words}\n", code=code).id == id_


def test_a_library_that_finds_no_threads_interrupts_its_own_process() -> None:
    words = "OpenBLAS blas_thread_init: pthread_create failed for thread 11 of 32: Resource temporarily unavailable\n"
    assert of(words + raised("KeyboardInterrupt"), signal=2).id == "process-limit"
    assert of(words + raised("KeyboardInterrupt")).id == "process-limit"
    assert of(raised("KeyboardInterrupt"), signal=2).id == "sigint"


def test_a_message_in_paragraphs_of_its_own_is_read() -> None:
    paddle = "\n\n----------------------\nError Message Summary:\n----------------------\nResourceExhaustedError: \n\nOut of memory error on GPU 0. Cannot allocate 2.0GB memory on GPU 0."
    assert of(raised("paddle.fluid.core_avx.EnforceNotMet: " + paddle)).id == GPU
    assert of(raised("AssertionError:") + "\nwandb: ERROR 429 Client Error: Too Many Requests\n").id == "exception"


def test_what_was_printed_before_tells_two_meanings_apart() -> None:
    unstarted = raised("XlaRuntimeError: FAILED_PRECONDITION: DNN library initialization failed. Look at the errors above.")
    version = (
        "E0611 08:35:28.413281 7 cuda_dnn.cc:535] Loaded runtime CuDNN library: 8.6.0 but source was compiled with: 8.9.6.\n"
    )
    assert of(unstarted).id == GPU
    assert of(version + unstarted).id == "library-broken"
    nvml = raised("RuntimeError: Can't initialize NVML")
    assert of("Failed to initialize NVML: Driver/library version mismatch\n" + nvml).id == "gpu-driver"


def test_a_semaphore_that_does_not_fit_is_told_as_shared_memory_and_not_as_the_disk() -> None:
    log = """Traceback (most recent call last):
  File "/usr/lib/python3.11/multiprocessing/synchronize.py", line 57, in __init__
    sl = self._semlock = _multiprocessing.SemLock(
OSError: [Errno 28] No space left on device
"""
    assert of(log).id == "shared-memory"
    assert of(raised("OSError: [Errno 28] No space left on device")).id == "disk-full"
