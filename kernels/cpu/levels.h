#pragma once

namespace kvs::cpu {

struct Kernels;

/// Instruction sets the kernels are compiled for, each from the same sources.
enum class Level {
  portable,  ///< any x86-64 or arm64
  avx2,      ///< AVX2, FMA, F16C (2013 on)
  avx512,    ///< AVX-512 F, BW, DQ, VL with BF16 and VNNI (Zen 4, Sapphire Rapids on)
};

/// The kernels of a level; null where they are not built or this CPU (or its operating system)
/// cannot run them.
const Kernels* find_kernels(Level level);

// One tag type per level. Kernel sources see theirs as `Simd` (simd.h of the level's folder), so
// that the same definition becomes a different function in every level.
namespace portable {
struct Simd {
  static constexpr Level kLevel = Level::portable;
};
}  // namespace portable
namespace avx2 {
struct Simd {
  static constexpr Level kLevel = Level::avx2;
};
}  // namespace avx2
namespace avx512 {
struct Simd {
  static constexpr Level kLevel = Level::avx512;
};
}  // namespace avx512

const Kernels& kernels_of(portable::Simd);
const Kernels& kernels_of(avx2::Simd);
const Kernels& kernels_of(avx512::Simd);

}  // namespace kvs::cpu
