"""Real messages by kind: their meaning, whether a retry can help, and whether every other run would fail too."""
# ruff: noqa: E501 (log lines as they are)

from __future__ import annotations

import tomllib
from importlib import resources

import pytest
from autoloop import profiles
from autoloop.diagnose.causes import memory_causes
from autoloop.diagnose.diagnosis import diagnose
from autoloop.logs import log_lines
from autoloop.model import ExitRecord

from tests.diagnose.logs import ASYNC, PLAIN, of, raised
from tests.diagnose.test_wordings import WORDINGS

GPU_MEMORY = [
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 23.64 GiB",
    "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB",
    "torch.OutOfMemoryError: HIP out of memory. Tried to allocate 2.00 GiB",
    "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 7.79 GiB total capacity)",
    "RuntimeError: CUDA error: out of memory" + ASYNC,
    "RuntimeError: HIP error: out of memory",
    "RuntimeError: cuda runtime error (2) : out of memory at /pytorch/aten/src/THC/generic/THCStorage.cu:58",
    "RuntimeError: MPS backend out of memory (MPS allocated: 9.06 GB, other allocations: 340.00 KB, max allowed: 9.07 GB).",
    "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
    "RuntimeError: cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
    "RuntimeError: cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "RuntimeError: Unable to find a valid cuDNN algorithm to run convolution",
    "RuntimeError: FIND was unable to find an engine to execute this computation",
    "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 34359738368 bytes.",
    "jax.errors.JaxRuntimeError: RESOURCE_EXHAUSTED: Failed to allocate request for 4.00GiB (4294967296B) on device ordinal 0",
    "jaxlib.xla_extension.XlaRuntimeError: INTERNAL: Failed to allocate 3221225472 bytes for new constant",
    "tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating tensor with shape[64,512] and "
    "type float on /job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc [Op:Conv2D]",
    "tensorflow.python.framework.errors_impl.InternalError: Failed copying input tensor from CPU:0 to GPU:0 in order to "
    "run Cast: Dst tensor is not initialized. [Op:Cast]",
    "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing.",
    "ValueError: The model's max seq len (32768) is larger than the maximum number of tokens that can be stored in "
    "KV cache (9856). Try increasing `gpu_memory_utilization`",
    "ValueError: To serve at least one request with the models's max seq len (131072), (16.00 GiB KV cache is needed, "
    "which is larger than the available KV cache memory (2.13 GiB).",
    "ValueError: Free memory on device (3.49/23.64 GiB) on startup is less than desired GPU memory utilization (0.9, 21.28 GiB).",
    "cupy.cuda.memory.OutOfMemoryError: Out of memory allocating 1,024 bytes (allocated so far: 512 bytes).",
    "numba.cuda.cudadrv.driver.CudaAPIError: [2] Call to cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY",
    "torch.distributed.DistBackendError: NCCL error in: ../torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:1333\n"
    "ncclUnhandledCudaError: Call to CUDA function failed.\nLast error:\nCuda failure 2 'out of memory'",
]
HOST_MEMORY = [
    "ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory.\n"
    "Memory on the node (IP: 10.0.0.2) was 60.80GB / 64.00GB (0.95), which exceeds the memory usage threshold of 0.95.",
    "MemoryError",
    "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 93.1 GiB for an array with shape (50000, 500000)",
    "OSError: [Errno 12] Cannot allocate memory",
    "RuntimeError: [enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
    "allocate 68719476736 bytes. Error code 12 (Cannot allocate memory)",
    "RuntimeError: DefaultCPUAllocator: not enough memory: you tried to allocate 1048576 bytes.",
    "tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating tensor with shape[64,512] and "
    "type float on /job:localhost/replica:0/task:0/device:CPU:0 by allocator cpu [Op:Mul]",
    "pyarrow.lib.ArrowMemoryError: malloc of size 1073741824 failed",
]


@pytest.mark.parametrize("exception", GPU_MEMORY)
def test_too_little_memory_on_the_gpu_is_one_thing_however_it_is_worded(exception: str) -> None:
    cause = of(raised(exception))
    assert (cause.id, cause.retry, cause.fatal_for_round) == ("cuda-out-of-memory", False, False)
    assert "batch_size" in cause.advice


@pytest.mark.parametrize("exception", HOST_MEMORY)
def test_too_little_memory_of_the_host_is_told_from_the_gpu_s(exception: str) -> None:
    cause = of(raised(exception))
    assert (cause.id, cause.text) == ("host-out-of-memory", "the host ran out of memory")


