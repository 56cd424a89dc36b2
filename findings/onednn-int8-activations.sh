#!/usr/bin/env bash
# torch's product of int8 matrices on a CPU (torch.ops.onednn.qlinear_pointwise, on which inductor's quantised models stand) depends on
# how the activations are written down, and says nothing of it. With 8 bits, signed or unsigned, a processor without units for bytes
# (AVX2, AVX-512 without VNNI) adds pairs of products in 16 bits and cuts what does not fit: with the largest numbers of 256 inputs the
# sum is 32,640 in place of 4,129,024. With units for bytes, unsigned activations are exact and fast, and signed ones run oneDNN's
# reference code, which is meant for tests of the library (below 1 GFLOP/s where the others reach 300; not measured here); only
# processors with AMX have a fast product for them. Unsigned with 7 bits (the zero is 64, the largest magnitude 63) are exact on all.
# ONEDNN_MAX_CPU_ISA makes a processor compute as an older one, so one machine shows what others do.
# Tried: torch 2.13.0 (oneDNN 3.12.0), Linux, x86-64 with AVX-512. Exit code 0 while this is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.1
cat > "$folder/products.py" <<'PY'
import torch

INPUTS, OUTPUTS = 256, 64
sign = torch.ones(OUTPUTS, INPUTS, dtype=torch.int8)
sign[::2] = -1
weight = torch.ops.onednn.qlinear_prepack(sign * 127, None)
scales, zeros = torch.ones(OUTPUTS), torch.zeros(OUTPUTS, dtype=torch.long)
for name, dtype, zero, most in (
    ("signed", torch.int8, 0, 127),
    ("unsigned", torch.uint8, 128, 127),
    ("seven", torch.uint8, 64, 63),
):
    x = torch.full((1, INPUTS), zero + most, dtype=dtype)
    y = torch.ops.onednn.qlinear_pointwise(x, 1.0, zero, weight, scales, zeros, None, 1.0, 0, torch.float32, "none", [], "")
    wanted = INPUTS * 127 * most
    print(f"RESULT {name} {'exact' if y[0, 1].item() == wanted else 'wrong'} {y[0, 1].item():.0f} of {wanted}", flush=True)
PY
# Prints a line for each kind of activations: its name, whether its sums are exact, and the code that oneDNN ran.
products() {
  ONEDNN_MAX_CPU_ISA=$1 ONEDNN_VERBOSE=1 "$folder/venv/bin/python" -W ignore "$folder/products.py" |
    awk -F, '/,exec,cpu,matmul,/ {code = $7} /^RESULT/ {sub("RESULT ", ""); print $0, "by", code}'
}
echo "as on AVX2:"
products AVX2 | tee "$folder/avx2"
test "$(awk '{print $1, $2}' "$folder/avx2" | paste -sd,)" = "signed wrong,unsigned wrong,seven exact"
grep -q "wrong 32640 of 4129024" "$folder/avx2"
if grep -q avx512_vnni /proc/cpuinfo; then
  echo "as on AVX-512 with VNNI:"
  products AVX512_CORE_VNNI | tee "$folder/vnni"
  test "$(awk '{print $1, $2}' "$folder/vnni" | paste -sd,)" = "signed exact,unsigned exact,seven exact"
  grep -q "^signed .* by ref" "$folder/vnni"
  grep -q "^unsigned .* by brg" "$folder/vnni"
fi
