# Sourced instead of env.sh for GPUs: sets up .venv, and CUDA 11 for MindSpore. CUDA_HOME may name a toolkit with cuDNN
# 8; otherwise NVIDIA's wheels are installed and linked into a folder that MindSpore accepts as one, as it only asks
# bin/nvcc for the version. For one GPU: source scripts/cuda.sh, then python train.py, eval.py, ... as usual.
cuda11() { [ -n "${CUDA_HOME:-}" ] && "$CUDA_HOME/bin/nvcc" --version 2>/dev/null | grep -q 'release 11\.'; }
cuda11 && needed=requirements.txt || needed=requirements-gpu.txt
source "$(dirname "${BASH_SOURCE[0]}")/env.sh" $needed || return
if ! cuda11; then
    export CUDA_HOME="$venv/cuda"
    mkdir -p "$CUDA_HOME/bin" "$CUDA_HOME/lib64"
    printf '#!/bin/sh\necho "Cuda compilation tools, release 11.8, V11.8.89"\n' > "$CUDA_HOME/bin/nvcc"
    chmod +x "$CUDA_HOME/bin/nvcc"
    ln -sf "$venv"/lib/python3*/site-packages/nvidia/*/lib/*.so.* "$CUDA_HOME/lib64"
fi
export LD_LIBRARY_PATH="$CUDA_HOME/lib64${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