def test_the_halt_counts_every_way_to_run_out_of_memory() -> None:
    assert memory_causes() == {"cuda-out-of-memory", "host-out-of-memory", "worker-killed", "sigkill"}


BUS = "ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory (shm).\n"
GATED = """huggingface_hub.errors.GatedRepoError: 401 Client Error. (Request ID: Root=1-aaaa)

Cannot access gated repo for url https://huggingface.co/google/paligemma-3b-pt-224/resolve/main/config.json.
Access to model google/paligemma-3b-pt-224 is restricted. You must have access to it and be authenticated to access it."""
OLD_FORMAT = """lerobot.datasets.backward_compatibility.BackwardCompatibilityError:
The dataset you requested (someone/pick_cube) is in 2.1 format.

Please, update your dataset to the new format using this command:
```
python -m lerobot.datasets.v30.convert_dataset_v21_to_v30 --repo-id=someone/pick_cube
```"""
HUB = "https://huggingface.co/api/datasets/lerobot/pusht/refs"
UPSERT = 'failed to upsert bucket: returned error 403 Forbidden: {"errors":[{"message":"permission denied"}]}'
OTHERS: list[tuple[str, str, str, str]] = [
    # id, R: a retry can help, F: every run would fail, a word of the text or the line
    ("device-assert", "", "device-side", "RuntimeError: CUDA error: device-side assert triggered" + ASYNC),
    ("illegal-memory-access", "", "", "RuntimeError: CUDA error: an illegal memory access was encountered" + ASYNC),
    ("illegal-memory-access", "", "", "RuntimeError: CUDA error: misaligned address"),
    ("gpu-architecture", "F", "", "RuntimeError: CUDA error: no kernel image is available for execution on the device"),
    ("gpu-architecture", "F", "", "RuntimeError: FlashAttention only supports Ampere GPUs or newer."),
    ("gpu-driver", "F", "", "RuntimeError: The NVIDIA driver on your system is too old (found version 11040)."),
    ("gpu-driver", "F", "", "RuntimeError: CUDA error: CUDA driver version is insufficient for CUDA runtime version"),
    ("gpu-driver", "F", "", "RuntimeError: CUDA error: the provided PTX was compiled with an unsupported toolchain."),
    ("gpu-busy", "R", "", "RuntimeError: CUDA error: all CUDA-capable devices are busy or unavailable"),
    ("gpu-busy", "R", "", "RuntimeError: CUDA error: CUDA-capable device(s) is/are busy or unavailable" + ASYNC),
    ("gpu-absent", "F", "", "RuntimeError: CUDA error: invalid device ordinal"),
    ("gpu-absent", "F", "", "AssertionError: Torch not compiled with CUDA enabled"),
    (
        "duplicate-gpu",
        "F",
        "",
        "torch.distributed.DistBackendError: NCCL error in: x.cpp:1\nncclInvalidUsage: This usually "
        "reflects invalid usage of NCCL library.\nLast error:\nDuplicate GPU detected : rank 1 and rank 0 both on CUDA device 1b000",
    ),
    ("cuda-error", "R", "ECC", "RuntimeError: CUDA error: uncorrectable ECC error encountered" + ASYNC),
    (
        "shared-memory",
        "R",
        "",
        "RuntimeError: DataLoader worker (pid 325) is killed by signal: Bus error. It is possible "
        "that dataloader's workers are out of shared memory.",
    ),
    ("shared-memory", "R", "", "RuntimeError: unable to write to file </torch_1234_5678_0>: No space left on device (28)"),
    (
        "worker-crashed",
        "",
        "Segmentation fault",
        "RuntimeError: DataLoader worker (pid 3216) is killed by signal: Segmentation fault. ",
    ),
    ("worker-killed", "R", "", "RuntimeError: DataLoader worker (pid 3216) is killed by signal: Killed. "),
    (
        "worker-killed",
        "R",
        "",
        "concurrent.futures.process.BrokenProcessPool: A process in the process pool was terminated abruptly",
    ),
    ("disk-full", "RF", "", "OSError: [Errno 28] No space left on device: '/out/model.safetensors'"),
    ("disk-full", "RF", "", "OSError: [Errno 122] Disk quota exceeded"),
    ("disk-full", "RF", "", "RuntimeError: [enforce fail at inline_container.cc:595] . unexpected pos 64 vs 0"),
    ("disk-full", "RF", "", "RuntimeError: PytorchStreamWriter failed writing file data/12: file write failed"),
    (
        "disk-full",
        "RF",
        "",
        "safetensors_rust.SafetensorError: Error while serializing: IoError(Os { code: 28, kind: "
        'StorageFull, message: "No space left on device" })',
    ),
    (
        "disk-full",
        "RF",
        "",
        "safetensors_rust.SafetensorError: Error while serializing: I/O error: Disk quota exceeded (os error 122)",
    ),
    (
        "disk-full",
        "RF",
        "",
        "OSError: Can't write data (file write failed: time = Tue, filename = 'e.h5', file descriptor = 5, "
        "errno = 28, error message = 'No space left on device', buf = 0x55, total write size = 4096)",
    ),
    ("disk-full", "RF", "", "OSError: 1000000 requested and 126976 written"),
    (
        "disk-full",
        "RF",
        "",
        "tensorflow.python.framework.errors_impl.ResourceExhaustedError: /out/ckpt.data; No space left on device",
    ),
    ("read-only-disk", "F", "", "OSError: [Errno 30] Read-only file system: '/out'"),
    ("stale-file-handle", "R", "", "OSError: [Errno 116] Stale file handle: '/nfs/data/0.parquet'"),
    ("stale-file-handle", "R", "", "FileNotFoundError: [Errno 116] Stale NFS file handle"),
    ("storage-failed", "R", "", "OSError: [Errno 5] Input/output error"),
    ("too-many-open-files", "", "", "OSError: [Errno 24] Too many open files: '/data/1.png'"),
    (
        "too-many-open-files",
        "",
        "",
        "RuntimeError: unable to open shared memory object </torch_1_2> in read-write mode: Too many open files (24)",
    ),
    ("too-many-open-files", "", "", "RuntimeError: received 0 items of ancdata"),
    (
        "port-in-use",
        "R",
        "",
        "torch.distributed.DistNetworkError: The server socket has failed to listen on any local network "
        "address. port: 29500, useIpv6: false, code: -98, name: EADDRINUSE, message: address already in use",
    ),
    ("port-in-use", "R", "", "OSError: [Errno 98] Address already in use"),
    ("process-limit", "R", "", "RuntimeError: can't start new thread"),
    (
        "collective-failed",
        "R",
        "",
        "RuntimeError: [../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:31377",
    ),
    (
        "collective-failed",
        "R",
        "",
        "torch.distributed.DistStoreError: Timed out after 1801 seconds waiting for clients. 1/2 clients joined.",
    ),
    (
        "rate-limited",
        "R",
        "429",
        f"huggingface_hub.errors.HfHubHTTPError: 429 Client Error: Too Many Requests for url: {HUB}",
    ),
    ("rate-limited", "R", "", "urllib.error.HTTPError: HTTP Error 429: Too Many Requests"),
    (
        "server-error",
        "R",
        "504",
        f"huggingface_hub.errors.HfHubHTTPError: 504 Server Error: Gateway Time-out for url: {HUB}",
    ),
    ("server-error", "R", "", f"requests.exceptions.HTTPError: 500 Server Error: Internal Server Error for url: {HUB}"),
    (
        "network",
        "R",
        "",
        "requests.exceptions.ConnectionError: (MaxRetryError(\"HTTPSConnectionPool(host='huggingface.co', "
        "port=443): Max retries exceeded with url: /api/datasets/x (Caused by NameResolutionError: Temporary failure in name "
        "resolution)\"), '(Request ID: 1)')",
    ),
    ("network", "R", "", "httpx.ConnectError: [Errno -2] Name or service not known"),
    (
        "network",
        "R",
        "",
        "requests.exceptions.ReadTimeout: HTTPSConnectionPool(host='cdn-lfs.hf.co', port=443): Read timed out.",
    ),
    ("network", "R", "", "ConnectionResetError: [Errno 104] Connection reset by peer"),
    (
        "certificate",
        "F",
        "",
        "requests.exceptions.SSLError: (MaxRetryError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]')))",
    ),
    (
        "dataset-missing",
        "",
        "",
        f"huggingface_hub.errors.RepositoryNotFoundError: 404 Client Error. Repository Not Found for url: {HUB}",
    ),
    (
        "dataset-missing",
        "",
        "",
        f"huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error. (Request ID: Root=1)\n\nRepository "
        f"Not Found for url: {HUB}.\nIf you are trying to access a private or gated repo, make sure you are authenticated.",
    ),
    (
        "not-found",
        "",
        "me/nope",
        "huggingface_hub.errors.RepositoryNotFoundError: 404 Client Error. (Request ID: Root=1)\n\nRepository "
        "Not Found for url: https://huggingface.co/me/nope/resolve/main/config.json.",
    ),
    ("dataset-missing", "", "", "datasets.exceptions.DatasetNotFoundError: Dataset 'a/b' doesn't exist on the Hub"),
    (
        "not-found",
        "",
        "nope",
        "OSError: nope is not a local folder and is not a valid model identifier listed on 'https://huggingface.co/models'",
    ),
    (
        "access-denied",
        "F",
        "",
        "requests.exceptions.HTTPError: 403 Client Error: Forbidden for url: https://huggingface.co/org/m",
    ),
    (
        "access-denied",
        "F",
        "",
        "botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the GetObject operation",
    ),
    ("access-not-granted", "F", "google/paligemma-3b-pt-224", GATED),
    (
        "access-not-granted",
        "F",
        "",
        "datasets.exceptions.DatasetNotFoundError: Dataset 'x/y' is a gated dataset on the Hub. "
        "Access to dataset x/y is restricted.",
    ),
    (
        "wandb-key",
        "F",
        "",
        "wandb.errors.errors.UsageError: api_key not configured (no-tty). call wandb.login(key=[your_api_key])",
    ),
    (
        "wandb-key",
        "F",
        "",
        'wandb.errors.errors.CommError: returned error 401: {"errors":[{"message":"user is not logged in"}]}',
    ),
    ("wandb-denied", "F", "", f"wandb.errors.errors.CommError: {UPSERT}"),
    (
        "wandb-entity",
        "F",
        "nobody",
        'wandb.errors.errors.CommError: returned error 404: {"errors":[{"message":"entity nobody '
        'not found during upsertBucket"}]}',
    ),
    ("wandb-unreachable", "R", "", "wandb.errors.errors.CommError: Run initialization has timed out after 90.0 sec."),
    ("dataset-too-old", "", "someone/pick_cube is in 2.1 format", OLD_FORMAT),
    (
        "video-decoder",
        "F",
        "",
        "RuntimeError: Could not load libtorchcodec. Likely causes:\n          1. FFmpeg is not properly installed",
    ),
    ("video-decoder", "F", "", "FileNotFoundError: [Errno 2] No such file or directory: 'ffmpeg'"),
    ("module-missing", "F", "", "ModuleNotFoundError: No module named 'flash_attn'"),
    ("library-broken", "F", "", "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"),
    ("diverged", "", "", "FloatingPointError: Loss became infinite or NaN at iteration=12!"),
    ("file-missing", "", "a.json", "FileNotFoundError: [Errno 2] No such file or directory: '/data/a.json'"),
]


