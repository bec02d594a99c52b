#include "kernels/cpu/install.h"

namespace kvs::cpu {
namespace {

Kernels make_table() {
  Kernels table{};
  table.level = Simd::kLevel;
  table.width = simd::kWidth;
  install_attention(table, Simd{});
  install_attention_mass(table, Simd{});
  install_kv_deviation(table, Simd{});
  install_gelu(table, Simd{});
  install_layer_norm(table, Simd{});
  install_matmul(table, Simd{});
  install_move_kv(table, Simd{});
  install_pack(table, Simd{});
  install_peak(table, Simd{});
  install_rms_norm(table, Simd{});
  install_swiglu(table, Simd{});
  install_write_kv(table, Simd{});
  return table;
}

}  // namespace

const Kernels& kernels_of(Simd) {
  static const Kernels table = make_table();
  return table;
}

}  // namespace kvs::cpu
