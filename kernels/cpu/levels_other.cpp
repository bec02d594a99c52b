#include "kernels/cpu/kernels.h"

namespace kvs::cpu {

const Kernels* find_kernels(Level level) {
  return level == Level::portable ? &kernels_of(portable::Simd{}) : nullptr;
}

}  // namespace kvs::cpu