@pytest.mark.parametrize(("id_", "flags", "word", "exception"), OTHERS)
def test_what_an_exception_means(id_: str, flags: str, word: str, exception: str) -> None:
    cause = of(raised(exception))
    assert cause.id == id_
    assert (cause.retry, cause.fatal_for_round) == ("R" in flags, "F" in flags)
    assert word in f"{cause.text} {cause.line}"
    assert cause.line
    assert cause.advice
    assert "{" not in cause.text.replace('{"', "")


def test_every_cause_of_the_table_has_a_log_here() -> None:
    text = (resources.files("autoloop.diagnose") / "causes.toml").read_text(encoding="utf-8")
    in_table = {rule["id"] for rule in tomllib.loads(text)["cause"]}
    begin = text[: text.index("# ---- the config")] + text[text.index("# ---- W&B") :]
    ours = {rule["id"] for rule in tomllib.loads(begin[: begin.index("# ---- by the signal")])["cause"]}
    shown = {id_ for id_, *_ in OTHERS} | {id_ for id_, *_ in WORDINGS} | memory_causes()
    elsewhere = {
        "config-missing",
        "config-broken",
        "worker-died",
        "kernel-too-large",
        "dataset-too-new",
        "script-missing",
        "model-shape",
        "no-permission",
        "interrupted",
        "invalid-config",
        "time-limit",
        "preempted",
    }
    special = [rule["id"] for text in profiles.texts("causes.toml") for rule in tomllib.loads(text)["cause"]]
    in_diagnose = {"not-an-integer", "wrong-type", "unknown-config-key", "config-key-missing", "type-missing"}
    in_diagnose |= {"unknown-choice", "unknown-flag", "output-dir-exists"}
    ours |= set(special) - in_diagnose
    assert ours <= in_table | set(special)
    assert ours - shown - elsewhere == set()


