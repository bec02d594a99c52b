#pragma once

#include <gtest/gtest.h>

#include "kvs/error.h"

namespace kvs::test {

/// Runs `body` and returns the Error it throws; fails the test where it throws none.
template <typename Body>
Error error_of(Body body) {
  try {
    body();
  } catch (const Error& e) {
    return e;
  }
  ADD_FAILURE() << "expected kvs::Error";
  return {ErrorKind::argument, ""};
}

}  // namespace kvs::test
