#pragma once

#include "kernels/cpu/kernels.h"
#include "simd.h"

// Each source of a level enters its functions in the level's table. Overloaded on the level's tag,
// so that the levels' functions are different ones to the linker.
namespace kvs::cpu {

void install_attention(Kernels& table, Simd);
void install_attention_mass(Kernels& table, Simd);
void install_kv_deviation(Kernels& table, Simd);
void install_gelu(Kernels& table, Simd);
void install_layer_norm(Kernels& table, Simd);
void install_matmul(Kernels& table, Simd);
void install_move_kv(Kernels& table, Simd);
void install_pack(Kernels& table, Simd);
void install_peak(Kernels& table, Simd);
void install_rms_norm(Kernels& table, Simd);
void install_swiglu(Kernels& table, Simd);
void install_write_kv(Kernels& table, Simd);

}  // namespace kvs::cpu
