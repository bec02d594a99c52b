#pragma once

#include "kvs/error.h"

namespace kvs {

/// Whether --keep-going passes over what failed: not over what all that follows would meet, too, a
/// file that cannot be read or a device that computes nothing any more.
inline bool concerns_one_input(const Error& error) {
  return error.kind() != ErrorKind::io && error.kind() != ErrorKind::device;
}

}  // namespace kvs
