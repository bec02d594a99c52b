#pragma once

#include <string>
#include <string_view>

#include "kvs/error.h"

namespace kvs {

/// Runs `body` and opens the message of an Error that does not open with `subject` already with it:
/// Json's own errors name neither file nor part.
template <typename Body>
void with_subject(const std::string& subject, Body body) {
  try {
    body();
  } catch (const Error& error) {
    if (std::string_view(error.what()).starts_with(subject)) throw;
    throw Error(error.kind(), subject + ": " + error.what());
  }
}

}  // namespace kvs
