#pragma once

#include "simd.h"

#include "kernels/cpu/avx512/kv_columns.h"