# ------------------------------------------------------------------------------------------------------- the evidence


def test_the_line_that_names_the_reason_is_the_evidence() -> None:
    assertion = "../aten/src/ATen/native/cuda/Loss.cu:250: nll_loss: block: [0,0,0], thread: [3,0,0] Assertion `t < n_classes` failed."
    cause = of(f"{assertion}\n" + raised("RuntimeError: CUDA error: device-side assert triggered" + ASYNC))
    assert cause.id == "device-assert"
    assert cause.line == assertion
    assert "Assertion t < n_classes failed" in cause.text
    # cuBLAS is merely the next caller of CUDA.
    later = of(
        f"{assertion}\n" + raised("RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate`")
    )
    assert later.id == "device-assert"

    gated = of(
        raised("requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: https://huggingface.co/x", GATED)
    )
    assert gated.text == "access to the model google/paligemma-3b-pt-224 is not granted"
    assert "Access to model google/paligemma-3b-pt-224 is restricted" in (gated.line or "")
    old = of(raised(OLD_FORMAT))
    assert "convert_dataset_v21_to_v30 --repo-id=someone/pick_cube" in old.advice


def test_a_worker_that_exited_is_told_by_what_it_printed_before() -> None:
    exited = raised("RuntimeError: DataLoader worker (pid(s) 325) exited unexpectedly")
    assert of(BUS + exited).id == "shared-memory"
    assert of("ERROR: Unexpected segmentation fault encountered in worker.\n" + exited).id == "worker-crashed"
    assert of(exited).id == "worker-killed"


