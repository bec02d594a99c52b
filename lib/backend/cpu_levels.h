#pragma once

#include <string>

#include "kernels/cpu/kernels.h"

namespace kvs {

const char* cpu_level_name(cpu::Level level);

/// The kernels of `level`, or the best ones of this CPU for "auto". Throws Error(argument) for an
/// unknown name, Error(device) for a level that this CPU lacks.
const cpu::Kernels& get_cpu_kernels(const std::string& level);

}  // namespace kvs