# ------------------------------------------------------------------------------------------- what it must not be taken for


def test_words_in_a_log_are_not_its_cause() -> None:
    warned = "WARNING: CUDA out of memory, retrying with batch size 4\n{'skip': 'CUDA out of memory', 'url': '429 Client Error'}\n"
    assert of(warned + raised("KeyError: 'image'")).text == "KeyError: 'image'"
    handled = raised("torch.OutOfMemoryError: CUDA out of memory. Tried") + "step 11/100\n" * 20
    assert of(handled + raised("KeyError: 'image'")).text == "KeyError: 'image'"
    assert of(warned + "step 11/100\n" * 80, code=3).id == "exit-code"
    assert diagnose(ExitRecord(code=0), log_lines(handled.encode()), PLAIN) is None
    assert of(raised("KeyError: 'image'") + "wandb: WARNING 429 Client Error: Too Many Requests\n").id == "exception"


def test_what_a_trainer_says_without_a_traceback_is_read_from_its_last_lines() -> None:
    hydra = f"Error in call to target 'pytorch_lightning.loggers.WandbLogger':\nCommError('{UPSERT}')\nfull_key: logging0\n"
    assert of(hydra).id == "wandb-denied"
    assert (
        of("wandb: ERROR Error while calling W&B API: entity nobody not found during upsertBucket (<Response [404]>)\n").id
        == "wandb-entity"
    )
    assert of("Loss is nan, stopping training\n").id == "diverged"
    assert (
        of(
            "terminate called after throwing an instance of 'c10::Error'\n  what():  CUDA error: out of memory\n", signal=6
        ).id
        == "cuda-out-of-memory"
    )


def test_a_batch_system_s_words_go_before_the_signal_it_sent() -> None:
    assert (
        of("slurmstepd: error: *** STEP 7.0 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT ***\n", signal=15).id
        == "time-limit"
    )
    assert of("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO PREEMPTION ***\n", code=143).retry
    assert of("slurmstepd: error: Detected 1 oom_kill event in StepId=7.batch.\n", signal=9).id == "host-out-of-memory"


@pytest.mark.parametrize(
    ("words", "code", "id_"),
    [
        ("Killed", 137, "sigkill"),
        ("Killed", 1, "sigkill"),
        ("run.sh: line 3:  1234 Killed                  python train.py", 1, "sigkill"),
        ("/slurm_script: line 12: 1234 Killed                  srun python train.py", 1, "sigkill"),
        ("Bus error (core dumped)", 135, "sigbus"),
        ("Segmentation fault (core dumped)", 1, "sigsegv"),
        ("srun: error: n1: task 0: Segmentation fault (core dumped)", 1, "sigsegv"),
        ("Skipped: Killed 3 stale workers", 1, "exit-code"),
    ],
)
def test_a_shell_that_stands_between_tells_the_signal(words: str, code: int, id_: str) -> None:
    assert of(f"step 10/100\n{words}\n", code=code).id == id_
